# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of a guard with fake actions: it restores once where it must, and never where it must not."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from guard_builders import (
    ACKNOWLEDGE,
    FINISH,
    WAIT,
    FakeActions,
    empty_the_disk,
    failed,
    fill_the_disk,
    guard_in,
    history,
    on_disk,
    record_in,
    restored,
    roll_back,
    transition,
)

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.guard import transition as enter
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

ENDED_BADLY = {"outcome": states.ROLLBACK_FAILED, "message": "It failed.", "acknowledged": False}
# Every state, with the fields of a run record in it.
IN_STATE = {
    **{state: {} for state in states.STATES if state != states.AWAITING},  # which has tests of its own
    states.RESTORED: {"restore_message": "Server web1 is restored"}, states.ENDED: ENDED_BADLY,
}


def complete_rollback(guard, **how):
    """Start the rollback, then wait for its end, as the two steps of the role do."""
    guard.handle(roll_back(**how))
    return guard.handle(WAIT)


# --- what the guard does by itself


@pytest.mark.parametrize("state", IN_STATE)
def test_nothing_happens_while_the_run_is_alive_and_in_time(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions, **IN_STATE[state])
    before = on_disk(guard)
    for _attempt in range(3):
        guard.tick()
        if state != states.RESTORING:
            guard.handle(WAIT)
        actions.pass_time(100_000)
    assert (actions.restore_calls, actions.snapshot_calls, actions.terminal_lines, guard.finished) == ([], [], [], False)
    assert on_disk(guard) == before


@pytest.mark.parametrize("state", IN_STATE)
def test_when_the_run_has_ended(tmp_path, state):
    actions = FakeActions(alive=False)
    guard = guard_in(tmp_path, state, actions, **IN_STATE[state])
    guard.tick()
    assert guard.finished
    if state in states.ARMED_STATES:
        assert actions.restore_calls == [("801", 600)]
        data = on_disk(guard)
        assert (data["state"], data["outcome"], data["acknowledged"]) == (states.ENDED, states.ROLLED_BACK, False)
        assert history(data) == [state, states.RESTORING, states.RESTORED, states.ENDED]
        assert data["reason"] == "the run ended unexpectedly"
        assert [(finding["check"], finding["result"]) for finding in data["verification"]] == [("cloud", "passed"), ("server", "inconclusive")]
        assert "was not probed" in data["message"]
    else:
        assert actions.restore_calls == [], "nothing was changed, it is confirmed, or the restore is over"
        assert guard.record.state == (states.ENDED if state == states.RESTORED else state)


@pytest.mark.parametrize(("before", "state"), [
    (states.READY, states.ARMED), (states.ARMED, states.UPGRADING), (states.UPGRADING, states.CHECKING),
    (states.PLANNED, states.SNAPSHOTTING), (states.SNAPSHOTTING, states.READY), (states.CHECKING, states.CONFIRMED),
])
def test_when_a_phase_times_out_and_the_run_is_alive(tmp_path, before, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, before, actions)
    guard.handle(transition(state, 100))
    guard.tick()
    actions.pass_time(99)
    guard.tick()
    assert actions.restore_calls == []
    actions.pass_time(1)
    guard.tick()
    if state not in states.ARMED_STATES:
        assert actions.restore_calls == [] and guard.record.state == state, "there is nothing to roll back"
        return
    data = on_disk(guard)
    assert data["state"] == states.RESTORED and "100 s" in data["reason"]
    with pytest.raises(RewindError, match="can't become confirmed"):
        guard.handle(transition(states.CONFIRMED))
    for _attempt in range(3):
        actions.pass_time(1000)
        guard.tick()
    assert actions.restore_calls == [("801", 600)] and not guard.finished, "the run has to acknowledge the rollback and probe the server"


AWAIT = {"command": "transition", "to": states.AWAITING, "seconds": 600, "fields": {"seconds_allowed": 600}}
CONFIRM = {"command": "transition", "to": states.CONFIRMED, "seconds": None, "fields": {}}


@pytest.mark.parametrize("alive", [True, False])
def test_while_a_person_decides_only_the_time_counts(tmp_path, alive):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.CHECKING, actions)
    guard.handle(AWAIT)
    actions.alive = alive
    actions.pass_time(599)
    guard.tick()
    assert (guard.record.state, guard.finished, actions.restore_calls) == (states.AWAITING, False, [])
    actions.pass_time(2)
    guard.tick()
    assert actions.restore_calls == [("801", 600)] and guard.record.data["reason"] == "it was not confirmed in time"
    assert guard.finished is not alive
    with pytest.raises(RewindError, match="can't become confirmed"):
        guard.handle(CONFIRM)


