# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's snapshot rules said in another way than the sandbox says them, to check one against the other.

Nothing is ever moved here. A snapshot remembers the line of all snapshots it descends from, dead ones included, as it
was when it was taken; its parent is the last one of the line that is still alive. The server likewise remembers the
line that its state descends from, and the current snapshot is the last living one of that.
"""

from __future__ import annotations

from itertools import count
from typing import Any

SHOWN = {"running": "running", "shutoff": "shut off", "paused": "paused"}


class LineageModel:
    """Snapshots by a number of their own; names are reused, numbers are not."""

    def __init__(self, power: str = "running") -> None:
        self.power = power
        self._numbers = count()
        self._living: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._lines: dict[int, tuple[int, ...]] = {}
        self._states: dict[int, str] = {}
        self._server_line: tuple[int, ...] = ()

    def apply(self, operation: str, argument: str) -> bool:
        """Carry out create, revert, delete, recreate or power; False when it is refused."""
        if operation == "power":
            self.power = argument
            return True
        if (operation == "create") == (argument in self._living):
            return False
        if operation == "revert":
            number = self._living[argument]
            self._server_line = (*self._lines[number], number)
            self.power = self._states[number]
        if operation in ("delete", "recreate"):
            del self._living[argument]
        if operation in ("create", "recreate"):
            number = next(self._numbers)
            self._living[argument] = number
            self._names[number] = argument
            self._lines[number] = self._server_line
            self._states[number] = self.power
            self._server_line = (*self._server_line, number)
        return True

    @property
    def current(self) -> str | None:
        """The current snapshot's name."""
        return self._last_living(self._server_line)

    def rows(self) -> dict[str, dict[str, Any]]:
        """What is known of each living snapshot, by name."""
        parents = {name: self._last_living(self._lines[number]) for name, number in self._living.items()}
        return {
            name: {
                "current": name == self.current,
                "state": self._states[number],
                "parent": parents[name] or "-",
                "children": list(parents.values()).count(name),
                "descendants": sum(number in self._lines[other] for other in self._living.values()),
            }
            for name, number in self._living.items()
        }

    def _last_living(self, line: tuple[int, ...]) -> str | None:
        alive = [self._names[number] for number in line if self._living.get(self._names[number]) == number]
        return alive[-1] if alive else None
