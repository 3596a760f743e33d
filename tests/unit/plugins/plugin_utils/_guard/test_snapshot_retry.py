# SPDX-License-Identifier: GPL-3.0-or-later
"""How the guard retries while a provider throttles the snapshot requests of a whole batch."""

from __future__ import annotations

import pytest
from builders import FakeClock
from guard_builders import failed, is_ready

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.retry import take_with_retry

TOO_MANY = failed(errors.RATE_LIMITED)


def run(*results, seconds=900, stops_server=False):
    """The result, the number of requests, the timeout of each in seconds, and the messages."""
    remaining, timeouts, messages = list(results), [], []

    def operation(wait_seconds):
        timeouts.append(wait_seconds)
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    result = take_with_retry(operation, Deadline(seconds, FakeClock()), messages.append, stops_server=stops_server)
    return result, timeouts, messages


def test_one_that_is_ready_at_once():
    result, timeouts, messages = run(is_ready())
    assert (result, timeouts, messages) == (is_ready(), [900], [])


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
