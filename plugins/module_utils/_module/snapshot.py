# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot is there, or it isn't."""

from __future__ import annotations

from typing import Any

from .. import _errors as errors
from .._errors import RewindError, invalid_argument
from .._provider.base import PENDING, Server, Snapshot, unsupported
from .._state.operation_lock import turn
from .._state.pending_changes import is_coming, up_to_date
from .._wait.polling import Deadline
from .._wait.waiters import find_new_snapshot, wait_for_snapshot
from .context import Task, check_name, pick_snapshot, snapshot_label
from .snapshot_changes import delete
from .snapshot_present import present
from .snapshot_result import snapshot_result


def run(task: Task) -> dict[str, Any]:
    """The module C(snapshot)."""
    options, provider = task.options, task.provider
    if options["state"] == "absent":
        return _absent(task)
    check_name(provider, options["name"])
    if options["stop_server"] and not provider.capabilities.power:
        raise unsupported(provider, "call that stops a server", "leave stop_server out")
    if options["description"] and not provider.capabilities.description:
        raise invalid_argument(f"{provider.display_name} keeps no descriptions of snapshots", "leave description out")
    return present(task)


def _absent(task: Task) -> dict[str, Any]:
    options = task.options
    wanted = options["id"] or options["name"]
    while True:
        with turn(task) as server:
            server, snapshots = task.look_up(server)
            snapshots = up_to_date(task, server, snapshots)
            snapshot = pick_snapshot(task.provider, server, snapshots, options["name"], options["id"])
            if snapshot is None and options["name"] and is_coming(task, server):
                snapshot = Snapshot(id=None, name=options["name"], server=server, status=PENDING)
                if not options["wait"]:
                    raise _not_yet(server, snapshot)
            if snapshot is None:
                return snapshot_result(task, server, None, False, f"Server {server.label} has no snapshot {wanted}", snapshots, snapshots)
            settles = snapshot.status == PENDING and options["wait"] and not task.check_mode
            if not settles:
                if not task.check_mode:
                    delete(task, snapshot)
                break
        _let_it_settle(task, snapshot, {item.id for item in snapshots})

    after = [item for item in snapshots if item.id != snapshot.id]
    changed = task.check_mode or task.done.changed
    words = "would be deleted" if task.check_mode else "is deleted" if changed else "was deleted by somebody else meanwhile"
    return snapshot_result(
        task, snapshot.server, None, changed, f"Snapshot {snapshot_label(snapshot)} of server {server.label} {words}",
        snapshots, after,
    )


def _not_yet(server: Server, snapshot: Snapshot) -> RewindError:
    return RewindError(
        f"Snapshot {snapshot.name} of server {server.label} was asked for a moment ago and is not listed yet, so it can't be deleted",
        kind=errors.BUSY, server=server.label, snapshot=snapshot.name, hint="run again when it is made, or with wait: true, which waits for it",
    )


def _let_it_settle(task: Task, snapshot: Snapshot, known: set[str]) -> None:
    """A snapshot that is being made can't be deleted yet; one that fails or vanishes suits whoever wants it gone."""
    try:
        if snapshot.id is None:  # not even listed
            patience = min(task.deadline.left, 2 * task.provider.capabilities.expected_create_seconds)
            find_new_snapshot(task, snapshot.server, snapshot.name, known, Deadline(patience))
        else:
            wait_for_snapshot(task, snapshot, task.deadline)
    except RewindError as error:
        if error.kind not in (errors.OPERATION_FAILED, errors.NOT_FOUND):
            raise
