# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `snapshot_info`: lists snapshots."""

from __future__ import annotations

import fnmatch
from datetime import datetime
from typing import Any

from .._argspec import PROVIDER, SERVERS, ArgumentSpec, normalize_durations, validate_names, validate_servers
from .._bulk.reads import read_each
from .._bulk.results import ServerResult, failure_summary
from .._errors import RewindError, error_result
from .._provider.base import Server, Snapshot, age_seconds
from .context import OperationContext
from .snapshot_plan import newest_first, unknown_age

SPEC = PROVIDER.merge(SERVERS, ArgumentSpec(
    {
        "name": {"type": "str"},
        "match": {"type": "str"},
        "status": {"type": "list", "elements": "str", "choices": ["ready", "pending", "failed", "unknown"]},
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
    references = ctx.options["servers"]
    if ctx.options["server"] is not None:
        server, listed = ctx.get_server_and_snapshots()
        results = [ServerResult(ctx.server_reference, _match(ctx.options, listed, ctx.provider.server_time()))]
    elif references is None and ctx.provider.capabilities.lists_all_snapshots:
        listed = ctx.provider.list_snapshots(None)
        results = _match_each(ctx, listed)
    else:
        known = {item.id or item.label: item for item in ctx.provider.list_servers()} if references is None else {}
        results = read_each(ctx, lambda one: _list_and_match(one, known), references or list(known))
        listed = [snapshot for item in results if item.failure is None for snapshot in item.value[0]]
        results = [ServerResult(item.reference, item.value and item.value[1], item.failure, item.warnings) for item in results]
    now = ctx.provider.server_time()
    found = newest_first(snapshot for item in results if item.failure is None for snapshot in item.value)
    return {
        "changed": False,
        "msg": f"{len(found)} of {len(listed)} snapshots",
        "snapshots": [{**item.to_result(), "age_seconds": _whole_seconds(age_seconds(item.created_at, now))} for item in found],
        "server": server.to_result() if server else None,
        **failure_summary(ctx, results),
    }


def _list_and_match(one: OperationContext, known: dict[str, Server]) -> tuple[list[Snapshot], list[Snapshot]]:
    """Return the snapshots of one server and those that match. A server from the list of servers is known to exist."""
    server = known.get(one.server_reference)
    listed = one.provider.list_snapshots(server) if server is not None else one.get_server_and_snapshots()[1]
    return listed, _match(one.options, listed, one.provider.server_time())


def _match_each(ctx: OperationContext, listed: list[Snapshot]) -> list[ServerResult]:
    """Return the matching snapshots of each server in the account's list. An error of one server does not affect the others."""
    by_server: dict[str, list[Snapshot]] = {}
    for snapshot in listed:
        by_server.setdefault(snapshot.server.label, []).append(snapshot)
    now, results = ctx.provider.server_time(), []
    for label, snapshots in by_server.items():
        try:
            results.append(ServerResult(label, _match(ctx.options, snapshots, now)))
        except RewindError as error:
            results.append(ServerResult(snapshots[0].server.name or label, failure=error_result(error, ctx)))
    return results


def _match(options: dict[str, Any], snapshots: list[Snapshot], now: datetime) -> list[Snapshot]:
    """Return the matching snapshots.

    Raises:
        RewindError: `not_ready`: the age of a snapshot that matches otherwise is unknown, and an option needs it.
    """
    selected = [snapshot for snapshot in snapshots if _is_selected(snapshot, options)]
    age_option = next((name for name in ("older_than", "newer_than") if options[name] is not None), None)
    if age_option is None:
        return selected
    undated = next((snapshot for snapshot in selected if snapshot.created_at is None), None)
    if undated is not None:
        raise unknown_age(undated, age_option)
    return [snapshot for snapshot in selected if _has_age(age_seconds(snapshot.created_at, now), options)]


def _is_selected(snapshot: Snapshot, options: dict[str, Any]) -> bool:
    if options["name"] is not None and snapshot.name != options["name"]:
        return False
    if options["match"] is not None and not (snapshot.name is not None and fnmatch.fnmatchcase(snapshot.name, options["match"])):
        return False
    return not options["status"] or snapshot.status in options["status"]


def _has_age(age: float | None, options: dict[str, Any]) -> bool:
    if age is None or (options["older_than"] is not None and age <= options["older_than"]):
        return False
    return options["newer_than"] is None or age <= options["newer_than"]


def _whole_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
