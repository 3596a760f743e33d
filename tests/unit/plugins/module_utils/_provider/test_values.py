# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates, addresses, numbers and words of a response, however they are written."""

from __future__ import annotations

import pytest
from fakes.malformed import ANYTHING
from hypothesis import given

from ansible_collections.rewind.vps.plugins.module_utils._provider import values


@pytest.mark.parametrize(("text", "zone_minutes", "expected"), [
    ("2025-01-15T18:30:00Z", 0, "2025-01-15T18:30:00Z"), ("2025-01-15t18:30:00z", 0, "2025-01-15T18:30:00Z"),
    ("2025-01-15T18:30:00.123456789Z", 0, "2025-01-15T18:30:00Z"), ("2025-01-15 18:30:00", 0, "2025-01-15T18:30:00Z"),
    ("2025-01-15T18:30", 0, "2025-01-15T18:30:00Z"), (" 2025-01-15T18:30:00 UTC ", 0, "2025-01-15T18:30:00Z"),
    ("2020-11-23T15:31:07+03:00", 0, "2020-11-23T12:31:07Z"), ("2020-11-23T15:31:07+0300", 0, "2020-11-23T12:31:07Z"),
    ("2020-11-23 15:31:07 +03", 0, "2020-11-23T12:31:07Z"), ("2020-11-23T15:31:07-03:30", 0, "2020-11-23T19:01:07Z"),
    ("20250115T183000Z", 0, "2025-01-15T18:30:00Z"), ("2025-01-15", 0, "2025-01-15T00:00:00Z"),
    ("2020-11-23T15:31:07", 180, "2020-11-23T12:31:07Z"), ("2020-11-23T15:31:07Z", 180, "2020-11-23T15:31:07Z"),
    ("10.12.2020 20:56:18", 180, "2020-12-10T17:56:18Z"), ("10.12.2020 20:56:18", 0, "2020-12-10T20:56:18Z"),
    ("10.12.2020 20:56:18+03:00", 0, "2020-12-10T17:56:18Z"), ("10.12.2020 20:56:18 +0300", 0, "2020-12-10T17:56:18Z"),
    ("10.12.2020 20:56:18Z", 180, "2020-12-10T20:56:18Z"), ("1.2.2020 3:04:05", 0, "2020-02-01T03:04:05Z"),
    ("10.12.2020  20:56", 0, "2020-12-10T20:56:00Z"),
    ("", 0, None), ("nil", 0, None), ("soon", 0, None), ("0000-00-00 00:00:00", 0, None), ("2025-13-01T00:00:00Z", 0, None),
    ("32.01.2020 00:00:00", 0, None), ("01/02/2020 03:04:05", 0, None), ("2025-01-15T25:00:00Z", 0, None), ("9999-12-31T23:59:59-23:00", 0, None),
    ("2025-01-15T18:30:00Zzz", 0, None), ("1736965800", 0, None), (1736965800, 0, None), (True, 0, None), (["2025-01-15"], 0, None), (None, 0, None),
])
def test_dates(text: object, zone_minutes: int, expected: str | None) -> None:
    assert values.to_iso8601(text, zone_minutes) == expected


@pytest.mark.parametrize(("given_values", "expected"), [
    (("203.0.113.10",), ("203.0.113.10",)),
    ((["203.0.113.10", "203.0.113.11"],), ("203.0.113.10", "203.0.113.11")),
    (([{"version": 6, "ip": "2001:DB8::1"}, {"version": 4, "ip": "203.0.113.10"}],), ("203.0.113.10", "2001:db8::1")),
    ((None, None, ["2001:0db8:0:0:0:0:0:0001"]), ("2001:db8::1",)),
    (("203.0.113.10", ["203.0.113.10"], [{"ip": "203.0.113.10"}]), ("203.0.113.10",)),
    (("[2001:db8::1]", "2001:db8::2/64", "::ffff:203.0.113.10"), ("203.0.113.10", "2001:db8::1", "2001:db8::2")),
    (("203.0.113.10, 2001:db8::1",), ("203.0.113.10", "2001:db8::1")),
    (("", "-", "nil", "0.0.0.0", "::", "web1.example", "-oProxyCommand=x", "fe80::1%eth0", "1.2.3", 16909060, True, {}, [[]], [None]), ()),
    (([{"address": "203.0.113.10"}, {"ip": None}, {"ip": ["203.0.113.9"]}],), ("203.0.113.10",)),
])
def test_addresses(given_values: tuple[object, ...], expected: tuple[str, ...]) -> None:
    assert values.parse_addresses(*given_values) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("\u00c7al\u0131\u015f\u0131yor", "calisiyor"), ("C\u0327ALIS\u0327IYOR", "calisiyor"), ("\u0130\u015eLEM", "islem"), ("I\u0307SLEM", "islem"),
    ("In Progress", "inprogress"), ("in_progress", "inprogress"), ("InProgress", "inprogress"), ("\u0130N-PROGRESS", "inprogress"),
    (" shut\u00a0off ", "shutoff"), ("", None), ("  ", None), (None, None), (5, None), (["running"], None),
])
def test_words(text: object, expected: str | None) -> None:
    assert values.parse_word(text) == expected


@pytest.mark.parametrize(("value", "expected"), [
    (801, "801"), ("801", "801"), ("00801", "801"), (0, "0"), ("0", "0"), (-1, None), (True, None), (1.0, None), ("\u0663", None), ("1e3", None),
    ("", None), (None, None), ([801], None), ({"id": 801}, None), ("9" * 5000, None),
])
def test_numbers(value: object, expected: str | None) -> None:
    assert values.parse_number(value) == expected


@given(ANYTHING)
def test_no_value_raises(value: object) -> None:
    for parse in (values.to_iso8601, values.parse_addresses, values.parse_word, values.readable_word, values.parse_number, values.parse_uuid,
                  values.parse_text, values.parse_object, values.parse_address):
        parse(value)
