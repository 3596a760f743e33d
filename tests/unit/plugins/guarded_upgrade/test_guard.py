# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guard decides, in a made-up world: it restores where it must, once, and never where it must not."""

from __future__ import annotations

import pytest
from guard_builders import (
    FakeWorld,
    empty_the_disk,
    failed,
    fill_the_disk,
    guard_in,
    history,
    is_ready,
    on_disk,
    restored,
)

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.guard import refusal
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states

ENDED_BADLY = {"outcome": states.ROLLBACK_FAILED, "message": "It failed.", "acknowledged": False}
RESTORED_BEFORE = {"restore_message": "Server web1 is restored", "verification": []}
IN_STATE = {
    states.RESTORED: RESTORED_BEFORE, states.ENDED: ENDED_BADLY, states.CONFIRMED: {}, states.RESTORING: {},
    **dict.fromkeys((*states.UNARMED_STATES, *states.ARMED_STATES), {}),
}
QUIET = (*states.UNARMED_STATES, states.CONFIRMED, states.RESTORING)


def move(to, seconds=None, **fields):
    return {"do": "move", "to": to, "seconds": seconds, "facts": fields}


def roll_back(by_hand=False, reason="it failed"):
    return {"do": "roll_back", "reason": reason, "manual": by_hand}


def undo(guard, **how):
    """As the role's two steps do: have the rollback begun, then wait for its end."""
    guard.answer(roll_back(**how))
    return guard.answer(AWAIT)


AWAIT = {"do": "await"}
TOLD = {"do": "told"}
END = {"do": "end", "outcome": states.ROLLED_BACK, "message": "passed", "verification": [{"check": "marker", "result": "passed", "detail": "gone"}]}


# --- what it does of itself


@pytest.mark.parametrize("state", IN_STATE)
def test_while_the_run_lives_and_has_time_nothing_is_done(tmp_path, state):
    world = FakeWorld()
    guard = guard_in(tmp_path, state, world, **IN_STATE[state])
    before = on_disk(guard)
    for _attempt in range(3):
        guard.watch()
        world.pass_time(100_000)
    assert (world.asked, world.told, guard.is_over) == ([], [], False)
    assert on_disk(guard) == before


@pytest.mark.parametrize("state", IN_STATE)
def test_when_the_run_is_gone(tmp_path, state):
    world = FakeWorld(alive=False)
    guard = guard_in(tmp_path, state, world, **IN_STATE[state])
    guard.watch()
    assert guard.is_over
    if state in states.ARMED_STATES:
        assert world.asked == [("801", 600)]
        data = on_disk(guard)
        assert (data["state"], data["outcome"], data["acknowledged"]) == (states.ENDED, states.ROLLED_BACK, False)
        assert history(data) == [state, states.RESTORING, states.RESTORED, states.ENDED]
        assert data["reason"] == "the run ended without a word"
        assert [(finding["check"], finding["result"]) for finding in data["verification"]] == [("cloud", "passed"), ("server", "inconclusive")]
        assert "nobody has looked" in data["message"]
    else:
        assert world.asked == [], "nothing was changed, it is confirmed, or the restore is over"
        assert guard.record.state == (states.ENDED if state == states.RESTORED else state)


@pytest.mark.parametrize("state", states.ARMED_STATES)
def test_when_a_parts_time_is_up_while_the_run_lives(tmp_path, state):
    world = FakeWorld()
    before = {states.ARMED: states.READY, states.UPGRADING: states.ARMED, states.CHECKING: states.UPGRADING}[state]
    guard = guard_in(tmp_path, before, world)
    guard.answer(move(state, 100))
    guard.watch()
    world.pass_time(99)
    guard.watch()
    assert world.asked == []
    world.pass_time(1)
    guard.watch()
    assert world.asked == [("801", 600)]
    data = on_disk(guard)
    assert data["state"] == states.RESTORED and "100 s" in data["reason"]
    for _attempt in range(3):
        world.pass_time(1000)
        guard.watch()
    assert len(world.asked) == 1 and not guard.is_over, "the run has to be told, and to look at the server"