def test_a_confirmation_by_a_person_is_final(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.CHECKING, actions)
    guard.handle(AWAIT)
    actions.alive = False
    guard.handle(CONFIRM)
    actions.pass_time(100_000)
    guard.tick()
    assert (guard.record.state, guard.finished, actions.restore_calls) == (states.CONFIRMED, True, [])


@pytest.mark.parametrize(("age", "restored"), [(10, False), (10_000, True)])
def test_a_guard_that_replaces_another_keeps_the_time_of_the_confirmation(tmp_path, age, restored):
    entered = datetime.fromtimestamp(time.time() - age, timezone.utc).isoformat()
    actions = FakeActions(alive=False)
    guard = guard_in(
        tmp_path, states.AWAITING, actions, resumed=True, seconds_allowed=600, history=[{"at": entered, "state": states.AWAITING}],
    )
    actions.pass_time(2)
    guard.tick()
    assert bool(actions.restore_calls) is restored
    actions.pass_time(600)
    guard.tick()
    assert actions.restore_calls == [("801", 600)]


def test_each_phase_has_its_own_time(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.READY, actions)
    for state, seconds in ((states.ARMED, 100), (states.UPGRADING, 100), (states.CHECKING, None)):
        guard.handle(transition(state, seconds))
        actions.pass_time(90 if seconds else 1000)
        guard.tick()
        assert actions.restore_calls == [] and guard.record.state == state


@pytest.mark.parametrize(("answer", "outcome"), [
    (failed(errors.OPERATION_FAILED, errors.FAILED), states.ROLLBACK_FAILED), (failed(errors.TIMEOUT, errors.UNKNOWN), states.UNKNOWN),
    (failed(errors.FORBIDDEN), states.ROLLBACK_FAILED),
])
@pytest.mark.parametrize("alive", [True, False])
def test_a_failed_restore_is_reported_and_not_requested_again(tmp_path, answer, outcome, alive):
    actions = FakeActions(answer)
    guard = guard_in(tmp_path, states.ARMED, actions)
    guard.handle(transition(states.UPGRADING, 1))
    actions.pass_time(2)
    actions.alive = alive
    guard.tick()
    asked = len(actions.restore_calls)
    data = on_disk(guard)
    assert (data["state"], data["outcome"], data["message"], data["acknowledged"]) == (states.ENDED, outcome, answer["msg"], False)
    assert guard.finished is not alive
    assert outcome.replace("_", " ") in actions.terminal_lines[-1] and answer["msg"] in actions.terminal_lines[-1]
    for _attempt in range(3):
        guard.tick()
        complete_rollback(guard)
    assert len(actions.restore_calls) == asked, "at most one rollback a run"


# --- requests of the run


