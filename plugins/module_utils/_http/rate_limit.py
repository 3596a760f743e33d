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


class TooLong(Exception):
    """It would not be this request's turn as long as there is patience.

    :ivar seconds: that the cloud wants to be left alone.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class RateLimit:
    """Shared by all transports to one cloud.

    :arg patience: seconds for which one request waits for its turn, or is asked again when the cloud has had too many.
    """

    def __init__(self, patience: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._monotonic = patience, monotonic
        self._lock = threading.Lock()
        self._closed_until = 0.0  # the cloud's pause
        self._next_at = 0.0  # the next turn, where there is a gap between two
        self._gap = 0.0
        self._slowed_at = float("-inf")

    def give_up_at(self) -> float:
        """Until when a request that is begun now is asked."""
        return self._monotonic() + self._patience

    def wait(self, sleep: Callable[[float], None], give_up_at: float) -> float:
        """Return when it is this request's turn: the moment of it, by which L(too_many) knows it.

        :raises TooLong: it would be later than that.
        """
        turn = self._monotonic()
        while True:
            with self._lock:
                now = self._monotonic()
                turn = max(turn, self._closed_until, self._next_at if self._gap else 0.0)
                if turn > give_up_at:
                    raise TooLong(max(0.0, turn - now))
                if self._gap:
                    self._next_at = turn + self._gap
            if turn > now:
                sleep(turn - now)
            with self._lock:
                if self._closed_until <= turn:  # another was told to wait meanwhile, which holds for all
                    return turn

    def went_well(self) -> None:
        """The cloud has taken a request."""
        with self._lock:
            self._gap = self._gap * QUICKER if self._gap > SMALLEST_GAP else 0.0

    def too_many(self, pause: float, asked_at: float) -> None:
        """The cloud has had too many.

        :arg pause: seconds that it wants to be left alone.
        :arg asked_at: the turn of the request that was refused so.
        """
        with self._lock:
            now = self._monotonic()
            if asked_at >= self._slowed_at:  # of those that were under way together only the first one slows all down
                self._gap = min(LONGEST_GAP, max(FIRST_GAP, 2 * self._gap))
                self._slowed_at = max(now, asked_at)
            self._closed_until = max(self._closed_until, now + pause)
