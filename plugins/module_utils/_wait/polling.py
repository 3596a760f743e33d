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

SHORTEST_PAUSE = 9.0  # seconds, once the first minute is over
LONGEST_PAUSE = 60.0
FIRST_PAUSE = 0.6
SAME_MOMENT = 0.01
FIRST_WORD_AFTER = 10.0  # seconds until a person is told that the task waits
WORD_EVERY = 30.0

Found = TypeVar("Found")

_this_thread = threading.local()


def _sleep(seconds: float) -> None:
    getattr(_this_thread, "sleep", time.sleep)(seconds)


@contextlib.contextmanager
def pausing_with(sleep: Callable[[float], None]) -> Iterator[None]:
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
        self._began = self.clock.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self.clock.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds until it is over; 0 when it is."""
        return max(0.0, self.seconds - self.elapsed)


def pause_after(elapsed: float, expected: float) -> float:
    """Seconds to pause before the next look, jitter aside.

    :arg elapsed: seconds since the operation began.
    :arg expected: seconds by which the cloud says that it is done.
    """
    # Closer together towards the expected end, further apart again the longer it is overdue.
    longest = LONGEST_PAUSE if elapsed >= expected else min(LONGEST_PAUSE, max(SHORTEST_PAUSE, expected / 8))
    pause = min(longest, max(SHORTEST_PAUSE, abs(expected - elapsed) / 1.7))
    return pause if elapsed >= LONGEST_PAUSE else max(FIRST_PAUSE, min(1.5 * elapsed, pause))


def wait_until(
    look: Callable[[], Found | None],
    *,
    what: str,
    deadline: Deadline,
    expected: float,
    on_progress: Callable[[str], None] = lambda text: None,
    hint: str,
    longest_pause: float = LONGEST_PAUSE,
) -> Found:
    """Look again and again until there is something to return.

    :arg look: returns None while there is nothing yet; raises to end the wait at once.
    :arg what: what is waited for, in the words of the timeout's message.
    :arg expected: seconds by which it is usually done.
    :arg on_progress: says to a person how it goes.
    :arg hint: what to do after a timeout.
    :arg longest_pause: seconds between two looks at the most, where looking costs little.
    :raises RewindError: C(wait_timeout) at the deadline; what C(look) raised, unless it was a passing read error.
    """
    trouble: RewindError | None = None
    next_word = FIRST_WORD_AFTER
    due = deadline.elapsed
    while True:
        try:
            found = look()
            trouble = None
        except RewindError as error:
            if error.kind not in errors.TRANSIENT:
                raise
            found, trouble = None, error
        if found is not None:
            return found
        if deadline.left <= 0:
            break
        if deadline.elapsed >= next_word:
            usually = f", usually done within {expected:.0f} s" if expected > deadline.elapsed else ""
            on_progress(f"{what}: {deadline.elapsed:.0f} s so far{usually}")
            next_word = deadline.elapsed + WORD_EVERY
        # The moments are the schedule's, however long a look takes. Whoever is woken before by what another has seen keeps his own.
        while due <= deadline.elapsed + SAME_MOMENT:
            due += min(longest_pause, pause_after(due, expected)) * deadline.clock.jitter(0.9, 1.1)
        deadline.clock.sleep(min(due - deadline.elapsed, deadline.left))
    last = f"; the last look failed: {trouble.message}" if trouble else ""
    raise RewindError(
        f"Waited {deadline.seconds:.0f} s for {what}, and it is not done{last}",
        kind=errors.WAIT_TIMEOUT,
        outcome=errors.UNKNOWN,
        hint=hint,
    )