def test_a_confirmed_upgrade(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    for state in (states.SNAPSHOTTING, states.READY, states.ARMED, states.UPGRADING, states.CHECKING, states.CONFIRMED):
        fields = {"snapshot": {"id": "801", "name": "rewind1"}} if state == states.READY else {}
        answer = guard.handle(transition(state, 100, **fields))
        assert answer["record"] == on_disk(guard) and answer["record"]["state"] == state
        guard.tick()
        assert not guard.finished
    guard.handle({**FINISH, "outcome": states.UPGRADED})
    assert (guard.record.outcome, guard.record.data["acknowledged"]) == (states.UPGRADED, False)
    guard.tick()
    assert not guard.finished, "the run has not acknowledged it yet"
    assert guard.handle(ACKNOWLEDGE)["record"]["acknowledged"] is True
    guard.tick()
    assert guard.finished and actions.restore_calls == [] and actions.terminal_lines == []


@pytest.mark.parametrize("state", states.ARMED_STATES)
def test_a_rollback_requested_by_the_run(tmp_path, state):
    actions = FakeActions(failed(errors.BUSY), restored())
    guard = guard_in(tmp_path, state, actions, snapshot={"id": "4711", "name": "rewind1"})
    data = complete_rollback(guard, reason="Run the upgrade: failed")["record"]
    assert data == on_disk(guard)
    assert (data["state"], data["reason"], data["restore_message"]) == (states.RESTORED, "Run the upgrade: failed", restored()["msg"])
    assert [id_ for id_, dummy in actions.restore_calls] == ["4711", "4711"] and data["progress"] is None
    complete_rollback(guard)
    guard.tick()
    assert len(actions.restore_calls) == 2, "it is restored already"
    guard.handle(FINISH)
    assert on_disk(guard)["verification"] == FINISH["verification"]
    complete_rollback(guard)
    assert len(actions.restore_calls) == 2, "it is over"
    guard.handle(ACKNOWLEDGE)
    guard.tick()
    assert guard.finished


@pytest.mark.parametrize("state", [*states.UNARMED_STATES, states.CONFIRMED])
def test_a_rollback_is_rejected_if_there_is_nothing_to_roll_back(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions)
    before = on_disk(guard)
    for by_hand in (False, True) if state in (states.PLANNED, states.SNAPSHOTTING) else (False,):
        with pytest.raises(RewindError):
            complete_rollback(guard, by_hand=by_hand)
    assert actions.restore_calls == [] and on_disk(guard) == before == guard.record.data


@pytest.mark.parametrize(("state", "outcome"), [
    (states.READY, states.NOT_STARTED), (states.CONFIRMED, states.UPGRADED), (states.ENDED, states.ROLLBACK_FAILED),
])
def test_a_manual_restore_of_an_ended_run(tmp_path, state, outcome):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions, **{**IN_STATE[state], "outcome": outcome if state == states.ENDED else None})
    complete_rollback(guard, by_hand=True)
    assert actions.restore_calls == [("801", 600)]
    data = on_disk(guard)
    assert data["state"] == states.RESTORED and data["outcome"] is None, "the outcome is that of the restore, once it is known"
    expected = [state, states.RESTORING, states.RESTORED] if state == states.ENDED else [state, states.ENDED, states.RESTORING, states.RESTORED]
    assert history(data) == expected
    complete_rollback(guard, by_hand=True)
    assert len(actions.restore_calls) == 1


def test_a_manual_restore_without_a_snapshot_is_rejected(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.ENDED, actions, outcome=states.NOT_STARTED, snapshot={"name": "rewind1", "id": None})
    with pytest.raises(RewindError, match="has no snapshot"):
        complete_rollback(guard, by_hand=True)
    assert actions.restore_calls == [] and on_disk(guard)["state"] == states.ENDED


def test_the_response_to_a_rollback_does_not_wait_and_later_requests_do(tmp_path):
    """So that the rollbacks of the other servers of the batch start concurrently."""
    actions = FakeActions()
    guard = guard_in(tmp_path, states.CHECKING, actions)
    assert guard.handle(roll_back())["record"]["state"] == states.RESTORING == on_disk(guard)["state"]
    assert actions.restore_calls == []
    guard.handle(FINISH)
    assert history(on_disk(guard)) == [states.CHECKING, states.RESTORING, states.RESTORED, states.ENDED] and len(actions.restore_calls) == 1
    guard.tick()
    assert len(actions.restore_calls) == 1


def test_a_restore_in_progress_counts_only_for_the_guard_that_resumes_it(tmp_path):
    joined = restored(already_in_progress=True, msg="Server web1 was already being restored; that restore is finished")
    for state, resumed, asks in ((states.RESTORING, True, 1), (states.RESTORING, False, 2), (states.UPGRADING, True, 2)):
        actions = FakeActions(joined, restored())
        guard = guard_in(tmp_path, state, actions, resumed=resumed)
        complete_rollback(guard)
        assert (len(actions.restore_calls), guard.record.state) == (asks, states.RESTORED), (state, resumed)
        assert history(on_disk(guard)).count(states.RESTORING) == 1


# --- the end of a run


def test_the_outcome_is_final_and_the_guard_runs_until_it_is_acknowledged(tmp_path):
    guard = guard_in(tmp_path, states.ENDED, FakeActions(), **ENDED_BADLY)
    guard.handle({**FINISH, "outcome": states.UPGRADED, "message": "another"})
    guard.tick()
    assert not guard.finished
    guard.handle(ACKNOWLEDGE)
    data = on_disk(guard)
    assert (data["acknowledged"], data["outcome"], data["message"]) == (True, states.ROLLBACK_FAILED, "It failed.")
    guard.tick()
    assert guard.finished


