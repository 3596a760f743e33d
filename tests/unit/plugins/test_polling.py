# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: not asked every second, noticed soon, and never for longer than allowed. Time is made up here."""

from __future__ import annotations

import pytest
from builders import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline, pause_after, wait_until


class Operation:
    """Something at a cloud that ends after so many seconds.

    :param troubles: look number (from 1) to the error that this look raises.
    """

    def __init__(self, clock, ends, troubles=None):
        self.clock, self.ends, self.troubles = clock, clock.now + ends, troubles or {}
        self.looks = []

    def look(self):
        self.looks.append(self.clock.now)
        if len(self.looks) in self.troubles:
            raise self.troubles[len(self.looks)]
        return "done" if self.clock.now >= self.ends else None


def waited(clock, operation, timeout=3600.0, expected=600.0, on_progress=lambda text: None):
    return wait_until(operation.look, what="snapshot nightly of server web1", deadline=Deadline(timeout, clock),
                      expected=expected, on_progress=on_progress, hint="a rerun adopts it")


def passing(kind):
    return RewindError("the last look's trouble", kind=kind)


@pytest.mark.parametrize(("jitter", "most"), [(0.9, 20), (1.0, 20), (1.1, 20)])
def test_ten_minutes_are_twenty_looks_at_most(jitter, most):
    clock = FakeClock(jitter)
    operation = Operation(clock, 600)
    assert waited(clock, operation) == "done"
    assert len(operation.looks) <= most
    assert clock.now - operation.ends <= 10


@pytest.mark.parametrize("jitter", [0.9, 0.95, 1.0, 1.05, 1.1])
@pytest.mark.parametrize("off", [-20, -10, -5, 0, 1, 5, 10, 20])
def test_near_the_expected_time_the_end_is_noticed_within_ten_seconds(jitter, off):
    clock = FakeClock(jitter)
    operation = Operation(clock, 600 + off)
    waited(clock, operation)
    assert clock.now - operation.ends <= 10


@given(st.floats(0, 40), st.floats(0.9, 1.1))
def test_short_operations_are_noticed_soon(ends, jitter):
    clock = FakeClock(jitter)
    operation = Operation(clock, ends)
    waited(clock, operation)
    assert clock.now - operation.ends <= 0.66 + 1.65 * ends
    assert len(operation.looks) <= 10


@given(st.floats(60, 3000), st.floats(0.9, 1.1))
def test_no_end_is_noticed_more_than_a_minute_late(ends, jitter):
    clock = FakeClock(jitter)
    operation = Operation(clock, ends)
    waited(clock, operation)
    assert clock.now - operation.ends <= 66


@given(st.floats(0, 5000), st.floats(1, 2000), st.floats(0.9, 1.1), st.floats(1, 4000))
def test_pauses_are_sane_and_the_deadline_holds(ends, expected, jitter, timeout):
    clock = FakeClock(jitter)
    began = clock.now
    operation = Operation(clock, ends)
    try:
        waited(clock, operation, timeout, expected)
    except RewindError as error:
        assert error.kind == errors.WAIT_TIMEOUT
        assert ends > timeout - 0.001
    assert all(0 <= delay <= 66.001 for delay in clock.sleeps)
    assert clock.now - began <= timeout + 0.001


@given(st.floats(0, 10**6), st.floats(0, 10**6))
def test_pause_has_bounds(elapsed, expected):
    assert 0.6 <= pause_after(elapsed, expected) <= 60


def test_what_is_done_already_costs_one_look_and_no_sleep():
    clock = FakeClock()
    operation = Operation(clock, 0)
    assert waited(clock, operation) == "done"
    assert (len(operation.looks), clock.sleeps) == (1, [])


def test_false_and_zero_count_as_found():
    clock = FakeClock()
    for found in (False, 0, ""):
        assert wait_until(lambda found=found: found, what="it", deadline=Deadline(9, clock), expected=1, hint="") == found
    assert clock.sleeps == []


@pytest.mark.parametrize("kind", sorted(errors.TRANSIENT))
def test_passing_trouble_does_not_end_a_wait(kind):
    clock = FakeClock()
    operation = Operation(clock, 30, {1: passing(kind), 2: passing(kind), 4: passing(kind)})
    assert waited(clock, operation) == "done"
    assert len(operation.looks) > 4


