# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of one Ilkbyte server: a tree that behaves as libvirt's. No input, no output, no clock.

The rules, as libvirt's test driver and real QEMU machines show them:

- a new snapshot becomes a child of the current one, or a root where none is current; it is current then;
- a revert keeps every snapshot; the one reverted to is current, and the server takes the power state it holds;
- a deleted snapshot's children move to its parent; if it was current its parent is, or none if it was a root;
- to recreate is to delete and then create: the snapshot comes back as a new leaf under the then-current one.

``current`` says which snapshot the server's state descends from, not that the server is unchanged since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

NO_PARENT = "-"


class SnapshotExists(Exception):
    """A snapshot of that name is there already; nothing has changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"operation failed: domain moment {name} already exists")


class NoSuchSnapshot(Exception):
    """There is no snapshot of that name; nothing has changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no domain snapshot with matching name '{name}'")


@dataclass(frozen=True)
class TreeSnapshot:
    """One snapshot: the power state it holds (``running``, ``shutoff``, ``paused``), when it was taken, its parent's
    name or None."""

    name: str
    state: str
    taken_at: datetime
    parent: str | None


class SnapshotTree:
    """All snapshots of one server and which of them is current (``current``: a name or None).

    ``changes`` counts what was changed, so that equal numbers mean the same tree.
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, TreeSnapshot] = {}
        self.current: str | None = None
        self.changes = 0

    def __contains__(self, name: object) -> bool:
        return name in self._snapshots

    def names(self) -> list[str]:
        """The names, oldest first."""
        return list(self._snapshots)

    def get(self, name: str) -> TreeSnapshot:
        """:raises NoSuchSnapshot: there is none of that name."""
        try:
            return self._snapshots[name]
        except KeyError:
            raise NoSuchSnapshot(name) from None

    def create(self, name: str, state: str, taken_at: datetime) -> TreeSnapshot:
        """Add a snapshot below the current one and make it current.

        :raises SnapshotExists: the name is taken.
        """
        if name in self._snapshots:
            raise SnapshotExists(name)
        snapshot = TreeSnapshot(name, state, taken_at, parent=self.current)
        self._snapshots[name] = snapshot
        self.current = name
        self.changes += 1
        return snapshot

    def revert(self, name: str) -> str:
        """Make a snapshot current; answers the power state that the server takes.

        :raises NoSuchSnapshot: there is none of that name.
        """
        snapshot = self.get(name)
        self.current = name
        self.changes += 1
        return snapshot.state

    def delete(self, name: str) -> None:
        """Take a snapshot out; its children move up.

        :raises NoSuchSnapshot: there is none of that name.
        """
        deleted = self.get(name)
        del self._snapshots[name]
        for child in self.children(name):
            self._snapshots[child] = replace(self._snapshots[child], parent=deleted.parent)
        if self.current == name:
            self.current = deleted.parent
        self.changes += 1

    def change(self, name: str, **fields: Any) -> None:
        """Give a snapshot another ``state`` or ``taken_at``, which no hypervisor does.

        :raises NoSuchSnapshot: there is none of that name.
        """
        self._snapshots[name] = replace(self.get(name), **fields)
        self.changes += 1

    def recreate(self, name: str, state: str, taken_at: datetime) -> TreeSnapshot:
        """Take a snapshot anew under its name: a new leaf below the then-current one.

        :raises NoSuchSnapshot: there is none of that name.
        """
        self.delete(name)
        return self.create(name, state, taken_at)

    def children(self, name: str) -> list[str]:
        """Names of the direct children."""
        return [snapshot.name for snapshot in self._snapshots.values() if snapshot.parent == name]

    def descendants(self, name: str) -> list[str]:
        """Names of all below."""
        found = self.children(name)
        for below in found:  # grows while it is walked: each child brings its own
            found.extend(self.children(below))
        return found

    def describe(self, name: str) -> dict[str, Any]:
        """The fields that ``virsh snapshot-info`` shows, as Ilkbyte names them, without params and date."""
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
