# SPDX-License-Identifier: GPL-3.0-or-later
"""VPS.org's servers and snapshots as data, and as its API shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..clock import format_utc
from ..cloud import Server
from ..row_cache import CachedRows


class Rejected(Exception):
    """The cloud does not do this: an HTTP status and the body of the answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


@dataclass(eq=False)
class VpsServer(Server):
    """A server with VPS.org's status word: active, stopped, suspended, restoring, or the word of a power action."""

    status: str = "active"
    updated_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


@dataclass(eq=False)
class VpsSnapshot(CachedRows):
    """A snapshot; ``status`` completed, in_progress, failed (or any word that the admin API plants)."""

    id: int
    server: VpsServer
    name: str
    description: str
    status: str
    size_mb: int | None
    created_at: datetime
    being_restored: bool = False

    @property
    def image(self) -> str:
        """The name of its copy of the disk."""
        return f"snapshot-{self.id}"


def server_row(server: VpsServer) -> dict[str, Any]:
    """A server as the API shows it; kept, so not to be changed."""
    if server.cached is None:
        server.cached = _server_row(server)
    return server.cached


def _server_row(server: VpsServer) -> dict[str, Any]:
    """The address is where the sandbox's machine really is."""
    return {
        "id": server.id,
        "uuid": server.uuid,
        "name": server.name,
        "hostname": server.hostname,
        "status": server.status,
        "ip_address": "127.0.0.1",
        "ipv4_addresses": ["127.0.0.1"],
        "ipv6_addresses": [],
        "location": {"id": 1, "name": "Sandbox"},
        "location_name": "Sandbox",
        "plan": {"name": "Sandbox 1", "ram": 1, "ram_unit": "GB", "cpu": 1, "disk_space": 25},
        "os": {"name": "Sandbox", "version": "1"},
        "created_at": format_utc(server.created_at),
        "updated_at": format_utc(server.updated_at),
    }


def snapshot_row(snapshot: VpsSnapshot) -> dict[str, Any]:
    """A snapshot as the API shows it; kept, so not to be changed."""
    server_name = snapshot.server.name
    if snapshot.cached is None or snapshot.cached["server"]["name"] != server_name:
        snapshot.cached = _snapshot_row(snapshot)
    return snapshot.cached


def _snapshot_row(snapshot: VpsSnapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "server": {"id": snapshot.server.id, "name": snapshot.server.name},
        "name": snapshot.name,
        "status": snapshot.status,
        "size_mb": snapshot.size_mb,
        "created_at": format_utc(snapshot.created_at),
        "description": snapshot.description,
    }
