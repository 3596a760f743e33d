# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a page says ages, sizes, moments and the texts of others. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...module_utils._provider.base import parse_timestamp
from ...module_utils._text import sanitize

MAX_TEXT = 160  # characters of a name or a message that are shown; honest ones are shorter
_UNITS = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def truncate(text: Any, max_chars: int = MAX_TEXT) -> str:
    """A text of others in one line, without what changes the direction of writing, and cut where it is too long."""
    clean = sanitize(str(text))
    return clean if len(clean) <= max_chars else f"{clean[:max_chars]}… ({len(clean)} characters)"


def duration(seconds: float) -> str:
    """For people, in the two greatest units: C(3 d 4 h), C(12 min 5 s)."""
    remaining = max(0, int(seconds))
    for index, (unit, size) in enumerate(_UNITS):
        if remaining >= size or unit == "s":
            count, rest = divmod(remaining, size)
            smaller = _UNITS[index + 1] if index + 1 < len(_UNITS) else None
            second = rest // smaller[1] if smaller else 0
            return f"{count} {unit} {second} {smaller[0]}" if smaller and second else f"{count} {unit}"
    raise AssertionError("seconds take everything")


def size(megabytes: float) -> str:
    """MB as people write them; 1024 MB are a GB."""
    for unit, factor in (("TB", 1024 * 1024), ("GB", 1024)):
        if megabytes >= factor:
            return f"{megabytes / factor:.1f} {unit}"
    return f"{megabytes:.0f} MB"


def format_timestamp(text: Any) -> str | None:
    """A moment to the minute, UTC; None for what can't be read."""
    found = parse_timestamp(text)
    return f"{found.replace(tzinfo=None).isoformat(sep=' ')[:16]}" if found else None


def seconds_until(text: Any, now: datetime) -> float | None:
    """From now to a moment; negative where it is past, None for what can't be read."""
    found = parse_timestamp(text)
    return (found - now).total_seconds() if found else None


def seconds_since(text: Any, now: datetime) -> float | None:
    """From a moment to now; negative where it is to come, None for what can't be read."""
    found = parse_timestamp(text)
    return (now - found).total_seconds() if found else None


def pluralize(number: int, one: str, many: str | None = None) -> str:
    """C(1 server), C(2 servers)."""
    return f"{number} {one if number == 1 else many or one + 's'}"
