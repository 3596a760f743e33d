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
        self.ended = 0
        self._threads: list[threading.Thread] = []
        self._may_finish = threading.Semaphore(0)

    def start(self, name: str, send, *arguments) -> None:
        def request(provider):
            self.started.append(name)
            assert self._may_finish.acquire(timeout=TEST_TIMEOUT)
            self.ended += 1

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


def test_the_next_batch_is_let_in_when_few_are_left_of_the_last():
    gate, servers = BatchGate(size=4, reopen_at=1), Calls()

    def admit(server):
        with gate.admit():
            server(None)

    for number in range(8):
        servers.start(str(number), admit)
    assert len(servers.started) == 4
    servers.finish(2)
    wait_until(lambda: servers.ended == 2)
    assert len(servers.started) == 4
    servers.finish()
    wait_until(lambda: len(servers.started) == 7)  # one is left of the first four
    servers.finish(5)
    wait_until(lambda: len(servers.started) == 8)


def test_a_batch_reopens_when_its_servers_fail():
    gate = BatchGate(1, 0)
    for _again in range(3):
        with pytest.raises(ValueError), gate.admit():
            raise ValueError
