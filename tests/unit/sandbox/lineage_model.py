# SPDX-License-Identifier: GPL-3.0-or-later
"""A second implementation of libvirt's snapshot rules, to check the sandbox's against.

A snapshot keeps its lineage: all snapshots from which it descends, deleted ones included. Its parent is the last existing one.
The server has a lineage, too, and the current snapshot is the last existing one of it.
"""

from __future__ import annotations

from itertools import count
from typing import Any


class LineageModel:
    """Snapshots by numbers; names are reused, numbers are not."""

    def __init__(self, power: str = "running") -> None:
        self.power = power
        self._numbers = count()
        self._existing: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._lineages: dict[int, tuple[int, ...]] = {}
        self._states: dict[int, str] = {}
        self._server_lineage: tuple[int, ...] = ()

    def apply(self, operation: str, argument: str) -> bool:
        """Carry out create, revert, delete, recreate or power; False when it is refused."""
        if operation == "power":
            self.power = argument
            return True
        if (operation == "create") == (argument in self._existing):
            return False
        if operation == "revert":
            number = self._existing[argument]
            self._server_lineage = (*self._lineages[number], number)
            self.power = self._states[number]
        if operation in ("delete", "recreate"):
            del self._existing[argument]
        if operation in ("create", "recreate"):
            number = next(self._numbers)
            self._existing[argument] = number
            self._names[number] = argument
            self._lineages[number] = self._server_lineage
            self._states[number] = self.power
            self._server_lineage = (*self._server_lineage, number)
        return True

    @property
    def current(self) -> str | None:
        """The current snapshot's name."""
        return self._last_existing(self._server_lineage)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The fields of each existing snapshot, by name."""
        parents = {name: self._last_existing(self._lineages[number]) for name, number in self._existing.items()}
        return {
            name: {
                "current": name == self.current,
                "state": self._states[number],
                "parent": parents[name] or "-",
                "children": list(parents.values()).count(name),
                "descendants": sum(number in self._lineages[other] for other in self._existing.values()),
            }
            for name, number in self._existing.items()
        }

    def _last_existing(self, lineage: tuple[int, ...]) -> str | None:
        alive = [self._names[number] for number in lineage if self._existing.get(self._names[number]) == number]
        return alive[-1] if alive else None
