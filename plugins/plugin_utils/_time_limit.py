# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A time limit for a block of code that waits for another program."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType


class TimeLimitExceeded(BaseException):
    """Not an Exception: nothing between the limit and its block may take it for an error to retry."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitExceeded in the block after `seconds`. Ansible's limit for the task stays in force, and applies if it ends earlier.

    Both use the process's only timer. A task has a process of its own and runs in its main thread.
    """
    task_seconds = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < task_seconds <= seconds:
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeLimitExceeded

    task_handler, started = signal.signal(signal.SIGALRM, expire), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, task_handler)
        if task_seconds:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, task_seconds - (time.monotonic() - started)))
