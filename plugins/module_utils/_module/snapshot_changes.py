# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three changes to a server's snapshots. Each is sent once; if the outcome is unknown, the list of snapshots decides."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import PENDING, RUNNING, Server, Snapshot, age_seconds
from .._state import local_state
from .._wait.polling import Deadline
from .._wait.waiters import RECONCILE_TIMEOUT, wait_snapshot_deleted, wait_snapshot_listed, wait_snapshot_ready
from .context import OperationContext

CLOCK_RESOLUTION = 1.0  # seconds: a provider's clock and its dates have no fractions


@dataclass(frozen=True)
class RequestedSnapshot:
    """A snapshot that was requested, and what is needed to wait for it.

    Attributes:
        known_ids: Listed before the request. A snapshot of the name with another id is the new one.
        snapshot: As the provider returned or listed it; None if it is not listed yet.
        recreates: The old snapshot, if the provider recreates it under its name.
        is_finished: `snapshot` needs no wait.
    """

    server: Server
    known_ids: set[str] = field(default_factory=set)
    snapshot: Snapshot | None = None
    recreates: Snapshot | None = None
    is_finished: bool = False


def request_create(ctx: OperationContext, server: Server, known_ids: set[str], replaces: Snapshot | None) -> RequestedSnapshot:
    """Request a new snapshot.

    Args:
        known_ids: See `RequestedSnapshot`.
        replaces: The old snapshot, which is deleted once this one is ready.
    """
    name, description, sent_at = ctx.options["name"], ctx.options["description"], ctx.deadline.elapsed
    try:
        snapshot = ctx.send_change(lambda: ctx.provider.create_snapshot(server, name, description))
        ctx.changes.changed = True
    except RewindError as error:
        error.add_context(server.label, name)
        if error.kind == errors.ALREADY_EXISTS:
            return RequestedSnapshot(server, known_ids, _adopt_concurrent(ctx, server, error), is_finished=True)
        if error.outcome != errors.UNKNOWN:
            raise
        snapshot = _reconcile_create(ctx, server, known_ids, sent_at, error)
    if snapshot is None:
        local_state.record_requested(ctx, name)
    elif replaces is not None and ctx.options["wait"]:
        local_state.record_replacement(ctx, replaces, snapshot)
    if ctx.options["wait"]:
        ctx.report_progress(server, f"snapshot {name} requested")
    return RequestedSnapshot(server, known_ids, snapshot)


def request_recreate(ctx: OperationContext, snapshot: Snapshot) -> RequestedSnapshot:
    """Request that the provider takes the snapshot again under its name."""
    server = snapshot.server
    try:
        ctx.send_change(lambda: ctx.provider.recreate_snapshot(snapshot))
        ctx.changes.changed = True
        local_state.record_requested(ctx, snapshot.name)
    except RewindError as error:
        error.add_context(server.label, snapshot.name)
        if error.outcome != errors.UNKNOWN:
            _check_partial_effect(ctx, snapshot, error)
            raise
        recreated = _wait_recreated(ctx, snapshot, _reconcile_deadline(ctx, server, ctx.deadline), error)
        return RequestedSnapshot(server, snapshot=recreated, is_finished=True)
    if ctx.options["wait"]:
        ctx.report_progress(server, f"snapshot {snapshot.name} recreation requested")
    return RequestedSnapshot(server, recreates=snapshot)


def wait_for_requested(ctx: OperationContext, request: RequestedSnapshot) -> Snapshot:
    """Return the snapshot once it is ready, or at once if the task does not wait."""
    name, server, old = ctx.options["name"], request.server, request.recreates
    if request.is_finished:
        return request.snapshot
    if not ctx.options["wait"]:
        if old is not None:
            return Snapshot(id=old.id, name=old.name, server=server, status=PENDING)
        return request.snapshot or Snapshot(id=None, name=name, server=server, status=PENDING, description=ctx.options["description"])
    if old is not None:
        return _wait_recreated(ctx, old, ctx.deadline, None)
    return wait_snapshot_ready(ctx, request.snapshot or wait_snapshot_listed(ctx, server, name, request.known_ids, ctx.deadline), ctx.deadline)