@pytest.mark.parametrize("state", [states.SNAPSHOTTING, states.READY, states.CONFIRMED])
def test_a_deadline_means_nothing_where_nothing_is_to_be_undone(tmp_path, state):
    before = {states.SNAPSHOTTING: states.PLANNED, states.READY: states.SNAPSHOTTING, states.CONFIRMED: states.CHECKING}[state]
    world = FakeWorld()
    guard = guard_in(tmp_path, before, world)
    guard.answer(move(state, 1))
    world.pass_time(1000)
    guard.watch()
    assert world.asked == [] and guard.record.state == state


def test_each_part_has_its_own_time(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.ARMED, world)
    guard.answer(move(states.UPGRADING, 100))
    world.pass_time(90)
    guard.answer(move(states.CHECKING, 100))
    world.pass_time(90)
    guard.watch()
    assert world.asked == []
    guard.answer(move(states.CONFIRMED))
    world.pass_time(1000)
    guard.watch()
    assert world.asked == [] and guard.record.state == states.CONFIRMED


def test_a_part_without_a_time_of_its_own_does_not_inherit_one(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.READY, world)
    guard.answer(move(states.ARMED, 10))
    guard.answer(move(states.UPGRADING))
    world.pass_time(1000)
    guard.watch()
    assert world.asked == [] and guard.record.state == states.UPGRADING


@pytest.mark.parametrize(("answer", "outcome"), [
    (failed(errors.OPERATION_FAILED, errors.FAILED), states.ROLLBACK_FAILED), (failed(errors.TIMEOUT, errors.UNKNOWN), states.UNKNOWN),
    (failed(errors.FORBIDDEN), states.ROLLBACK_FAILED),
])
@pytest.mark.parametrize("alive", [True, False])
def test_a_restore_that_does_not_succeed_is_said_and_not_begun_again(tmp_path, answer, outcome, alive):
    world = FakeWorld(answer, alive=alive)
    guard = guard_in(tmp_path, states.CHECKING, world)
    guard.answer(move(states.CONFIRMED))
    guard = guard_in(tmp_path, states.UPGRADING, world)
    guard._set_deadline(1)
    world.pass_time(2)
    guard.watch()
    asked = len(world.asked)
    data = on_disk(guard)
    assert (data["state"], data["outcome"], data["message"], data["acknowledged"]) == (states.ENDED, outcome, answer["msg"], False)
    assert guard.is_over is not alive
    for _attempt in range(3):
        guard.watch()
        undo(guard)
    assert len(world.asked) == asked, "at most one rollback a run"


# --- what the run asks for


def test_an_upgrade_that_goes_well(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.PLANNED, world)
    for state in (states.SNAPSHOTTING, states.READY, states.ARMED, states.UPGRADING, states.CHECKING, states.CONFIRMED):
        fields = {"snapshot": {"id": "801", "name": "rewind1"}} if state == states.READY else {}
        answer = guard.answer(move(state, 100, **fields))
        assert answer["record"] == on_disk(guard) and answer["record"]["state"] == state
        guard.watch()
        assert not guard.is_over
    guard.answer({**END, "outcome": states.UPGRADED})
    assert (guard.record.outcome, guard.record.data["acknowledged"]) == (states.UPGRADED, False)
    guard.watch()
    assert not guard.is_over, "nobody has been told yet"
    assert guard.answer(TOLD)["record"]["acknowledged"] is True
    guard.watch()
    assert guard.is_over and world.asked == [] and world.told == []


@pytest.mark.parametrize("state", states.ARMED_STATES)
def test_a_rollback_that_the_run_asks_for(tmp_path, state):
    world = FakeWorld(failed(errors.BUSY), restored())
    guard = guard_in(tmp_path, state, world)
    data = undo(guard, reason="Run the upgrade: failed")["record"]
    assert data == on_disk(guard)
    assert (data["state"], data["reason"], data["restore_message"]) == (states.RESTORED, "Run the upgrade: failed", restored()["msg"])
    assert [id_ for id_, dummy in world.asked] == ["801", "801"] and data["progress"] is None
    undo(guard)
    guard.watch()
    assert len(world.asked) == 2, "it is restored already"
    guard.answer(END)
    assert on_disk(guard)["verification"] == END["verification"]
    undo(guard)
    assert len(world.asked) == 2, "it is over"
    guard.answer(TOLD)
    guard.watch()
    assert guard.is_over


