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

FIRST_GAP = 0.25  # seconds between two requests after a 429
LONGEST_GAP = 15.0
SMALLEST_GAP = 0.01  # below that there is none
QUICKER = 0.8  # the gap becomes so much of itself with every request that goes well


class RateLimit:
    """Shared by all transports to one cloud.

    :arg patience: seconds for which a request that the cloud has had too many of is asked again.
    """

    def __init__(self, patience: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._give_up_at = monotonic() + patience
        self._lock = threading.Lock()
        self._open_at = 0.0  # nobody asks before
        self._gap = 0.0

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Return when it is this request's turn."""
        with self._lock:
            now = self._monotonic()
            begin = max(now, self._open_at)
            if self._gap:
                self._open_at = begin + self._gap
        if begin > now:
            sleep(begin - now)

    def went_well(self) -> None:
        """The cloud has taken a request."""
        with self._lock:
            self._gap = self._gap * QUICKER if self._gap > SMALLEST_GAP else 0.0

    def too_many(self, pause: float) -> bool:
        """The cloud has had too many; False where asking again would take longer than there is patience.

        :arg pause: seconds that it wants to be left alone.
        """
        with self._lock:
            now = self._monotonic()
            if now + pause >= self._give_up_at:
                return False
            if now >= self._open_at - self._gap:  # of those that were under way together only the first one slows all down
                self._gap = min(LONGEST_GAP, max(FIRST_GAP, 2 * self._gap))
            self._open_at = max(self._open_at, now + pause)
            return True
