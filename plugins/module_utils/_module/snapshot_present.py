# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot is there, ready and fresh: seen, decided and asked for in the task's turn, waited for, and tidied up after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import PENDING, READY, Server, Snapshot
from .._state import pending_changes
from .._state.server_lock import lock_server
from .._wait.polling import Deadline
from .._wait.waiters import wait_server_idle, wait_snapshot_listed, wait_snapshot_ready, wait_snapshot_recreated
from . import interrupted_stop, power, retention
from .context import OperationContext, format_snapshots, select_snapshot
from .snapshot_changes import create, delete, recreate
from .snapshot_plan import ADOPT, CREATE, KEEP, RECREATE, Plan, plan_by_id, plan_present
from .snapshot_result import snapshot_result


@dataclass(frozen=True)
class _PendingSnapshot:
    """What was seen, decided and asked for in this task's turn.

    :ivar snapshots: as they were listed then.
    :ivar evictions: what goes, or went, to make room.
    :ivar wait: gives the snapshot that was asked for; None where nothing was.
    """

    server: Server
    snapshots: list[Snapshot]
    plan: Plan
    evictions: list[Snapshot] = field(default_factory=list)
    wait: Callable[[], Snapshot] | None = None


def ensure_present(ctx: OperationContext) -> dict[str, Any]:
    with interrupted_stop.restart_after_interrupted_stop(ctx) as interrupted:
        result = _ensure_present(ctx, interrupted)
    result["changed"] = ctx.changes.changed
    if interrupted.recovered_server is not None:
        result["server"] = interrupted.recovered_server.to_result()
    return result


def _ensure_present(ctx: OperationContext, interrupted: interrupted_stop.InterruptedStop) -> dict[str, Any]:
    server: Server | None = None
    while True:
        with lock_server(ctx, server) as server:
            interrupted.detect(server)
            pending = _inspect_and_request(ctx, server)
        if isinstance(pending, _PendingSnapshot):
            break
        server = _wait_while_busy(ctx, pending)

    plan = pending.plan
    if plan.action == KEEP:
        return _finish(ctx, pending, plan.snapshot, "is there")
    if plan.action == ADOPT:
        snapshot = plan.snapshot
        if ctx.options["wait"] and ctx.check_mode:
            snapshot = replace(snapshot, status=READY)
        elif ctx.options["wait"]:
            snapshot = pending.wait() if pending.wait else wait_snapshot_ready(ctx, snapshot, ctx.deadline)
        return _finish(ctx, pending, snapshot, "was being made already")
    if pending.wait is None:
        return _predict(ctx, pending)
    snapshot = pending.wait()
    summary = "is made" if snapshot.status == READY else "is being made"
    return _finish(ctx, pending, snapshot, summary if ctx.changes.changed else "was made by somebody else meanwhile")


def _inspect_and_request(ctx: OperationContext, server: Server) -> _PendingSnapshot | Server:
    """Look, decide, and ask for what is missing; the server where it is busy, so that nothing can be asked for now."""
    server, snapshots = ctx.get_server_and_snapshots(server)
    plan = _plan(ctx, server, snapshots)
    if plan.action == KEEP:
        if not ctx.check_mode:
            pending_changes.clear_requested(ctx, plan.snapshot.name)
        plan = replace(plan, replaces=pending_changes.pending_replacement(ctx, snapshots, plan.snapshot))
    if plan.action == ADOPT and plan.replaces is not None and ctx.options["wait"] and not ctx.check_mode:
        pending_changes.record_replacement(ctx, plan.replaces, plan.snapshot)
    if plan.action not in (CREATE, RECREATE):
        return _PendingSnapshot(plan.snapshot.server, snapshots, plan)
    server = server if server.power_state else ctx.provider.get_server(server.id)
    if server.task_state and (not ctx.check_mode or not ctx.options["wait"]):
        return server
    if pending_changes.is_creation_pending(ctx, server):
        requested = Snapshot(id=None, name=ctx.options["name"], server=server, status=PENDING)
        return _PendingSnapshot(server, snapshots, Plan(ADOPT, requested), wait=lambda: _wait_requested(ctx, server, snapshots, plan))
    evictions = _select_evictions(ctx, server, snapshots, plan)
    wait = None if ctx.check_mode else _request(ctx, server, snapshots, plan, evictions)
    return _PendingSnapshot(server, snapshots, plan, evictions, wait)


def _wait_requested(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan) -> Snapshot:
    """A snapshot that an earlier task has asked for and the cloud lists only when it is made."""
    deadline = Deadline(min(ctx.deadline.remaining, 2 * ctx.provider.capabilities.expected_create_seconds))
    if plan.action == RECREATE:
        return wait_snapshot_recreated(ctx, plan.snapshot, deadline)
    return wait_snapshot_listed(ctx, server, ctx.options["name"], {item.id for item in snapshots}, deadline)


def _plan(ctx: OperationContext, server: Server, snapshots: list[Snapshot]) -> Plan:
    name, id_, max_age, now = ctx.options["name"], ctx.options["id"], ctx.options["max_age"], ctx.provider.server_time()
    if id_ is None:
        return plan_present(snapshots, name, max_age, now)
    return plan_by_id(select_snapshot(ctx.provider, server, snapshots, name, id_), server, id_, max_age, now)


def _wait_while_busy(ctx: OperationContext, server: Server) -> Server:
    """What it is busy with may be this very snapshot: some clouds list one only when it is done."""
    if ctx.options["wait"]:
        return wait_server_idle(ctx, server, ctx.deadline)
    raise RewindError(
        f"Server {server.label} is in the middle of something ({server.task_state})",
        kind=errors.BUSY, server=server.label, snapshot=ctx.options["name"],
        hint="run again when that is done, or with wait: true, which waits for it",
    )


