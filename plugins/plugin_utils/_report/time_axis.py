# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One axis of time for all servers. Pure.

Ages of an hour and of a year must both be told apart. So the axis has steps of equal width, each some times longer than
the one before; within a step it is linear.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass

HOUR, DAY = 3_600, 86_400
_PAST = (
    (HOUR, "1 h"), (6 * HOUR, "6 h"), (DAY, "1 d"), (3 * DAY, "3 d"), (7 * DAY, "1 w"), (30 * DAY, "1 mo"), (90 * DAY, "3 mo"),
    (365 * DAY, "1 y"), (5 * 365 * DAY, "5 y"),
)
_FUTURE = ((6 * HOUR, "in 6 h"), (DAY, "in 1 d"), (7 * DAY, "in 1 w"), (30 * DAY, "in 1 mo"), (365 * DAY, "in 1 y"))
MIN_PAST_STEPS = 3  # steps, however young everything is


@dataclass(frozen=True)
class Tick:
    """A moment that the axis names.

    :ivar place: percent of the axis' width, from the left.
    :ivar minor: its label may be left out where there is little room.
    """

    position: float
    label: str
    now: bool
    minor: bool


class Axis:
    """From the oldest on the left to now, and on to what comes.

    :arg ages: seconds before now.
    :arg coming: seconds from now on.
    """

    def __init__(self, ages: Iterable[float], coming: Iterable[float] = ()) -> None:
        past = _PAST[:_needed([step for step, dummy in _PAST], max(ages, default=0), MIN_PAST_STEPS)]
        future = _FUTURE[:_needed([step for step, dummy in _FUTURE], max(coming, default=0), 0)]
        self._steps = [-step for step, dummy in reversed(past)] + [0] + [step for step, dummy in future]
        labels = [label for dummy, label in reversed(past)] + ["now"] + [label for dummy, label in future]
        self.now = self.position(0)
        self.ticks = [
            Tick(self.position(-offset), label, offset == 0, minor=(position - len(past)) % 2 == 1)
            for position, (offset, label) in enumerate(zip(self._steps, labels))
        ]

    def position(self, age: float) -> float:
        """Where an age lies, in percent from the left; a negative one is to come. What is beyond an end lies on it."""
        offset = min(max(-age, self._steps[0]), self._steps[-1])
        step = max(1, bisect.bisect_left(self._steps, offset))
        start, end = self._steps[step - 1], self._steps[step]
        return round(100 * (step - 1 + (offset - start) / (end - start)) / (len(self._steps) - 1), 2)


def _needed(steps: list[int], furthest: float, at_least: int) -> int:
    """How many steps reach as far; all of them where none does."""
    if furthest <= 0:
        return at_least
    return max(at_least, min(len(steps), bisect.bisect_left(steps, furthest) + 1))
