# SPDX-License-Identifier: GPL-3.0-or-later
"""VPS.org's servers and snapshots, and their API representation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..clock import format_utc
from ..cloud import CachedRow, Server

LOCATION = {"id": 1, "name": "Sandbox"}
PLAN = {"name": "Sandbox 1", "ram": 1, "ram_unit": "GB", "cpu": 1, "disk_space": 25}
OS = {"name": "Sandbox", "version": "1"}


class Rejected(Exception):
    """The provider rejects the request with an HTTP status, a JSON body and optional headers."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers


@dataclass(eq=False)
class VpsServer(Server):
    """A server with VPS.org's status: active, stopped, suspended, restoring, or one of a power action."""

    status: str = "active"
    updated_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


@dataclass(eq=False)
class VpsSnapshot(CachedRow):
    """A snapshot; `status` is completed, in_progress, failed (or any text set by the admin API)."""

    id: int
    server: VpsServer
    name: str | None  # only the route below a server makes one without
    description: str
    status: str
    size_mb: int | None
    created_at: datetime
    being_restored: bool = False
    cached_for: str | None = field(default=None, init=False, repr=False)  # the server's name in the cached row

    @property
    def image(self) -> str:
        """The name of its disk image."""
        return f"snapshot-{self.id}"


def server_row(server: VpsServer) -> dict[str, Any]:
    """Return the server as lists show it. The row is cached: do not modify it."""
    server.cached = server.cached or server.row_change.apply({
        "id": server.id,
        "uuid": server.uuid,
        "name": server.name,
        "hostname": server.hostname,
        "status": server.status,
        "ip_address": "127.0.0.1",
        "ipv4_addresses": ["127.0.0.1"],
        "ipv6_addresses": [],
        "location": LOCATION,
        "location_name": LOCATION["name"],
        "plan": PLAN,
        "plan_name": PLAN["name"],
        "os": OS,
        "os_name": OS["name"],
        "created_at": format_utc(server.created_at),
        "updated_at": format_utc(server.updated_at),
    })
    return server.cached


def shown_server(server: VpsServer) -> dict[str, Any]:
    """Return the answer for one server: without the flat names of a list, and with what only it has."""
    row = {key: value for key, value in server_row(server).items() if key not in ("location_name", "plan_name", "os_name")}
    addresses = [{"version": 4, "ip": address} for address in row.get("ipv4_addresses") or []]
    return server.show_change.apply({
        **row, "deployed": True, "username": "root", "operating_system": OS, "operating_system_version": OS,
        "ipv4": row.get("ip_address"), "ip_addresses": addresses,
    })


def snapshot_row(snapshot: VpsSnapshot) -> dict[str, Any]:
    """Return the snapshot as the API shows it. The row is cached: do not modify it."""
    server = snapshot.server
    if snapshot.cached and snapshot.cached_for == server.name:
        return snapshot.cached
    snapshot.cached_for = server.name
    snapshot.cached = snapshot.row_change.apply({
        "id": snapshot.id,
        "server": {"id": server.id, "name": server.name},
        "name": snapshot.name,
        "status": snapshot.status,
        "size_mb": snapshot.size_mb,
        "created_at": format_utc(snapshot.created_at),
        "description": snapshot.description,
    })
    return snapshot.cached
