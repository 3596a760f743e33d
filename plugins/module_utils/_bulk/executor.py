# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thread for each server of a fleet. They mostly wait, and they end with the process, whatever they are at."""

from __future__ import annotations

import collections
import contextlib
import resource
import threading
from collections.abc import Callable

MAX_WORKERS = 1000  # more servers than that take turns
# What an answer of a hostile shape needs to be read to its end: json in C is content with half of it (CPython 3.13), and dies with less.
STACK_BYTES = 4 * 1024 * 1024
FILES_PER_SERVER = 2  # that a server may hold at the same time: its lock, and that of its restore
RESERVED_FILES = 100  # that the process has open besides
IDLE_INTERVAL = 0.25

JobQueue = collections.deque  # of what is still to be done


def run_all(jobs: list[Callable[[], None]], on_idle: Callable[[], None], reserve_threads: int = 0) -> None:
    """Run all jobs, as many at once as the machine has threads and open files for.

    :arg jobs: raise nothing.
    :arg on_idle: called in this thread every quarter of a second.
    :arg reserve_threads: threads that the jobs need besides, all together.
    """
    queue: JobQueue = JobQueue(jobs)
    workers = _start_workers(queue, min(len(jobs), _max_workers(len(jobs))), reserve_threads)
    for worker in workers:
        worker.start_working()
    if not workers:
        _run_jobs(queue)
    for worker in workers:
        while worker.is_alive():
            worker.join(IDLE_INTERVAL)
            on_idle()


class _Worker(threading.Thread):
    """Takes one job after the other, once it is told to begin."""

    def __init__(self, queue: JobQueue) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self._decided = threading.Event()
        self._is_needed = False

    def run(self) -> None:
        self._decided.wait()
        if self._is_needed:
            _run_jobs(self._queue)

    def start_working(self) -> None:
        """Let it work."""
        self._is_needed = True
        self._decided.set()

    def dismiss(self) -> None:
        """Let it go, so that there is a thread for something else."""
        self._decided.set()
        self.join()


def _run_jobs(queue: JobQueue) -> None:
    while True:
        try:
            job = queue.popleft()
        except IndexError:
            return
        job()


def _start_workers(queue: JobQueue, wanted: int, reserve_threads: int) -> list[_Worker]:
    """So many workers, or as many as the machine allows without those that the jobs need to get anywhere."""
    workers: list[_Worker] = []
    while len(workers) < wanted:
        worker = _start_worker(queue)
        if worker is None:
            keep = max(len(workers) - reserve_threads, len(workers) // 2)
            for surplus in workers[keep:]:
                surplus.dismiss()
            return workers[:keep]
        workers.append(worker)
    return workers


def _start_worker(queue: JobQueue) -> _Worker | None:
    """A worker; None where there can be no more threads."""
    previous = threading.stack_size()
    with contextlib.suppress(ValueError, RuntimeError):
        threading.stack_size(STACK_BYTES)
    try:
        worker = _Worker(queue)
        worker.start()
        return worker
    except RuntimeError:
        return None
    finally:
        threading.stack_size(previous)


def _max_workers(wanted: int) -> int:
    """How many servers may be at work at once: their locks are open files."""
    wanted = min(wanted, MAX_WORKERS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_PER_SERVER * wanted + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - RESERVED_FILES) // FILES_PER_SERVER))
