# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Polling with an adaptive interval; nothing else in the collection waits for a provider.

The interval is short at first, since small operations finish soon. It is long in the middle, and short again near the time
at which the operation is expected to finish.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable, TypeVar

from .. import _errors as errors
from .._errors import RewindError

MIN_INTERVAL = 9.0  # seconds, once the first minute is over
MAX_INTERVAL = 60.0
INITIAL_INTERVAL = 0.6
CLOCK_TOLERANCE = 0.01
FIRST_PROGRESS_AFTER = 10.0  # seconds until the first progress message
PROGRESS_INTERVAL = 30.0

T = TypeVar("T")

_this_thread = threading.local()


def _sleep(seconds: float) -> None:
    getattr(_this_thread, "sleep", time.sleep)(seconds)


@contextlib.contextmanager
def use_sleep(sleep: Callable[[float], None]) -> Iterator[None]:
    """Use this function to sleep in the current thread. In a bulk task another thread's read may end the sleep early."""
    _this_thread.sleep = sleep
    try:
        yield
    finally:
        del _this_thread.sleep


@dataclass
class Clock:
    """The clock of a deadline; tests replace it."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = _sleep
    jitter: Callable[[float, float], float] = random.uniform


@dataclass
class Deadline:
    """A point in time by the monotonic clock."""

    seconds: float
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._started_at = self.clock.monotonic()

    @property
    def elapsed(self) -> float:
        return self.clock.monotonic() - self._started_at

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.seconds - self.elapsed)


def poll_interval(elapsed: float, expected_seconds: float) -> float:
    """Return the seconds until the next poll, without jitter. Both arguments count from the start of the operation."""
    # Shorter near the expected end, longer again the longer it is overdue.
    upper_bound = MAX_INTERVAL if elapsed >= expected_seconds else min(MAX_INTERVAL, max(MIN_INTERVAL, expected_seconds / 8))
    interval = min(upper_bound, max(MIN_INTERVAL, abs(expected_seconds - elapsed) / 1.7))
    return interval if elapsed >= MAX_INTERVAL else max(INITIAL_INTERVAL, min(1.5 * elapsed, interval))


def wait_until(
    poll: Callable[[], T | None],
    *,
    description: str,
    deadline: Deadline,
    expected_seconds: float,
    on_progress: Callable[[str], None] = lambda text: None,
    timeout_hint: str,
    max_interval: float = MAX_INTERVAL,
) -> T:
    """Poll until there is a value, and return it.

    Args:
        poll: Returns None while there is no value. What it raises ends the wait, unless it is a transient read error.
        description: What the task waits for, for messages.
        expected_seconds: How long it usually takes.
        on_progress: Shows a line of progress.
        timeout_hint: What to do after a timeout.
        max_interval: Seconds between two polls, if a poll is cheap.

    Raises:
        RewindError: `wait_timeout` at the deadline, or what `poll` raised.
    """
    last_error: RewindError | None = None
    next_progress = FIRST_PROGRESS_AFTER
    due = deadline.elapsed
    while True:
        try:
            result = poll()
            last_error = None
        except RewindError as error:
            if error.kind not in errors.TRANSIENT:
                raise
            result, last_error = None, error
        if result is not None:
            return result
        if deadline.remaining <= 0:
            break
        if deadline.elapsed >= next_progress:
            usually = f", usually done within {expected_seconds:.0f} s" if expected_seconds > deadline.elapsed else ""
            on_progress(f"{description}: {deadline.elapsed:.0f} s so far{usually}")
            next_progress = deadline.elapsed + PROGRESS_INTERVAL
        # The schedule does not depend on how long a poll takes, or on a sleep that ended early.
        while due <= deadline.elapsed + CLOCK_TOLERANCE:
            due += min(max_interval, poll_interval(due, expected_seconds)) * deadline.clock.jitter(0.9, 1.1)
        deadline.clock.sleep(min(due - deadline.elapsed, deadline.remaining))
    suffix = f"; the last poll failed: {last_error.message}" if last_error else ""
    raise RewindError(
        f"Timed out after {deadline.seconds:.0f} s waiting for {description}{suffix}",
        kind=errors.WAIT_TIMEOUT,
        outcome=errors.UNKNOWN,
        hint=timeout_hint,
    )
