# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries: a restore or snapshot is requested again where that is safe, and given up where that is useless."""

from __future__ import annotations

import pytest
from builders import FakeClock
from guard_builders import failed, is_ready, restored

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.retry import restore_with_retry, take_with_retry

DONE = restored()
FOREIGN = restored(already_in_progress=True, changed=False, msg="Server web1 was already being restored; that restore is finished")
UNKNOWN = failed(errors.TIMEOUT, errors.UNKNOWN)
FAILED = failed(errors.OPERATION_FAILED, errors.FAILED)
REJECTED = failed(errors.PROVIDER_REJECTED)
PASSING = sorted({*errors.TRANSIENT, errors.BUSY})
FINAL = [errors.UNAUTHORIZED, errors.FORBIDDEN, errors.NOT_FOUND, errors.AMBIGUOUS, errors.INVALID_ARGUMENT, errors.NOT_READY, errors.TLS,
         errors.UNSUPPORTED, errors.INTERNAL]


class Run:
    """One restore with these results; the last one is returned again and again.

    Attributes:
        attempts: The wait_timeout of each attempt.
        ended: Whether it is done, whether the outcome is known, and the number of attempts.
    """

    def __init__(self, *results, seconds=600.0, own_restore_in_progress=False, takes=0.0):
        self.results = list(results)
        self.attempts, self.messages, self.clock, self.takes = [], [], FakeClock(), takes
        self.result = restore_with_retry(
            self._operation, Deadline(seconds, self.clock), self.messages.append, own_restore_in_progress=own_restore_in_progress,
        )
        self.ended = (self.result.done, self.result.known, len(self.attempts))

    def _operation(self, wait_seconds):
        self.attempts.append(wait_seconds)
        assert len(self.attempts) < 500, "it never ends"
        self.clock.now += self.takes
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]


def test_done_at_once():
    run = Run(restored(warnings=["Look at the server.", "Then rely on it."]))
    assert run.ended == (True, True, 1) and run.result.message == f"{DONE['msg']} Look at the server. Then rely on it."
    assert (run.attempts, run.clock.sleeps, run.messages) == ([600], [], [])


def test_a_restore_found_in_progress_counts_only_if_it_is_ours():
    assert Run(FOREIGN, own_restore_in_progress=True).ended == (True, True, 1)
    run = Run(FOREIGN, DONE)
    assert run.ended == (True, True, 2), "a restore by another client may be of another snapshot"
    assert run.messages and run.clock.sleeps == [2.0]
    assert Run(UNKNOWN, FOREIGN).ended == Run(FAILED, FOREIGN).ended == (True, True, 2), "after a request of ours it is taken for ours"
    assert Run(failed(errors.BUSY), FOREIGN, DONE).ended == (True, True, 3), "a refused one never began"
    endless = Run(FOREIGN, seconds=60.0)
    assert endless.ended[:2] == (False, True) and endless.clock.now == pytest.approx(1060, abs=3)


@pytest.mark.parametrize("kind", FINAL)
def test_a_final_rejection_ends_it_at_once(kind):
    run = Run(failed(kind))
    assert run.ended == (False, True, 1) and run.result.message == f"It failed: {kind}." and run.clock.sleeps == []


@pytest.mark.parametrize("kind", PASSING)
def test_a_transient_error_is_outlasted_until_the_deadline(kind):
    assert Run(*[failed(kind)] * 7, DONE).ended == (True, True, 8)
    run = Run(failed(kind), seconds=600.0)
    assert run.ended[:2] == (False, True)
    assert 540 - 1 <= run.clock.now - 1000 <= 600, "the time was used"
    assert all(wait >= 1 for wait in run.attempts) and run.attempts == sorted(run.attempts, reverse=True)


def test_the_intervals_double_up_to_a_minute_and_none_goes_beyond_the_deadline():
    run = Run(failed(errors.UNREACHABLE), seconds=600.0)
    assert run.clock.sleeps[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] and set(run.clock.sleeps[7:]) == {60.0}
    assert "Trying again in 2 s." in run.messages[0] and "Trying again in 60 s." in run.messages[5]
    run = Run(failed(errors.BUSY), seconds=9.0)
    assert (run.clock.sleeps, run.ended, run.attempts) == ([2.0, 4.0], (False, True, 3), [9, 7, 3])
    assert Run(failed(errors.WAIT_TIMEOUT, errors.UNKNOWN), takes=600.0).ended == (False, False, 1), "an operation that uses up the time is the last"


@pytest.mark.parametrize(("results", "ended"), [
    # A rejection that may be temporary is tried four times; transient errors between do not count.
    ([REJECTED], (False, True, 4)), ([REJECTED] * 3 + [DONE], (True, True, 4)),
    ([failed(errors.UNREACHABLE), REJECTED] * 3 + [DONE], (True, True, 7)),
    # One that was started and failed is tried three times.
    ([FAILED], (False, True, 3)), ([FAILED] * 2 + [DONE], (True, True, 3)),
    # So is one that may have started, and then the outcome is unknown. A known failure after it is known.
    ([UNKNOWN], (False, False, 3)), ([UNKNOWN] * 2 + [DONE], (True, True, 3)), ([UNKNOWN, FAILED], (False, True, 3)),
])
def test_how_often_it_is_tried(results, ended):
    assert Run(*results).ended == ended


@pytest.mark.parametrize("afterwards", [errors.UNAUTHORIZED, errors.UNREACHABLE, errors.PROVIDER_REJECTED])
def test_a_rejection_does_not_cover_an_earlier_request(afterwards):
    """The first may have restored the server, or be about to."""
    assert Run(UNKNOWN, failed(afterwards)).ended[:2] == (False, False)


# --- the snapshot

TOO_MANY = failed(errors.RATE_LIMITED)
PRUNED = {**TOO_MANY, "pruned": [{"id": "1", "name": "rewind1"}]}


@pytest.mark.parametrize(("results", "how", "attempts", "is_taken"), [
    ([*[TOO_MANY] * 8, is_ready()], {}, 9, True), ([PRUNED, is_ready(changed=False)], {}, 2, True),
    ([TOO_MANY], {"seconds": 60}, range(2, 10), False), ([TOO_MANY, is_ready()], {"stops_server": True}, 1, False),
    *(([failed(*error), is_ready()], {}, 1, False) for error in (
        (errors.RATE_LIMITED, errors.UNKNOWN), (errors.RATE_LIMITED, errors.FAILED), (errors.BUSY,), (errors.FORBIDDEN,),
        (errors.OPERATION_FAILED, errors.FAILED), (errors.TIMEOUT, errors.UNKNOWN), (errors.LIMIT_REACHED,),
    )),
])
def test_a_snapshot_is_requested_again_only_after_too_many_requests(results, how, attempts, is_taken):
    remaining, timeouts, messages = list(results), [], []

    def operation(wait_seconds):
        timeouts.append(wait_seconds)
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    options = {"seconds": 900, "stops_server": False, **how}
    result = take_with_retry(operation, Deadline(options["seconds"], FakeClock()), messages.append, stops_server=options["stops_server"])
    assert len(timeouts) in (attempts if isinstance(attempts, range) else [attempts]) and not result.get("failed") == is_taken
    assert timeouts == sorted(timeouts, reverse=True) and min(timeouts) > 0
    assert len(messages) == len(timeouts) - 1 and all("Trying again" in message for message in messages)
    evicted = results[0].get("pruned", [])
    assert result["pruned"] == evicted and result["changed"] == (is_taken or bool(evicted)), "whichever attempt deleted them"
