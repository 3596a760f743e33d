# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three changes to a server's snapshots. Each is asked for once; where the answer leaves it open, the list decides."""

from __future__ import annotations

from ansible_collections.rewind.vps.plugins.module_utils import errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task, snapshot_label
from ansible_collections.rewind.vps.plugins.module_utils.operations.waiting import (
    LOOK_SECONDS,
    find_new_snapshot,
    wait_for_recreated,
    wait_for_snapshot,
    wait_until_gone,
)
from ansible_collections.rewind.vps.plugins.module_utils.polling import Deadline
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import PENDING, Server, Snapshot


def create(task: Task, server: Server, known: set[str], deadline: Deadline) -> Snapshot:
    """Start a snapshot and, if so wished, wait for it.

    :arg known: ids listed before; a snapshot of the name that is not among them is the new one.
    """
    name = task.options["name"]
    try:
        snapshot = task.provider.create_snapshot(server, name, task.options["description"])
        task.done.changed = True
    except RewindError as error:
        if error.kind == errors.ALREADY_EXISTS:
            return _made_meanwhile(task, server, error)
        if error.outcome != errors.UNKNOWN:
            error.about(server.label, name)
            raise
        snapshot = _after_unknown_create(task, server, known, deadline, error)
    if not task.options["wait"]:
        return snapshot or Snapshot(id=None, name=name, server=server, status=PENDING, description=task.options["description"])
    if snapshot is None:
        snapshot = find_new_snapshot(task, server, name, known, deadline)
    return wait_for_snapshot(task, snapshot, deadline)


def _made_meanwhile(task: Task, server: Server, error: RewindError) -> Snapshot:
    """Somebody was quicker by a moment; where names are unique theirs is the one that was wished for."""
    for listed in task.provider.list_snapshots(server):
        if listed.name == task.options["name"]:
            return listed
    raise error.about(server.label, task.options["name"])


def _after_unknown_create(task: Task, server: Server, known: set[str], deadline: Deadline, error: RewindError) -> Snapshot:
    try:
        found = find_new_snapshot(task, server, task.options["name"], known, _time_to_look(task, server, deadline))
    except RewindError:
        error.hint = "look at the server's snapshots (rewind.vps.snapshot_info); a rerun looks first and makes no second one"
        raise error.about(server.label, task.options["name"]) from None
    task.done.changed = True
    return found


def recreate(task: Task, snapshot: Snapshot, deadline: Deadline) -> Snapshot:
    """Take a snapshot anew under its name, with the cloud's own call."""
    try:
        task.provider.recreate_snapshot(snapshot)
        task.done.changed = True
        look_until = deadline
        unknown = None
    except RewindError as error:
        if error.outcome != errors.UNKNOWN:
            error.about(snapshot.server.label, snapshot.name)
            raise
        look_until, unknown = _time_to_look(task, snapshot.server, deadline), error
    if not task.options["wait"] and unknown is None:
        return Snapshot(id=snapshot.id, name=snapshot.name, server=snapshot.server, status=PENDING)
    try:
        renewed = wait_for_recreated(task, snapshot, look_until)
    except RewindError:
        if unknown is None:
            raise
        unknown.hint = "look at the server's snapshots (rewind.vps.snapshot_info) before running again: the old one may be gone"
        raise unknown.about(snapshot.server.label, snapshot.name) from None
    task.done.changed = True
    return renewed


def delete(task: Task, snapshot: Snapshot) -> None:
    """Delete a snapshot that was just listed, and see it gone. Counts as a change only where this task did it."""
    unknown: RewindError | None = None
    try:
        deleted = task.provider.delete_snapshot(snapshot)
        task.done.changed = deleted or task.done.changed
        if not deleted or task.provider.capabilities.deletes_at_once:
            return
    except RewindError as error:
        unknown = error.about(snapshot.server.label, snapshot_label(snapshot))
        if error.outcome != errors.UNKNOWN:
            raise
    try:
        wait_until_gone(task, snapshot, Deadline(LOOK_SECONDS))
    except RewindError as error:
        unknown = unknown or error
        unknown.hint = "look at the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun is safe"
        raise unknown from None
    task.done.changed = True


def _time_to_look(task: Task, server: Server, deadline: Deadline) -> Deadline:
    """How long to look for a change of which nobody knows whether it was taken up.

    A cloud may answer only when it is done: while it says that the server is busy, the change may be what it is
    busy with, so the whole of the task's time is given to it.
    """
    try:
        busy = task.provider.find_server(server.id).busy
    except RewindError:
        busy = None
    return Deadline(deadline.left if busy else min(LOOK_SECONDS, deadline.left), deadline.clock)