@pytest.mark.parametrize("state", [*states.UNARMED_STATES, states.CONFIRMED])
def test_a_rollback_is_refused_where_there_is_nothing_to_undo(tmp_path, state):
    world = FakeWorld()
    guard = guard_in(tmp_path, state, world)
    before = on_disk(guard)
    with pytest.raises(RewindError):
        undo(guard)
    assert world.asked == [] and on_disk(guard) == before == guard.record.data


@pytest.mark.parametrize("state", [states.RESTORING, states.RESTORED, states.ENDED])
def test_what_is_undone_can_not_be_confirmed(tmp_path, state):
    guard = guard_in(tmp_path, state, FakeWorld(), **IN_STATE[state])
    before = on_disk(guard)
    with pytest.raises(RewindError):
        guard.answer(move(states.CONFIRMED))
    assert on_disk(guard) == before


def test_a_confirmation_that_comes_after_the_time_is_up_is_refused(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.UPGRADING, world)
    guard.answer(move(states.CHECKING, 10))
    world.pass_time(11)
    guard.watch()
    with pytest.raises(RewindError) as caught:
        guard.answer(move(states.CONFIRMED))
    assert caught.value.kind == "busy" and guard.record.state == states.RESTORED


@pytest.mark.parametrize(("state", "outcome"), [
    (states.READY, states.NOT_STARTED), (states.CONFIRMED, states.UPGRADED), (states.ENDED, states.ROLLBACK_FAILED),
])
def test_by_hand_a_restore_is_possible_afterwards(tmp_path, state, outcome):
    world = FakeWorld()
    guard = guard_in(tmp_path, state, world, **{**IN_STATE[state], "outcome": outcome if state == states.ENDED else None})
    undo(guard, by_hand=True)
    assert world.asked == [("801", 600)]
    data = on_disk(guard)
    assert data["state"] == states.RESTORED and data["outcome"] is None, "the outcome is that of the restore, once it is known"
    expected = [state, states.RESTORING, states.RESTORED] if state == states.ENDED else [state, states.ENDED, states.RESTORING, states.RESTORED]
    assert history(data) == expected
    undo(guard, by_hand=True)
    assert len(world.asked) == 1


@pytest.mark.parametrize("state", [states.PLANNED, states.SNAPSHOTTING])
def test_by_hand_no_restore_is_possible_before_there_is_a_snapshot(tmp_path, state):
    world = FakeWorld()
    guard = guard_in(tmp_path, state, world)
    with pytest.raises(RewindError):
        undo(guard, by_hand=True)
    assert world.asked == [] and on_disk(guard)["state"] == state


def test_by_hand_no_restore_is_possible_of_a_run_that_ended_without_a_snapshot(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.ENDED, world, outcome=states.NOT_STARTED, snapshot={"name": "rewind1", "id": None})
    with pytest.raises(RewindError):
        undo(guard, by_hand=True)
    assert world.asked == [] and on_disk(guard)["state"] == states.ENDED


def test_only_the_receipts_own_snapshot_is_restored(tmp_path):
    world = FakeWorld(failed(errors.BUSY), failed(errors.TIMEOUT, errors.UNKNOWN), restored())
    guard = guard_in(tmp_path, states.UPGRADING, world, snapshot={"id": "4711", "name": "rewind1"})
    undo(guard)
    assert [id_ for id_, dummy in world.asked] == ["4711"] * 3


def test_what_is_noted_does_not_go_on_and_what_is_unknown_changes_nothing(tmp_path):
    guard = guard_in(tmp_path, states.UPGRADING, FakeWorld())
    assert guard.answer({"do": "note", "facts": {"evidence": ["/a"]}})["record"]["evidence"] == ["/a"]
    before = on_disk(guard)
    assert guard.answer({"do": "look"})["record"] == before == on_disk(guard)
    assert before["state"] == states.UPGRADING


