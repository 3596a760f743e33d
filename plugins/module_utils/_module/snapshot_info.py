# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `snapshot_info`: lists snapshots."""

from __future__ import annotations

import fnmatch
from typing import Any

from .._argspec import PROVIDER, SERVERS, ArgumentSpec, normalize_durations, validate_names, validate_servers
from .._bulk.reads import read_each
from .._bulk.results import ServerResult, failure_summary
from .._provider.base import Server, Snapshot, age_seconds
from .context import OperationContext
from .snapshot_plan import newest_first

SPEC = PROVIDER.merge(SERVERS, ArgumentSpec(
    {
        "name": {"type": "str"},
        "match": {"type": "str"},
        "status": {"type": "list", "elements": "str", "choices": ["ready", "pending", "failed"]},
        "older_than": {"type": "str"},
        "newer_than": {"type": "str"},
    },
    mutually_exclusive=[["name", "match"]],
))


def validate(options: dict[str, Any]) -> None:
    validate_servers(options, may_be_all=True)
    validate_names(options, "name", "match")
    normalize_durations(options, "older_than", "newer_than")


def run(ctx: OperationContext) -> dict[str, Any]:
    server: Server | None = None
    results: list[ServerResult] = []
    references = ctx.options["servers"]
    if ctx.options["server"] is not None:
        server, listed = ctx.get_server_and_snapshots()
    elif references is None and ctx.provider.capabilities.lists_all_snapshots:
        listed = ctx.provider.list_snapshots(None)
    else:
        known = {item.id: item for item in ctx.provider.list_servers()} if references is None else {}
        results = read_each(ctx, lambda one: _list_snapshots(one, known), references or list(known))
        listed = [snapshot for item in results if item.failure is None for snapshot in item.value]
    now = ctx.provider.server_time()
    found = newest_first(item for item in listed if _matches(item, ctx.options, age_seconds(item.created_at, now)))
    return {
        "changed": False,
        "msg": f"{len(found)} of {len(listed)} snapshots",
        "snapshots": [{**item.to_result(), "age_seconds": _whole_seconds(age_seconds(item.created_at, now))} for item in found],
        "server": server.to_result() if server else None,
        **failure_summary(ctx, results),
    }


def _list_snapshots(one: OperationContext, known: dict[str, Server]) -> list[Snapshot]:
    """Return the snapshots of one server. A server from the list of servers is known to exist."""
    server = known.get(one.server_reference)
    return one.provider.list_snapshots(server) if server is not None else one.get_server_and_snapshots()[1]


def _matches(snapshot: Snapshot, options: dict[str, Any], age: float | None) -> bool:
    if options["name"] is not None and snapshot.name != options["name"]:
        return False
    if options["match"] is not None and not fnmatch.fnmatchcase(snapshot.name, options["match"]):
        return False
    if options["status"] and snapshot.status not in options["status"]:
        return False
    if options["older_than"] is not None and (age is None or age <= options["older_than"]):
        return False
    return options["newer_than"] is None or (age is not None and age <= options["newer_than"])


def _whole_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