def wait_for_earlier_request(ctx: OperationContext, request: RequestedSnapshot) -> Snapshot:
    """Return the snapshot that an earlier task has requested once it is listed. The provider lists it only when it is finished."""
    deadline = Deadline(min(ctx.deadline.remaining, 2 * ctx.provider.capabilities.expected_create_seconds))
    if request.recreates is not None:
        return wait_snapshot_listed(ctx, request.server, request.recreates.name, (), deadline, request.recreates)
    return wait_snapshot_listed(ctx, request.server, ctx.options["name"], request.known_ids, deadline)


def _adopt_concurrent(ctx: OperationContext, server: Server, error: RewindError) -> Snapshot:
    """Return the snapshot of that name that another client has created in the meantime. Names are unique there."""
    for listed in ctx.provider.list_snapshots(server):
        if listed.name == ctx.options["name"]:
            return listed
    raise error


def _reconcile_create(ctx: OperationContext, server: Server, known_ids: set[str], sent_at: float, error: RewindError) -> Snapshot:
    try:
        found = wait_snapshot_listed(ctx, server, ctx.options["name"], known_ids, _reconcile_deadline(ctx, server, ctx.deadline))
    except RewindError:
        error.hint = "check the server's snapshots (rewind.vps.snapshot_info); a rerun reads them first and creates no second one"
        raise error from None
    # One that is older than this request is of an earlier one. The provider completes that first, and then rejects this one.
    age = age_seconds(found.created_at, ctx.provider.server_time())
    if age is None or age <= ctx.deadline.elapsed - sent_at + CLOCK_RESOLUTION:
        ctx.changes.changed = True
    return found


def _wait_recreated(ctx: OperationContext, snapshot: Snapshot, deadline: Deadline, unknown_error: RewindError | None) -> Snapshot:
    """Wait for the new snapshot. `unknown_error` is raised instead of an error of the wait."""
    try:
        recreated = wait_snapshot_listed(ctx, snapshot.server, snapshot.name, (), deadline, snapshot)
    except RewindError as error:
        error = unknown_error or error
        error.hint = "check the server's snapshots (rewind.vps.snapshot_info) before running again: the old one may be deleted"
        raise error from None
    ctx.changes.changed = True
    return recreated


def _check_partial_effect(ctx: OperationContext, snapshot: Snapshot, error: RewindError) -> None:
    """To recreate is to delete and to create: the provider may reject the second half, unless there was nothing to delete."""
    if error.kind == errors.NOT_FOUND:
        return
    with contextlib.suppress(RewindError):
        if all(item.id != snapshot.id for item in ctx.provider.list_snapshots(snapshot.server)):
            error.message += f"; the old snapshot {snapshot.name} was deleted"
            error.outcome = errors.FAILED
            error.hint = "run again to create a new one"
            ctx.changes.request_sent = ctx.changes.changed = True


def delete(ctx: OperationContext, snapshot: Snapshot) -> bool:
    """Delete a snapshot that was just listed, and wait until it is gone. Return False if another client has deleted it."""
    unknown_error: RewindError | None = None
    deleted = True
    # Deletions may be queued; an accepted one gets the rest of the task's time.
    deadline = Deadline(max(ctx.deadline.remaining if ctx.options["wait"] else 0.0, RECONCILE_TIMEOUT))
    try:
        deleted = ctx.send_change(lambda: ctx.provider.delete_snapshot(snapshot))
        ctx.changes.changed = ctx.changes.changed or deleted
        if deleted and ctx.provider.capabilities.synchronous_delete:
            local_state.clear_requested(ctx, snapshot.name)
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
        error.hint = "check the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun is safe"
        raise error from None
    ctx.changes.changed = ctx.changes.changed or deleted
    local_state.clear_requested(ctx, snapshot.name)
    return deleted


def _reconcile_deadline(ctx: OperationContext, server: Server, deadline: Deadline) -> Deadline:
    """Return the time limit for a change whose outcome is unknown.

    A provider may answer only when the change is done. While the server is busy, the change may be in progress, so it
    gets the rest of the task's time.
    """
    try:
        latest = ctx.provider.get_server(server.id)
        may_be_in_progress = bool(latest.task_state) or latest.power_state != RUNNING  # a stopped server shows no task
    except RewindError:
        may_be_in_progress = False
    return Deadline(deadline.remaining if may_be_in_progress else min(RECONCILE_TIMEOUT, deadline.remaining), deadline.clock)
