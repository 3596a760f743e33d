# SPDX-License-Identifier: GPL-3.0-or-later
"""A limited number of connections, their order, and batches that always open again."""

from __future__ import annotations

import threading

import pytest
from fakes.bulk import TEST_TIMEOUT, start_thread, wait_until

from ansible_collections.rewind.vps.plugins.module_utils._bulk.executor import BatchGate
from ansible_collections.rewind.vps.plugins.module_utils._bulk.reads import ConnectionPool


class Calls:
    """Calls in threads that last until the test ends them."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._threads: list[threading.Thread] = []
        self._may_finish = threading.Semaphore(0)

    def start(self, name: str, send, *arguments) -> None:
        def request(provider):
            self.started.append(name)
            assert self._may_finish.acquire(timeout=TEST_TIMEOUT)

        self._threads.append(start_thread(lambda: send(request, *arguments)))
        self._threads[-1].join(0.05)

    def finish(self, count: int = 1) -> None:
        for _each in range(count):
            self._may_finish.release()


def test_polls_leave_connections_for_changes():
    pool, calls = ConnectionPool(["a", "b"]), Calls()
    calls.start("poll", pool.call, False)
    calls.start("another poll", pool.call, False)
    calls.start("change", pool.call)
    assert calls.started == ["poll", "change"]
    calls.finish(3)
    wait_until(lambda: len(calls.started) == 3)


def test_a_call_that_fails_releases_its_connection():
    pool = ConnectionPool(["a"])

    def fail(provider):
        raise ValueError

    for urgent in (True, False) * 2:
        with pytest.raises(ValueError):
            pool.call(fail, urgent)
    assert pool.call(lambda provider: provider) == "a"


class BatchMembers:
    """Servers in a batch, until the test lets them go."""

    def __init__(self, gate: BatchGate) -> None:
        self._gate, self.entered, self.now = gate, 0, 0
        self._lock, self._may_finish = threading.Lock(), threading.Semaphore(0)

    def enter(self) -> None:
        def work() -> None:
            with self._gate.admit():
                with self._lock:
                    self.entered, self.now = self.entered + 1, self.now + 1
                assert self._may_finish.acquire(timeout=TEST_TIMEOUT)
                with self._lock:
                    self.now -= 1

        start_thread(work)

    def finish(self, count: int) -> None:
        for _each in range(count):
            self._may_finish.release()


def test_the_next_batch_is_let_in_when_few_are_left_of_the_last():
    inside = BatchMembers(BatchGate(size=4, reopen_at=1))
    for _number in range(8):
        inside.enter()
    wait_until(lambda: inside.entered == 4)
    inside.finish(2)
    wait_until(lambda: inside.now == 2)
    assert inside.entered == 4
    inside.finish(1)
    wait_until(lambda: inside.entered == 7)  # one is left of the first four
    inside.finish(5)
    wait_until(lambda: inside.entered == 8)


def test_a_batch_reopens_when_its_servers_fail():
    gate = BatchGate(1, 0)
    for _again in range(3):
        with pytest.raises(ValueError), gate.admit():
            raise ValueError
