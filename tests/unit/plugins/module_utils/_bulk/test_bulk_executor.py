# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for the servers, as many as the machine allows, and how signals affect them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading

import pytest
from fakes.bulk import TEST_TIMEOUT, start_thread, wait_until

from ansible_collections.rewind.vps.plugins.module_utils._bulk import executor, reads
from ansible_collections.rewind.vps.plugins.module_utils._signal_guard import Cancelled, Interrupted, ThreadSignals, guard_signals

TERMINATING_SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM]


# --- threads


@pytest.mark.parametrize(("threads", "workers"), [(1000, 100), (30, 29), (1, 0)])
def test_with_few_threads_one_is_left_for_the_time_limits_of_requests(monkeypatch, threads, workers):
    """The machine allows only so many."""
    start, started, used, alive = threading.Thread.start, [], set(), []

    def count_alive() -> int:
        return sum(thread.is_alive() for thread in started)

    def limited(thread: threading.Thread) -> None:
        if count_alive() >= threads:
            raise RuntimeError("can't start new thread")
        start(thread)
        started.append(thread)

    def job() -> None:
        used.add(threading.current_thread())
        alive.append(count_alive())

    monkeypatch.setattr(threading.Thread, "start", limited)
    reads.run_jobs([job] * 100, 1000, lambda: None)
    assert len(alive) == 100 and max(alive) == workers
    assert used <= set(started) if workers else used == {threading.current_thread()}


def test_after_an_interrupt_no_job_starts():
    """The thread that waits does not wait for the jobs in progress either."""
    started, may_finish = [], threading.Event()

    def job() -> None:
        started.append(1)
        may_finish.wait(TEST_TIMEOUT)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reads.run_jobs([job] * 10, 2, interrupt)
    may_finish.set()
    wait_until(lambda: not any(thread.name.endswith("(<lambda>)") for thread in threading.enumerate()))
    assert len(started) == 2


def test_a_response_of_hostile_depth_does_not_end_the_process():
    """The C code of json uses stack for each level; a segmentation fault would end the whole task."""
    code = (
        "import json, threading; threading.stack_size(STACK)\n"
        "def read():\n"
        "    for text in ('[' * 3000000, '{\"a\":' * 1000000, '[{\"a\":' * 1000000):\n"
        "        try: json.loads(text)\n"
        "        except (ValueError, RecursionError): pass\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join(); print('alive')\n"
    ).replace("STACK", str(reads.STACK_BYTES))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "alive\n", ended.returncode


@pytest.mark.parametrize(("soft", "hard", "wanted", "max_workers"), [
    (256, 256, 1000, 78), (1024, 4096, 1000, 1000), (1024, 1024, 1000, 462), (64, 64, 1000, 1), (resource.RLIM_INFINITY,) * 2 + (5000, 1000),
    (1024, resource.RLIM_INFINITY, 5000, 1000), (256, 256, 10, 10),
])
def test_each_server_has_open_files_for_its_lock_and_that_of_its_restore(monkeypatch, soft, hard, wanted, max_workers):
    limits = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda which: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda which, both: limits.__setitem__(slice(None), both))
    assert executor._max_workers(wanted) == max_workers
    assert limits[0] == resource.RLIM_INFINITY or limits[0] >= min(hard if hard >= 0 else 10**9, 2 * max_workers + 100)


# --- signals


