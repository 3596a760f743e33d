# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot is there, or it isn't."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils import errors, retention
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError, bad_input
from ansible_collections.rewind.vps.plugins.module_utils.operations import power
from ansible_collections.rewind.vps.plugins.module_utils.operations.snapshot_changes import create, delete, recreate
from ansible_collections.rewind.vps.plugins.module_utils.operations.snapshot_plan import (
    ADOPT,
    CREATE,
    KEEP,
    RETAKE,
    Plan,
    plan_confirmed,
    plan_present,
)
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import (
    Task,
    check_name,
    listing,
    pick_snapshot,
    snapshot_label,
)
from ansible_collections.rewind.vps.plugins.module_utils.operations.waiting import (
    wait_for_snapshot,
    wait_until_settled,
)
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import (
    PENDING,
    READY,
    Server,
    Snapshot,
    unsupported,
)


def run(task: Task) -> dict[str, Any]:
    """The module C(snapshot)."""
    options, provider = task.options, task.provider
    if options["state"] == "absent":
        return _absent(task)
    check_name(provider, options["name"])
    if options["stop_server"] and not provider.capabilities.power:
        raise unsupported(provider, "call that stops a server", "leave stop_server out")
    if options["description"] and not provider.capabilities.description:
        raise bad_input(f"{provider.title} keeps no descriptions of snapshots", "leave description out")
    return _present(task)


# --- absent


def _absent(task: Task) -> dict[str, Any]:
    options = task.options
    server, snapshots = task.look_up()
    snapshot = pick_snapshot(task.provider, server, snapshots, options["name"], options["id"])
    wanted = options["id"] or options["name"]
    if snapshot is None:
        return _result(task, server, None, False, f"Server {server.label} has no snapshot {wanted}", snapshots, snapshots)

    after = [item for item in snapshots if item.id != snapshot.id]
    if not task.check_mode:
        if snapshot.status == PENDING and options["wait"]:
            _let_it_settle(task, snapshot)
        delete(task, snapshot)
    changed = task.check_mode or task.done.changed
    words = "would be deleted" if task.check_mode else "is deleted" if changed else "was deleted by somebody else meanwhile"
    return _result(
        task, snapshot.server, None, changed, f"Snapshot {snapshot_label(snapshot)} of server {server.label} {words}",
        snapshots, after,
    )


def _let_it_settle(task: Task, snapshot: Snapshot) -> None:
    """A snapshot that is being made can't be deleted yet; one that fails or vanishes suits whoever wants it gone."""
    try:
        wait_for_snapshot(task, snapshot, task.deadline)
    except RewindError as error:
        if error.kind not in (errors.OPERATION_FAILED, errors.NOT_FOUND):
            raise


# --- present


def _present(task: Task) -> dict[str, Any]:
    options, provider = task.options, task.provider
    server, snapshots = task.look_up()
    plan = _plan(task, server, snapshots)
    if plan.action in (CREATE, RETAKE):
        server = server if server.power else provider.find_server(server.id)
        if server.busy and (not task.check_mode or not options["wait"]):
            server = _wait_while_busy(task, server)
            snapshots = provider.list_snapshots(server)
            plan = _plan(task, server, snapshots)

    if plan.action == KEEP:
        return _finish(task, plan.snapshot.server, snapshots, plan, plan.snapshot, "is there")
    if plan.action == ADOPT:
        snapshot = plan.snapshot
        if options["wait"] and not task.check_mode:
            snapshot = wait_for_snapshot(task, snapshot, task.deadline)
        if options["wait"] and task.check_mode:
            snapshot = replace(snapshot, status=READY)
        return _finish(task, snapshot.server, snapshots, plan, snapshot, "was being made already")

    room = _make_room_with(task, server, snapshots, plan)
    if task.check_mode:
        return _predict(task, server, snapshots, plan, room)
    snapshot = _make(task, server, snapshots, plan, room)
    words = "is made" if snapshot.status == READY else "is being made"
    return _finish(task, server, snapshots, plan, snapshot, words if task.done.changed else "was made by somebody else meanwhile")


