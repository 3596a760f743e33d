# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: few polls, a result is noticed soon, and the timeout holds. The clock is fake."""

from __future__ import annotations

import pytest
from builders import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline, wait_until


class Operation:
    """Something at a cloud that ends after so many seconds.

    :param failures: poll number (from 1) to the error that this poll raises.
    """

    def __init__(self, clock, ends, failures=None):
        self.clock, self.ends, self.failures = clock, clock.now + ends, failures or {}
        self.polls = []

    def poll(self):
        self.polls.append(self.clock.now)
        if len(self.polls) in self.failures:
            raise self.failures[len(self.polls)]
        return "done" if self.clock.now >= self.ends else None


def wait_for(clock, operation, timeout=3600.0, expected_seconds=600.0, on_progress=lambda text: None):
    return wait_until(operation.poll, description="snapshot nightly of server web1", deadline=Deadline(timeout, clock),
                      expected_seconds=expected_seconds, on_progress=on_progress, timeout_hint="a rerun adopts it")


def transient_error(kind):
    return RewindError("the error of the last poll", kind=kind)


@pytest.mark.parametrize("jitter", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("off", [-20, -10, -5, 0, 1, 5, 10, 20])
def test_few_polls_notice_the_end_within_ten_seconds_near_the_expected_time(jitter, off):
    clock = FakeClock(jitter)
    operation = Operation(clock, 600 + off)
    assert wait_for(clock, operation) == "done"
    assert clock.now - operation.ends <= 10 and len(operation.polls) <= 23


@given(st.floats(0, 40), st.floats(0.9, 1.1))
def test_short_operations_are_noticed_soon(ends, jitter):
    clock = FakeClock(jitter)
    operation = Operation(clock, ends)
    wait_for(clock, operation)
    assert clock.now - operation.ends <= 0.66 + 1.65 * ends
    assert len(operation.polls) <= 10


@given(st.floats(0, 5000), st.floats(1, 2000), st.floats(0.9, 1.1), st.floats(1, 4000))
def test_pauses_are_sane_and_the_deadline_holds(ends, expected_seconds, jitter, timeout):
    clock = FakeClock(jitter)
    started = clock.now
    operation = Operation(clock, ends)
    try:
        wait_for(clock, operation, timeout, expected_seconds)
        assert clock.now - operation.ends <= 66, "no end is noticed more than a minute late"
    except RewindError as error:
        assert error.kind == errors.WAIT_TIMEOUT
        assert ends > timeout - 0.001
    assert all(0 < delay <= 66.001 for delay in clock.sleeps)
    assert clock.now - started <= timeout + 0.001


@pytest.mark.parametrize("kind", sorted(errors.TRANSIENT))
def test_transient_errors_do_not_end_a_wait(kind):
    clock = FakeClock()
    operation = Operation(clock, 30, {1: transient_error(kind), 2: transient_error(kind), 4: transient_error(kind)})
    assert wait_for(clock, operation) == "done"
    assert len(operation.polls) > 4


@pytest.mark.parametrize("kind", [errors.OPERATION_FAILED, errors.NOT_FOUND, errors.UNAUTHORIZED, errors.FORBIDDEN,
                                  errors.TLS, errors.PROVIDER_REJECTED, errors.AMBIGUOUS])
def test_a_clear_end_ends_it_at_once(kind):
    clock = FakeClock()
    error = RewindError("over", kind=kind, outcome=errors.FAILED)
    operation = Operation(clock, 600, {3: error})
    with pytest.raises(RewindError) as caught:
        wait_for(clock, operation)
    assert caught.value is error
    assert len(operation.polls) == 3 and len(clock.sleeps) == 2


@pytest.mark.parametrize("timeout", [1, 7, 100, 601])
def test_a_timeout_reports_what_was_awaited_and_the_next_step(timeout):
    clock = FakeClock()
    started = clock.now
    operation = Operation(clock, 10_000)
    with pytest.raises(RewindError) as caught:
        wait_for(clock, operation, timeout)
    error = caught.value
    assert (error.kind, error.outcome, error.hint) == (errors.WAIT_TIMEOUT, errors.UNKNOWN, "a rerun adopts it")
    assert error.message == f"Timed out after {timeout} s waiting for snapshot nightly of server web1"
    assert operation.polls[-1] - started == pytest.approx(timeout)  # one last poll at the deadline
    assert clock.now - started == pytest.approx(timeout)


def test_timeout_reports_the_error_of_the_last_poll_only():
    clock = FakeClock()
    operation = Operation(clock, 10_000, {number: transient_error(errors.UNREACHABLE) for number in range(1, 200)})
    with pytest.raises(RewindError, match="the last poll failed: the error of the last poll"):
        wait_for(clock, operation, 100)
    clock = FakeClock()
    operation = Operation(clock, 10_000, {1: transient_error(errors.UNREACHABLE)})
    with pytest.raises(RewindError) as caught:
        wait_for(clock, operation, 100)
    assert "the last poll failed" not in caught.value.message


def test_a_deadline_used_up_elsewhere_leaves_one_poll():
    clock = FakeClock()
    deadline = Deadline(10, clock)
    clock.sleep(11)
    operation = Operation(clock, 5)
    with pytest.raises(RewindError):
        wait_until(operation.poll, description="it", deadline=deadline, expected_seconds=1, timeout_hint="")
    assert len(operation.polls) == 1 and deadline.remaining == 0 and deadline.elapsed == 11


def test_progress_is_reported_now_and_then():
    clock = FakeClock()
    messages = []
    wait_for(clock, Operation(clock, 600), on_progress=messages.append)
    assert messages[0].startswith("snapshot nightly of server web1: ") and messages[0].endswith(" s so far, usually done within 600 s")
    assert 5 <= len(messages) <= 20
    messages.clear()
    wait_for(clock, Operation(clock, 5), on_progress=messages.append)
    assert messages == []


def test_an_early_wake_keeps_the_time_of_the_next_poll():
    """A result that another waiter has read is used when it arrives, and does not delay the own poll."""
    alone, woken = FakeClock(), FakeClock()
    full_sleep = woken.sleep
    woken.sleep = lambda seconds: full_sleep(min(seconds, 2.5))
    both = [Operation(alone, 21.0), Operation(woken, 21.0)]
    wait_for(alone, both[0])
    wait_for(woken, both[1])
    assert set(both[0].polls) - {alone.now} <= set(both[1].polls), "a poll of its own was delayed"
    assert len(both[1].polls) > len(both[0].polls) and woken.now <= alone.now


def test_slow_polls_delay_no_later_one():
    clock = FakeClock()
    started, polls = clock.now, []

    def poll():
        polls.append(clock.now - started)
        clock.now += 1.0
        return True if clock.now - started > 24 else None

    wait_until(poll, description="it", deadline=Deadline(600, clock), expected_seconds=600, timeout_hint="")
    assert polls[-1] == pytest.approx(23.4, abs=0.5)
