# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's servers and schedules (every N days at a time of day, in Turkish time), and their API representation with their snapshots."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ..cloud import NO_CHANGE, RowChange, Server
from .snapshot_tree import SnapshotTree

TURKISH_TIME = timezone(timedelta(hours=3))
API_POWER = {"running": "running", "shutoff": "shut off", "paused": "paused"}  # in the tree: in the API


@dataclass
class Schedule:
    """When a snapshot is recreated. `sentence` replaces the Turkish one in lists (set by the admin API)."""

    day: int
    hour: int
    minute: int
    next_run: datetime
    last_run: datetime | None = None
    sentence: str | None = None

    @classmethod
    def starting(cls, day: int, hour: int, minute: int, now: datetime) -> Schedule:
        """Create a schedule whose first run is the next time the clock shows `hour:minute`. Day 0 is accepted and means every day."""
        local = now.astimezone(TURKISH_TIME)
        first = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if first <= local:
            first += timedelta(days=1)
        return cls(day, hour, minute, next_run=first)

    def run(self, now: datetime) -> None:
        """Record that the run due by `now` starts. Runs missed because the clock was advanced are not repeated."""
        step = timedelta(days=max(1, self.day))
        missed = max(0, (now - self.next_run) // step)
        self.last_run = self.next_run + missed * step
        self.next_run = self.last_run + step

    def params(self) -> dict[str, Any]:
        """Return the `params` of a snapshot in a list."""
        sentence = f"Her {self.day} günde bir {self.hour:02}:{self.minute:02} saatinde"
        return {
            "is_cron": True,
            "last_run": format_turkish_time(self.last_run) if self.last_run else None,
            "next_run": format_turkish_time(self.next_run),
            "cron_time": sentence if self.sentence is None else self.sentence,
        }


NO_SCHEDULE: dict[str, Any] = {"is_cron": False, "last_run": None, "next_run": None, "cron_time": None}


def format_turkish_time(timestamp: datetime) -> str:
    """Format as 2020-11-23T15:31:07+03:00."""
    return timestamp.astimezone(TURKISH_TIME).isoformat(timespec="seconds")


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
    snapshot_changes: dict[str, RowChange] = field(default_factory=dict)  # by snapshot name
    extra_snapshot_rows: list[Any] = field(default_factory=list)
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
        snapshots = [*(snapshot_row(server, name) for name in server.tree.names()), *server.extra_snapshot_rows]
        server.cached = (server.row_change.apply(_server_row(server)), snapshots, state)
    return server.cached[:2]


def snapshot_row(server: IlkbyteServer, name: str) -> dict[str, Any]:
    """Return a snapshot as the API shows it."""
    schedule = server.schedules.get(name)
    return server.snapshot_changes.get(name, NO_CHANGE).apply({
        **server.tree.describe(name),
        "params": schedule.params() if schedule else dict(NO_SCHEDULE),
        "date": format_turkish_time(server.tree.get(name).taken_at),
    })
