# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries of a restore: it is requested again where that is safe, and given up where that is useless."""

from __future__ import annotations

import pytest
from builders import FakeClock
from guard_builders import failed, restored

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.plugin_utils._guard import retry
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.retry import restore_with_retry

FOREIGN = restored(already_in_progress=True, changed=False, msg="Server web1 was already being restored; that restore is finished")
PASSING = sorted({*errors.TRANSIENT, errors.BUSY})
FINAL = [errors.UNAUTHORIZED, errors.FORBIDDEN, errors.NOT_FOUND, errors.AMBIGUOUS, errors.INVALID_ARGUMENT, errors.NOT_READY, errors.TLS,
         errors.UNSUPPORTED, errors.INTERNAL]


class Run:
    """One restore against a script; the last answer is given again and again.

    :ivar attempts: the wait_timeout of every time that the operation was asked.
    """

    def __init__(self, *results, seconds=600.0, own_restore_in_progress=False, takes=0.0):
        self.results = list(results)
        self.attempts, self.messages, self.clock, self.takes = [], [], FakeClock(), takes
        self.result = restore_with_retry(
            self._operation, Deadline(seconds, self.clock), self.messages.append, own_restore_in_progress=own_restore_in_progress,
        )

    def _operation(self, wait_seconds):
        self.attempts.append(wait_seconds)
        assert len(self.attempts) < 500, "it never ends"
        self.clock.now += self.takes
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    @property
    def ended(self):
        return (self.result.done, self.result.known, len(self.attempts))


def test_done_at_once():
    run = Run(restored())
    assert run.ended == (True, True, 1) and run.result.message == restored()["msg"]
    assert (run.attempts, run.clock.sleeps, run.messages) == ([600], [], [])


def test_a_restore_found_in_progress_counts_only_if_it_is_ours():
    assert Run(FOREIGN, own_restore_in_progress=True).ended == (True, True, 1)
    run = Run(FOREIGN, restored())
    assert run.ended == (True, True, 2), "a restore by another client may be of another snapshot"
    assert run.messages and run.clock.sleeps == [2.0]


def test_one_found_in_progress_after_a_request_of_ours_is_taken_for_ours():
    assert Run(failed(errors.TIMEOUT, errors.UNKNOWN), FOREIGN).ended == (True, True, 2)
    assert Run(failed(errors.OPERATION_FAILED, errors.FAILED), FOREIGN).ended == (True, True, 2)
    assert Run(failed(errors.BUSY), FOREIGN, restored()).ended == (True, True, 3), "a refused one never began"


def test_others_that_restore_without_end_do_not_hold_it_for_ever():
    run = Run(FOREIGN, seconds=60.0)
    assert run.ended[:2] == (False, True)
    assert run.clock.now == pytest.approx(1060, abs=3)


@pytest.mark.parametrize("kind", FINAL)
def test_a_final_rejection_ends_it_at_once(kind):
    run = Run(failed(kind))
    assert run.ended == (False, True, 1) and run.result.message == f"It failed: {kind}." and run.clock.sleeps == []


@pytest.mark.parametrize("kind", PASSING)
def test_a_transient_error_is_outlasted(kind):
    assert Run(*[failed(kind)] * 7, restored()).ended == (True, True, 8)


@pytest.mark.parametrize("kind", PASSING)
def test_a_transient_error_that_does_not_pass_lasts_until_the_deadline(kind):
    run = Run(failed(kind), seconds=600.0)
    assert run.ended[:2] == (False, True)
    assert 540 - 1 <= run.clock.now - 1000 <= 600, "the time was used"
    assert all(wait >= 1 for wait in run.attempts) and run.attempts == sorted(run.attempts, reverse=True)


def test_the_intervals_double_up_to_a_minute():
    run = Run(failed(errors.UNREACHABLE), seconds=600.0)
    assert run.clock.sleeps[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] and set(run.clock.sleeps[7:]) == {60.0}
    assert "Trying again in 2 s." in run.messages[0] and "Trying again in 60 s." in run.messages[5]


def test_a_rejection_that_may_be_temporary_is_tried_four_times():
    assert Run(failed(errors.PROVIDER_REJECTED)).ended == (False, True, retry.MAX_REJECTIONS) == (False, True, 4)
    assert Run(*[failed(errors.PROVIDER_REJECTED)] * 3, restored()).ended == (True, True, 4)


def test_transient_errors_between_do_not_count_as_rejections():
    both = [failed(errors.UNREACHABLE), failed(errors.PROVIDER_REJECTED)] * 3
    assert Run(*both, restored()).ended == (True, True, 7)


def test_one_that_was_started_and_failed_is_tried_three_times():
    assert Run(failed(errors.OPERATION_FAILED, errors.FAILED)).ended == (False, True, retry.MAX_ATTEMPTS) == (False, True, 3)
    assert Run(*[failed(errors.OPERATION_FAILED, errors.FAILED)] * 2, restored()).ended == (True, True, 3)


def test_one_that_may_have_started_is_tried_three_times_and_is_then_unknown():
    assert Run(failed(errors.TIMEOUT, errors.UNKNOWN)).ended == (False, False, 3)
    assert Run(failed(errors.TIMEOUT, errors.UNKNOWN), failed(errors.TIMEOUT, errors.UNKNOWN), restored()).ended == (True, True, 3)


@pytest.mark.parametrize("afterwards", [errors.UNAUTHORIZED, errors.UNREACHABLE, errors.PROVIDER_REJECTED])
def test_a_rejection_does_not_cover_an_earlier_request(afterwards):
    """The first may have restored the server, or be about to."""
    run = Run(failed(errors.TIMEOUT, errors.UNKNOWN), failed(afterwards))
    assert run.ended[:2] == (False, False)


def test_a_failure_after_an_unknown_one_is_known():
    results = [failed(errors.TIMEOUT, errors.UNKNOWN), failed(errors.OPERATION_FAILED, errors.FAILED)]
    assert Run(*results).ended == (False, True, 3)


def test_no_interval_goes_beyond_the_deadline():
    run = Run(failed(errors.BUSY), seconds=9.0)
    assert run.clock.sleeps == [2.0, 4.0] and run.ended == (False, True, 3)
    assert run.attempts == [9, 7, 3]


def test_an_operation_that_uses_up_the_time_is_the_last():
    assert Run(failed(errors.WAIT_TIMEOUT, errors.UNKNOWN), seconds=600.0, takes=600.0).ended == (False, False, 1)


def test_what_the_operation_warns_of_is_reported():
    """Such as the warning that a failed restore would have the same result."""
    run = Run(restored(warnings=["Look at the server.", "Then rely on it."]))
    assert run.ended == (True, True, 1)
    assert run.result.message == f"{restored()['msg']} Look at the server. Then rely on it."
