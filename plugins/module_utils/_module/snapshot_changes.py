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
from .._wait.waiters import LOOK_SECONDS, find_new_snapshot, wait_for_recreated, wait_for_snapshot, wait_until_gone
from .context import Task, snapshot_label


def create(task: Task, server: Server, known: set[str], replaces: Snapshot | None) -> Callable[[], Snapshot]:
    """Ask for a snapshot. What is returned waits for it, if so wished, and gives it.

    :arg known: ids listed before; a snapshot of the name that is not among them is the new one.
    :arg replaces: the old one that goes once this one is ready.
    """
    name, description = task.options["name"], task.options["description"]
    try:
        snapshot = task.send(lambda: task.provider.create_snapshot(server, name, description))
        task.done.changed = True
    except RewindError as error:
        error.add_context(server.label, name)
        if error.kind == errors.ALREADY_EXISTS:
            made = _made_meanwhile(task, server, error)
            return lambda: made
        if error.outcome != errors.UNKNOWN:
            raise
        snapshot = _after_unknown_create(task, server, known, error)
    if snapshot is None:
        pending_changes.note_coming(task, name)
    else:
        pending_changes.note_made(task, snapshot)
        if replaces is not None and task.options["wait"]:
            pending_changes.note_replaced(task, replaces, snapshot)
    if task.options["wait"]:
        task.report_progress(server, f"snapshot {name} is asked for")

    def wait() -> Snapshot:
        if not task.options["wait"]:
            return snapshot or Snapshot(id=None, name=name, server=server, status=PENDING, description=description)
        return wait_for_snapshot(task, snapshot or find_new_snapshot(task, server, name, known, task.deadline), task.deadline)

    return wait


def _made_meanwhile(task: Task, server: Server, error: RewindError) -> Snapshot:
    """Somebody was quicker by a moment; where names are unique theirs is the one that was wished for."""
    for listed in task.provider.list_snapshots(server):
        if listed.name == task.options["name"]:
            return listed
    raise error


def _after_unknown_create(task: Task, server: Server, known: set[str], error: RewindError) -> Snapshot:
    try:
        found = find_new_snapshot(task, server, task.options["name"], known, _time_to_look(task, server, task.deadline))
    except RewindError:
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info); a rerun looks first and makes no second one"
        raise error from None
    task.done.changed = True
    return found


def recreate(task: Task, snapshot: Snapshot) -> Callable[[], Snapshot]:
    """Ask for a snapshot to be taken anew under its name, with the cloud's own call. What is returned waits for it, if so wished."""
    server = snapshot.server
    try:
        task.send(lambda: task.provider.recreate_snapshot(snapshot))
        task.done.changed = True
        pending_changes.note_gone(task, snapshot)
        pending_changes.note_coming(task, snapshot.name)
    except RewindError as error:
        error.add_context(server.label, snapshot.name)
        if error.outcome != errors.UNKNOWN:
            _look_behind_refusal(task, snapshot, error)
            raise
        renewed = _renewed(task, snapshot, _time_to_look(task, server, task.deadline), error)
        return lambda: renewed
    if task.options["wait"]:
        task.report_progress(server, f"snapshot {snapshot.name} is asked to be taken anew")

    def wait() -> Snapshot:
        if not task.options["wait"]:
            return Snapshot(id=snapshot.id, name=snapshot.name, server=server, status=PENDING)
        return _renewed(task, snapshot, task.deadline, None)

    return wait


def _renewed(task: Task, snapshot: Snapshot, deadline: Deadline, unknown: RewindError | None) -> Snapshot:
    """:arg unknown: what is to be said if it is not seen to have been taken anew."""
    try:
        renewed = wait_for_recreated(task, snapshot, deadline)
    except RewindError as error:
        error = unknown or error
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info) before running again: the old one may be gone"
        raise error from None
    task.done.changed = True
    return renewed


def _look_behind_refusal(task: Task, snapshot: Snapshot, error: RewindError) -> None:
    """To take anew is to delete and to create: a no may come after the first half, unless there was nothing to delete."""
    if error.kind == errors.NOT_FOUND:
        return
    with contextlib.suppress(RewindError):
        if all(item.id != snapshot.id for item in task.provider.list_snapshots(snapshot.server)):
            error.message += f"; the old snapshot {snapshot.name} is gone"
            error.outcome = errors.FAILED
            error.hint = "run again to make a new one"
            task.done.asked = task.done.changed = True


def delete(task: Task, snapshot: Snapshot) -> bool:
    """Delete a snapshot that was just listed, and see it gone. False where somebody else was quicker."""
    unknown: RewindError | None = None
    deleted = True
    # Deletions may queue behind other work; one that was accepted gets what is left of the task's time.
    deadline = Deadline(max(task.deadline.left if task.options["wait"] else 0.0, LOOK_SECONDS))
    try:
        deleted = task.send(lambda: task.provider.delete_snapshot(snapshot))
        task.done.changed = task.done.changed or deleted
        if deleted and task.provider.capabilities.synchronous_delete:
            pending_changes.note_gone(task, snapshot)
            return True
    except RewindError as error:
        unknown = error.add_context(snapshot.server.label, snapshot_label(snapshot))
        if error.outcome != errors.UNKNOWN:
            raise
        deadline = _time_to_look(task, snapshot.server, deadline)
    try:
        wait_until_gone(task, snapshot, deadline)
    except RewindError as error:
        error = unknown or error
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun is safe"
        raise error from None
    task.done.changed = task.done.changed or deleted
    pending_changes.note_gone(task, snapshot)
    return deleted


def _time_to_look(task: Task, server: Server, deadline: Deadline) -> Deadline:
    """How long to look for a change of which nobody knows whether it was taken up.

    A cloud may answer only when it is done: while it says that the server is busy, the change may be what it is
    busy with, so the whole of the task's time is given to it.
    """
    try:
        now = task.provider.get_server(server.id)
        may_be_at_it = bool(now.task_state) or now.power_state != RUNNING  # a server that is off is idle whatever is done with its disk
    except RewindError:
        may_be_at_it = False
    return Deadline(deadline.left if may_be_at_it else min(LOOK_SECONDS, deadline.left), deadline.clock)
