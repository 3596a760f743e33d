# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's servers, and their API representation with their snapshots."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ..cloud import Server
from .schedule import NO_SCHEDULE, TURKISH_TIME, Schedule, format_turkish_time
from .snapshot_tree import SnapshotTree

API_POWER = {"running": "running", "shutoff": "shut off", "paused": "paused"}  # in the tree: in the API


class Rejected(Exception):
    """The provider rejects the request; the text is the response's `error`."""


@dataclass(eq=False)
class IlkbyteServer(Server):
    """A server with its tree. `power`: running, shutoff, paused. `service`: active, or why not. `active_operation`: None, create or revert."""

    power: str = "running"
    service: str = "active"
    active_operation: str | None = None
    tree: SnapshotTree = field(default_factory=SnapshotTree)
    images: dict[str, str] = field(default_factory=dict)  # disk image by snapshot name
    schedules: dict[str, Schedule] = field(default_factory=dict)
    timers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def status(self) -> str:
        """The status in `show`. A running server is paused while its memory is saved, any server while it is reverted."""
        if self.active_operation == "revert" or (self.active_operation == "create" and self.power == "running"):
            return "paused"
        return API_POWER[self.power]


def _server_row(server: IlkbyteServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "ipv4": "127.0.0.1",
        "ipv6": "",
        "osapp": "Sandbox 1 / OpenSSH",
        "service": server.service,
        "status": server.status,
        "created_time": server.created_at.astimezone(TURKISH_TIME).strftime("%d.%m.%Y %H:%M:%S"),
        "bandwidth_limit": 1073741824000,
        "bandwidth_usage": 4166959,
    }


def rows(server: IlkbyteServer) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the server's row and its snapshots' rows as the API shows them. They are cached: do not modify them."""
    state = (server.tree.changes, bool(server.schedules))
    # Schedules change without a call of ours, so rows that show one are never reused.
    if server.cached is None or server.cached[2] != state or server.schedules:
        server.cached = (_server_row(server), [snapshot_row(server, name) for name in server.tree.names()], state)
    return server.cached[:2]


def snapshot_row(server: IlkbyteServer, name: str) -> dict[str, Any]:
    """Return a snapshot as the API shows it."""
    schedule = server.schedules.get(name)
    return {
        **server.tree.describe(name),
        "params": schedule.params() if schedule else dict(NO_SCHEDULE),
        "date": format_turkish_time(server.tree.get(name).taken_at),
    }
