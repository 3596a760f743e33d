# SPDX-License-Identifier: GPL-3.0-or-later
"""A limited number of connections, their order, and batches that always open again."""

from __future__ import annotations

import threading

import pytest
from fakes.bulk import TEST_TIMEOUT, start_thread, wait_until

from ansible_collections.rewind.vps.plugins.module_utils._bulk import connection_pool
from ansible_collections.rewind.vps.plugins.module_utils._bulk.connection_pool import ConnectionPool
from ansible_collections.rewind.vps.plugins.module_utils._bulk.executor import BatchGate


class Calls:
    """Calls that last until the test ends them."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.inside = self.maximum = 0
        self._lock = threading.Lock()
        self._may_finish = threading.Semaphore(0)

    def named(self, name: str):
        def call(provider):
            with self._lock:
                self.started.append(name)
                self.inside += 1
                self.maximum = max(self.maximum, self.inside)
            assert self._may_finish.acquire(timeout=TEST_TIMEOUT)
            with self._lock:
                self.inside -= 1
            return provider
        return call

    def finish(self, count: int) -> None:
        for _each in range(count):
            self._may_finish.release()


def test_no_more_calls_at_once_than_there_are_connections():
    pool, calls = ConnectionPool(["a", "b", "c"]), Calls()
    threads = [start_thread(lambda: pool.call(calls.named("x"))) for _number in range(12)]
    wait_until(lambda: calls.inside == 3)
    calls.finish(12)
    [thread.join(TEST_TIMEOUT) for thread in threads]
    assert calls.maximum == 3 and len(calls.started) == 12 and len(pool._free) == 3


def test_urgent_reads_come_before_polls():
    pool, calls = ConnectionPool(["a"]), Calls()
    threads = [start_thread(lambda: pool.call(calls.named("first")))]
    wait_until(lambda: calls.started)
    for name, urgent in (("patient", False), ("urgent", True)):
        threads.append(start_thread(lambda name=name, urgent=urgent: pool.call(calls.named(name), urgent)))
        wait_until(lambda urgent=urgent: pool._urgent_queue if urgent else pool._poll_queue)
    calls.finish(3)
    [thread.join(TEST_TIMEOUT) for thread in threads]
    assert calls.started == ["first", "urgent", "patient"]


def test_a_call_that_fails_releases_its_connection():
    pool = ConnectionPool(["a"])

    def fail(provider):
        raise ValueError

    for _again in range(2):
        with pytest.raises(ValueError):
            pool.change(fail)
        with pytest.raises(ValueError):
            pool.list_all(fail)
    assert pool.call(lambda provider: provider) == "a" and set(pool._in_progress.values()) == {0}


def test_changes_wait_for_a_listing_of_the_account_and_only_for_a_while(monkeypatch):
    pool, calls = ConnectionPool(["a", "b"]), Calls()
    listing = start_thread(lambda: pool.list_all(calls.named("list")))
    wait_until(lambda: calls.started)
    change = start_thread(lambda: pool.change(calls.named("change")))
    change.join(0.1)
    assert calls.started == ["list"]
    calls.finish(2)
    listing.join(TEST_TIMEOUT), change.join(TEST_TIMEOUT)
    assert calls.started == ["list", "change"]

    monkeypatch.setattr(connection_pool, "YIELD_SECONDS", 0.05)
    listing = start_thread(lambda: pool.list_all(calls.named("endless")))
    wait_until(lambda: len(calls.started) == 3)
    change = start_thread(lambda: pool.change(calls.named("all the same")))
    wait_until(lambda: len(calls.started) == 4)
    calls.finish(2)
    listing.join(TEST_TIMEOUT), change.join(TEST_TIMEOUT)


def test_a_listing_waits_for_changes_in_progress():
    pool, calls = ConnectionPool(["a", "b"]), Calls()
    change = start_thread(lambda: pool.change(calls.named("change")))
    wait_until(lambda: calls.started)
    listing = start_thread(lambda: pool.list_all(calls.named("list")))
    listing.join(0.1)
    assert calls.started == ["change"]
    calls.finish(2)
    change.join(TEST_TIMEOUT), listing.join(TEST_TIMEOUT)
    assert calls.started == ["change", "list"]


class BatchMembers:
    def __init__(self, gate: BatchGate) -> None:
        self._gate, self.entered, self.maximum, self.now = gate, 0, 0, 0
        self._lock, self._may_finish = threading.Lock(), threading.Semaphore(0)

    def enter(self) -> threading.Thread:
        def work() -> None:
            with self._gate.admit():
                with self._lock:
                    self.entered, self.now = self.entered + 1, self.now + 1
                    self.maximum = max(self.maximum, self.now)
                assert self._may_finish.acquire(timeout=TEST_TIMEOUT)
                with self._lock:
                    self.now -= 1
        return start_thread(work)

    def finish(self, count: int) -> None:
        for _each in range(count):
            self._may_finish.release()


def test_the_next_batch_is_let_in_when_few_are_left_of_the_last():
    inside = BatchMembers(BatchGate(size=4, reopen_at=1))
    threads = [inside.enter() for _number in range(8)]
    wait_until(lambda: inside.entered == 4)
    inside.finish(2)
    wait_until(lambda: inside.now == 2)
    assert inside.entered == 4
    inside.finish(1)
    wait_until(lambda: inside.entered == 7)  # one is left of the first four
    inside.finish(5)
    [thread.join(TEST_TIMEOUT) for thread in threads]
    assert inside.entered == 8 and inside.maximum == 4


@pytest.mark.parametrize("width", [1, 2, 8])
def test_a_full_gate_never_admits_more_than_its_size(width):
    inside = BatchMembers(BatchGate(width, width - 1))
    threads = [inside.enter() for _number in range(3 * width)]
    inside.finish(3 * width)
    [thread.join(TEST_TIMEOUT) for thread in threads]
    assert inside.maximum <= width and inside.entered == 3 * width


def test_a_batch_reopens_when_its_servers_fail():
    gate = BatchGate(1, 0)
    for _again in range(3):
        with pytest.raises(ValueError), gate.admit():
            raise ValueError
