# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests a cloud takes: when it has had too many, all who ask it wait, once.

One transport alone keeps to what each answer says (transport.py). Where several ask for one task, a 429 to one of them
concerns all: nobody asks until the cloud's pause is over, and then one after the other, quicker and quicker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INITIAL_INTERVAL = 0.25  # seconds between two requests after a 429
MAX_INTERVAL = 15.0
MIN_INTERVAL = 0.01  # below that there is none
RECOVERY_FACTOR = 0.8  # the gap becomes so much of itself with every request that goes well


class RateLimitExceeded(Exception):
    """It would not be this request's turn as long as there is patience.

    :ivar seconds: that the cloud wants to be left alone.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class RateLimit:
    """Shared by all transports to one cloud.

    :arg retry_budget: seconds for which one request waits for its turn, or is asked again when the cloud has had too many.
    """

    def __init__(self, retry_budget: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._retry_budget, self._monotonic = retry_budget, monotonic
        self._lock = threading.Lock()
        self._paused_until = 0.0  # the cloud's pause
        self._next_at = 0.0  # the next turn, where there is a gap between two
        self._interval = 0.0
        self._slowed_at = float("-inf")

    def deadline(self) -> float:
        """Until when a request that is begun now is asked."""
        return self._monotonic() + self._retry_budget

    def wait(self, sleep: Callable[[float], None], deadline: float) -> float:
        """Return when it is this request's turn: the moment of it, by which L(on_throttled) knows it.

        :raises RateLimitExceeded: it would be later than that.
        """
        scheduled_at = self._monotonic()
        while True:
            with self._lock:
                now = self._monotonic()
                scheduled_at = max(scheduled_at, self._paused_until, self._next_at if self._interval else 0.0)
                if scheduled_at > deadline:
                    raise RateLimitExceeded(max(0.0, scheduled_at - now))
                if self._interval:
                    self._next_at = scheduled_at + self._interval
            if scheduled_at > now:
                sleep(scheduled_at - now)
            with self._lock:
                if self._paused_until <= scheduled_at:  # another was told to wait meanwhile, which holds for all
                    return scheduled_at

    def on_success(self) -> None:
        """The cloud has taken a request."""
        with self._lock:
            self._interval = self._interval * RECOVERY_FACTOR if self._interval > MIN_INTERVAL else 0.0

    def on_throttled(self, pause: float, scheduled_at: float) -> None:
        """The cloud has had too many.

        :arg pause: seconds that it wants to be left alone.
        :arg scheduled_at: the turn of the request that was refused so.
        """
        with self._lock:
            now = self._monotonic()
            if scheduled_at >= self._slowed_at:  # of those that were under way together only the first one slows all down
                self._interval = min(MAX_INTERVAL, max(INITIAL_INTERVAL, 2 * self._interval))
                self._slowed_at = max(now, scheduled_at)
            self._paused_until = max(self._paused_until, now + pause)
