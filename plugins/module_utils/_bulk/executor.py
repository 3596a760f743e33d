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

MOST_AT_ONCE = 1000  # more servers than that take turns
# What an answer of a hostile shape needs to be read to its end: json in C is content with half of it (CPython 3.13), and dies with less.
STACK_BYTES = 4 * 1024 * 1024
FILES_EACH = 2  # that a server may hold at the same time: its lock, and that of its restore
OTHER_FILES = 100  # that the process has open besides
MOMENT_SECONDS = 0.25

Jobs = collections.deque  # of what is still to be done


def run_all(jobs: list[Callable[[], None]], meanwhile: Callable[[], None], spare: int = 0) -> None:
    """Run all jobs, as many at once as the machine has threads and open files for.

    :arg jobs: raise nothing.
    :arg meanwhile: called in this thread every quarter of a second.
    :arg spare: threads that the jobs need besides, all together.
    """
    waiting: Jobs = Jobs(jobs)
    workers = _as_many_as_can_be(waiting, min(len(jobs), _room_for(len(jobs))), spare)
    for worker in workers:
        worker.begin()
    if not workers:
        _work(waiting)
    for worker in workers:
        while worker.is_alive():
            worker.join(MOMENT_SECONDS)
            meanwhile()


class _Worker(threading.Thread):
    """Takes one job after the other, once it is told to begin."""

    def __init__(self, waiting: Jobs) -> None:
        super().__init__(daemon=True)
        self._waiting = waiting
        self._told = threading.Event()
        self._is_needed = False

    def run(self) -> None:
        self._told.wait()
        if self._is_needed:
            _work(self._waiting)

    def begin(self) -> None:
        """Let it work."""
        self._is_needed = True
        self._told.set()

    def dismiss(self) -> None:
        """Let it go, so that there is a thread for something else."""
        self._told.set()
        self.join()


def _work(waiting: Jobs) -> None:
    while True:
        try:
            job = waiting.popleft()
        except IndexError:
            return
        job()


def _as_many_as_can_be(waiting: Jobs, wanted: int, spare: int) -> list[_Worker]:
    """So many workers, or as many as the machine allows without those that the jobs need to get anywhere."""
    workers: list[_Worker] = []
    while len(workers) < wanted:
        worker = _started(waiting)
        if worker is None:
            keep = max(len(workers) - spare, len(workers) // 2)
            for superfluous in workers[keep:]:
                superfluous.dismiss()
            return workers[:keep]
        workers.append(worker)
    return workers


def _started(waiting: Jobs) -> _Worker | None:
    """A worker; None where there can be no more threads."""
    before = threading.stack_size()
    with contextlib.suppress(ValueError, RuntimeError):
        threading.stack_size(STACK_BYTES)
    try:
        worker = _Worker(waiting)
        worker.start()
        return worker
    except RuntimeError:
        return None
    finally:
        threading.stack_size(before)


def _room_for(wanted: int) -> int:
    """How many servers may be at work at once: their locks are open files."""
    wanted = min(wanted, MOST_AT_ONCE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_EACH * wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - OTHER_FILES) // FILES_EACH))
