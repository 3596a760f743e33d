# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process gets which tests, and in which order."""

from __future__ import annotations

import pytest

from tools.dealing import dealt

SECONDS = {"long 9": 9.0, "long 30": 30.0, "long 5": 5.0, "long 20": 20.0}
TESTS = ["unit 1", "long 9", "file a 1", "file a 2", "long 30", "file b 1", "file b 2", *(f"unit {n}" for n in range(2, 20)), "long 5", "long 20"]


def parts(processes: int) -> list[list[str]]:
    """As xdist's worksteal cuts the order: each process takes an equal part of what is left."""
    order = dealt(TESTS, processes, lambda name: SECONDS.get(name, 0.0), lambda name: name.startswith("unit"))
    assert sorted(order) == sorted(TESTS)
    found = []
    for left in range(processes, 0, -1):
        found.append(order[:len(order) // left])
        del order[:len(order) // left]
    return found


def test_each_process_begins_with_its_share_of_the_long_ones() -> None:
    first, second = parts(2)
    assert first[:4] == ["long 30", "long 9", "file a 1", "file a 2"]
    assert second[:4] == ["long 20", "long 5", "file b 1", "file b 2"]
    assert all(name.startswith("unit") for name in first[4:] + second[4:])


def test_alone_a_process_begins_with_the_longest() -> None:
    assert parts(1)[0][:6] == ["long 30", "long 20", "long 9", "long 5", "file a 1", "file a 2"]


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7, 40])
def test_nothing_is_lost_with_any_number_of_processes(processes: int) -> None:
    assert sum(map(len, parts(processes))) == len(TESTS)
    assert dealt([], processes, lambda name: 1.0, lambda name: True) == []
