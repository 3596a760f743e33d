# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that a guard takes: after its answer, once, and again only while the provider throttles the requests of a whole batch."""

from __future__ import annotations

import pytest
from builders import FakeClock
from guard_builders import (
    SNAPSHOT_PARAMS,
    WAIT,
    FakeActions,
    empty_the_disk,
    failed,
    fill_the_disk,
    guard_in,
    is_ready,
    on_disk,
    take_snapshot,
    transition,
)

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.retry import take_with_retry
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states


def test_a_snapshot_request_is_answered_at_once_and_ready_later(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    assert guard.handle(take_snapshot())["record"]["state"] == states.SNAPSHOTTING == on_disk(guard)["state"]
    assert actions.snapshot_calls == []
    guard.tick()
    assert actions.snapshot_calls == [(SNAPSHOT_PARAMS, 900)]
    data = guard.handle(WAIT)["record"]
    assert data == on_disk(guard) and (data["state"], data["snapshot"]["id"], data["progress"]) == (states.READY, "801", None)
    assert data["snapshot_result"]["msg"] == "Snapshot is made" and "snapshots" not in data["snapshot_result"]
    assert len(actions.snapshot_calls) == 1
    guard.handle(transition(states.ARMED, 10))


def test_a_snapshot_that_fails_is_reported_and_not_requested_again_by_waiting_for_it(tmp_path):
    actions = FakeActions(snapshot_results=(failed(errors.OPERATION_FAILED, errors.FAILED), is_ready()))
    guard = guard_in(tmp_path, states.PLANNED, actions)
    guard.handle(take_snapshot())
    for _attempt in range(2):
        data = guard.handle(WAIT)["record"]
        assert (data["state"], data["snapshot"]["id"], data["snapshot_result"]["msg"]) == (states.SNAPSHOTTING, None, "It failed: operation_failed.")
    assert data == on_disk(guard) and len(actions.snapshot_calls) == 1
    with pytest.raises(RewindError):
        guard.handle(transition(states.ARMED, 10))
    guard.handle(take_snapshot())
    assert guard.handle(WAIT)["record"]["state"] == states.READY, "a rerun resumes the run record and requests the snapshot again"


def test_another_guard_finishes_the_snapshot_that_one_has_started(tmp_path):
    for result, asks in ((None, 1), ({**failed(errors.FORBIDDEN)}, 0)):
        actions = FakeActions()
        guard = guard_in(tmp_path, states.SNAPSHOTTING, actions, resumed=True, snapshot_params=SNAPSHOT_PARAMS, snapshot_result=result)
        guard.tick()
        assert actions.snapshot_calls == [], "only when the run asks: it may not want it any more"
        guard.handle(WAIT)
        assert len(actions.snapshot_calls) == asks


@pytest.mark.parametrize("state", [states.PLANNED, states.SNAPSHOTTING, states.READY, states.CONFIRMED])
def test_waiting_starts_nothing(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions)
    guard.handle(WAIT)
    assert (actions.restore_calls, actions.snapshot_calls, on_disk(guard)["state"]) == ([], [], state)


@pytest.mark.parametrize("state", [*states.ARMED_STATES, states.CONFIRMED, states.RESTORING, states.RESTORED, states.ENDED])
def test_no_snapshot_is_taken_where_the_way_back_is_one_already(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions)
    with pytest.raises(RewindError):
        guard.handle(take_snapshot())
    guard.tick()
    assert actions.snapshot_calls == [] and on_disk(guard)["snapshot"]["id"] == "801"


def test_no_snapshot_is_requested_when_its_run_is_gone(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    guard.handle(take_snapshot())
    actions.alive = False
    guard.tick()
    assert actions.snapshot_calls == [] and guard.finished and on_disk(guard)["state"] == states.SNAPSHOTTING


def test_the_run_may_go_while_its_guard_takes_the_snapshot(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    call = actions.take_snapshot

    def call_and_die(params, seconds, progress):
        actions.alive = False
        return call(params, seconds, progress)

    actions.take_snapshot = call_and_die
    guard.handle(take_snapshot())
    guard.tick()
    assert guard.finished and on_disk(guard)["state"] == states.READY, "the next run goes on with it"
    assert actions.restore_calls == []


def test_a_full_disk_keeps_an_upgrade_from_starting(tmp_path, monkeypatch):
    """The id of its snapshot is not stored, so the snapshot could not be restored."""
    guard = guard_in(tmp_path, states.PLANNED, FakeActions())
    guard.handle(take_snapshot())
    fill_the_disk(monkeypatch)
    data = guard.handle(WAIT)["record"]
    assert data["state"] == states.SNAPSHOTTING and data["snapshot_result"]["failed"]
    assert "could not be written (No space left on device)" in data["snapshot_result"]["msg"]
    empty_the_disk(monkeypatch)
    with pytest.raises(RewindError):
        guard.handle(transition(states.ARMED, 10))


# --- retries

TOO_MANY = failed(errors.RATE_LIMITED)


def run(*results, seconds=900, stops_server=False):
    """The result, the number of requests, the timeout of each in seconds, and the messages."""
    remaining, timeouts, messages = list(results), [], []

    def operation(wait_seconds):
        timeouts.append(wait_seconds)
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    result = take_with_retry(operation, Deadline(seconds, FakeClock()), messages.append, stops_server=stops_server)
    return result, timeouts, messages


def test_too_many_requests_are_outlasted():
    result, timeouts, messages = run(*[TOO_MANY] * 8, is_ready())
    assert not result.get("failed") and len(timeouts) == 9 and timeouts == sorted(timeouts, reverse=True)
    assert len(messages) == 8 and "Trying again" in messages[0]


def test_not_for_longer_than_the_snapshot_may_take():
    result, timeouts, dummy = run(TOO_MANY, seconds=60)
    assert result["error"]["kind"] == errors.RATE_LIMITED and min(timeouts) > 0 and len(timeouts) < 10


@pytest.mark.parametrize("answer", [
    failed(errors.RATE_LIMITED, errors.UNKNOWN), failed(errors.RATE_LIMITED, errors.FAILED), failed(errors.BUSY), failed(errors.FORBIDDEN),
    failed(errors.OPERATION_FAILED, errors.FAILED), failed(errors.TIMEOUT, errors.UNKNOWN), failed(errors.LIMIT_REACHED),
])
def test_anything_else_is_final(answer):
    result, timeouts, dummy = run(answer, is_ready())
    assert result["failed"] and len(timeouts) == 1


def test_a_server_is_not_stopped_and_started_again_and_again():
    result, timeouts, dummy = run(TOO_MANY, is_ready(), stops_server=True)
    assert result["failed"] and len(timeouts) == 1


def test_evicted_snapshots_are_reported_whichever_attempt_it_was():
    old = {"id": "1", "name": "rewind1"}
    result, timeouts, dummy = run({**TOO_MANY, "pruned": [old]}, is_ready(changed=False))
    assert len(timeouts) == 2 and result["pruned"] == [old] and result["changed"] is True
