# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server is overwritten with one of its snapshots. Asked for once, and never taken for done before it is."""

from __future__ import annotations

import contextlib
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import FAILED, READY, RESTORING, RUNNING, Server, Snapshot
from .._state.operation_lock import turn
from .._state.pending_changes import up_to_date
from .._wait.polling import Deadline
from .._wait.restore import Restore, wait_for_restore
from .._wait.waiters import wait_until_settled
from . import power
from .context import Task, choose_hint, pick_snapshot, snapshot_label


def run(task: Task) -> dict[str, Any]:
    """The module C(snapshot_restore)."""
    with turn(task, beside_a_restore=True) as server, contextlib.ExitStack() as restoring:
        server = server if server.power_state else task.provider.get_server(task.server_reference)
        snapshots = up_to_date(task, server, task.provider.list_snapshots(server))
        snapshot = _wanted(task, server, snapshots)
        if not server.task_state:
            if task.check_mode:
                task.done.changed = True
                return _result(task, server, server, Restore(task, server, snapshot), joined=False)
            restore = _ask(task, server, snapshot)
            if task.options["wait"] and task.place is not None:
                task.place.begin_restore()
                restoring.callback(task.place.end_restore)
        waiting = restoring.pop_all()
    if server.task_state:
        return _busy(task, server, snapshot)
    with waiting:
        after = _wait_and_start(task, restore) if task.options["wait"] else server
    return _result(task, server, after, restore, joined=False)


def _busy(task: Task, server: Server, snapshot: Snapshot) -> dict[str, Any]:
    """What is under way may be this very restore, asked for by an earlier run: then it is joined, never repeated."""
    restore = Restore(task, server, snapshot, seen=True)
    if task.provider.capabilities.reports_restoring:
        joined = server.task_state == RESTORING
    else:
        joined = _became_current_meanwhile(task, restore)
    if not joined:
        raise RewindError(
            f"Server {server.label} was in the middle of something ({server.task_state}), and this task asked for nothing",
            kind=errors.BUSY, server=server.label, snapshot=snapshot_label(snapshot),
            hint="look at the server: if an earlier run's restore was under way it is done now; else run again",
        )
    task.warnings.append(
        f"Server {server.label} was being restored already, so this task asked for nothing and joined that."
        + (f" {task.provider.display_name} does not say of which snapshot: if it was not {snapshot_label(snapshot)}, run again."
           if task.provider.capabilities.reports_restoring else "")
    )
    after = _wait_and_start(task, restore) if task.options["wait"] and not task.check_mode else server
    return _result(task, server, after, restore, joined=True)


def _became_current_meanwhile(task: Task, restore: Restore) -> bool:
    """Wait until the server is settled, where that may tell what it is busy with.

    Only a revert makes an older snapshot the current one. One that is current already can't become it, so nothing
    would be proven: a server may be busy with much else.
    """
    if restore.snapshot.current or not task.options["wait"] or task.check_mode:
        return False
    wait_until_settled(task, restore.server, task.deadline)
    return restore.became_current()


def _wanted(task: Task, server: Server, snapshots: list[Snapshot]) -> Snapshot:
    """Exactly one snapshot of this very server, and ready. Anything else is an error before anything is sent."""
    name, id_ = task.options["name"], task.options["id"]
    snapshot = pick_snapshot(task.provider, server, snapshots, name, id_)
    wanted = id_ or name
    if snapshot is None:
        raise RewindError(
            f"Server {server.label} has no snapshot {wanted}{_whose(task, server, id_)}",
            kind=errors.NOT_FOUND, server=server.label, snapshot=wanted,
            hint=choose_hint(snapshots),
        )
    if snapshot.status != READY:
        failed = snapshot.status == FAILED
        raise RewindError(
            f"Snapshot {snapshot_label(snapshot)} of server {server.label} is {snapshot.status} "
            f"(the cloud says {snapshot.provider_status!r}), so nothing can be restored from it",
            kind=errors.NOT_READY, server=server.label, snapshot=snapshot_label(snapshot),
            hint=choose_hint([item for item in snapshots if item.status == READY]) if failed else "run again when it is ready",
        )
    return snapshot


