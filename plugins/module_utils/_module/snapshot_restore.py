# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `snapshot_restore`: overwrites a server with one of its snapshots.

The restore is requested once, and it counts as finished only if the provider shows it.
"""

from __future__ import annotations

import contextlib
from typing import Any

from .. import _errors as errors
from .._argspec import PROVIDER, SERVERS, SERVERS_RULE, ArgumentSpec, validate_names, validate_servers, validate_wait, wait_spec
from .._bulk.executor import run_on_each
from .._bulk.results import RERUN_REPEATS
from .._errors import RewindError
from .._provider.base import PENDING, READY, RESTORING, RUNNING, UNKNOWN, Server, Snapshot
from .._state.server_lock import lock_server
from .._wait.polling import Deadline
from .._wait.restore import RestoreTracker, wait_for_restore
from .._wait.waiters import wait_server_idle
from . import power
from .context import OperationContext, candidates_hint, require_complete, require_provisioned, select_snapshot
from .permissions import predict_change

SPEC = PROVIDER.merge(SERVERS, ArgumentSpec(
    {
        "name": {"type": "str"},
        "id": {"type": "str"},
        "start_server": {"type": "bool", "default": True},
    },
    required_one_of=[SERVERS_RULE, ["name", "id"]],
), wait_spec(1800))


def validate(options: dict[str, Any]) -> None:
    validate_servers(options, may_be_all=False)
    validate_names(options, "name", "id")
    validate_wait(options)


def run(ctx: OperationContext) -> dict[str, Any]:
    if ctx.options["servers"] is not None:
        return run_on_each(ctx, run, RERUN_REPEATS, ctx.provider.capabilities.expected_restore_seconds)
    with lock_server(ctx, allow_during_restore=True) as server, contextlib.ExitStack() as restore_lock:
        server = server if server.power_state else ctx.provider.get_server(ctx.server_reference)
        require_provisioned(server)
        snapshots = ctx.provider.list_snapshots(server)
        snapshot = _select_ready_snapshot(ctx, server, snapshots)
        if not server.task_state:
            if ctx.check_mode:
                predict_change(ctx)
                return _result(ctx, server, server, RestoreTracker(ctx, server, snapshot), joined=False)
            restore = _request_restore(ctx, server, snapshot)
            if ctx.options["wait"] and ctx.lock is not None:
                ctx.lock.hold_restore_lock()
                restore_lock.callback(ctx.lock.release_restore_lock)
        held_lock = restore_lock.pop_all()
    if server.task_state:
        return _join_or_fail(ctx, server, snapshot)
    with held_lock:
        after = _wait_and_start(ctx, restore) if ctx.options["wait"] else server
    return _result(ctx, server, after, restore, joined=False)


def _join_or_fail(ctx: OperationContext, server: Server, snapshot: Snapshot) -> dict[str, Any]:
    """Join the restore in progress if it may be this one, requested by an earlier run. It is never repeated."""
    restore = RestoreTracker(ctx, server, snapshot, observed=True)
    if ctx.provider.capabilities.reports_restoring:
        joined = server.task_state == RESTORING
    else:
        joined = _restore_finished_while_waiting(ctx, restore)
    if not joined:
        raise RewindError(
            f"Server {server.label} was busy ({server.task_state}); no restore was requested",
            kind=errors.BUSY, server=server.label, snapshot=snapshot.label,
            hint="check the server: if an earlier run's restore was in progress, it is finished now; otherwise run again",
        )
    ctx.warnings.append(
        f"Server {server.label} was already being restored, so this task joined that restore and requested none."
        + (f" {ctx.provider.display_name} does not report the snapshot: if it was not {snapshot.label}, run again."
           if ctx.provider.capabilities.reports_restoring else "")
    )
    after = _wait_and_start(ctx, restore) if ctx.options["wait"] and not ctx.check_mode else server
    return _result(ctx, server, after, restore, joined=True)


def _restore_finished_while_waiting(ctx: OperationContext, restore: RestoreTracker) -> bool:
    """Wait until the server is idle, and return whether it was being restored to this snapshot.

    Only a restore makes an older snapshot the current one. If the snapshot is already current, nothing can be concluded.
    """
    if restore.snapshot.current or not ctx.options["wait"] or ctx.check_mode:
        return False
    wait_server_idle(ctx, restore.server, ctx.deadline)
    return restore.became_current()


def _select_ready_snapshot(ctx: OperationContext, server: Server, snapshots: list[Snapshot]) -> Snapshot:
    """Return the only ready snapshot of this server that matches. Anything else is an error; nothing is sent."""
    name, id_ = ctx.options["name"], ctx.options["id"]
    snapshot = select_snapshot(ctx.provider, server, snapshots, name, id_)
    wanted = id_ or name
    if snapshot is None:
        raise RewindError(
            f"Server {server.label} has no snapshot {wanted}{_foreign_owner_hint(ctx, server, id_)}",
            kind=errors.NOT_FOUND, server=server.label, snapshot=wanted,
            hint=candidates_hint(snapshots),
        )
    require_complete(snapshot, id_)
    if snapshot.status == UNKNOWN and snapshot.provider_status is None:
        ctx.warnings.append(f"The provider shows no status of snapshot {snapshot.label}; it is restored because its id was given.")
    elif snapshot.status != READY:
        ready = [item for item in snapshots if item.status == READY]
        raise RewindError(
            f"Snapshot {snapshot.label} of server {server.label} is {snapshot.status} "
            f"(provider status {snapshot.provider_status!r}), so it cannot be restored",
            kind=errors.NOT_READY, server=server.label, snapshot=snapshot.label,
            hint="run again when it is ready" if snapshot.status == PENDING else candidates_hint(ready),
        )
    return snapshot


def _foreign_owner_hint(ctx: OperationContext, server: Server, id_: str | None) -> str:
    """Return a part of the message if the id belongs to another server: that is the most dangerous mistake."""
    if id_ is None or not ctx.provider.capabilities.lists_all_snapshots:
        return ""
    foreign = next((item for item in ctx.provider.list_snapshots(None) if item.id == id_), None)
    return f": it is a snapshot of server {foreign.server.label}" if foreign else ""


def _request_restore(ctx: OperationContext, server: Server, snapshot: Snapshot) -> RestoreTracker:
    """Request the restore once. If the outcome is unknown, the server's state decides."""
    restore = RestoreTracker(ctx, server, snapshot)
    ctx.report_progress(server, f"restore to {snapshot.name} requested")
    try:
        ctx.send_change(lambda: ctx.provider.restore_snapshot(snapshot))
        ctx.changes.changed = True
    except RewindError as error:
        error.add_context(server.label, snapshot.label)
        if error.outcome != errors.UNKNOWN:
            _check_partial_effect(ctx, server, error)
            raise
        if not restore.wait_started():
            error.hint = (
                "check the server in the provider's panel; if it is not being restored, run again "
                "(a rerun requests no second restore while one is in progress)"
            )
            raise
        ctx.changes.changed = True
    power.clear_stop_note(ctx)  # from now on the restore and start_server decide whether it runs
    return restore


