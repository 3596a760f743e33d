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
from .._state.operation_lock import turn
from .._wait.polling import Deadline
from .._wait.waiters import find_new_snapshot, wait_for_recreated, wait_for_snapshot, wait_until_settled
from . import interrupted_stop, power, retention
from .context import Task, listing, pick_snapshot, snapshot_label
from .snapshot_changes import create, delete, recreate
from .snapshot_plan import ADOPT, CREATE, KEEP, RETAKE, Plan, plan_confirmed, plan_present
from .snapshot_result import snapshot_result


@dataclass(frozen=True)
class _Begun:
    """What was seen, decided and asked for in this task's turn.

    :ivar snapshots: as they were listed then.
    :ivar room: what goes, or went, to make room.
    :ivar wait: gives the snapshot that was asked for; None where nothing was.
    """

    server: Server
    snapshots: list[Snapshot]
    plan: Plan
    room: list[Snapshot] = field(default_factory=list)
    wait: Callable[[], Snapshot] | None = None


def present(task: Task) -> dict[str, Any]:
    with interrupted_stop.undone(task) as earlier:
        result = _make_present(task, earlier)
    result["changed"] = task.done.changed
    if earlier.after is not None:
        result["server"] = earlier.after.to_result()
    return result


def _make_present(task: Task, earlier: interrupted_stop.EarlierStop) -> dict[str, Any]:
    server: Server | None = None
    while True:
        with turn(task, server) as server:
            earlier.look(server)
            begun = _begin(task, server)
        if isinstance(begun, _Begun):
            break
        server = _wait_while_busy(task, begun)

    plan = begun.plan
    if plan.action == KEEP:
        return _finish(task, begun, plan.snapshot, "is there")
    if plan.action == ADOPT:
        snapshot = plan.snapshot
        if task.options["wait"] and task.check_mode:
            snapshot = replace(snapshot, status=READY)
        elif task.options["wait"]:
            snapshot = begun.wait() if begun.wait else wait_for_snapshot(task, snapshot, task.deadline)
        return _finish(task, begun, snapshot, "was being made already")
    if begun.wait is None:
        return _predict(task, begun)
    snapshot = begun.wait()
    words = "is made" if snapshot.status == READY else "is being made"
    return _finish(task, begun, snapshot, words if task.done.changed else "was made by somebody else meanwhile")


def _begin(task: Task, server: Server) -> _Begun | Server:
    """Look, decide, and ask for what is missing; the server where it is busy, so that nothing can be asked for now."""
    server, snapshots = task.look_up(server)
    snapshots = pending_changes.up_to_date(task, server, snapshots)
    plan = _plan(task, server, snapshots)
    if plan.action == KEEP:
        if not task.check_mode:
            pending_changes.forget_coming(task, plan.snapshot.name)
        plan = replace(plan, replaces=pending_changes.replaced_by(task, snapshots, plan.snapshot))
    if plan.action == ADOPT and plan.replaces is not None and task.options["wait"] and not task.check_mode:
        pending_changes.note_replaced(task, plan.replaces, plan.snapshot)
    if plan.action not in (CREATE, RETAKE):
        return _Begun(plan.snapshot.server, snapshots, plan)
    server = server if server.power_state else task.provider.get_server(server.id)
    if server.task_state and (not task.check_mode or not task.options["wait"]):
        return server
    if pending_changes.is_coming(task, server):
        coming = Snapshot(id=None, name=task.options["name"], server=server, status=PENDING)
        return _Begun(server, snapshots, Plan(ADOPT, coming), wait=lambda: _come(task, server, snapshots, plan))
    room = _make_room_with(task, server, snapshots, plan)
    wait = None if task.check_mode else _make(task, server, snapshots, plan, room)
    return _Begun(server, snapshots, plan, room, wait)


def _come(task: Task, server: Server, snapshots: list[Snapshot], plan: Plan) -> Snapshot:
    """A snapshot that an earlier task has asked for and the cloud lists only when it is made."""
    deadline = Deadline(min(task.deadline.left, 2 * task.provider.capabilities.expected_create_seconds))
    if plan.action == RETAKE:
        return wait_for_recreated(task, plan.snapshot, deadline)
    return find_new_snapshot(task, server, task.options["name"], {item.id for item in snapshots}, deadline)


def _plan(task: Task, server: Server, snapshots: list[Snapshot]) -> Plan:
    name, id_, max_age, now = task.options["name"], task.options["id"], task.options["max_age"], task.provider.server_time()
    if id_ is None:
        return plan_present(snapshots, name, max_age, now)
    return plan_confirmed(pick_snapshot(task.provider, server, snapshots, name, id_), server, id_, max_age, now)


def _wait_while_busy(task: Task, server: Server) -> Server:
    """What it is busy with may be this very snapshot: some clouds list one only when it is done."""
    if task.options["wait"]:
        return wait_until_settled(task, server, task.deadline)
    raise RewindError(
        f"Server {server.label} is in the middle of something ({server.task_state})",
        kind=errors.BUSY, server=server.label, snapshot=task.options["name"],
        hint="run again when that is done, or with wait: true, which waits for it",
    )


