# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot is there, or it isn't."""

from __future__ import annotations

from typing import Any

from .. import _errors as errors
from .._bulk.executor import run_on_each
from .._bulk.results import RERUN_RESUMES
from .._errors import RewindError, invalid_argument
from .._provider.base import PENDING, Server, Snapshot, unsupported
from .._state.pending_changes import is_creation_pending
from .._state.server_lock import lock_server
from .._wait.polling import Deadline
from .._wait.waiters import wait_snapshot_listed, wait_snapshot_ready
from .context import OperationContext, select_snapshot, validate_snapshot_name
from .snapshot_changes import delete
from .snapshot_present import ensure_present
from .snapshot_result import snapshot_result


def run(ctx: OperationContext) -> dict[str, Any]:
    """The module C(snapshot)."""
    options, provider = ctx.options, ctx.provider
    if options.get("servers") is not None:
        return run_on_each(ctx, run, RERUN_RESUMES, provider.capabilities.expected_create_seconds)
    if options["state"] == "absent":
        return _ensure_absent(ctx)
    validate_snapshot_name(provider, options["name"])
    if options["stop_server"] and not provider.capabilities.power:
        raise unsupported(provider, "stopping a server", "leave stop_server out")
    if options["description"] and not provider.capabilities.description:
        raise invalid_argument(f"{provider.display_name} keeps no descriptions of snapshots", "leave description out")
    return ensure_present(ctx)


def _ensure_absent(ctx: OperationContext) -> dict[str, Any]:
    options = ctx.options
    wanted = options["id"] or options["name"]
    while True:
        with lock_server(ctx) as server:
            server, snapshots = ctx.get_server_and_snapshots(server)
            snapshot = select_snapshot(ctx.provider, server, snapshots, options["name"], options["id"])
            if snapshot is None and options["name"] and is_creation_pending(ctx, server):
                snapshot = Snapshot(id=None, name=options["name"], server=server, status=PENDING)
                if not options["wait"]:
                    raise _not_listed_error(server, snapshot)
            if snapshot is None:
                return snapshot_result(ctx, server, None, False, f"Server {server.label} has no snapshot {wanted}", snapshots, snapshots)
            must_wait = snapshot.status == PENDING and options["wait"] and not ctx.check_mode
            if not must_wait:
                if not ctx.check_mode:
                    delete(ctx, snapshot)
                break
        _wait_until_deletable(ctx, snapshot, {item.id for item in snapshots})

    after = [item for item in snapshots if item.id != snapshot.id]
    changed = ctx.check_mode or ctx.changes.changed
    summary = "would be deleted" if ctx.check_mode else "is deleted" if changed else "was deleted by somebody else meanwhile"
    return snapshot_result(
        ctx, snapshot.server, None, changed, f"Snapshot {snapshot.label} of server {server.label} {summary}",
        snapshots, after,
    )


def _not_listed_error(server: Server, snapshot: Snapshot) -> RewindError:
    return RewindError(
        f"Snapshot {snapshot.name} of server {server.label} was asked for a moment ago and is not listed yet, so it can't be deleted",
        kind=errors.BUSY, server=server.label, snapshot=snapshot.name, hint="run again when it is made, or with wait: true, which waits for it",
    )


def _wait_until_deletable(ctx: OperationContext, snapshot: Snapshot, known_ids: set[str]) -> None:
    """A snapshot that is being made can't be deleted yet; one that fails or vanishes suits whoever wants it gone."""
    try:
        if snapshot.id is None:  # not even listed
            timeout = min(ctx.deadline.remaining, 2 * ctx.provider.capabilities.expected_create_seconds)
            wait_snapshot_listed(ctx, snapshot.server, snapshot.name, known_ids, Deadline(timeout))
        else:
            wait_snapshot_ready(ctx, snapshot, ctx.deadline)
    except RewindError as error:
        if error.kind not in (errors.OPERATION_FAILED, errors.NOT_FOUND):
            raise
