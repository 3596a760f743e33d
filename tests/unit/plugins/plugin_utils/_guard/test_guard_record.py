# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guard writes to its run record: the states of an upgrade in their order, and progress; what cannot be written is not done."""

from __future__ import annotations

import pytest
from guard_builders import FakeActions, empty_the_disk, failed, fill_the_disk, guard_in, on_disk, record_in, restored, roll_back, transition

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._guard import guard as guard_module
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

# Every transition of an upgrade; all others are rejected.
ALLOWED = {
    states.PLANNED: {states.SNAPSHOTTING, states.ENDED},
    states.SNAPSHOTTING: {states.SNAPSHOTTING, states.READY, states.ENDED},
    states.READY: {states.READY, states.SNAPSHOTTING, states.ARMED, states.ENDED},
    states.ARMED: {states.UPGRADING, states.RESTORING},
    states.UPGRADING: {states.CHECKING, states.RESTORING},
    states.CHECKING: {states.CONFIRMED, states.RESTORING},
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
            guard_module.transition(record, after, "because", message="why")
            assert (record.state, record.data["message"], len(record.data["history"])) == (after, "why", 2)
            assert record.data["history"][-1]["note"] == "because"
        else:
            with pytest.raises(RewindError) as caught:
                guard_module.transition(record, after, message="why")
            assert caught.value.kind == "busy" and str(record.path) in caught.value.hint
            assert record.state == before and len(record.data["history"]) == 1 and record.data["message"] is None
        assert RunRecord.load(record.path).data == record.data


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
def test_a_step_that_can_not_be_written_is_not_taken(tmp_path, monkeypatch, before, after):
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
