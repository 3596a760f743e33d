# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard while the run rescues data: it waits, once and not too long, and then it restores."""

from __future__ import annotations

import pytest
from guard_builders import WAIT, FakeActions, failed, fill_the_disk, guard_in, on_disk, roll_back, transition

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states

MANUAL_STATES = (states.READY, states.CONFIRMED, states.ENDED)


def rescue(seconds=240, manual=False, **changes):
    return {"command": "rescue", "reason": "Upgrade: it failed", "manual": manual, "directory": "/run/rescue", "seconds": seconds, **changes}


@pytest.mark.parametrize("state", [states.ARMED, states.UPGRADING, states.CHECKING])
def test_the_time_of_the_rescue_replaces_that_of_the_phase(tmp_path, state):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.READY, actions)
    for to in (states.ARMED, states.UPGRADING, states.CHECKING):
        guard.handle(transition(to, 100))
        if to == state:
            break
    actions.pass_time(90)
    guard.handle(rescue())
    actions.pass_time(239)
    guard.tick()
    assert actions.restore_calls == [] and on_disk(guard)["rescue"]["result"] == "running"
    actions.pass_time(2)
    guard.tick()
    assert len(actions.restore_calls) == 1 and guard.record.state == states.RESTORED
    data = on_disk(guard)
    assert data["reason"] == "Upgrade: it failed; the rescue tasks have not ended within their time (240 s)"
    assert data["rescue"] == {"result": "failed", "detail": "they had not ended when the restore started", "directory": "/run/rescue"}
    guard.handle(roll_back())
    guard.handle(WAIT)
    assert len(actions.restore_calls) == 1, "the run joins it"


def test_a_run_that_is_killed_meanwhile(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    guard.handle(rescue())
    actions.alive = False
    guard.tick()
    assert len(actions.restore_calls) == 1 and on_disk(guard)["reason"] == "Upgrade: it failed; the run ended unexpectedly"


def test_a_second_rescue_delays_nothing(tmp_path):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    guard.handle(rescue())
    actions.pass_time(230)
    with pytest.raises(RewindError, match="can't become restored after a rescue"):
        guard.handle(rescue())
    actions.pass_time(11)
    guard.tick()
    assert len(actions.restore_calls) == 1


@pytest.mark.parametrize("state", [states.READY, states.CONFIRMED, states.RESTORING, states.RESTORED, states.ENDED])
def test_nothing_is_rescued_where_nothing_is_restored(tmp_path, state):
    guard = guard_in(tmp_path, state, FakeActions(), outcome=states.UPGRADED if state == states.ENDED else None)
    before = on_disk(guard)
    with pytest.raises(RewindError):
        guard.handle(rescue())
    assert on_disk(guard) == before


@pytest.mark.parametrize("state", MANUAL_STATES)
def test_a_manual_rollback_restores_once(tmp_path, state):
    """In time, too late, and too late with a restore that fails."""
    fields = {"outcome": states.UPGRADED, "message": "confirmed"} if state == states.ENDED else {}
    for late, results in ((0, ()), (300, ()), (300, (failed(errors.FORBIDDEN),))):
        actions = FakeActions(*results)
        guard = guard_in(tmp_path, state, actions, **fields)
        guard.handle(rescue(manual=True))
        actions.pass_time(late)
        guard.tick()
        assert len(actions.restore_calls) == bool(late)
        guard.handle(roll_back(by_hand=True))
        guard.handle(WAIT)
        actions.pass_time(1000)
        guard.tick()
        assert len(actions.restore_calls) == 1
        assert guard.record.state == (states.ENDED if results else states.RESTORED)


def test_a_rescue_that_fills_the_disk(tmp_path, monkeypatch):
    actions = FakeActions()
    guard = guard_in(tmp_path, states.UPGRADING, actions)
    fill_the_disk(monkeypatch)
    guard.handle(rescue())
    guard.handle(roll_back())
    guard.handle(WAIT)
    assert len(actions.restore_calls) == 1


@pytest.mark.parametrize("changes", [{"seconds": 0}, {"seconds": None}, {"manual": "no"}, {"reason": None}, {"directory": 5}])
def test_an_invalid_request(tmp_path, changes):
    guard = guard_in(tmp_path, states.UPGRADING, FakeActions())
    with pytest.raises(RewindError, match="Invalid request"):
        guard.handle(rescue(**changes))
    assert "rescue" not in on_disk(guard)


def test_a_new_restore_forgets_the_tasks_after_an_earlier_one(tmp_path):
    earlier = {"outcome": states.ROLLED_BACK, "message": "done", "restored": {"result": "passed", "detail": ""}}
    guard = guard_in(tmp_path, states.ENDED, FakeActions(), **earlier)
    guard.handle(roll_back(by_hand=True))
    assert on_disk(guard)["restored"] is None
