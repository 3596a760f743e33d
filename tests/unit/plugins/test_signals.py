# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be finished or put back is, though the process is told to end; then it is told so."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._module.signal_guard import Ended, deferred, unwinding

ENDING = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.fixture(autouse=True)
def handlers_are_put_back():
    """Signals that get past the code under test must not end the test run; none may be left in charge."""
    strays = []
    before = {number: signal.signal(number, lambda number, frame: strays.append(number)) for number in (*ENDING, signal.SIGALRM)}
    installed = {number: signal.getsignal(number) for number in before}
    yield strays
    left = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == installed


def tell(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [*ENDING, signal.SIGALRM])
def test_a_deferred_signal_waits_for_the_end_of_the_block(number, handlers_are_put_back):
    redelivered, finished = [], []
    with deferred(redelivered.append):
        tell(number)
        assert redelivered == []
        tell(signal.SIGTERM)
        finished.append(True)
    assert finished and redelivered == [number] and handlers_are_put_back == []


def test_without_a_signal_nothing_is_handed_on():
    redelivered = []
    with deferred(redelivered.append):
        pass
    with unwinding(redelivered.append):
        pass
    assert redelivered == []


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_unwinds_once_and_the_putting_back_is_not_disturbed(number, handlers_are_put_back):
    redelivered, put_back = [], []
    with pytest.raises(Ended), unwinding(redelivered.append):
        try:
            tell(number)
            raise AssertionError("the signal did not unwind")
        finally:
            tell(signal.SIGTERM)
            tell(signal.SIGALRM)
            put_back.append(True)
            assert redelivered == []
    assert put_back and redelivered == [number] and handlers_are_put_back == []


def test_from_a_certain_point_on_the_first_signal_waits_too():
    redelivered, finished = [], []
    with unwinding(redelivered.append) as be_deaf:
        be_deaf()
        tell(signal.SIGTERM)
        finished.append(True)
    assert finished and redelivered == [signal.SIGTERM]


def test_a_time_limit_reaches_its_own_handler_while_nothing_is_half_done(handlers_are_put_back):
    with unwinding(lambda number: None):
        tell(signal.SIGALRM)
    assert handlers_are_put_back == [signal.SIGALRM]


@pytest.mark.parametrize("guard", [deferred, unwinding])
def test_an_error_in_the_block_stays_that_error(guard):
    with pytest.raises(ZeroDivisionError), guard(lambda number: None):
        raise ZeroDivisionError


@pytest.mark.parametrize("guard", [deferred, unwinding])
def test_beside_the_main_thread_nothing_is_guarded_and_nothing_breaks(guard):
    done = []

    def work():
        with guard(lambda number: None) as be_deaf:
            if be_deaf is not None:
                be_deaf()
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def test_ended_is_not_caught_as_a_mistake():
    assert not issubclass(Ended, Exception)