def _check_partial_effect(ctx: OperationContext, server: Server, error: RewindError) -> None:
    """Check whether a rejected restore has changed the server: a provider may respond only when it has finished."""
    if error.kind in (errors.UNAUTHORIZED, errors.FORBIDDEN) or ctx.provider.capabilities.reports_restoring:
        return
    with contextlib.suppress(RewindError):
        after = ctx.provider.get_server(server.id)
        if UNKNOWN not in (after.power_state, server.power_state) and after.power_state != server.power_state or after.task_state:
            error.message += f"; server {server.label} was {server.power_state} before and is {after.task_state or after.power_state} now"
            error.outcome = errors.FAILED
            error.hint = "check the server in the provider's panel; the snapshot is kept, so the restore can be requested again"
            ctx.changes.request_sent = ctx.changes.changed = True


def _wait_and_start(ctx: OperationContext, restore: RestoreTracker) -> Server:
    after = wait_for_restore(restore, ctx.deadline)
    if after.power_state != RUNNING and ctx.options["start_server"]:
        # The server is started even if the time of the restore is used up.
        after = power.start(ctx, after, Deadline(max(ctx.deadline.remaining, power.START_TIMEOUT)))
    return after


def _result(ctx: OperationContext, before: Server, after: Server, restore: RestoreTracker, joined: bool) -> dict[str, Any]:
    snapshot = restore.snapshot
    verified = ctx.options["wait"] and restore.is_failure_detectable
    if ctx.options["wait"] and not verified and not ctx.check_mode:
        ctx.warnings.append(
            f"{ctx.provider.display_name} reports server {before.label} as restored, but would report the same if the restore had failed "
            "half way: this snapshot was already the current one and contains a stopped server. Check the server before you rely on it."
        )
    label = f"snapshot {snapshot.label}"
    if ctx.check_mode:
        summary = "is already being restored; would wait for it" if joined else f"would be restored to {label}"
    elif not ctx.options["wait"]:
        summary = "is already being restored" if joined else f"is being restored to {label}"
    else:
        summary = "was already being restored; that restore is finished" if joined else f"is restored to {label}"
    result = {
        "changed": ctx.changes.changed,
        "msg": f"Server {before.label} {summary}",
        "server": after.to_result(),
        "snapshot": snapshot.to_result(),
        "already_in_progress": joined,
        "verified": verified,
    }
    if ctx.diff_mode:
        state = {"server": before.id, "state": "as it was" if ctx.changes.changed else "restoring"}
        restored = {"server": before.id, "state": f"as in {label} of {snapshot.created_at}"}
        result["diff"] = {"before": state, "after": restored if ctx.changes.changed else state}
    return result
