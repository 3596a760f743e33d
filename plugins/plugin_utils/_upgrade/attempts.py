# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pauses between attempts to observe a server."""

from __future__ import annotations

import time

# In seconds.
MIN_PROBE_TIMEOUT = 20  # of the last one; two of them end before the guard's grace period
RETRY_INTERVALS = (2, 4, 8, 15)  # the last one is repeated
REFUSED_INTERVALS = (5, 15, 30)  # between refused logins, and no more of them


class Retry:
    """Pauses between attempts within some time. The last pause is cut, so that an attempt is made at its end."""

    def __init__(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._seconds = seconds
        self._attempts = 0
        self._refusals = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        return self._seconds - self.elapsed

    def require(self, seconds: float) -> None:
        """Make no more attempts if less time is left: a shorter observation would prove nothing."""
        if self.left < seconds:
            self.stop()

    def stop(self) -> None:
        """Make no more attempts."""
        self._seconds = 0

    def limit(self, seconds: float) -> float:
        """Return the limit of one attempt: otherwise one that hangs would outlast the time, and the guard would act before the reason is known."""
        return max(MIN_PROBE_TIMEOUT, min(seconds, self.left))

    def next_pause(self, is_refused: bool) -> float | None:
        """Return the seconds until the next attempt; None if there is none."""
        left = self.left
        self._refusals += is_refused
        if left <= 0 or self._refusals > len(REFUSED_INTERVALS):
            return None
        interval = REFUSED_INTERVALS[self._refusals - 1] if is_refused else RETRY_INTERVALS[min(self._attempts, len(RETRY_INTERVALS) - 1)]
        self._attempts += 1
        return min(interval, left)