def test_a_rollback_is_answered_before_it_is_done_and_nothing_else_is_before_it(tmp_path):
    """So that the batch's other servers' are begun meanwhile."""
    world = FakeWorld()
    guard = guard_in(tmp_path, states.CHECKING, world)
    assert guard.answer(roll_back())["record"]["state"] == states.RESTORING == on_disk(guard)["state"]
    assert world.asked == []
    guard.answer(END)
    assert history(on_disk(guard)) == [states.CHECKING, states.RESTORING, states.RESTORED, states.ENDED] and len(world.asked) == 1
    guard.watch()
    assert len(world.asked) == 1


def test_a_restore_by_hand_that_fails_is_not_asked_for_again_by_waiting_for_it(tmp_path):
    world = FakeWorld(failed(errors.FORBIDDEN))
    guard = guard_in(tmp_path, states.ENDED, world, outcome=states.UPGRADED)
    undo(guard, by_hand=True)
    assert guard.answer(AWAIT)["record"]["outcome"] == states.ROLLBACK_FAILED
    assert len(world.asked) == 1


# --- the snapshot

WISHES = {"match": f"rewind{'?' * 8}T{'?' * 6}Z{'?' * 4}", "stop_server": False, "seconds": 900}


def take(**changes):
    return {"do": "snapshot", "wishes": {**WISHES, **changes}}


def test_a_snapshot_is_answered_before_it_is_asked_for_and_seen_ready_later(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.PLANNED, world)
    assert guard.answer(take())["record"]["state"] == states.SNAPSHOTTING == on_disk(guard)["state"]
    assert world.asked_to_take == []
    guard.watch()
    assert world.asked_to_take == [(WISHES, 900)]
    data = guard.answer(AWAIT)["record"]
    assert data == on_disk(guard) and (data["state"], data["snapshot"]["id"], data["progress"]) == (states.READY, "801", None)
    assert data["snapshot_result"]["msg"] == "Snapshot is made" and "snapshots" not in data["snapshot_result"]
    assert len(world.asked_to_take) == 1
    guard.answer(move(states.ARMED, 10))


def test_a_snapshot_that_fails_is_told_and_not_asked_for_again_by_waiting_for_it(tmp_path):
    world = FakeWorld(taken=(failed(errors.OPERATION_FAILED, errors.FAILED), is_ready()))
    guard = guard_in(tmp_path, states.PLANNED, world)
    guard.answer(take())
    for _attempt in range(2):
        data = guard.answer(AWAIT)["record"]
        assert (data["state"], data["snapshot"]["id"], data["snapshot_result"]["msg"]) == (states.SNAPSHOTTING, None, "It failed: operation_failed.")
    assert data == on_disk(guard) and len(world.asked_to_take) == 1
    with pytest.raises(RewindError):
        guard.answer(move(states.ARMED, 10))
    guard.answer(take())
    assert guard.answer(AWAIT)["record"]["state"] == states.READY, "a rerun takes up the receipt and asks anew"


def test_another_guard_finishes_the_snapshot_that_one_has_begun(tmp_path):
    for result, asks in ((None, 1), ({**failed(errors.FORBIDDEN)}, 0)):
        world = FakeWorld()
        guard = guard_in(tmp_path, states.SNAPSHOTTING, world, resumed=True, snapshot_wishes=WISHES, snapshot_result=result)
        guard.watch()
        assert world.asked_to_take == [], "only when the run asks: it may not want it any more"
        guard.answer(AWAIT)
        assert len(world.asked_to_take) == asks


@pytest.mark.parametrize("state", [states.PLANNED, states.SNAPSHOTTING, states.READY, states.CONFIRMED])
def test_waiting_begins_nothing(tmp_path, state):
    world = FakeWorld()
    guard = guard_in(tmp_path, state, world)
    guard.answer(AWAIT)
    assert (world.asked, world.asked_to_take, on_disk(guard)["state"]) == ([], [], state)


@pytest.mark.parametrize("state", [*states.ARMED_STATES, states.CONFIRMED, states.RESTORING, states.RESTORED, states.ENDED])
def test_no_snapshot_is_taken_where_the_way_back_is_one_already(tmp_path, state):
    world = FakeWorld()
    guard = guard_in(tmp_path, state, world, **IN_STATE[state])
    with pytest.raises(RewindError):
        guard.answer(take())
    guard.watch()
    assert world.asked_to_take == [] and on_disk(guard)["snapshot"]["id"] == "801"


