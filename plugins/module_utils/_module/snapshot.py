# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `snapshot`: creates or deletes a snapshot.

A task reads, decides and sends its request while it holds the server's lock. It waits without the lock, and takes it again
to delete what the new snapshot replaces and what retention no longer keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .. import _argspec as argspec
from .. import _errors as errors
from .._bulk.executor import run_on_each
from .._bulk.results import RERUN_RESUMES
from .._errors import RewindError, invalid_argument
from .._provider.base import PENDING, READY, Server, Snapshot, unsupported
from .._state import local_state
from .._state.server_lock import lock_server
from .._wait.polling import Deadline
from .._wait.waiters import wait_server_idle, wait_snapshot_listed, wait_snapshot_ready
from . import power
from .context import (
    OperationContext,
    format_snapshots,
    require_complete,
    require_provisioned,
    select_snapshot,
    validate_snapshot_name,
)
from .permissions import predict_change
from .snapshot_changes import RequestedSnapshot, delete, request_create, request_recreate, wait_for_earlier_request, wait_for_requested
from .snapshot_plan import (
    ADOPT,
    CREATE,
    KEEP,
    RECREATE,
    Plan,
    newest_first,
    plan_by_id,
    plan_present,
    require_ages,
    select_expired,
    select_for_eviction,
)

KEEP_ALL = 10000  # as retain.count: only when_full deletes

SPEC = argspec.PROVIDER.merge(argspec.SERVERS, argspec.ArgumentSpec(
    {
        "name": {"type": "str"},
        "id": {"type": "str"},
        "description": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "max_age": {"type": "str"},
        "retain": {
            "type": "dict",
            "options": {"count": {"type": "int", "required": True}, "match": {"type": "str", "required": True}},
        },
        "when_full": {"type": "str", "choices": ["fail", "prune"], "default": "fail"},
        "stop_server": {"type": "bool", "default": False},
    },
    required_one_of=[argspec.SERVERS_RULE, ["name", "id"]],
    required_if=[["state", "present", ["name"]], ["when_full", "prune", ["retain"]]],
), argspec.wait_spec(1200))


def validate(options: dict[str, Any]) -> None:
    argspec.validate_servers(options, may_be_all=False)
    argspec.validate_names(options, "name", "id")
    argspec.validate_wait(options)
    argspec.normalize_durations(options, "max_age")
    retain = options["retain"]
    if retain:
        argspec.require_range("retain.count", retain["count"], 1, KEEP_ALL)
        argspec.require_non_empty("retain.match", retain["match"])
    if options["state"] == "absent":
        conflicting = [name for name in ("max_age", "retain", "stop_server", "description") if options[name]]
        if conflicting:
            raise invalid_argument(f"{', '.join(conflicting)} cannot be combined with state: absent", "omit it, or use state: present")
    if options["wait"] is False:
        conflicting = [name for name in ("retain", "stop_server") if options[name]]
        if conflicting:
            raise invalid_argument(
                f"{' and '.join(conflicting)} require the finished snapshot, so wait must be true",
                "set wait: true, or omit them",
            )


def run(ctx: OperationContext) -> dict[str, Any]:
    options, provider = ctx.options, ctx.provider
    if options["servers"] is not None:
        return run_on_each(ctx, run, RERUN_RESUMES, ctx.provider.capabilities.expected_create_seconds)
    if options["state"] == "absent":
        return _ensure_absent(ctx)
    validate_snapshot_name(provider, options["name"])
    if options["stop_server"] and not provider.capabilities.power:
        raise unsupported(provider, "stopping a server", "omit stop_server")
    if options["description"] and not provider.capabilities.description:
        raise invalid_argument(f"{provider.display_name} does not store snapshot descriptions", "omit description")
    with power.InterruptedStop(ctx) as interrupted:
        result = _ensure_present(ctx, interrupted)
    result["changed"] = ctx.changes.changed
    if interrupted.recovered_server is not None:
        result["server"] = interrupted.recovered_server.to_result()
    return result


# --- state: present


@dataclass(frozen=True)
class PendingSnapshot:
    """What was read, decided and requested while the task held the lock.

    Attributes:
        server: As it was read.
        snapshots: As they were listed.
        plan: What to do.
        evictions: Deleted before the request to make room.
        request: What is to be waited for; None if nothing is in progress.
        is_blocked: The server is busy, so nothing can be requested now.
    """

    server: Server
    snapshots: list[Snapshot]
    plan: Plan
    evictions: list[Snapshot] = field(default_factory=list)
    request: RequestedSnapshot | None = None
    is_blocked: bool = False


