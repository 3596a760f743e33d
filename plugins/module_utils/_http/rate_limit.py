# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slows down all clients of a task after a 429 response.

A single client follows each response by itself. If several clients work for one task, a 429 to one of them concerns all:
no request is sent until the provider's pause is over. After that they go out one by one, at shrinking intervals.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INITIAL_INTERVAL = 0.25  # seconds between two requests after a 429
MAX_INTERVAL = 15.0
MIN_INTERVAL = 0.01  # below that no interval is kept
RECOVERY_FACTOR = 0.8  # every successful request multiplies the interval by it


class RateLimitExceeded(Exception):
    """The request could not be sent before its deadline.

    Attributes:
        seconds: Seconds until the request could be sent.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class RateLimit:
    """Shared by all clients of one provider in a task.

    Args:
        retry_budget: Seconds for which one request may wait or be repeated because of 429 responses.
    """

    def __init__(self, retry_budget: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._retry_budget, self._monotonic = retry_budget, monotonic
        self._lock = threading.Lock()
        self._paused_until = 0.0  # end of the pause that the provider asked for
        self._next_at = 0.0  # earliest time of the next request while an interval is kept
        self._interval = 0.0
        self._slowed_at = float("-inf")

    def deadline(self) -> float:
        """Return the time until which a request that starts now may be sent."""
        return self._monotonic() + self._retry_budget

    def wait(self, sleep: Callable[[float], None], deadline: float) -> float:
        """Wait until the request may be sent. Returns its scheduled time, which `on_throttled` takes.

        Raises:
            RateLimitExceeded: The request could not be sent before the deadline.
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
                if self._paused_until <= scheduled_at:  # otherwise another request was throttled in between, and its pause holds for all
                    return scheduled_at

    def on_success(self) -> None:
        """Record that the provider accepted a request."""
        with self._lock:
            self._interval = self._interval * RECOVERY_FACTOR if self._interval > MIN_INTERVAL else 0.0

    def on_throttled(self, pause: float, scheduled_at: float) -> None:
        """Record a 429 response.

        Args:
            pause: Seconds that the provider asks to wait.
            scheduled_at: Scheduled time of the request that was throttled.
        """
        with self._lock:
            now = self._monotonic()
            if scheduled_at >= self._slowed_at:  # of concurrent requests only the first one slows all down
                self._interval = min(MAX_INTERVAL, max(INITIAL_INTERVAL, 2 * self._interval))
                self._slowed_at = max(now, scheduled_at)
            self._paused_until = max(self._paused_until, now + pause)
