# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three changes to a server's snapshots. Each is asked for once; where the answer leaves it open, the list decides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import PENDING, RUNNING, Server, Snapshot
from .._state import pending_changes
from .._wait.polling import Deadline
from .._wait.waiters import RECONCILE_TIMEOUT, wait_snapshot_deleted, wait_snapshot_listed, wait_snapshot_ready, wait_snapshot_recreated
from .context import OperationContext


def create(ctx: OperationContext, server: Server, known_ids: set[str], replaces: Snapshot | None) -> Callable[[], Snapshot]:
    """Ask for a snapshot. What is returned waits for it, if so wished, and gives it.

    :arg known_ids: ids listed before; a snapshot of the name that is not among them is the new one.
    :arg replaces: the old one that goes once this one is ready.
    """
    name, description = ctx.options["name"], ctx.options["description"]
    try:
        snapshot = ctx.send_change(lambda: ctx.provider.create_snapshot(server, name, description))
        ctx.changes.changed = True
    except RewindError as error:
        error.add_context(server.label, name)
        if error.kind == errors.ALREADY_EXISTS:
            adopted = _adopt_concurrent(ctx, server, error)
            return lambda: adopted
        if error.outcome != errors.UNKNOWN:
            raise
        snapshot = _reconcile_create(ctx, server, known_ids, error)
    if snapshot is None:
        pending_changes.record_requested(ctx, name)
    elif replaces is not None and ctx.options["wait"]:
        pending_changes.record_replacement(ctx, replaces, snapshot)
    if ctx.options["wait"]:
        ctx.report_progress(server, f"snapshot {name} is asked for")

    def wait() -> Snapshot:
        if not ctx.options["wait"]:
            return snapshot or Snapshot(id=None, name=name, server=server, status=PENDING, description=description)
        return wait_snapshot_ready(ctx, snapshot or wait_snapshot_listed(ctx, server, name, known_ids, ctx.deadline), ctx.deadline)

    return wait


def _adopt_concurrent(ctx: OperationContext, server: Server, error: RewindError) -> Snapshot:
    """Somebody was quicker by a moment; where names are unique theirs is the one that was wished for."""
    for listed in ctx.provider.list_snapshots(server):
        if listed.name == ctx.options["name"]:
            return listed
    raise error


def _reconcile_create(ctx: OperationContext, server: Server, known_ids: set[str], error: RewindError) -> Snapshot:
    try:
        found = wait_snapshot_listed(ctx, server, ctx.options["name"], known_ids, _reconcile_deadline(ctx, server, ctx.deadline))
    except RewindError:
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info); a rerun looks first and makes no second one"
        raise error from None
    ctx.changes.changed = True
    return found


def recreate(ctx: OperationContext, snapshot: Snapshot) -> Callable[[], Snapshot]:
    """Ask for a snapshot to be taken anew under its name, with the cloud's own call. What is returned waits for it, if so wished."""
    server = snapshot.server
    try:
        ctx.send_change(lambda: ctx.provider.recreate_snapshot(snapshot))
        ctx.changes.changed = True
        pending_changes.record_requested(ctx, snapshot.name)
    except RewindError as error:
        error.add_context(server.label, snapshot.name)
        if error.outcome != errors.UNKNOWN:
            _check_partial_effect(ctx, snapshot, error)
            raise
        recreated = _wait_recreated(ctx, snapshot, _reconcile_deadline(ctx, server, ctx.deadline), error)
        return lambda: recreated
    if ctx.options["wait"]:
        ctx.report_progress(server, f"snapshot {snapshot.name} is asked to be taken anew")

    def wait() -> Snapshot:
        if not ctx.options["wait"]:
            return Snapshot(id=snapshot.id, name=snapshot.name, server=server, status=PENDING)
        return _wait_recreated(ctx, snapshot, ctx.deadline, None)

    return wait


def _wait_recreated(ctx: OperationContext, snapshot: Snapshot, deadline: Deadline, unknown_error: RewindError | None) -> Snapshot:
    """:arg unknown_error: what is to be said if it is not seen to have been taken anew."""
    try:
        recreated = wait_snapshot_recreated(ctx, snapshot, deadline)
    except RewindError as error:
        error = unknown_error or error
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info) before running again: the old one may be gone"
        raise error from None
    ctx.changes.changed = True
    return recreated


def _check_partial_effect(ctx: OperationContext, snapshot: Snapshot, error: RewindError) -> None:
    """To take anew is to delete and to create: a no may come after the first half, unless there was nothing to delete."""
    if error.kind == errors.NOT_FOUND:
        return
    with contextlib.suppress(RewindError):
        if all(item.id != snapshot.id for item in ctx.provider.list_snapshots(snapshot.server)):
            error.message += f"; the old snapshot {snapshot.name} is gone"
            error.outcome = errors.FAILED
            error.hint = "run again to make a new one"
            ctx.changes.request_sent = ctx.changes.changed = True


def delete(ctx: OperationContext, snapshot: Snapshot) -> bool:
    """Delete a snapshot that was just listed, and see it gone. False where somebody else was quicker."""
    unknown_error: RewindError | None = None
    deleted = True
    # Deletions may queue behind other work; one that was accepted gets what is left of the task's time.
    deadline = Deadline(max(ctx.deadline.remaining if ctx.options["wait"] else 0.0, RECONCILE_TIMEOUT))
    try:
        deleted = ctx.send_change(lambda: ctx.provider.delete_snapshot(snapshot))
        ctx.changes.changed = ctx.changes.changed or deleted
        if deleted and ctx.provider.capabilities.synchronous_delete:
            pending_changes.clear_requested(ctx, snapshot.name)
            return True
    except RewindError as error:
        unknown_error = error.add_context(snapshot.server.label, snapshot.label)
        if error.outcome != errors.UNKNOWN:
            raise
        deadline = _reconcile_deadline(ctx, snapshot.server, deadline)
    try:
        wait_snapshot_deleted(ctx, snapshot, deadline)
    except RewindError as error:
        error = unknown_error or error
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun is safe"
        raise error from None
    ctx.changes.changed = ctx.changes.changed or deleted
    pending_changes.clear_requested(ctx, snapshot.name)
    return deleted


def _reconcile_deadline(ctx: OperationContext, server: Server, deadline: Deadline) -> Deadline:
    """How long to look for a change of which nobody knows whether it was taken up.

    A cloud may answer only when it is done: while it says that the server is busy, the change may be what it is
    busy with, so the whole of the task's time is given to it.
    """
    try:
        latest = ctx.provider.get_server(server.id)
        may_be_in_progress = bool(latest.task_state) or latest.power_state != RUNNING  # a server that is off is idle whatever is done with its disk
    except RewindError:
        may_be_in_progress = False
    return Deadline(deadline.remaining if may_be_in_progress else min(RECONCILE_TIMEOUT, deadline.remaining), deadline.clock)