def _select_evictions(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan) -> list[Snapshot]:
    """What is deleted first so that there is a place for the new one.

    :raises RewindError: there is no place, and none may be made; nothing was sent.
    """
    limit = ctx.provider.capabilities.max_snapshots
    if limit is None or _uses_recreate(ctx, plan):
        return []
    used = len(snapshots) - len(plan.failed)
    missing = used + 1 - limit
    if missing <= 0:
        return []
    retain = ctx.options["retain"]
    if ctx.options["when_full"] == "prune":
        keep = {item.id for item in plan.failed}
        evictions = retention.select_for_eviction(snapshots, retain["match"], missing, keep)
        if len(evictions) == missing:
            return evictions
        hint = f"nothing more matches retain.match {retain['match']!r}; delete one by hand, or widen the pattern"
    else:
        hint = "delete one (state: absent), or let old ones go: when_full: prune with retain.match"
    raise RewindError(
        f"Server {server.label} has {len(snapshots)} snapshots, and {ctx.provider.display_name} allows {limit}: {format_snapshots(snapshots)}",
        kind=errors.LIMIT_REACHED, server=server.label, snapshot=ctx.options["name"], hint=hint,
    )


def _uses_recreate(ctx: OperationContext, plan: Plan) -> bool:
    return plan.action == RECREATE and ctx.provider.capabilities.recreate


def _request(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan, evictions: list[Snapshot]) -> Callable[[], Snapshot]:
    """Ask for the snapshot. With the server stopped around it, it is waited for here: it must not be started before."""
    if not ctx.options["stop_server"]:
        return _send_request(ctx, server, snapshots, plan, evictions)
    with power.stop_temporarily(ctx, server, ctx.deadline):
        snapshot = _send_request(ctx, server, snapshots, plan, evictions)()
    return lambda: snapshot


def _send_request(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan, evictions: list[Snapshot]) -> Callable[[], Snapshot]:
    if _uses_recreate(ctx, plan):
        return recreate(ctx, plan.snapshot)
    for item in [*plan.failed, *evictions]:
        _prune(ctx, item)
    return create(ctx, server, {item.id for item in snapshots}, plan.replaces)


def _prune(ctx: OperationContext, snapshot: Snapshot) -> None:
    if ctx.check_mode:
        ctx.changes.changed = True
    if ctx.check_mode or delete(ctx, snapshot):
        ctx.changes.pruned.append(snapshot)


def _finish(ctx: OperationContext, pending: _PendingSnapshot, snapshot: Snapshot, summary: str) -> dict[str, Any]:
    """Once the wished snapshot is ready, the one it replaces goes, and so does what retention no longer keeps."""
    plan, server, listed = pending.plan, pending.server, pending.snapshots
    if snapshot.status == READY:
        expired = _expired(ctx, listed, plan, snapshot)
        if expired and not ctx.check_mode:
            with lock_server(ctx, server):
                # The list is as old as the snapshot took: somebody may have hung a schedule on one, or taken one anew.
                listed = ctx.provider.list_snapshots(server)
                for item in _expired(ctx, listed, plan, snapshot):
                    _prune(ctx, item)
                if _replaces_old(ctx, plan):
                    pending_changes.clear_replacement(ctx, snapshot)
        elif expired:
            for item in expired:
                _prune(ctx, item)
    elif _replaces_old(ctx, plan):
        ctx.warnings.append(
            f"The older snapshot {plan.replaces.label} of server {server.label} stays, since this task does not wait "
            "for the new one. Delete it by its id, or let the task wait."
        )
    pruned = ctx.changes.pruned
    gone = {item.id for item in pruned}
    after = [item for item in listed if item.id not in gone and item.id != snapshot.id] + [snapshot]
    message = f"Snapshot {snapshot.label} of server {server.label} {summary}"
    if pruned:
        deleted = "would be deleted" if ctx.check_mode else "deleted"
        message += f"; {deleted}: {', '.join(item.label for item in pruned)}"
    return snapshot_result(ctx, server, snapshot, ctx.changes.changed, message, pending.snapshots, after)


def _replaces_old(ctx: OperationContext, plan: Plan) -> bool:
    return plan.replaces is not None and not _uses_recreate(ctx, plan)


def _expired(ctx: OperationContext, snapshots: list[Snapshot], plan: Plan, snapshot: Snapshot) -> list[Snapshot]:
    pruned_ids = {item.id for item in ctx.changes.pruned}
    expired = []
    if _replaces_old(ctx, plan):
        old = (plan.replaces.id, plan.replaces.created_at)
        expired = [item for item in snapshots if (item.id, item.created_at) == old and item.id not in pruned_ids]
    retain = ctx.options["retain"]
    if retain:
        gone = {*pruned_ids, *(item.id for item in [*expired, snapshot])}
        remaining = [item for item in snapshots if item.id not in gone]
        expired += retention.select_expired([*remaining, snapshot], retain["match"], retain["count"], {snapshot.id})
    return expired


def _predict(ctx: OperationContext, pending: _PendingSnapshot) -> dict[str, Any]:
    """What _request and _finish would do, with nothing sent."""
    plan, uses_recreate = pending.plan, _uses_recreate(ctx, pending.plan)
    ctx.changes.changed = True
    if not uses_recreate:
        ctx.changes.pruned += [*plan.failed, *pending.evictions]
    predicted = Snapshot(
        id=plan.snapshot.id if uses_recreate else None,
        name=ctx.options["name"],
        server=pending.server,
        status=READY if ctx.options["wait"] else PENDING,
        created_at=ctx.provider.server_time().strftime("%Y-%m-%dT%H:%M:%SZ"),
        description=ctx.options["description"],
    )
    return _finish(ctx, pending, predicted, "would be made")