def _plan(task: Task, server: Server, snapshots: list[Snapshot]) -> Plan:
    name, id_, max_age, now = task.options["name"], task.options["id"], task.options["max_age"], task.provider.now()
    if id_ is None:
        return plan_present(snapshots, name, max_age, now)
    return plan_confirmed(pick_snapshot(task.provider, server, snapshots, name, id_), server, id_, max_age, now)


def _wait_while_busy(task: Task, server: Server) -> Server:
    """What it is busy with may be this very snapshot: some clouds list one only when it is done."""
    if task.options["wait"]:
        return wait_until_settled(task, server, task.deadline)
    raise RewindError(
        f"Server {server.label} is in the middle of something ({server.busy})",
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
        f"Server {server.label} has {len(snapshots)} snapshots, and {task.provider.title} allows {limit}: {listing(snapshots)}",
        kind=errors.LIMIT_REACHED, server=server.label, snapshot=task.options["name"], hint=hint,
    )


def _recreates(task: Task, plan: Plan) -> bool:
    return plan.action == RETAKE and task.provider.capabilities.recreate


def _make(task: Task, server: Server, snapshots: list[Snapshot], plan: Plan, room: list[Snapshot]) -> Snapshot:
    """Take the snapshot, with the server stopped around it if so wished."""
    stop = task.options["stop_server"]
    with power.stopped(task, server, task.deadline) if stop else contextlib.nullcontext():
        if _recreates(task, plan):
            return recreate(task, plan.snapshot, task.deadline)
        for item in [*plan.failed, *room]:
            _prune(task, item)
        return create(task, server, {item.id for item in snapshots}, task.deadline)


def _prune(task: Task, snapshot: Snapshot) -> None:
    if task.check_mode:
        task.done.changed = True
    if task.check_mode or delete(task, snapshot):
        task.done.pruned.append(snapshot)


def _finish(
    task: Task, server: Server, snapshots: list[Snapshot], plan: Plan, snapshot: Snapshot, words: str,
) -> dict[str, Any]:
    """Once the wished snapshot is ready, the one it replaces goes, and so does what retention no longer keeps."""
    listed = snapshots
    if snapshot.status == READY:
        going = _no_longer_kept(task, listed, plan, snapshot)
        if going and plan.action != KEEP and not task.check_mode:
            # The list is as old as the snapshot took: somebody may have hung a schedule on one, or taken one anew.
            listed = task.provider.list_snapshots(server)
            going = _no_longer_kept(task, listed, plan, snapshot)
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
    return _result(task, server, snapshot, task.done.changed, message, snapshots, after)


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


def _predict(task: Task, server: Server, snapshots: list[Snapshot], plan: Plan, room: list[Snapshot]) -> dict[str, Any]:
    """What _make and _finish would do, with nothing sent."""
    task.done.changed = True
    if not _recreates(task, plan):
        task.done.pruned += [*plan.failed, *room]
    imagined = Snapshot(
        id=plan.snapshot.id if _recreates(task, plan) else None,
        name=task.options["name"],
        server=server,
        status=READY if task.options["wait"] else PENDING,
        created_at=task.provider.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        description=task.options["description"],
    )
    return _finish(task, server, snapshots, plan, imagined, "would be made")


# --- results


def _result(
    task: Task, server: Server, snapshot: Snapshot | None, changed: bool, message: str,
    before: list[Snapshot], after: list[Snapshot],
) -> dict[str, Any]:
    result = {
        "changed": changed,
        "msg": message,
        "server": server.to_result(),
        "snapshot": snapshot.to_result() if snapshot else None,
        "snapshots": [item.to_result() for item in retention.newest_first(after)],
        "pruned": [item.to_result() for item in task.done.pruned],
    }
    if task.diff_mode:
        result["diff"] = {"before": _for_diff(before, before), "after": _for_diff(after, before)}
    return result


def _for_diff(snapshots: list[Snapshot], before: list[Snapshot]) -> dict[str, Any]:
    """Only what a check run can foretell too: which snapshots, and which of them are new."""
    known = {(item.id, item.created_at) for item in before}
    return {
        "snapshots": [
            {
                "name": item.name,
                "description": item.description,
                "created_at": item.created_at if (item.id, item.created_at) in known else "(new)",
            }
            for item in sorted(snapshots, key=lambda item: (item.name, item.created_at or ""))
        ]
    }