@pytest.mark.parametrize("state", [state for state in IN_STATE if state != states.ENDED])
def test_a_run_in_progress_can_not_be_acknowledged_and_an_armed_one_can_not_be_finished(tmp_path, state):
    guard = guard_in(tmp_path, state, FakeActions(), **IN_STATE[state])
    guard.handle(ACKNOWLEDGE)
    guard.tick()
    assert on_disk(guard)["acknowledged"] is False and not guard.finished
    if state in states.ARMED_STATES:
        with pytest.raises(RewindError):
            guard.handle({**FINISH, "outcome": states.UPGRADED})
        assert on_disk(guard)["state"] == state


def test_the_run_may_end_while_its_guard_restores(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    call = actions.restore_snapshot

    def call_and_die(snapshot_id, seconds, progress):
        actions.alive = False
        return call(snapshot_id, seconds, progress)

    actions.restore_snapshot = call_and_die
    guard.handle(roll_back())
    guard.tick()
    assert len(actions.restore_calls) == 1 and guard.finished
    assert "rolled back" in actions.terminal_lines[-1], "no run is left to report it"
    assert (on_disk(guard)["outcome"], on_disk(guard)["acknowledged"]) == (states.ROLLED_BACK, False)


# --- a full disk


@pytest.mark.parametrize("alive", [True, False])
def test_a_full_disk_does_not_prevent_the_rollback(tmp_path, monkeypatch, alive):
    actions = FakeActions(alive=alive)
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    guard._set_deadline(1)
    fill_the_disk(monkeypatch)
    actions.pass_time(2)
    for _attempt in range(3):
        try:
            guard.tick()
        except OSError:
            pass  # as the guard's loop does
    assert actions.restore_calls == [("801", 600)], "restored, and once"
    assert guard.finished is not alive
    assert guard.record.state == (states.RESTORED if alive else states.ENDED)
    if alive:
        empty_the_disk(monkeypatch)
        guard.handle(FINISH)
        assert on_disk(guard)["outcome"] == states.ROLLED_BACK


# --- messages


def test_the_terminal_of_an_ended_run_is_notified_before_and_after(tmp_path):
    actions = FakeActions(failed(errors.UNREACHABLE), restored(), alive=False)
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    guard.tick()
    first, *between, last = actions.terminal_lines
    assert "web1 (12345)" in first and "the run ended unexpectedly" in first and guard.record.snapshot["name"] in first
    assert any("Trying again" in line for line in between)
    assert "rolled back" in last and "was not probed" in last and str(guard.record.path) in last


# --- the run record


# Every transition of an upgrade; all others are rejected.
ALLOWED = {
    states.PLANNED: {states.SNAPSHOTTING, states.ENDED},
    states.SNAPSHOTTING: {states.SNAPSHOTTING, states.READY, states.ENDED},
    states.READY: {states.READY, states.SNAPSHOTTING, states.ARMED, states.ENDED},
    states.ARMED: {states.UPGRADING, states.RESTORING},
    states.UPGRADING: {states.CHECKING, states.RESTORING},
    states.CHECKING: {states.AWAITING, states.CONFIRMED, states.RESTORING},
    states.AWAITING: {states.CONFIRMED, states.RESTORING},
    states.CONFIRMED: {states.CONFIRMED, states.ENDED},
    states.RESTORING: {states.RESTORED, states.ENDED},
    states.RESTORED: {states.ENDED},
    states.ENDED: {states.RESTORING},
}


@pytest.mark.parametrize("before", states.STATES)
def test_transitions(tmp_path, before):
    for after in states.STATES:
        record = record_in(tmp_path, before)
        if after in ALLOWED[before]:
            enter(record, after, message="why")
            assert (record.state, record.data["message"], len(record.data["history"])) == (after, "why", 2)
        else:
            with pytest.raises(RewindError) as caught:
                enter(record, after, message="why")
            assert caught.value.kind == "busy" and str(record.path) in caught.value.hint
            assert record.state == before and len(record.data["history"]) == 1 and record.data["message"] is None
        assert RunRecord.load(record.path).data == record.data


@pytest.mark.parametrize("state", states.STATES)
def test_only_an_armed_upgrade_is_abandoned_and_then_nothing_is_restored(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions)
    request = {"command": "abandon", "reason": "no key", "message": "the controller has no key"}
    if state not in states.ARMED_STATES:
        with pytest.raises(RewindError, match="can't become abandoned"):
            guard.handle(request)
        assert guard.record.state == state
        return
    guard.handle(request)
    data = on_disk(guard)
    assert (data["state"], data["outcome"], data["reason"], data["message"]) == ("ended", "unknown", "no key", "the controller has no key")
    guard.tick()
    actions.alive = False
    guard.tick()
    assert (actions.restore_calls, guard.finished) == ([], True)


def test_a_full_disk_does_not_turn_an_abandoned_upgrade_into_a_restored_one(tmp_path, monkeypatch):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    fill_the_disk(monkeypatch)
    guard.handle({"command": "abandon", "reason": "no space", "message": "the disk is full"})
    assert guard.handle({"command": "read"})["record"]["outcome"] == "unknown"
    assert guard.handle(ACKNOWLEDGE)["record"]["acknowledged"]
    guard.tick()
    assert (actions.restore_calls, guard.finished) == ([], True)


@pytest.mark.parametrize("request_", [{}, {"reason": "x"}, {"message": "x"}, {"reason": 1, "message": "x"}])
def test_half_a_request_to_abandon_changes_nothing(tmp_path, request_):
    guard = guard_in(tmp_path, states.UPGRADING, FakeActions())
    with pytest.raises(RewindError, match="Invalid request"):
        guard.handle({"command": "abandon", **request_})
    assert guard.record.state == states.UPGRADING


def test_an_update_keeps_the_state_and_an_unknown_command_changes_nothing(tmp_path):
    guard = guard_in(tmp_path, states.UPGRADING, FakeActions())
    assert guard.handle({"command": "update", "fields": {"diagnostics": ["/a"]}})["record"]["diagnostics"] == ["/a"]
    before = on_disk(guard)
    assert guard.handle({"command": "read"})["record"] == before == on_disk(guard)
    assert before["state"] == states.UPGRADING


def test_the_run_record_shows_progress(tmp_path):
    actions, seen = FakeActions(failed(errors.BUSY), restored()), []
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    call = actions.restore_snapshot

    def call_and_read(snapshot_id, seconds, progress):
        seen.append(on_disk(guard).get("progress"))
        return call(snapshot_id, seconds, progress)

    actions.restore_snapshot = call_and_read
    guard.handle(roll_back())
    guard.tick()
    assert seen[0] is None and "Trying again in 2 s" in seen[1] and on_disk(guard)["progress"] is None


@pytest.mark.parametrize(("before", "after"), [(states.READY, states.ARMED), (states.ARMED, states.UPGRADING), (states.CHECKING, states.CONFIRMED)])
def test_a_transition_that_can_not_be_written_is_not_made(tmp_path, monkeypatch, before, after):
    """The run gets an error, so the guard must not continue as after a success."""
    actions = FakeActions()
    guard = guard_in(tmp_path, before, actions)
    fill_the_disk(monkeypatch)
    with pytest.raises(OSError):
        guard.handle(transition(after, 100, marker_written=True))
    empty_the_disk(monkeypatch)
    assert guard.record.state == before == on_disk(guard)["state"]
    assert guard.record.data == on_disk(guard)
    if before in states.ARMED_STATES:
        guard.handle(roll_back())
        guard.tick()
        assert len(actions.restore_calls) == 1


@pytest.mark.parametrize(("outcome", "verification"), [(states.ROLLED_BACK, "passed"), (states.ROLLBACK_FAILED, "failed")])
def test_what_the_guard_has_restored_alone_is_verified_once_by_the_next_run(tmp_path, outcome, verification):
    actions = FakeActions(alive=False)
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    guard.tick()
    assert (guard.record.outcome, guard.record.needs_verification) == (states.ROLLED_BACK, True)
    actions.alive = True
    finding = {"check": "marker", "result": verification, "detail": "as seen by the next run"}
    for message, expected in (("verified", "verified"), ("again", "verified")):
        guard.handle({"command": "finish", "outcome": outcome, "message": message, "verification": [finding]})
        assert (guard.record.outcome, guard.record.data["message"]) == (outcome, expected), "the outcome is final"
        assert guard.record.data["verification"] == [finding]
        assert not guard.record.needs_verification
    assert len(actions.restore_calls) == 1