def _ensure_present(ctx: OperationContext, interrupted: power.InterruptedStop) -> dict[str, Any]:
    server: Server | None = None
    while True:
        with lock_server(ctx, server) as server:
            interrupted.detect(server)
            pending = _inspect_and_request(ctx, server)
        if not pending.is_blocked:
            break
        server = _wait_while_busy(ctx, pending.server)
    snapshot, summary = _wait(ctx, pending)
    return _finish(ctx, pending, snapshot, summary)


def _inspect_and_request(ctx: OperationContext, server: Server) -> PendingSnapshot:
    """Read, decide, and request what is missing."""
    server, snapshots = ctx.get_server_and_snapshots(server)
    retain = ctx.options["retain"]
    if retain and retain["count"] < KEEP_ALL:
        require_ages(snapshots, retain["match"], "retain")
    plan = _plan(ctx, server, snapshots)
    if plan.action == KEEP:
        if not ctx.check_mode:
            local_state.clear_requested(ctx, plan.snapshot.name)
        plan = replace(plan, replaces=local_state.pending_replacement(ctx, snapshots, plan.snapshot))
    if plan.action == ADOPT and plan.replaces is not None and ctx.options["wait"] and not ctx.check_mode:
        local_state.record_replacement(ctx, plan.replaces, plan.snapshot)
    if plan.action not in (CREATE, RECREATE):
        return PendingSnapshot(plan.snapshot.server, snapshots, plan)
    server = server if server.power_state else ctx.provider.get_server(server.id)
    require_provisioned(server)
    if server.task_state and (not ctx.check_mode or not ctx.options["wait"]):
        return PendingSnapshot(server, snapshots, plan, is_blocked=True)
    if local_state.is_creation_pending(ctx, server):
        return _adopt_earlier_request(ctx, server, snapshots, plan)
    evictions = _select_evictions(ctx, server, snapshots, plan)
    request = None if ctx.check_mode else _request(ctx, server, snapshots, plan, evictions)
    return PendingSnapshot(server, snapshots, plan, evictions, request)


def _adopt_earlier_request(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan) -> PendingSnapshot:
    """An earlier task has requested the snapshot, and the provider lists it only when it is finished."""
    request = RequestedSnapshot(server, known_ids={item.id for item in snapshots}, recreates=plan.snapshot if plan.action == RECREATE else None)
    listed_later = Snapshot(id=None, name=ctx.options["name"], server=server, status=PENDING)
    return PendingSnapshot(server, snapshots, Plan(ADOPT, listed_later), request=request)


def _plan(ctx: OperationContext, server: Server, snapshots: list[Snapshot]) -> Plan:
    name, id_, max_age, now = ctx.options["name"], ctx.options["id"], ctx.options["max_age"], ctx.provider.server_time()
    if id_ is not None:
        return plan_by_id(select_snapshot(ctx.provider, server, snapshots, name, id_), server, id_, max_age, now)
    plan = plan_present(snapshots, name, max_age, now)
    return replace(plan, replaces=None) if _uses_recreate(ctx, plan) else plan  # the provider itself replaces the old one


def _wait_while_busy(ctx: OperationContext, server: Server) -> Server:
    """It may be busy with this very snapshot: some providers list a snapshot only when it is finished."""
    if ctx.options["wait"]:
        return wait_server_idle(ctx, server, ctx.deadline)
    raise RewindError(
        f"Server {server.label} is busy ({server.task_state})",
        kind=errors.BUSY, server=server.label, snapshot=ctx.options["name"],
        hint="run again when it is idle, or use wait: true",
    )