@pytest.fixture(autouse=True)
def received_signals():
    """Signals that pass the code under test must not end the test run, and no handler may remain installed."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: received.append(number)) for number in TERMINATING_SIGNALS}
    installed = {number: signal.getsignal(number) for number in before}
    yield received
    left = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == installed


class CriticalThread:
    """A thread that the test controls."""

    def __init__(self, thread_signals: ThreadSignals, critical: bool) -> None:
        self.ended: list[str] = []
        self.started, self.may_finish, self.may_check = threading.Event(), threading.Event(), threading.Event()
        self._signals, self._critical = thread_signals, critical
        self.thread = start_thread(self._run)
        assert self.started.wait(TEST_TIMEOUT)

    def _run(self) -> None:
        with self._signals.register_thread():
            try:
                if self._critical:
                    with guard_signals(lambda number: self.ended.append("redelivered by a thread"), interrupts=True) as defer:
                        try:
                            self._work()
                        except BaseException:
                            defer()
                            self._signals.raise_if_cancelled()
                            self.ended.append("undone")
                            raise
                else:
                    self._work()
            except Interrupted as ended:
                self.ended.append(type(ended).__name__)

    def _work(self) -> None:
        self.started.set()
        assert self.may_check.wait(TEST_TIMEOUT)
        self._signals.raise_if_cancelled()
        assert self.may_finish.wait(TEST_TIMEOUT)

    def finish(self) -> None:
        self.may_check.set(), self.may_finish.set()
        self.thread.join(TEST_TIMEOUT)


def send_signal(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", TERMINATING_SIGNALS)
def test_outside_of_critical_sections_a_signal_does_what_it_did(number, received_signals):
    thread_signals = ThreadSignals()
    with thread_signals.install():
        thread = CriticalThread(thread_signals, critical=False)
        send_signal(number)
        assert received_signals == [number]
        send_signal(number)
        assert received_signals == [number, number], "handled only once"
        thread.finish()
    assert thread.ended == []


@pytest.mark.parametrize("number", TERMINATING_SIGNALS)
def test_a_signal_waits_for_critical_sections_which_undo_their_change(number, received_signals):
    thread_signals, redelivered = ThreadSignals(), []
    with thread_signals.install():
        threads = [CriticalThread(thread_signals, critical=True) for _number in range(3)]
        send_signal(number)
        thread_signals.deliver(redelivered.append)
        assert received_signals == [] and redelivered == []
        for thread in threads[:2]:
            thread.finish()
        thread_signals.deliver(redelivered.append)
        assert redelivered == []
        threads[2].finish()
        thread_signals.deliver(redelivered.append)
        thread_signals.deliver(redelivered.append)
    assert redelivered == [number] and received_signals == []
    assert [thread.ended for thread in threads] == [["undone", "Interrupted"]] * 3


def test_after_a_signal_no_critical_section_starts():
    thread_signals = ThreadSignals()
    with thread_signals.install():
        first = CriticalThread(thread_signals, critical=True)
        send_signal(signal.SIGTERM)
        late: list[str] = []

        def enter_late() -> None:
            with thread_signals.register_thread():
                try:
                    with guard_signals(lambda number: None, interrupts=True):
                        late.append("stopped a server")
                except Interrupted as ended:
                    late.append(type(ended).__name__)

        start_thread(enter_late).join(TEST_TIMEOUT)
        first.finish()
        thread_signals.deliver(lambda number: None)
    assert late == ["Cancelled"]


def test_where_the_signal_does_not_end_the_process_nothing_more_is_started():
    """In the module's own process no handler ends the task: it ends by itself and reports how far it came."""
    thread_signals = ThreadSignals()
    with thread_signals.install():
        waiting, stopped = CriticalThread(thread_signals, critical=False), CriticalThread(thread_signals, critical=True)
        send_signal(signal.SIGTERM)
        stopped.finish()
        thread_signals.deliver(lambda number: None)
        waiting.finish()
    assert waiting.ended == ["Cancelled"]


def test_an_exception_of_the_main_thread_waits_until_servers_run_again():
    thread_signals = ThreadSignals()
    with pytest.raises(KeyError), thread_signals.install():
        thread = CriticalThread(thread_signals, critical=True)
        threading.Timer(0.1, thread.finish).start()
        raise KeyError
    assert thread.ended == ["undone", "Interrupted"]


@pytest.mark.parametrize("critical", [True, False])
def test_a_signal_that_is_ignored_stays_ignored(critical):
    """With nohup a lost connection does not end the task, and its other signals still work."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        thread_signals, redelivered = ThreadSignals(), []
        with thread_signals.install():
            thread = CriticalThread(thread_signals, critical=critical)
            send_signal(signal.SIGHUP)
            thread_signals.deliver(redelivered.append)
            thread.finish()
        assert thread.ended == [] and redelivered == [] and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with guard_signals(redelivered.append, interrupts=True):
            send_signal(signal.SIGHUP)
        assert redelivered == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_after_a_handler_that_ends_the_task_nothing_more_is_started():
    class TimeIsUp(BaseException):
        pass

    def time_is_up(number, frame):
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, time_is_up)
    thread_signals = ThreadSignals()
    try:
        with pytest.raises(TimeIsUp), thread_signals.install():
            thread = CriticalThread(thread_signals, critical=False)
            send_signal(signal.SIGALRM)
            wait_until(lambda: False)
        thread.finish()
        assert thread.ended == ["Cancelled"]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_unregistered_thread_touches_no_signal_and_has_nothing_to_unwind():
    done = []

    def in_other_thread() -> None:
        with ThreadSignals().install(), guard_signals(lambda number: None, interrupts=True) as defer, guard_signals(lambda number: None):
            defer()
            done.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    start_thread(in_other_thread).join(TEST_TIMEOUT)
    assert done == [before] and issubclass(Cancelled, Interrupted)