def test_no_snapshot_is_asked_for_when_its_run_is_gone(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.PLANNED, world)
    guard.answer(take())
    world.alive = False
    guard.watch()
    assert world.asked_to_take == [] and guard.is_over and on_disk(guard)["state"] == states.SNAPSHOTTING


def test_the_run_may_go_while_its_guard_takes_the_snapshot(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.PLANNED, world)
    ask = world.ask_snapshot

    def ask_and_die(wishes, seconds, progress):
        world.alive = False
        return ask(wishes, seconds, progress)

    world.ask_snapshot = ask_and_die
    guard.answer(take())
    guard.watch()
    assert guard.is_over and on_disk(guard)["state"] == states.READY, "the next run goes on with it"
    assert world.asked == []


def test_a_full_disk_keeps_an_upgrade_from_beginning(tmp_path, monkeypatch):
    """Its snapshot's id is not written down, so nobody could restore it."""
    guard = guard_in(tmp_path, states.PLANNED, FakeWorld())
    guard.answer(take())
    fill_the_disk(monkeypatch)
    data = guard.answer(AWAIT)["record"]
    assert data["state"] == states.SNAPSHOTTING and data["snapshot_result"]["failed"]
    assert "could not be written (No space left on device)" in data["snapshot_result"]["msg"]
    empty_the_disk(monkeypatch)
    with pytest.raises(RewindError):
        guard.answer(move(states.ARMED, 10))


def test_the_receipt_tells_how_it_goes(tmp_path):
    world, seen = FakeWorld(failed(errors.BUSY), restored()), []
    guard = guard_in(tmp_path, states.UPGRADING, world)
    ask = world.ask_restore

    def ask_and_look(snapshot_id, seconds, progress):
        seen.append(on_disk(guard).get("progress"))
        return ask(snapshot_id, seconds, progress)

    world.ask_restore = ask_and_look
    undo(guard)
    assert seen[0] is None and "Trying again in 2 s" in seen[1] and on_disk(guard)["progress"] is None


# --- a guard that takes up what another has left


def test_one_found_under_way_is_its_own_only_for_the_guard_that_takes_up_a_restore(tmp_path):
    joined = restored(already_in_progress=True, msg="Server web1 was being restored already, and that is done")
    for state, resumed, asks in ((states.RESTORING, True, 1), (states.RESTORING, False, 2), (states.UPGRADING, True, 2)):
        world = FakeWorld(joined, restored())
        guard = guard_in(tmp_path, state, world, resumed=resumed)
        undo(guard)
        assert (len(world.asked), guard.record.state) == (asks, states.RESTORED), (state, resumed)
        assert history(on_disk(guard)).count(states.RESTORING) == 1


# --- when it is over


def test_an_end_that_was_not_told_yet_keeps_it_until_it_is(tmp_path):
    guard = guard_in(tmp_path, states.ENDED, FakeWorld(), **ENDED_BADLY)
    guard.watch()
    assert not guard.is_over
    guard.answer({**END, "outcome": states.UPGRADED, "message": "another"})
    guard.watch()
    assert not guard.is_over
    guard.answer(TOLD)
    data = on_disk(guard)
    assert data["acknowledged"] is True
    assert (data["outcome"], data["message"]) == (states.ROLLBACK_FAILED, "It failed."), "how it ended stays"
    guard.watch()
    assert guard.is_over


@pytest.mark.parametrize("state", [state for state in IN_STATE if state != states.ENDED])
def test_what_is_not_over_can_not_have_been_told(tmp_path, state):
    guard = guard_in(tmp_path, state, FakeWorld(), **IN_STATE[state])
    guard.answer(TOLD)
    guard.watch()
    assert on_disk(guard)["acknowledged"] is False and not guard.is_over