def _make_room_with(task: Task, server: Server, snapshots: list[Snapshot], plan: Plan) -> list[Snapshot]:
    """What is deleted first so that there is a place for the new one.

    :raises RewindError: there is no place, and none may be made; nothing was sent.
    """
    limit = task.provider.capabilities.max_snapshots
    if limit is None or _recreates(task, plan):
        return []
    taken = len(snapshots) - len(plan.failed)
    missing = taken + 1 - limit
    if missing <= 0:
        return []
    retain = task.options["retain"]
    if task.options["when_full"] == "prune":
        keep = {item.id for item in plan.failed}
        room = retention.to_make_room(snapshots, retain["match"], missing, keep)
        if len(room) == missing:
            return room
        hint = f"nothing more matches retain.match {retain['match']!r}; delete one by hand, or widen the pattern"
    else:
        hint = "delete one (state: absent), or let old ones go: when_full: prune with retain.match"
    raise RewindError(
        f"Server {server.label} has {len(snapshots)} snapshots, and {task.provider.display_name} allows {limit}: {listing(snapshots)}",
        kind=errors.LIMIT_REACHED, server=server.label, snapshot=task.options["name"], hint=hint,
    )


def _recreates(task: Task, plan: Plan) -> bool:
    return plan.action == RETAKE and task.provider.capabilities.recreate


def _make(task: Task, server: Server, snapshots: list[Snapshot], plan: Plan, room: list[Snapshot]) -> Callable[[], Snapshot]:
    """Ask for the snapshot. With the server stopped around it, it is waited for here: it must not be started before."""
    if not task.options["stop_server"]:
        return _ask(task, server, snapshots, plan, room)
    with power.stopped(task, server, task.deadline):
        snapshot = _ask(task, server, snapshots, plan, room)()
    return lambda: snapshot


def _ask(task: Task, server: Server, snapshots: list[Snapshot], plan: Plan, room: list[Snapshot]) -> Callable[[], Snapshot]:
    if _recreates(task, plan):
        return recreate(task, plan.snapshot)
    for item in [*plan.failed, *room]:
        _prune(task, item)
    return create(task, server, {item.id for item in snapshots}, plan.replaces)


def _prune(task: Task, snapshot: Snapshot) -> None:
    if task.check_mode:
        task.done.changed = True
    if task.check_mode or delete(task, snapshot):
        task.done.pruned.append(snapshot)


def _finish(task: Task, begun: _Begun, snapshot: Snapshot, words: str) -> dict[str, Any]:
    """Once the wished snapshot is ready, the one it replaces goes, and so does what retention no longer keeps."""
    plan, server, listed = begun.plan, begun.server, begun.snapshots
    if snapshot.status == READY:
        going = _no_longer_kept(task, listed, plan, snapshot)
        if going and not task.check_mode:
            with turn(task, server):
                # The list is as old as the snapshot took: somebody may have hung a schedule on one, or taken one anew.
                listed = task.provider.list_snapshots(server)
                for item in _no_longer_kept(task, listed, plan, snapshot):
                    _prune(task, item)
                if _replaces(task, plan):
                    pending_changes.forget_replaced(task, snapshot)
        elif going:
            for item in going:
                _prune(task, item)
    elif _replaces(task, plan):
        task.warnings.append(
            f"The older snapshot {snapshot_label(plan.replaces)} of server {server.label} stays, since this task does not wait "
            "for the new one. Delete it by its id, or let the task wait."
        )
    pruned = task.done.pruned
    gone = {item.id for item in pruned}
    after = [item for item in listed if item.id not in gone and item.id != snapshot.id] + [snapshot]
    message = f"Snapshot {snapshot_label(snapshot)} of server {server.label} {words}"
    if pruned:
        deleted = "would be deleted" if task.check_mode else "deleted"
        message += f"; {deleted}: {', '.join(snapshot_label(item) for item in pruned)}"
    return snapshot_result(task, server, snapshot, task.done.changed, message, begun.snapshots, after)


def _replaces(task: Task, plan: Plan) -> bool:
    return plan.replaces is not None and not _recreates(task, plan)


def _no_longer_kept(task: Task, snapshots: list[Snapshot], plan: Plan, snapshot: Snapshot) -> list[Snapshot]:
    made_room = {item.id for item in task.done.pruned}
    going = []
    if _replaces(task, plan):
        old = (plan.replaces.id, plan.replaces.created_at)
        going = [item for item in snapshots if (item.id, item.created_at) == old and item.id not in made_room]
    retain = task.options["retain"]
    if retain:
        gone = {*made_room, *(item.id for item in [*going, snapshot])}
        present = [item for item in snapshots if item.id not in gone]
        going += retention.beyond_count([*present, snapshot], retain["match"], retain["count"], {snapshot.id})
    return going


def _predict(task: Task, begun: _Begun) -> dict[str, Any]:
    """What _make and _finish would do, with nothing sent."""
    plan, recreates = begun.plan, _recreates(task, begun.plan)
    task.done.changed = True
    if not recreates:
        task.done.pruned += [*plan.failed, *begun.room]
    imagined = Snapshot(
        id=plan.snapshot.id if recreates else None,
        name=task.options["name"],
        server=begun.server,
        status=READY if task.options["wait"] else PENDING,
        created_at=task.provider.server_time().strftime("%Y-%m-%dT%H:%M:%SZ"),
        description=task.options["description"],
    )
    return _finish(task, begun, imagined, "would be made")