@pytest.mark.parametrize("kind", [errors.OPERATION_FAILED, errors.NOT_FOUND, errors.UNAUTHORIZED, errors.FORBIDDEN,
                                  errors.TLS, errors.PROVIDER_REJECTED, errors.AMBIGUOUS])
def test_a_clear_end_ends_it_at_once(kind):
    clock = FakeClock()
    error = RewindError("over", kind=kind, outcome=errors.FAILED)
    operation = Operation(clock, 600, {3: error})
    with pytest.raises(RewindError) as caught:
        waited(clock, operation)
    assert caught.value is error
    assert len(operation.looks) == 3 and len(clock.sleeps) == 2


def test_our_own_mistakes_are_not_swallowed():
    clock = FakeClock()
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, what="it", deadline=Deadline(9, clock), expected=1, hint="")


@pytest.mark.parametrize("timeout", [1, 7, 100, 601])
def test_timeout_says_what_and_what_next(timeout):
    clock = FakeClock()
    began = clock.now
    operation = Operation(clock, 10_000)
    with pytest.raises(RewindError) as caught:
        waited(clock, operation, timeout)
    error = caught.value
    assert (error.kind, error.outcome, error.hint) == (errors.WAIT_TIMEOUT, errors.UNKNOWN, "a rerun adopts it")
    assert error.message == f"Waited {timeout} s for snapshot nightly of server web1, and it is not done"
    assert operation.looks[-1] - began == pytest.approx(timeout)  # one last look when the time is up
    assert clock.now - began == pytest.approx(timeout)


def test_timeout_tells_what_was_wrong_with_the_last_look_only():
    clock = FakeClock()
    operation = Operation(clock, 10_000, {number: passing(errors.UNREACHABLE) for number in range(1, 200)})
    with pytest.raises(RewindError, match="the last look failed: the last look's trouble"):
        waited(clock, operation, 100)
    clock = FakeClock()
    operation = Operation(clock, 10_000, {1: passing(errors.UNREACHABLE)})
    with pytest.raises(RewindError) as caught:
        waited(clock, operation, 100)
    assert "the last look failed" not in caught.value.message


def test_a_deadline_used_up_elsewhere_leaves_one_look():
    clock = FakeClock()
    deadline = Deadline(10, clock)
    clock.sleep(11)
    operation = Operation(clock, 5)
    with pytest.raises(RewindError):
        wait_until(operation.look, what="it", deadline=deadline, expected=1, hint="")
    assert len(operation.looks) == 1 and deadline.left == 0 and deadline.elapsed == 11


def test_a_person_is_told_now_and_then():
    clock = FakeClock()
    messages = []
    waited(clock, Operation(clock, 600), on_progress=messages.append)
    assert messages[0].startswith("snapshot nightly of server web1: ") and messages[0].endswith(" s so far, usually done within 600 s")
    assert 5 <= len(messages) <= 20
    messages.clear()
    waited(clock, Operation(clock, 5), on_progress=messages.append)
    assert messages == []


def test_what_is_usually_done_in_two_minutes_is_looked_at_more_closely():
    clock = FakeClock()
    operation = Operation(clock, 60)
    waited(clock, operation, expected=120)
    assert clock.now - operation.ends <= 16.5
    assert len(operation.looks) <= 10


def test_whoever_is_woken_early_keeps_the_moment_of_the_next_look():
    """What another has seen is looked at when it comes, and does not put off one's own look."""
    alone, woken = FakeClock(), FakeClock()
    whole = woken.sleep
    woken.sleep = lambda seconds: whole(min(seconds, 2.5))
    both = [Operation(alone, 21.0), Operation(woken, 21.0)]
    waited(alone, both[0])
    waited(woken, both[1])
    assert set(both[0].looks) - {alone.now} <= set(both[1].looks), "a look of its own was put off"
    assert len(both[1].looks) > len(both[0].looks) and woken.now <= alone.now


def test_slow_looks_put_off_no_later_one():
    clock = FakeClock()
    began, looks = clock.now, []

    def look():
        looks.append(clock.now - began)
        clock.now += 1.0
        return True if clock.now - began > 24 else None

    wait_until(look, what="it", deadline=Deadline(600, clock), expected=600, hint="")
    assert looks[-1] == pytest.approx(23.4, abs=0.5)
