# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Formats durations, sizes, timestamps and external text for the page, and places ages on its time axis. Pure functions."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils._provider.values import parse_timestamp, to_iso8601
from ...module_utils._text import sanitize

MAX_TEXT = 160  # characters shown of a name or a message
_UNITS = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
HOUR, DAY = 3_600, 86_400
_PAST = (
    (HOUR, "1 h"), (6 * HOUR, "6 h"), (DAY, "1 d"), (3 * DAY, "3 d"), (7 * DAY, "1 w"), (30 * DAY, "1 mo"), (90 * DAY, "3 mo"),
    (365 * DAY, "1 y"), (5 * 365 * DAY, "5 y"),
)
_FUTURE = ((6 * HOUR, "in 6 h"), (DAY, "in 1 d"), (7 * DAY, "in 1 w"), (30 * DAY, "in 1 mo"), (365 * DAY, "in 1 y"))
MIN_PAST_STEPS = 3


def truncate(text: Any, max_chars: int = MAX_TEXT) -> str:
    """Return external text as one line without control characters, truncated if it is too long."""
    clean = sanitize(str(text))
    return clean if len(clean) <= max_chars else f"{clean[:max_chars]}… ({len(clean)} characters)"


def truncate_or_none(text: Any, max_chars: int = MAX_TEXT) -> str | None:
    return truncate(text, max_chars) if text else None


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `12 min 5 s`."""
    remaining = max(0, int(seconds))
    largest = next((index for index, (dummy, seconds_each) in enumerate(_UNITS) if remaining >= seconds_each), len(_UNITS) - 1)
    parts = []
    for unit, seconds_each in _UNITS[largest:largest + 2]:
        count, remaining = divmod(remaining, seconds_each)
        parts += [f"{count} {unit}"] if count or not parts else []
    return " ".join(parts)


def duration_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else duration(seconds)


def size(megabytes: float) -> str:
    """Return a size in the largest binary unit."""
    for unit, factor in (("TB", 1024 * 1024), ("GB", 1024)):
        if megabytes >= factor:
            return f"{megabytes / factor:.1f} {unit}"
    return f"{megabytes:.0f} MB"


def format_timestamp(text: Any) -> str | None:
    """Return a timestamp in UTC to the minute; None if it is not a timestamp."""
    timestamp = to_iso8601(text)
    return timestamp[:16].replace("T", " ") if timestamp else None


def seconds_since(text: Any, now: datetime) -> float | None:
    """Return the seconds from a timestamp to now: negative for the future, None if it is not a timestamp."""
    timestamp = parse_timestamp(text)
    return (now - timestamp).total_seconds() if timestamp else None


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun: `1 server`, `2 servers`."""
    return f"{number} {noun if number == 1 else noun + 's'}"


@dataclass(frozen=True)
class Tick:
    """A labelled point of the axis, in percent of its width from the left. A narrow page omits minor labels."""

    position: float
    label: str
    now: bool
    minor: bool


class Axis:
    """The axis that all servers share, from the oldest snapshot on the left to now and the last next run.

    It shows ages of an hour and of a year. So it has steps of equal width, each several times longer than the one before.
    Within a step it is linear.

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