def _whose(task: Task, server: Server, id_: str | None) -> str:
    """Where the id belongs to another server, say so: it is the mistake that matters most."""
    if id_ is None or not task.provider.capabilities.lists_all_snapshots:
        return ""
    foreign = next((item for item in task.provider.list_snapshots(None) if item.id == id_), None)
    return f": it is a snapshot of server {foreign.server.label}" if foreign else ""


def _ask(task: Task, server: Server, snapshot: Snapshot) -> Restore:
    """Ask for the restore, once. Where the answer leaves it open, the server's state decides."""
    restore = Restore(task, server, snapshot)
    task.report_progress(server, f"its restore to snapshot {snapshot.name} is asked for")
    try:
        task.send(lambda: task.provider.restore_snapshot(snapshot))
        task.done.changed = True
    except RewindError as error:
        error.add_context(server.label, snapshot_label(snapshot))
        if error.outcome != errors.UNKNOWN:
            _look_behind_refusal(task, server, error)
            raise
        if not restore.was_taken_up():
            error.hint = (
                "look at the server in the cloud's panel; if it is not being restored, run again "
                "(a rerun asks for no second one while one is under way)"
            )
            raise
        task.done.changed = True
    power.forget_stop(task)  # from now on the restore, and this task's start_server, say whether it runs
    return restore


def _look_behind_refusal(task: Task, server: Server, error: RewindError) -> None:
    """A cloud that answers when it is done may say no after it has begun: the server then is not as it was."""
    if error.kind in (errors.UNAUTHORIZED, errors.FORBIDDEN) or task.provider.capabilities.reports_restoring:
        return
    with contextlib.suppress(RewindError):
        after = task.provider.get_server(server.id)
        if after.power_state != server.power_state or after.task_state:
            error.message += f"; server {server.label} was {server.power_state} before and is {after.task_state or after.power_state} now"
            error.outcome = errors.FAILED
            error.hint = "look at the server in the cloud's panel; the snapshot is kept, so the restore can be asked for again"
            task.done.asked = task.done.changed = True


def _wait_and_start(task: Task, restore: Restore) -> Server:
    after = wait_for_restore(restore, task.deadline)
    if after.power_state != RUNNING and task.options["start_server"]:
        # A server is not left off because the time for the restore is used up.
        after = power.start(task, after, Deadline(max(task.deadline.left, power.START_SECONDS)))
    return after


def _result(task: Task, before: Server, after: Server, restore: Restore, joined: bool) -> dict[str, Any]:
    snapshot = restore.snapshot
    verified = task.options["wait"] and restore.would_show_a_failure
    if task.options["wait"] and not verified and not task.check_mode:
        task.warnings.append(
            f"{task.provider.display_name} says that server {before.label} is restored, and shows nothing that would tell it from a restore "
            "that failed half way: this snapshot was the current one already and holds a server that is off. "
            "Look at the server before you rely on it."
        )
    label = f"snapshot {snapshot_label(snapshot)}"
    if task.check_mode:
        words = "is being restored already; would wait for it" if joined else f"would be restored to {label}"
    elif not task.options["wait"]:
        words = "is being restored already" if joined else f"is being restored to {label}"
    else:
        words = "was being restored already, and that is done" if joined else f"is restored to {label}"
    result = {
        "changed": task.done.changed,
        "msg": f"Server {before.label} {words}",
        "server": after.to_result(),
        "snapshot": snapshot.to_result(),
        "already_in_progress": joined,
        "verified": verified,
    }
    if task.diff_mode:
        state = {"server": before.id, "state": "as it was" if task.done.changed else "restoring"}
        restored = {"server": before.id, "state": f"as in {label} of {snapshot.created_at}"}
        result["diff"] = {"before": state, "after": restored if task.done.changed else state}
    return result