@pytest.mark.parametrize("state", states.ARMED_STATES)
def test_what_is_guarded_can_not_just_be_ended(tmp_path, state):
    guard = guard_in(tmp_path, state, FakeWorld())
    with pytest.raises(RewindError):
        guard.answer({**END, "outcome": states.UPGRADED})
    guard.watch()
    assert on_disk(guard)["state"] == state and not guard.is_over


def test_the_run_may_go_while_its_guard_restores(tmp_path):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.UPGRADING, world)
    ask = world.ask_restore

    def ask_and_die(snapshot_id, seconds, progress):
        world.alive = False
        return ask(snapshot_id, seconds, progress)

    world.ask_restore = ask_and_die
    guard.answer(roll_back())
    guard.watch()
    assert len(world.asked) == 1 and guard.is_over
    assert "rolled back" in world.told[-1], "nobody else tells"
    assert (on_disk(guard)["outcome"], on_disk(guard)["acknowledged"]) == (states.ROLLED_BACK, False)


# --- a disk without room


@pytest.mark.parametrize("alive", [True, False])
def test_a_full_disk_does_not_keep_a_broken_server_broken(tmp_path, monkeypatch, alive):
    world = FakeWorld(alive=alive)
    guard = guard_in(tmp_path, states.UPGRADING, world)
    guard._set_deadline(1)
    fill_the_disk(monkeypatch)
    world.pass_time(2)
    for _attempt in range(3):
        try:
            guard.watch()
        except OSError:
            pass  # as the guard's loop does
    assert world.asked == [("801", 600)], "restored, and once"
    assert guard.is_over is not alive
    assert guard.record.state == (states.RESTORED if alive else states.ENDED)
    if alive:
        empty_the_disk(monkeypatch)
        guard.answer(END)
        assert on_disk(guard)["outcome"] == states.ROLLED_BACK


def test_a_full_disk_while_the_run_asks_for_the_rollback(tmp_path, monkeypatch):
    world = FakeWorld()
    guard = guard_in(tmp_path, states.CHECKING, world)
    fill_the_disk(monkeypatch)
    assert undo(guard)["record"]["state"] == states.RESTORED
    assert len(world.asked) == 1


@pytest.mark.parametrize(("before", "after"), [(states.READY, states.ARMED), (states.ARMED, states.UPGRADING), (states.CHECKING, states.CONFIRMED)])
def test_a_step_that_can_not_be_written_is_not_taken(tmp_path, monkeypatch, before, after):
    """The run is told that it failed, so the guard must not go on as if it had not."""
    world = FakeWorld()
    guard = guard_in(tmp_path, before, world)
    fill_the_disk(monkeypatch)
    with pytest.raises(OSError):
        guard.answer(move(after, 100, marker_written=True))
    empty_the_disk(monkeypatch)
    assert guard.record.state == before == on_disk(guard)["state"]
    assert guard.record.data == on_disk(guard)
    if before in states.ARMED_STATES:
        undo(guard)
        assert len(world.asked) == 1


# --- what is said


def test_the_terminal_of_a_run_that_is_gone_is_told_before_and_after(tmp_path):
    world = FakeWorld(failed(errors.UNREACHABLE), restored(), alive=False)
    guard = guard_in(tmp_path, states.UPGRADING, world)
    guard.watch()
    first, *between, last = world.told
    assert "web1 (12345)" in first and "the run ended without a word" in first and guard.record.snapshot["name"] in first
    assert any("Trying again" in line for line in between)
    assert "rolled back" in last and "nobody has looked" in last and str(guard.record.path) in last


def test_the_terminal_is_told_of_a_restore_that_failed(tmp_path):
    world = FakeWorld(failed(errors.FORBIDDEN), alive=False)
    guard_in(tmp_path, states.UPGRADING, world).watch()
    assert "rollback failed" in world.told[-1] and "It failed: forbidden." in world.told[-1]


def test_a_refusal_is_plain_data():
    error = RewindError("It can't be", kind=errors.BUSY, outcome=errors.UNKNOWN, hint="wait")
    assert refusal(error) == {"refused": {"message": "It can't be", "kind": "busy", "outcome": "unknown", "hint": "wait"}}
    again = RewindError(**refusal(error)["refused"])
    assert again.format() == error.format()
