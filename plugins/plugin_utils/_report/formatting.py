# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Formats durations, sizes, timestamps and external text for the page. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...module_utils._provider.base import parse_timestamp, to_iso8601
from ...module_utils._text import sanitize

MAX_TEXT = 160  # characters shown of a name or a message
_UNITS = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def truncate(text: Any, max_chars: int = MAX_TEXT) -> str:
    """Return external text as one line without control characters, truncated if it is too long."""
    clean = sanitize(str(text))
    return clean if len(clean) <= max_chars else f"{clean[:max_chars]}… ({len(clean)} characters)"


def truncate_or_none(text: Any, max_chars: int = MAX_TEXT) -> str | None:
    """Like `truncate`; None for an empty or missing text."""
    return truncate(text, max_chars) if text else None


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `12 min 5 s`."""
    remaining = max(0, int(seconds))
    for index, (unit, size) in enumerate(_UNITS):
        if remaining >= size or unit == "s":
            count, rest = divmod(remaining, size)
            smaller = _UNITS[index + 1] if index + 1 < len(_UNITS) else None
            second = rest // smaller[1] if smaller else 0
            return f"{count} {unit} {second} {smaller[0]}" if smaller and second else f"{count} {unit}"
    raise AssertionError("the last unit matches every duration")


def duration_or_none(seconds: float | None) -> str | None:
    """Like `duration`; None if the duration is unknown."""
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
