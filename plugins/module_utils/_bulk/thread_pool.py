# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs jobs in daemon threads: an interrupted task does not wait for requests in progress, as it would with `concurrent.futures`."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator

# Enough to parse a maliciously nested response: json needs half of it (CPython 3.13) and crashes the process with less.
STACK_BYTES = 4 * 1024 * 1024
IDLE_INTERVAL = 0.25


def run_jobs(jobs: list[Callable[[], None]], max_threads: int, reserve_threads: int, on_idle: Callable[[], None]) -> None:
    """Run all jobs, in this thread if the machine allows no other. If `on_idle` or a signal raises, no further job starts.

    Args:
        jobs: raise nothing.
        reserve_threads: threads that the jobs themselves need, all together.
        on_idle: called in this thread every quarter of a second.
    """
    queue = collections.deque(jobs)
    may_end, may_start = threading.Event(), threading.Event()
    # Reserved first and ended before the jobs start, so that the machine has room for as many.
    reserved = _start_threads(may_end.wait, min(reserve_threads, len(jobs)))
    workers = _start_threads(lambda: may_start.wait() and _run_all(queue), min(len(jobs), max_threads))
    may_end.set()
    for thread in reserved:
        thread.join()
    may_start.set()
    try:
        if not workers:
            _run_all(queue)
        for worker in workers:
            while worker.is_alive():
                worker.join(IDLE_INTERVAL)
                on_idle()
    except BaseException:
        queue.clear()
        raise


def _run_all(queue: collections.deque[Callable[[], None]]) -> None:
    while True:
        try:
            job = queue.popleft()
        except IndexError:
            return
        job()


def _start_threads(work: Callable[[], object], count: int) -> list[threading.Thread]:
    """As many as the machine allows, up to `count`."""
    threads: list[threading.Thread] = []
    with _stack_size(), contextlib.suppress(RuntimeError):
        while len(threads) < count:
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            threads.append(thread)
    return threads


@contextlib.contextmanager
def _stack_size() -> Iterator[None]:
    previous = threading.stack_size()
    with contextlib.suppress(ValueError, RuntimeError):
        threading.stack_size(STACK_BYTES)
    try:
        yield
    finally:
        threading.stack_size(previous)
