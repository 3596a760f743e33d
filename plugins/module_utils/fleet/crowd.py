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
STACK_BYTES = 512 * 1024
OTHER_FILES = 100  # that the process has open besides a lock for each server
MOMENT_SECONDS = 0.25


def run_all(jobs: list[Callable[[], None]], meanwhile: Callable[[], None]) -> None:
    """Run all jobs, as many at once as the machine has threads and open files for.

    :arg jobs: raise nothing.
    :arg meanwhile: called in this thread every quarter of a second.
    """
    waiting = collections.deque(jobs)
    threads = [_start(waiting) for _each in range(min(len(jobs), _room_for(len(jobs))))]
    running = [thread for thread in threads if thread is not None]
    if not running:
        _work(waiting)
    for thread in running:
        while thread.is_alive():
            thread.join(MOMENT_SECONDS)
            meanwhile()


def _work(waiting: collections.deque[Callable[[], None]]) -> None:
    with contextlib.suppress(IndexError):
        while True:
            job = waiting.popleft()
            job()


def _start(waiting: collections.deque[Callable[[], None]]) -> threading.Thread | None:
    """A thread that works; None where there can be no more."""
    before = threading.stack_size()
    with contextlib.suppress(ValueError, RuntimeError):
        threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=_work, args=(waiting,), daemon=True)
        thread.start()
        return thread
    except RuntimeError:
        return None
    finally:
        threading.stack_size(before)


def _room_for(wanted: int) -> int:
    """How many servers may be at work at once: each may hold a lock, which is an open file."""
    wanted = min(wanted, MOST_AT_ONCE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))
