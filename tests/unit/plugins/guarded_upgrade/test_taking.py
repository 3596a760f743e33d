# SPDX-License-Identifier: GPL-3.0-or-later
"""How patient the guard is with a cloud that has had too many requests while a whole batch asked for snapshots."""

from __future__ import annotations

import pytest
from builders import FakeClock
from guard_builders import failed, is_ready

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.snapshot_retry import take

TOO_MANY = failed(errors.RATE_LIMITED)


def run(*answers, seconds=900, stops_server=False):
    """The result, how often it was asked for, the seconds given each time, and what was said."""
    left, given, said = list(answers), [], []

    def ask(wait_seconds):
        given.append(wait_seconds)
        return left.pop(0) if len(left) > 1 else left[0]

    result = take(ask, Deadline(seconds, FakeClock()), said.append, stops_server=stops_server)
    return result, given, said


def test_one_that_is_ready_at_once():
    result, given, said = run(is_ready())
    assert (result, given, said) == (is_ready(), [900], [])


def test_too_many_requests_are_outlasted():
    result, given, said = run(*[TOO_MANY] * 8, is_ready())
    assert not result.get("failed") and len(given) == 9 and given == sorted(given, reverse=True)
    assert len(said) == 8 and "Trying again" in said[0]


def test_not_for_longer_than_the_snapshot_may_take():
    result, given, dummy = run(TOO_MANY, seconds=60)
    assert result["error"]["kind"] == errors.RATE_LIMITED and min(given) > 0 and len(given) < 10


@pytest.mark.parametrize("answer", [
    failed(errors.RATE_LIMITED, errors.UNKNOWN), failed(errors.RATE_LIMITED, errors.FAILED), failed(errors.BUSY), failed(errors.FORBIDDEN),
    failed(errors.OPERATION_FAILED, errors.FAILED), failed(errors.TIMEOUT, errors.UNKNOWN), failed(errors.LIMIT_REACHED),
])
def test_anything_else_is_final(answer):
    result, given, dummy = run(answer, is_ready())
    assert result["failed"] and len(given) == 1


def test_a_server_is_not_stopped_and_started_again_and_again():
    result, given, dummy = run(TOO_MANY, is_ready(), stops_server=True)
    assert result["failed"] and len(given) == 1


def test_what_went_to_make_room_is_told_whichever_try_it_was():
    old = {"id": "1", "name": "rewind1"}
    result, given, dummy = run({**TOO_MANY, "pruned": [old]}, is_ready(changed=False))
    assert len(given) == 2 and result["pruned"] == [old] and result["changed"] is True
