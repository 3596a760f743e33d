# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only place that waits.

An operation of minutes is not asked every second: the pauses are short at first (small things end soon), long in
the middle, and short again towards the time by which the cloud says that it is done.
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
FIRST_PROGRESS_AFTER = 10.0  # seconds until a person is told that the task waits
PROGRESS_INTERVAL = 30.0

T = TypeVar("T")

_this_thread = threading.local()


def _sleep(seconds: float) -> None:
    getattr(_this_thread, "sleep", time.sleep)(seconds)


@contextlib.contextmanager
def use_sleep(sleep: Callable[[float], None]) -> Iterator[None]:
    """Whoever waits in this thread does it so: where several wait, one may be woken by what another has seen."""
    _this_thread.sleep = sleep
    try:
        yield
    finally:
        del _this_thread.sleep


@dataclass
class Clock:
    """Time as the poller sees it; tests put their own here."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = _sleep
    jitter: Callable[[float, float], float] = random.uniform


@dataclass
class Deadline:
    """One point in time, by the monotonic clock, that a whole wait shares."""

    seconds: float
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._started_at = self.clock.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self.clock.monotonic() - self._started_at

    @property
    def remaining(self) -> float:
        """Seconds until it is over; 0 when it is."""
        return max(0.0, self.seconds - self.elapsed)


def poll_interval(elapsed: float, expected_seconds: float) -> float:
    """Seconds to pause before the next look, jitter aside.

    :arg elapsed: seconds since the operation began.
    :arg expected_seconds: seconds by which the cloud says that it is done.
    """
    # Closer together towards the expected end, further apart again the longer it is overdue.
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
    """Look again and again until there is something to return.

    :arg poll: returns None while there is nothing yet; raises to end the wait at once.
    :arg description: what is waited for, in the words of the timeout's message.
    :arg expected_seconds: seconds by which it is usually done.
    :arg on_progress: says to a person how it goes.
    :arg timeout_hint: what to do after a timeout.
    :arg max_interval: seconds between two looks at the most, where looking costs little.
    :raises RewindError: C(wait_timeout) at the deadline; what C(poll) raised, unless it was a passing read error.
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
        # The moments are the schedule's, however long a look takes. Whoever is woken before by what another has seen keeps his own.
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
