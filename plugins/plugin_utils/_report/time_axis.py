# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time axis that all servers share. Pure.

The axis shows ages of an hour and of a year. So it has steps of equal width, each several times longer than the one
before. Within a step it is linear.
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
MIN_PAST_STEPS = 3


@dataclass(frozen=True)
class Tick:
    """A labelled point of the axis, in percent of its width from the left. A narrow page omits minor labels."""

    position: float
    label: str
    now: bool
    minor: bool


class Axis:
    """An axis from the oldest snapshot on the left to now and the last next run.

    Args:
        ages: Seconds before now.
        upcoming: Seconds from now.
    """

    def __init__(self, ages: Iterable[float], upcoming: Iterable[float] = ()) -> None:
        past = _PAST[:_count_steps([step for step, dummy in _PAST], max(ages, default=0), MIN_PAST_STEPS)]
        future = _FUTURE[:_count_steps([step for step, dummy in _FUTURE], max(upcoming, default=0), 0)]
        self._steps = [-step for step, dummy in reversed(past)] + [0] + [step for step, dummy in future]
        labels = [label for dummy, label in reversed(past)] + ["now"] + [label for dummy, label in future]
        self.now = self.position(0)
        self.ticks = [
            Tick(self.position(-offset), label, offset == 0, minor=(index - len(past)) % 2 == 1)
            for index, (offset, label) in enumerate(zip(self._steps, labels))
        ]

    def position(self, age: float) -> float:
        """Return the position of an age in percent from the left, limited to the axis. A negative age is in the future."""
        offset = min(max(-age, self._steps[0]), self._steps[-1])
        step = max(1, bisect.bisect_left(self._steps, offset))
        start, end = self._steps[step - 1], self._steps[step]
        return round(100 * (step - 1 + (offset - start) / (end - start)) / (len(self._steps) - 1), 2)


def _count_steps(steps: list[int], furthest: float, minimum: int) -> int:
    """Return how many steps reach that far; all of them if none does."""
    if furthest <= 0:
        return minimum
    return max(minimum, min(len(steps), bisect.bisect_left(steps, furthest) + 1))
