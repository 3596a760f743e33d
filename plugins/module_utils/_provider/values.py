# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values in a provider's responses, in one form. Pure functions that accept any JSON value and raise nothing.

Providers write the same thing in several ways, and a row may lack anything. What cannot be read is None, never a guess.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

MAX_ID_DIGITS = 4000  # Python does not convert longer numbers
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS_KEYS = ("ip", "address", "ip_address", "ipv4", "ipv6")
_ZONE = r"\s*(?P<zone>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_TIME = r"(?P<hour>[0-9]{1,2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
_TIMESTAMPS = (
    re.compile(r"(?P<year>[0-9]{4})-?(?P<month>[0-9]{2})-?(?P<day>[0-9]{2})(?:(?:T|\s+)" + _TIME + ")?" + _ZONE, re.IGNORECASE),
    re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})(?:T|\s+)" + _TIME + _ZONE, re.IGNORECASE),
)


def parse_object(value: Any) -> dict[str, Any]:
    """Return an object of a response; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def parse_text(value: Any) -> str | None:
    """Return a text that is not empty; None for anything else."""
    return value if isinstance(value, str) and value.strip() else None


def parse_number(value: Any) -> str | None:
    """Return a whole number, also one in a text, as digits without leading zeros; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= MAX_ID_DIGITS:
        return value.lstrip("0") or "0"
    return None


def parse_uuid(value: Any) -> str | None:
    """Return a UUID in lower case; None for anything else."""
    return value.strip().lower() if isinstance(value, str) and UUID.fullmatch(value.strip().lower()) else None


def fold(text: str) -> str:
    """Return a text for comparisons: without letter case, accents and repeated spaces, so that İ, I, ı and i are the same letter.

    Characters that are written as a letter and a combining mark count as that letter, too.
    """
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join("".join(letters).casefold().replace("ı", "i").split())


def parse_word(value: Any) -> str | None:
    """Return a state or status as one word for comparisons: `In Progress`, `in_progress` and `InProgress` are the same. None if there is none."""
    return (re.sub(r"[\s_-]+", "", fold(value)) or None) if isinstance(value, str) else None


def readable_word(value: Any) -> str | None:
    """Return a state or status as messages and results show it; None if there is none."""
    text = parse_text(value)
    return text and (text.strip().lower() if text.isascii() else unicodedata.normalize("NFC", text.strip()))


def parse_address(value: Any) -> str | None:
    """Return an IP address in its canonical form, without brackets and prefix length; None for anything else.

    The canonical form makes a comparison of texts a comparison of addresses. An IPv4 address in IPv6 form becomes IPv4.
    """
    if not isinstance(value, str) or "%" in value:
        return None
    text = value.strip().partition("/")[0]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def parse_addresses(*values: Any) -> tuple[str, ...]:
    """Return the addresses in these values, each once: IPv4 before IPv6, otherwise in their order.

    A value is a text, an object with an address, or a list of both. An unspecified address (0.0.0.0) is none.
    """
    found = dict.fromkeys(address for value in values for address in _addresses_in(value))
    usable = [address for address in found if not ipaddress.ip_address(address).is_unspecified]
    return tuple(sorted(usable, key=lambda address: ":" in address))


def _addresses_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for part in re.split(r"[\s,;]+", value):
            address = parse_address(part)
            if address:
                yield address
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, (str, dict)):
                yield from _addresses_in(item)
    elif isinstance(value, dict):
        for key in _ADDRESS_KEYS:
            if isinstance(value.get(key), str):
                yield from _addresses_in(value[key])


def parse_timestamp(value: Any, zone_minutes: int = 0) -> datetime | None:
    """Return a time as UTC: ISO 8601 or `dd.mm.yyyy hh:mm:ss`. None if it cannot be parsed.

    Args:
        zone_minutes: The offset to UTC of a time without a zone.
    """
    return _parse_timestamp(value, zone_minutes) if isinstance(value, str) else None


@functools.lru_cache(maxsize=20_000)  # a listing parses each time up to three times
def _parse_timestamp(text: str, zone_minutes: int) -> datetime | None:
    match = next((found for found in (pattern.fullmatch(text.strip()) for pattern in _TIMESTAMPS) if found), None)
    if match is None:
        return None
    parts = {name: int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")}
    zone = match["zone"]
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        zone_minutes = (int(digits[:2]) * 60 + int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    elif zone:
        zone_minutes = 0
    try:
        return datetime(**parts, tzinfo=timezone(timedelta(minutes=zone_minutes))).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def to_iso8601(value: Any, zone_minutes: int = 0) -> str | None:
    """Return a time as UTC with Z, to the second; None if it cannot be parsed."""
    timestamp = parse_timestamp(value, zone_minutes)
    # Not strftime: it writes the year 999 with three digits, and these texts are compared.
    return timestamp.replace(tzinfo=None).isoformat() + "Z" if timestamp else None
