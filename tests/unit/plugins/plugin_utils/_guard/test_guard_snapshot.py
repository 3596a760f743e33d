# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that a guard takes, with fake actions: it is requested once, and an upgrade starts only with it."""

from __future__ import annotations

import pytest
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
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states


def test_the_response_does_not_wait_for_the_snapshot(tmp_path):
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


def test_a_wait_reports_a_failed_snapshot_and_does_not_request_it_again(tmp_path):
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


def test_a_resumed_guard_finishes_the_snapshot(tmp_path):
    for result, asks in ((None, 1), ({**failed(errors.FORBIDDEN)}, 0)):
        actions = FakeActions()
        guard = guard_in(tmp_path, states.SNAPSHOTTING, actions, resumed=True, snapshot_params=SNAPSHOT_PARAMS, snapshot_result=result)
        guard.tick()
        assert actions.snapshot_calls == [], "only on request: the run may not need it any more"
        guard.handle(WAIT)
        assert len(actions.snapshot_calls) == asks


@pytest.mark.parametrize("state", [*states.ARMED_STATES, states.CONFIRMED, states.RESTORING, states.RESTORED, states.ENDED])
def test_no_snapshot_is_taken_after_the_upgrade_has_started(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, state, actions)
    with pytest.raises(RewindError):
        guard.handle(take_snapshot())
    guard.tick()
    assert actions.snapshot_calls == [] and on_disk(guard)["snapshot"]["id"] == "801"


def test_no_snapshot_is_requested_after_the_run_has_ended(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    guard.handle(take_snapshot())
    actions.alive = False
    guard.tick()
    assert actions.snapshot_calls == [] and guard.finished and on_disk(guard)["state"] == states.SNAPSHOTTING


def test_the_run_may_end_while_its_guard_takes_the_snapshot(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    call = actions.take_snapshot

    def call_and_die(params, seconds, progress):
        actions.alive = False
        return call(params, seconds, progress)

    actions.take_snapshot = call_and_die
    guard.handle(take_snapshot())
    guard.tick()
    assert guard.finished and on_disk(guard)["state"] == states.READY, "the next run continues with it"
    assert actions.restore_calls == []


def test_a_full_disk_prevents_the_upgrade(tmp_path, monkeypatch):
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
