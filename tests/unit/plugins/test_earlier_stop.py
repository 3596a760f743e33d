# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that a killed task has left off is started by the next one, and one that somebody wants off is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import snapshot
from one_machine import Machine, SlowCloud
from operation_worlds import Cloud, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import power
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server

WORDS = "was off: an earlier task of this machine has stopped it for a snapshot and was cut off."


def left_off(machine: Machine, *listed: Any, ago: float = 60.0) -> Cloud:
    """A cloud whose server is off, with the note of the task that has stopped it."""
    cloud = Cloud("vpsorg", *listed)
    cloud.power_state = "stopped"
    machine.write(cloud, power.STOPPED_FOR_SNAPSHOT, ago)
    return cloud


def no(kind: str = errors.PROVIDER_REJECTED, outcome: str = errors.NOT_APPLIED) -> RewindError:
    return RewindError("The cloud said no", kind=kind, outcome=outcome)


@pytest.mark.parametrize(("listed", "options", "asked"), [
    ([], {}, ["create nightly", "start"]),
    ([], {"stop_server": True}, ["create nightly", "start"]),
    ([], {"wait": False}, ["create nightly", "start"]),
    ([snapshot()], {}, ["start"]),
    ([snapshot(id="1", created_at="2025-01-01T00:00:00Z")], {"max_age": 60}, ["create nightly", "delete 1", "start"]),
])
def test_it_is_started_when_the_work_is_done(machine: Machine, listed: list, options: dict, asked: list[str]) -> None:
    cloud = left_off(machine, *listed)
    checked = make_context(cloud, check_mode=True, **options)
    foretold = snapshot_operation.run(checked)
    assert (cloud.asked, cloud.power_state, machine.notes(cloud)) == ([], "stopped", {power.STOPPED_FOR_SNAPSHOT})
    working = make_context(cloud, **options)
    result = snapshot_operation.run(working)
    assert cloud.asked == asked and cloud.power_state == "running"
    assert foretold["changed"] is result["changed"] is True
    if options.get("wait", True):
        assert result["server"]["power_state"] == "running"
    words = "It is started." if options.get("wait", True) else "Its start is asked for, and this task does not wait for it."
    assert [warning.endswith(f"{WORDS} {words}") for warning in working.warnings] == [True]
    assert [warning.endswith(f"{WORDS} It would be started.") for warning in checked.warnings] == [True]
    assert power.STOPPED_FOR_SNAPSHOT not in machine.notes(cloud)


def test_a_task_that_does_not_wait_leaves_it_to_the_next_where_it_can_not_be_started_now(machine: Machine) -> None:
    cloud = left_off(machine, snapshot())

    def refuse(change: str) -> None:
        raise no()

    cloud.before = refuse
    hasty = make_context(cloud, wait=False)
    assert snapshot_operation.run(hasty)["changed"] is False
    assert [warning for warning in hasty.warnings if "can't be started right now" in warning] and cloud.asked == ["start"]
    assert machine.notes(cloud) == {power.STOPPED_FOR_SNAPSHOT}
    cloud.before = lambda change: None
    assert snapshot_operation.run(make_context(cloud))["changed"] is True
    assert cloud.power_state == "running"


def test_it_is_started_once(machine: Machine) -> None:
    cloud = left_off(machine, snapshot())
    snapshot_operation.run(make_context(cloud))
    cloud.power_state = "stopped"  # now by somebody's wish
    again = make_context(cloud)
    assert snapshot_operation.run(again)["changed"] is False
    assert cloud.asked == ["start"] and again.warnings == []


def test_it_is_started_in_the_tasks_turn(machine: Machine) -> None:
    cloud = left_off(machine, snapshot())
    free: list[bool] = []
    cloud.before = lambda change: free.append(machine.is_free(cloud))
    snapshot_operation.run(make_context(cloud))
    assert free == [False] and machine.is_free(cloud)


@pytest.mark.parametrize(("options", "refused"), [({}, "create"), ({"id": "77"}, None)])
def test_it_is_started_where_the_wish_fails_and_the_failure_is_told(machine: Machine, options: dict, refused: str | None) -> None:
    cloud = left_off(machine)

    def refuse(change: str) -> None:
        if refused and change.startswith(refused):
            raise no()

    cloud.before = refuse
    failing = make_context(cloud, **options)
    with pytest.raises(RewindError, match="The cloud said no" if refused else "Snapshot 77 of server") as caught:
        snapshot_operation.run(failing)
    assert caught.value.outcome == errors.NOT_APPLIED
    assert cloud.asked[-1] == "start" and cloud.power_state == "running" and failing.changes.changed
    assert len(failing.warnings) == 1 and machine.notes(cloud) == set()


def test_where_it_can_not_be_started_both_are_told_and_the_next_task_tries_again(machine: Machine) -> None:
    cloud = left_off(machine)

    def refuse(change: str) -> None:
        raise no() if change.startswith("create") else no(errors.FORBIDDEN)

    cloud.before = refuse
    with pytest.raises(RewindError, match="could NOT be started again.*before that: The cloud said no") as caught:
        snapshot_operation.run(make_context(cloud))
    assert (caught.value.outcome, caught.value.hint) == (errors.FAILED, "START IT NOW in the cloud's panel")
    assert machine.notes(cloud) == {power.STOPPED_FOR_SNAPSHOT}
    cloud.before = lambda change: None
    snapshot_operation.run(make_context(cloud))
    assert cloud.asked == ["create nightly", "start", "create nightly", "start"] and cloud.power_state == "running"