def _select_evictions(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan) -> list[Snapshot]:
    """Return the snapshots to delete first so that the new one fits.

    Raises:
        RewindError: There are too many, and not enough may be deleted. Nothing was sent.
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
        evictions = select_for_eviction(snapshots, retain["match"], missing, keep)
        if len(evictions) == missing:
            return evictions
        hint = f"no other snapshot matches retain.match {retain['match']!r}; delete one manually, or widen the pattern"
    else:
        hint = "delete one (state: absent), or use when_full: prune with retain.match"
    raise RewindError(
        f"Server {server.label} has {len(snapshots)} snapshots; {ctx.provider.display_name} allows {limit}: {format_snapshots(snapshots)}",
        kind=errors.LIMIT_REACHED, server=server.label, snapshot=ctx.options["name"], hint=hint,
    )


def _uses_recreate(ctx: OperationContext, plan: Plan) -> bool:
    return plan.action == RECREATE and ctx.provider.capabilities.recreate


def _request(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan, evictions: list[Snapshot]) -> RequestedSnapshot:
    """Request the snapshot. A server that is stopped for it must not be started before it is finished, so it is waited for here."""
    if not ctx.options["stop_server"]:
        return _send_request(ctx, server, snapshots, plan, evictions)
    with power.stop_temporarily(ctx, server, ctx.deadline):
        request = _send_request(ctx, server, snapshots, plan, evictions)
        return replace(request, snapshot=wait_for_requested(ctx, request), is_finished=True)


def _send_request(ctx: OperationContext, server: Server, snapshots: list[Snapshot], plan: Plan, evictions: list[Snapshot]) -> RequestedSnapshot:
    if _uses_recreate(ctx, plan):
        return request_recreate(ctx, plan.snapshot)
    _prune(ctx, [*plan.failed, *evictions])
    return request_create(ctx, server, {item.id for item in snapshots}, plan.replaces)


def _wait(ctx: OperationContext, pending: PendingSnapshot) -> tuple[Snapshot, str]:
    """Wait for what is in progress. Return the snapshot and how the message describes it."""
    plan, request = pending.plan, pending.request
    if plan.action == KEEP:
        return plan.snapshot, "exists"
    if plan.action == ADOPT:
        return _wait_adopted(ctx, plan.snapshot, request), "was already in progress"
    if request is None:
        return _predict(ctx, pending), "would be created"
    snapshot = wait_for_requested(ctx, request)
    if not ctx.changes.changed:
        return snapshot, "was created by another client"
    return snapshot, "was created" if snapshot.status == READY else "is in progress"


def _wait_adopted(ctx: OperationContext, snapshot: Snapshot, request: RequestedSnapshot | None) -> Snapshot:
    if not ctx.options["wait"]:
        return snapshot
    if ctx.check_mode:
        return replace(snapshot, status=READY)
    return wait_snapshot_ready(ctx, snapshot, ctx.deadline) if request is None else wait_for_earlier_request(ctx, request)


def _predict(ctx: OperationContext, pending: PendingSnapshot) -> Snapshot:
    """Return the snapshot that the task would create, and record what it would change."""
    plan, uses_recreate = pending.plan, _uses_recreate(ctx, pending.plan)
    predict_change(ctx)
    if not uses_recreate:
        ctx.changes.pruned += [*plan.failed, *pending.evictions]
    return Snapshot(
        id=plan.snapshot.id if uses_recreate else None,
        name=ctx.options["name"],
        server=pending.server,
        status=READY if ctx.options["wait"] else PENDING,
        created_at=ctx.provider.server_time().strftime("%Y-%m-%dT%H:%M:%SZ"),
        description=ctx.options["description"],
    )


def _finish(ctx: OperationContext, pending: PendingSnapshot, snapshot: Snapshot, summary: str) -> dict[str, Any]:
    """Once the snapshot is ready, delete the one that it replaces and what retention no longer keeps."""
    plan, server, listed = pending.plan, pending.server, pending.snapshots
    if snapshot.status == READY:
        expired = _expired(ctx, listed, plan, snapshot)
        if expired and not ctx.check_mode:
            with lock_server(ctx, server):
                # Since the list was read, another client may have added a schedule to a snapshot, or recreated one.
                listed = ctx.provider.list_snapshots(server)
                _prune(ctx, _expired(ctx, listed, plan, snapshot))
                if plan.replaces is not None:
                    local_state.clear_replacement(ctx, snapshot)
        else:
            _prune(ctx, expired)
    elif plan.replaces is not None:
        ctx.warnings.append(
            f"The older snapshot {plan.replaces.label} of server {server.label} is kept, since this task does not wait "
            "for the new one. Delete it by its id, or use wait: true."
        )
    pruned = ctx.changes.pruned
    gone = {item.id for item in pruned}
    after = [item for item in listed if item.id not in gone and item.id != snapshot.id] + [snapshot]
    message = f"Snapshot {snapshot.label} of server {server.label} {summary}"
    if pruned:
        deleted = "would be deleted" if ctx.check_mode else "deleted"
        message += f"; {deleted}: {', '.join(item.label for item in pruned)}"
    return _result(ctx, server, snapshot, ctx.changes.changed, message, pending.snapshots, after)


def _expired(ctx: OperationContext, snapshots: list[Snapshot], plan: Plan, snapshot: Snapshot) -> list[Snapshot]:
    pruned_ids = {item.id for item in ctx.changes.pruned}
    expired = []
    if plan.replaces is not None:
        old = (plan.replaces.id, plan.replaces.created_at)
        expired = [item for item in snapshots if (item.id, item.created_at) == old and not item.missing and item.id not in pruned_ids]
    retain = ctx.options["retain"]
    if retain:
        gone = {*pruned_ids, *(item.id for item in [*expired, snapshot])}
        remaining = [item for item in snapshots if item.id not in gone]
        expired += select_expired([*remaining, snapshot], retain["match"], retain["count"], {snapshot.id})
    return expired


def _prune(ctx: OperationContext, snapshots: list[Snapshot]) -> None:
    for item in snapshots:
        if ctx.check_mode:
            predict_change(ctx)
        if ctx.check_mode or delete(ctx, item):
            ctx.changes.pruned.append(item)


# --- state: absent


def _ensure_absent(ctx: OperationContext) -> dict[str, Any]:
    options = ctx.options
    wanted = options["id"] or options["name"]
    while True:
        with lock_server(ctx) as server:
            server, snapshots = ctx.get_server_and_snapshots(server)
            snapshot = select_snapshot(ctx.provider, server, snapshots, options["name"], options["id"])
            if snapshot is None and options["name"] and local_state.is_creation_pending(ctx, server):
                snapshot = Snapshot(id=None, name=options["name"], server=server, status=PENDING)
                if not options["wait"]:
                    raise _not_listed_error(server, snapshot)
            if snapshot is None:
                return _result(ctx, server, None, False, f"Server {server.label} has no snapshot {wanted}", snapshots, snapshots)
            if snapshot in snapshots:  # not one that is only expected
                require_complete(snapshot, options["id"])
            must_wait = snapshot.status == PENDING and options["wait"] and not ctx.check_mode
            if not must_wait:
                if ctx.check_mode:
                    predict_change(ctx)
                else:
                    delete(ctx, snapshot)
                break
        _wait_until_deletable(ctx, snapshot, {item.id for item in snapshots})

    after = [item for item in snapshots if item.id != snapshot.id]
    changed = ctx.changes.changed
    summary = "would be deleted" if ctx.check_mode else "is deleted" if changed else "was deleted by another client"
    return _result(ctx, snapshot.server, None, changed, f"Snapshot {snapshot.label} of server {snapshot.server.label} {summary}", snapshots, after)


def _not_listed_error(server: Server, snapshot: Snapshot) -> RewindError:
    return RewindError(
        f"Snapshot {snapshot.name} of server {server.label} was requested recently and is not listed yet, so it cannot be deleted",
        kind=errors.BUSY, server=server.label, snapshot=snapshot.name, hint="run again when it is finished, or use wait: true",
    )


def _wait_until_deletable(ctx: OperationContext, snapshot: Snapshot, known_ids: set[str]) -> None:
    """Wait until the snapshot is finished. That it fails or disappears is no error for a task that deletes it."""
    try:
        if snapshot.id is None:  # not even listed
            timeout = min(ctx.deadline.remaining, 2 * ctx.provider.capabilities.expected_create_seconds)
            wait_snapshot_listed(ctx, snapshot.server, snapshot.name, known_ids, Deadline(timeout))
        else:
            wait_snapshot_ready(ctx, snapshot, ctx.deadline)
    except RewindError as error:
        if error.kind not in (errors.OPERATION_FAILED, errors.NOT_FOUND):
            raise


# --- the result


def _result(
    ctx: OperationContext, server: Server, snapshot: Snapshot | None, changed: bool, message: str, before: list[Snapshot], after: list[Snapshot],
) -> dict[str, Any]:
    """Return the result. `before` and `after` are the server's snapshots as the task found them and as it leaves them."""
    result = {
        "changed": changed,
        "msg": message,
        "server": server.to_result(),
        "snapshot": snapshot.to_result() if snapshot else None,
        "snapshots": [item.to_result() for item in newest_first(after)],
        "pruned": [item.to_result() for item in ctx.changes.pruned],
    }
    if ctx.diff_mode:
        result["diff"] = {"before": _for_diff(before, before), "after": _for_diff(after, before)}
    return result


def _for_diff(snapshots: list[Snapshot], before: list[Snapshot]) -> dict[str, Any]:
    """Return only what check mode can predict: which snapshots there are, and which of them are new."""
    known = {(item.id, item.created_at) for item in before}
    return {
        "snapshots": [
            {
                "name": item.name,
                "description": item.description,
                "created_at": item.created_at if (item.id, item.created_at) in known else "(new)",
            }
            for item in sorted(snapshots, key=lambda item: (item.name or "", item.created_at or ""))
        ]
    }
