# SPDX-License-Identifier: GPL-3.0-or-later
"""Critical sections and cleanup finish before the process handles a termination signal."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._signal_guard import Interrupted, guard_signals

TERMINATION_SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.fixture(autouse=True)
def handlers_are_restored():
    """Signals that pass the code under test must not end the test run, and no handler may remain installed."""
    strays = []
    before = {number: signal.signal(number, lambda number, frame: strays.append(number)) for number in (*TERMINATION_SIGNALS, signal.SIGALRM)}
    installed = {number: signal.getsignal(number) for number in before}
    yield strays
    left = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == installed


def send_signal(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [*TERMINATION_SIGNALS, signal.SIGALRM])
def test_a_deferred_signal_waits_for_the_end_of_the_block(number, handlers_are_restored):
    redelivered, finished = [], []
    with guard_signals(redelivered.append):
        send_signal(number)
        assert redelivered == []
        send_signal(signal.SIGTERM)
        finished.append(True)
    assert finished and redelivered == [number] and handlers_are_restored == []


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
def test_a_signal_unwinds_once_and_the_cleanup_is_not_disturbed(number, handlers_are_restored):
    redelivered, restored = [], []
    with pytest.raises(Interrupted), guard_signals(redelivered.append, interrupts=True):
        try:
            send_signal(number)
            raise AssertionError("the signal did not unwind")
        finally:
            send_signal(signal.SIGTERM)
            send_signal(signal.SIGALRM)
            restored.append(True)
            assert redelivered == []
    assert restored and redelivered == [number] and handlers_are_restored == []


def test_from_a_certain_point_on_the_first_signal_waits_too():
    redelivered, finished = [], []
    with guard_signals(redelivered.append, interrupts=True) as defer:
        defer()
        send_signal(signal.SIGTERM)
        finished.append(True)
    assert finished and redelivered == [signal.SIGTERM]


def test_a_time_limit_reaches_its_own_handler_while_nothing_is_half_done(handlers_are_restored):
    with guard_signals(lambda number: None, interrupts=True):
        send_signal(signal.SIGALRM)
    assert handlers_are_restored == [signal.SIGALRM]