@pytest.mark.parametrize("ago", [86500.0, -3600.0])
@pytest.mark.parametrize("check_mode", [False, True])
def test_one_that_has_been_off_for_a_day_stays_off(machine: Machine, ago: float, check_mode: bool) -> None:
    cloud = left_off(machine, snapshot(), ago=ago)
    looking = make_context(cloud, check_mode=check_mode)
    assert snapshot_operation.run(looking)["changed"] is False
    assert (cloud.asked, cloud.power_state, looking.warnings) == ([], "stopped", [])


def test_one_of_less_than_a_day_is_started(machine: Machine) -> None:
    cloud = left_off(machine, snapshot(), ago=86300.0)
    snapshot_operation.run(make_context(cloud))
    assert cloud.asked == ["start"]


def test_one_that_is_off_without_a_note_stays_off(machine: Machine) -> None:
    cloud = Cloud("vpsorg", snapshot())
    cloud.power_state = "stopped"
    assert snapshot_operation.run(make_context(cloud))["changed"] is False
    assert cloud.asked == []


def test_one_that_runs_again_is_let_be_and_the_note_removed(machine: Machine) -> None:
    cloud = left_off(machine, snapshot())
    cloud.power_state = "running"
    checked = make_context(cloud, check_mode=True)
    assert snapshot_operation.run(checked)["changed"] is False
    assert machine.notes(cloud) == {power.STOPPED_FOR_SNAPSHOT}
    looking = make_context(cloud)
    assert snapshot_operation.run(looking)["changed"] is False
    assert (cloud.asked, looking.warnings, checked.warnings, machine.notes(cloud)) == ([], [], [], set())


def test_one_that_is_on_its_way_off_is_waited_for_and_started(machine: Machine) -> None:
    """The killed task's stop is still at work."""
    cloud = left_off(machine, snapshot())
    cloud.power_state, cloud.task_state = "running", "stopping"

    def off_by_now() -> None:
        if cloud.task_state:
            cloud.power_state, cloud.task_state = "stopped", None

    machine.meanwhile = off_by_now
    assert snapshot_operation.run(make_context(cloud))["changed"] is True
    assert cloud.asked == ["start"] and machine.notes(cloud) == set()


def test_a_task_that_stops_a_server_notes_it_before_and_takes_it_back_after(machine: Machine) -> None:
    cloud = Cloud("vpsorg")
    noted: list[tuple[str, bool]] = []
    cloud.before = lambda change: noted.append((change, power.STOPPED_FOR_SNAPSHOT in machine.notes(cloud)))
    snapshot_operation.run(make_context(cloud, stop_server=True))
    assert noted == [("stop", True), ("create nightly", True), ("start", True)]
    assert power.STOPPED_FOR_SNAPSHOT not in machine.notes(cloud)


def test_a_server_that_was_off_before_is_not_noted(machine: Machine) -> None:
    cloud = Cloud("vpsorg")
    cloud.power_state = "stopped"
    cloud.before = lambda change: machine.notes(cloud) and pytest.fail("it may stay off")
    snapshot_operation.run(make_context(cloud, stop_server=True))
    assert cloud.asked == ["create nightly"]


def test_where_no_note_can_be_written_that_is_said(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, notes: dict[str, Any]) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("ansible_collections.rewind.vps.plugins.module_utils._state.server_lock.LocalState._write", full)
    cloud = Cloud("vpsorg")
    working = make_context(cloud, stop_server=True)
    snapshot_operation.run(working)
    assert cloud.asked == ["stop", "create nightly", "start"]
    assert len(working.warnings) == 1 and "nothing starts server" in working.warnings[0]


# --- a stop that is refused


def stop_is_refused(error: RewindError, seen: Callable[[Cloud], None]) -> SlowCloud:
    cloud = SlowCloud("vpsorg")

    def refuse(change: str) -> None:
        if change == "stop":
            seen(cloud)
            raise error

    cloud.before = refuse
    return cloud


def goes_off(cloud: Cloud) -> None:
    cloud.power_state = "stopped"


def test_a_refused_stop_of_a_server_that_is_off_by_now_counts_as_stopped(machine: Machine) -> None:
    """Another's stop was under way, and is done: the server is started all the same, for it ran when this task came."""
    cloud = stop_is_refused(no(), goes_off)

    def ready() -> None:
        cloud.snapshots = [snapshot(id=item.id) for item in cloud.snapshots]

    machine.meanwhile = ready
    assert snapshot_operation.run(make_context(cloud, stop_server=True))["changed"] is True
    assert cloud.asked == ["stop", "create nightly", "start"] and cloud.power_state == "running"
    assert power.STOPPED_FOR_SNAPSHOT not in machine.notes(cloud)


@pytest.mark.parametrize(("kind", "seen"), [(errors.PROVIDER_REJECTED, lambda cloud: None), (errors.FORBIDDEN, goes_off)])
def test_a_stop_that_is_refused_else_ends_it(machine: Machine, kind: str, seen: Callable[[Cloud], None]) -> None:
    cloud = stop_is_refused(no(kind), seen)
    failing = make_context(cloud, stop_server=True)
    with pytest.raises(RewindError, match="The cloud said no") as caught:
        snapshot_operation.run(failing)
    assert (caught.value.kind, caught.value.outcome) == (kind, errors.NOT_APPLIED)
    assert cloud.asked == ["stop"] and not failing.changes.changed and machine.notes(cloud) == set()


def test_a_refused_stop_of_a_server_that_can_not_be_looked_at_is_refused(machine: Machine) -> None:
    def out_of_reach(cloud: Cloud) -> None:
        def find(reference: str) -> Server:
            raise no(errors.TIMEOUT)

        cloud.get_server = find  # type: ignore[method-assign]

    cloud = stop_is_refused(no(), out_of_reach)
    with pytest.raises(RewindError) as caught:
        snapshot_operation.run(make_context(cloud, stop_server=True))
    assert caught.value.kind == errors.PROVIDER_REJECTED and cloud.asked == ["stop"]
