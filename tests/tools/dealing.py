# SPDX-License-Identifier: GPL-3.0-or-later
"""Deals the tests to the processes that run them: who gets which, and in which order."""

from __future__ import annotations

from typing import Callable, Sequence, TypeVar

Item = TypeVar("Item")


def dealt(items: Sequence[Item], processes: int, seconds: Callable[[Item], float], is_short: Callable[[Item], bool]) -> list[Item]:
    """The items in an order of which each process takes an equal part, as pytest-xdist's worksteal cuts it.

    Each part begins with its share of the long ones, the longest first. The rest keeps its order, so that files stay
    together and their fixtures are made once; what is short comes last, since a process without work takes it from there.
    """
    long = sorted((item for item in items if seconds(item)), key=seconds, reverse=True)
    middle = [item for item in items if not seconds(item) and not is_short(item)]
    short = [item for item in items if not seconds(item) and is_short(item)]
    order: list[Item] = []
    left = len(items)
    for number in range(processes):
        size = left // (processes - number)
        part = long[number::processes] + _share(middle, number, processes)
        wanted = max(0, size - len(part))
        order += part + short[:wanted]
        del short[:wanted]
        left -= size
    return order + short


def _share(items: list[Item], number: int, processes: int) -> list[Item]:
    return items[len(items) * number // processes:len(items) * (number + 1) // processes]
