# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats of durations, sizes, timestamps and external text, and positions on the time axis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from report_builders import DAY, HOUR

from ansible_collections.rewind.vps.plugins.module_utils._text import REPLACEMENT
from ansible_collections.rewind.vps.plugins.plugin_utils._report import formatting
from ansible_collections.rewind.vps.plugins.plugin_utils._report.formatting import Axis


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (755, "12 min 35 s"), (HOUR, "1 h"), (HOUR + 59, "1 h"), (4 * HOUR + 720, "4 h 12 min"),
    (3 * DAY + 4 * HOUR, "3 d 4 h"), (3 * DAY + 59, "3 d"), (140 * DAY, "140 d"), (400 * DAY, "1 y 35 d"), (-5, "0 s"),
])
def test_duration(seconds, text):
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(("megabytes", "text"), [(0, "0 MB"), (1023, "1023 MB"), (1024, "1.0 GB"), (10752, "10.5 GB"), (3 * 1024 * 1024, "3.0 TB")])
def test_size(megabytes, text):
    assert formatting.size(megabytes) == text


def test_external_text_becomes_one_line_and_is_truncated():
    assert formatting.truncate("one\u202etwo\nthree\x1b[2J") == f"one{REPLACEMENT}two{REPLACEMENT}three{REPLACEMENT}[2J"
    long = formatting.truncate("x" * 10_000)
    assert long == "x" * 160 + "… (10000 characters)"
    assert formatting.truncate("x" * 160) == "x" * 160


def test_the_axis_is_as_long_as_needed():
    assert [tick.label for tick in Axis([]).ticks] == ["1 d", "6 h", "1 h", "now"]
    assert [tick.label for tick in Axis([8 * DAY], [HOUR]).ticks] == ["1 mo", "1 w", "3 d", "1 d", "6 h", "1 h", "now", "in 6 h"]
    assert [tick.label for tick in Axis([7 * DAY]).ticks][0] == "1 w", "an age on a tick is within the axis"
    assert Axis([40 * 365 * DAY]).ticks[0].label == "5 y"
    assert Axis([60], [-DAY]).ticks[-1].label == "now", "an overdue run is not in the future"


def test_positions_on_the_axis():
    axis = Axis([DAY], [6 * HOUR])  # four steps of a quarter each: 1 d, 6 h, 1 h, now, in 6 h
    positions = {age: axis.position(age) for age in (2 * DAY, DAY, 6 * HOUR, 3.5 * HOUR, HOUR, 0, -3 * HOUR, -DAY)}
    assert list(positions.values()) == [0, 0, 25, 37.5, 50, 75, 87.5, 100]
    assert axis.now == 75 and [tick.position for tick in axis.ticks] == [0, 25, 50, 75, 100]
    assert [tick.label for tick in axis.ticks if not tick.minor] == ["6 h", "now"]


SECONDS = some.floats(min_value=0, max_value=1e10)


@given(some.lists(SECONDS), some.lists(SECONDS), some.floats(-1e10, 1e10), some.floats(-1e10, 1e10))
def test_an_older_snapshot_is_never_to_the_right(ages, upcoming, one, other):
    axis = Axis(ages, upcoming)
    older, younger = max(one, other), min(one, other)
    assert 0 <= axis.position(older) <= axis.position(younger) <= 100
    assert [tick.position for tick in axis.ticks] == sorted(tick.position for tick in axis.ticks)
