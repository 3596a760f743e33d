# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of one Ilkbyte server: a tree that behaves as libvirt's. No input, no output, no clock.

The rules, as in libvirt's test driver and real QEMU machines:

- A new snapshot is a child of the current one, or a root if there is none. It becomes current.
- A revert keeps every snapshot. The target becomes current, and the server takes its power state.
- The children of a deleted snapshot move to its parent. If it was current, its parent becomes current.
- Recreating is deleting and creating: the snapshot becomes a new leaf below the current one.

`current` says which snapshot the server's state descends from, not that the server is unchanged since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

NO_PARENT = "-"


class SnapshotExists(Exception):
    """The name is taken; nothing changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"operation failed: domain moment {name} already exists")


class NoSuchSnapshot(Exception):
    """No snapshot of that name; nothing changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no domain snapshot with matching name '{name}'")


@dataclass(frozen=True)
class TreeSnapshot:
    """One snapshot: its power state (running, shutoff, paused), time and parent (a name or None)."""

    name: str
    state: str
    taken_at: datetime
    parent: str | None


class SnapshotTree:
    """All snapshots of one server. `current` is a name or None. Equal numbers of `changes` mean the same tree."""

    def __init__(self) -> None:
        self._snapshots: dict[str, TreeSnapshot] = {}
        self.current: str | None = None
        self.changes = 0

    def __contains__(self, name: object) -> bool:
        return name in self._snapshots

    def names(self) -> list[str]:
        """Return the names, oldest first."""
        return list(self._snapshots)

    def get(self, name: str) -> TreeSnapshot:
        """Raises NoSuchSnapshot."""
        try:
            return self._snapshots[name]
        except KeyError:
            raise NoSuchSnapshot(name) from None

    def create(self, name: str, state: str, taken_at: datetime) -> TreeSnapshot:
        """Add a snapshot below the current one and make it current. Raises SnapshotExists."""
        if name in self._snapshots:
            raise SnapshotExists(name)
        snapshot = TreeSnapshot(name, state, taken_at, parent=self.current)
        self._snapshots[name] = snapshot
        self.current = name
        self.changes += 1
        return snapshot

    def revert(self, name: str) -> str:
        """Make a snapshot current. Return its power state. Raises NoSuchSnapshot."""
        snapshot = self.get(name)
        self.current = name
        self.changes += 1
        return snapshot.state

    def delete(self, name: str) -> None:
        """Delete a snapshot; its children move up. Raises NoSuchSnapshot."""
        deleted = self.get(name)
        del self._snapshots[name]
        for child in self.children(name):
            self._snapshots[child] = replace(self._snapshots[child], parent=deleted.parent)
        if self.current == name:
            self.current = deleted.parent
        self.changes += 1

    def change(self, name: str, **fields: Any) -> None:
        """Change `state` or `taken_at`, which no hypervisor does. Raises NoSuchSnapshot."""
        self._snapshots[name] = replace(self.get(name), **fields)
        self.changes += 1

    def children(self, name: str) -> list[str]:
        """Return the names of the direct children."""
        return [snapshot.name for snapshot in self._snapshots.values() if snapshot.parent == name]

    def descendants(self, name: str) -> list[str]:
        """Return the names of all descendants."""
        found = self.children(name)
        for below in found:  # grows during the iteration
            found.extend(self.children(below))
        return found

    def describe(self, name: str) -> dict[str, Any]:
        """Return the fields of `virsh snapshot-info` with Ilkbyte's names, without params and date."""
        snapshot = self.get(name)
        return {
            "name": name,
            "current": self.current == name,
            "state": snapshot.state,
            "location": "internal",
            "parent": snapshot.parent or NO_PARENT,
            "children": len(self.children(name)),
            "descendants": len(self.descendants(name)),
            "metadata": True,
        }
