# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of a machine at a time looks, decides and asks; none is in another's way while it only waits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import SERVER, snapshot
from one_machine import Machine, SlowCloud
from operation_worlds import Cloud, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot_cron, snapshot_restore
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Schedule, Server
from ansible_collections.rewind.vps.plugins.module_utils._state import operation_lock as operation_lock
from ansible_collections.rewind.vps.plugins.module_utils._state import server_lock
from ansible_collections.rewind.vps.plugins.module_utils._state.operation_lock import lock_server

# At the time of the import: the tests of this folder put another in its place.
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import state_directory

OLD = "2025-01-01T00:00:00Z"
ONE = snapshot("one", id="one", schedule=Schedule(1, 2, 3))
CHANGES: dict[str, tuple[Callable[..., Any], str, list, dict[str, Any], list[str]]] = {
    "take": (snapshot_operation.run, "vpsorg", [], {}, ["create nightly"]),
    "take, stopped": (snapshot_operation.run, "vpsorg", [], {"stop_server": True}, ["stop", "create nightly", "start"]),
    "take anew": (snapshot_operation.run, "vpsorg", [snapshot(id="1", created_at=OLD)], {"max_age": 60}, ["create nightly", "delete 1"]),
    "prune": (snapshot_operation.run, "vpsorg", [snapshot(id="1"), snapshot("nightly2", id="2", created_at=OLD)],
              {"retain": {"count": 1, "match": "*"}}, ["delete 2"]),
    "delete": (snapshot_operation.run, "vpsorg", [snapshot(id="1")], {"state": "absent"}, ["delete 1"]),
    "restore": (snapshot_restore.run, "ilkbyte", [snapshot("one", id="one")], {"name": "one"}, ["restore one"]),
    "schedule": (snapshot_cron.run, "ilkbyte", [ONE], {"name": "one", "day": 4, "hour": 2, "minute": 3}, ["remove", "add 4 2:3"]),
    "unschedule": (snapshot_cron.run, "ilkbyte", [ONE], {"name": "one", "state": "absent"}, ["remove"]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_whatever_is_asked_for_is_asked_in_the_tasks_turn(machine: Machine, case: str) -> None:
    run, kind, listed, options, asked = CHANGES[case]
    cloud = Cloud(kind, *listed)
    free: list[bool] = []
    cloud.before = lambda change: free.append(machine.is_free(cloud))
    run(make_context(cloud, **options))
    assert cloud.asked == asked
    assert free == [False] * len(asked)
    assert machine.is_free(cloud), "the turn is over with the task"


@pytest.mark.parametrize(("options", "patience"), [({}, 60), ({"wait_timeout": 300}, 300), ({"wait": False, "wait_timeout": 300}, 60)])
@pytest.mark.parametrize("case", CHANGES)
def test_whoever_never_gets_their_turn_has_asked_for_nothing(machine: Machine, case: str, options: dict, patience: float) -> None:
    run, kind, listed, wishes, asked = CHANGES[case]
    cloud = Cloud(kind, *listed)
    other = machine.open_locked(cloud)
    waiting = make_context(cloud, **{**wishes, **options, "stop_server": False, "retain": None})
    with pytest.raises(RewindError, match="Another task on this machine is at work on server web1") as caught:
        run(waiting)
    assert (caught.value.kind, caught.value.outcome, caught.value.server) == (errors.BUSY, errors.NOT_APPLIED, SERVER.label)
    assert caught.value.hint == "run again when it is done"
    assert cloud.asked == [] and not waiting.changes.request_sent and not waiting.changes.changed
    assert machine.waited == pytest.approx(patience) and max(machine.clock.sleeps) <= operation_lock.LOCK_POLL_INTERVAL
    other.release(False)
    run(make_context(cloud, **wishes))
    assert cloud.asked == asked


def test_the_turn_comes_when_the_other_is_done(machine: Machine) -> None:
    cloud = Cloud("vpsorg")
    other = machine.open_locked(cloud)
    machine.meanwhile = lambda: other.release(False) if len(machine.clock.sleeps) == 5 else None
    assert snapshot_operation.run(make_context(cloud))["changed"] is True
    assert cloud.asked == ["create nightly"] and len(machine.clock.sleeps) == 5


def test_a_person_is_told_what_is_waited_for(machine: Machine) -> None:
    cloud, said = Cloud("vpsorg"), []
    other = machine.open_locked(cloud)
    machine.meanwhile = lambda: other.release(False) if machine.waited > 15 else None
    waiting = make_context(cloud)
    waiting.progress = said.append
    snapshot_operation.run(waiting)
    assert any(line.startswith("another task of this machine to be done with server web1") for line in said)


def test_tasks_on_other_servers_and_clouds_are_in_nobodys_way(machine: Machine) -> None:
    cloud = Cloud("vpsorg")
    others = [server_lock.LocalState(str(machine.directory), *key) for key in (
        ("vpsorg", "https://cloud.example", "2"), ("ilkbyte", "https://cloud.example", SERVER.id), ("vpsorg", "https://else.example", SERVER.id),
    )]
    assert all(other.try_acquire() for other in others)
    snapshot_operation.run(make_context(cloud))
    assert cloud.asked == ["create nightly"] and machine.waited == 0


# --- what was seen before


@pytest.mark.parametrize(("asks", "power", "looks"), [(True, "stopped", 2), (False, "running", 1)])
def test_what_was_seen_before_anothers_turn_is_looked_at_again_if_it_has_asked(machine: Machine, asks: bool, power: str, looks: int) -> None:
    cloud = SlowCloud("vpsorg")
    other = machine.open_locked(cloud)

    def done() -> None:
        if len(machine.clock.sleeps) == 3:
            if asks:
                cloud.power_state = "stopped"
            other.release(mark_changed=asks)

    machine.meanwhile = done
    with lock_server(make_context(cloud)) as server:
        assert server.power_state == power
    assert cloud.looks == ["server"] * looks


def test_what_others_asked_long_ago_costs_no_request(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg")
    machine.open_locked(cloud).release(mark_changed=True)
    with lock_server(make_context(cloud)):
        pass
    assert cloud.looks == ["server"]


def test_a_server_that_is_known_is_not_asked_for_and_its_power_forgotten(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg")
    with lock_server(make_context(cloud), Server(SERVER.id, SERVER.name, "running", "restoring", "192.0.2.1")) as server:
        assert (server.id, server.address, server.power_state, server.task_state) == (SERVER.id, "192.0.2.1", None, None)
    assert cloud.looks == []


@pytest.mark.parametrize(("sends", "noted"), [(True, True), (False, False)])
def test_whether_a_task_has_asked_is_told_to_the_next(machine: Machine, sends: bool, noted: bool) -> None:
    cloud, before = Cloud("vpsorg"), server_lock.monotonic_ns()
    asking = make_context(cloud)
    with lock_server(asking):
        asking.changes.request_sent = sends
    state = machine.open_locked(cloud)
    assert state.changed_since(before) is noted


# --- not in anybody's way


def test_another_task_takes_its_turn_while_one_waits_for_its_snapshot(machine: Machine) -> None:
    """It deletes another snapshot; one with the same wish adopts what is being made."""
    cloud = SlowCloud("vpsorg", snapshot("weekly", id="1"))
    results: list[dict[str, Any]] = []

    def meanwhile() -> None:
        sleeps = len(machine.clock.sleeps)
        if sleeps == 2:
            results.append(snapshot_operation.run(make_context(cloud, name="weekly", state="absent")))
        elif sleeps == 4:
            results.append(snapshot_operation.run(make_context(cloud, wait=False)))
        elif sleeps == 6:
            cloud.snapshots = [snapshot(id=item.id) for item in cloud.snapshots]

    machine.meanwhile = meanwhile
    result = snapshot_operation.run(make_context(cloud))
    assert cloud.asked == ["create nightly", "delete 1"]
    assert (result["changed"], result["snapshot"]["status"]) == (True, "ready")
    deleted, adopted = results
    assert deleted["changed"] is True
    assert adopted["changed"] is False and adopted["snapshot"]["id"] == result["snapshot"]["id"]


def test_a_restore_that_another_task_waits_for_is_joined_meanwhile(machine: Machine) -> None:
    cloud = Cloud("vpsorg", snapshot())
    cloud.before = lambda change: setattr(cloud, "task_state", "restoring")
    joined: list[bool] = []

    def meanwhile() -> None:
        joined.append(snapshot_restore.run(make_context(cloud, wait=False))["already_in_progress"])
        cloud.task_state = "restoring" if len(joined) < 4 else None

    machine.meanwhile = meanwhile
    assert snapshot_restore.run(make_context(cloud, wait_timeout=600))["already_in_progress"] is False
    assert joined == [True] * 4 and cloud.asked == ["restore 801"] and machine.is_free(cloud)


@pytest.mark.parametrize("run", [snapshot_operation.run, snapshot_restore.run])
def test_the_turn_is_free_while_a_busy_server_is_waited_for(machine: Machine, run: Callable[..., Any]) -> None:
    cloud = Cloud("ilkbyte", *([snapshot(current=False)] if run is snapshot_restore.run else []))
    cloud.task_state = "paused"
    free: list[bool] = []

    def meanwhile() -> None:
        free.append(machine.is_free(cloud))
        if len(free) == 3:
            cloud.task_state, cloud.snapshots = None, [snapshot(current=True)]

    machine.meanwhile = meanwhile
    assert run(make_context(cloud))["changed"] is False
    assert free == [True] * 3 and cloud.asked == []


def test_the_turn_is_kept_while_the_server_is_off_for_its_snapshot(machine: Machine) -> None:
    """Another task would take it for one that is to be off."""
    cloud = SlowCloud("vpsorg")
    free: list[bool] = []

    def meanwhile() -> None:
        free.append(machine.is_free(cloud))
        if len(free) == 5:
            cloud.snapshots = [snapshot(id=item.id) for item in cloud.snapshots]

    machine.meanwhile = meanwhile
    snapshot_operation.run(make_context(cloud, stop_server=True))
    assert cloud.asked == ["stop", "create nightly", "start"]
    assert len(free) >= 5 and not any(free) and machine.is_free(cloud)


@pytest.mark.parametrize("trouble", [RewindError("no", kind=errors.FORBIDDEN), KeyboardInterrupt(), ValueError("a mistake")])
def test_a_turn_ends_with_whatever_ends_the_task(machine: Machine, trouble: BaseException) -> None:
    cloud = Cloud("vpsorg")

    def fail(change: str) -> None:
        raise trouble

    cloud.before = fail
    failing = make_context(cloud)
    with pytest.raises(type(trouble)):
        snapshot_operation.run(failing)
    assert machine.is_free(cloud) and failing.state is None


# --- check mode, and machines on which nothing can be locked


@pytest.mark.parametrize("case", CHANGES)
def test_a_check_run_keeps_nobody_waiting_and_waits_for_nobody(machine: Machine, case: str) -> None:
    run, kind, listed, options, dummy = CHANGES[case]
    cloud = Cloud(kind, *listed)
    free: list[bool] = []
    find = cloud.get_server
    cloud.get_server = lambda reference: free.append(machine.is_free(cloud)) or find(reference)  # type: ignore[method-assign, func-returns-value]
    run(make_context(cloud, check_mode=True, **options))
    assert free and all(free)
    other = machine.open_locked(cloud)
    assert run(make_context(cloud, check_mode=True, **options))["changed"] is True
    assert machine.waited == 0 and cloud.asked == []
    other.release(False)


def test_a_check_run_makes_no_folder_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(server_lock, "state_directory", state_directory)
    for run, kind, listed, options, _asked in CHANGES.values():
        checked = make_context(Cloud(kind, *listed), check_mode=True, **options)
        run(checked)
        assert checked.warnings == []
    assert list(tmp_path.iterdir()) == []
    snapshot_operation.run(make_context(Cloud("vpsorg")))
    (lock,) = [path for path in tmp_path.rglob("*") if path.suffix == ".lock"]
    before = {path.name for path in lock.parent.iterdir()}
    snapshot_operation.run(make_context(Cloud("ilkbyte"), check_mode=True))
    assert {path.name for path in lock.parent.iterdir()} == before


WORDS = "can be written where this task runs, so two tasks on one server at the same moment would not know of each other"


@pytest.mark.parametrize("case", CHANGES)
def test_without_a_folder_the_work_is_done_and_that_is_said_once(machine: Machine, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    run, kind, listed, options, asked = CHANGES[case]
    monkeypatch.setattr(server_lock, "state_directory", lambda create: None)
    cloud = Cloud(kind, *listed)
    working = make_context(cloud, **options)
    run(working)
    assert cloud.asked == asked
    assert len([warning for warning in working.warnings if WORDS in warning]) == 1
    assert machine.directory.exists() and list(machine.directory.iterdir()) == []


def test_a_lock_that_can_not_be_used_is_said_and_the_work_is_done(machine: Machine) -> None:
    cloud = Cloud("vpsorg", snapshot(id="1", created_at=OLD))
    machine.open_locked(cloud).release(False)
    (lock,) = machine.directory.glob("*.lock")
    lock.unlink()
    lock.symlink_to(os.devnull)
    working = make_context(cloud, max_age=60)
    snapshot_operation.run(working)
    assert cloud.asked == ["create nightly", "delete 1"]
    assert len(working.warnings) == 1 and WORDS in working.warnings[0]
