# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to servers and snapshots that only the admin API can make, including states that the providers never produce."""

from __future__ import annotations

import re
from typing import Any

from .clock import parse_time
from .cloud import Server
from .ilkbyte.cloud import Ilkbyte
from .ilkbyte.model import API_POWER, IlkbyteServer
from .ilkbyte.model import snapshot_row as ilkbyte_row
from .ilkbyte.schedule import Schedule
from .state import SandboxState
from .vpsorg.cloud import VpsOrg
from .vpsorg.model import VpsServer, VpsSnapshot
from .vpsorg.model import snapshot_row as vpsorg_row

ILKBYTE_NAME = re.compile(r"[A-Za-z0-9]{3,16}")
POWER_STATES = {**{power: power for power in API_POWER}, **{api_power: power for power, api_power in API_POWER.items()}}


class NotFound(Exception):
    """No such cloud, server or snapshot."""


class BadRequest(Exception):
    """The request to the admin API is invalid."""


def check_keys(body: dict[str, Any], *allowed: str) -> None:
    """Raises BadRequest for unknown keys: a misspelt key must not silently change a test's setup."""
    if unknown := set(body) - set(allowed):
        raise BadRequest(f"unknown keys: {', '.join(sorted(unknown))}; known: {', '.join(allowed)}")


def get_cloud(sandbox: SandboxState, name: Any) -> Any:
    """Raises NotFound."""
    for cloud in sandbox.clouds:
        if cloud.name == name:
            return cloud
    raise NotFound(f"no cloud {name!r}; there are {', '.join(cloud.name for cloud in sandbox.clouds)}")


def get_server(sandbox: SandboxState, cloud: Any, reference: Any) -> Any:
    """Find a server by ID, UUID or name. Raises NotFound."""
    server = get_cloud(sandbox, cloud).server(reference)
    if server is None:
        raise NotFound(f"no server {reference!r} at {cloud}")
    return server


async def add_server(sandbox: SandboxState, body: dict[str, Any]) -> Server:
    """Add a server: `cloud`, `name`, `hostname`, `status` (Ilkbyte: running or shut off)."""
    check_keys(body, "cloud", "name", "hostname", "status")
    cloud, name = get_cloud(sandbox, body.get("cloud")), str(body["name"])
    if isinstance(cloud, Ilkbyte):
        _check_ilkbyte_name(name)
        return await cloud.add_server(name, body.get("hostname"), _parse_power(body.get("status", "running")))
    assert isinstance(cloud, VpsOrg)
    return await cloud.add_server(name, body.get("hostname"), body.get("status", "active"))


async def change_server(sandbox: SandboxState, cloud_name: str, server: Server, body: dict[str, Any]) -> None:
    """Change `name`, `hostname`, `status` (the machine follows known statuses), `power` (on or off, machine only), `network` (up or down),
    `service` (Ilkbyte).
    """
    check_keys(body, "name", "hostname", "status", "power", "network", "service")
    if body.get("power", "on") not in ("on", "off") or body.get("network", "up") not in ("up", "down"):
        raise BadRequest("power is on or off, network is up or down")
    cloud = get_cloud(sandbox, cloud_name)
    if "name" in body:
        if isinstance(cloud, Ilkbyte):
            _check_ilkbyte_name(str(body["name"]))
        server.name = str(body["name"])
    if "hostname" in body:
        server.hostname = str(body["hostname"])
    if "service" in body:
        if not isinstance(server, IlkbyteServer):
            raise BadRequest("only Ilkbyte has service")
        server.service = str(body["service"])
    if "status" in body:
        if isinstance(server, IlkbyteServer):
            await sandbox.ilkbyte.set_power(server, _parse_power(body["status"]))
        elif isinstance(server, VpsServer):
            cloud.set_status(server, str(body["status"]))
            await cloud.set_machine_power(server)
    if body.get("power") == "on":
        await server.machine.power_on()
    elif body.get("power") == "off":
        await server.machine.power_off()
    if body.get("network") == "up":
        await server.machine.restore_network()
    elif body.get("network") == "down":
        await server.machine.cut_network()
    cloud.record_listing()


async def add_snapshot(sandbox: SandboxState, body: dict[str, Any]) -> dict[str, Any]:
    """Add a snapshot and return its row: `cloud`, `server`, `name`, `created_at`; VPS.org: `status`, `size_mb`, `description`; Ilkbyte: `state`
    and, with `is_cron`, `day`, `hour`, `min`.
    """
    row = await _insert_snapshot(sandbox, body)
    get_cloud(sandbox, body["cloud"]).record_listing()
    return row


async def add_snapshots(sandbox: SandboxState, body: dict[str, Any]) -> int:
    """Add `snapshots` to `cloud` in one change, each as for `add_snapshot`; the last one is the newest. Return the number. If one is invalid,
    those before it are added.
    """
    check_keys(body, "cloud", "snapshots")
    cloud = get_cloud(sandbox, body.get("cloud"))
    try:
        for snapshot in body["snapshots"]:
            await _insert_snapshot(sandbox, {**snapshot, "cloud": cloud.name})
    finally:
        cloud.record_listing()
    return len(body["snapshots"])


async def _insert_snapshot(sandbox: SandboxState, body: dict[str, Any]) -> dict[str, Any]:
    server = get_server(sandbox, body.get("cloud"), body.get("server"))
    created_at = parse_time(body["created_at"]) if body.get("created_at") else None
    if isinstance(server, VpsServer):
        check_keys(body, "cloud", "server", "name", "status", "size_mb", "description", "created_at")
        snapshot = await get_cloud(sandbox, body["cloud"]).add_snapshot(
            server, str(body["name"]), description=body.get("description", ""),
            status=body.get("status", "completed"), size_mb=body.get("size_mb"), created_at=created_at)
        return vpsorg_row(snapshot)
    check_keys(body, "cloud", "server", "name", "state", "created_at", "is_cron", "day", "hour", "min")
    if body["name"] in server.tree:
        raise BadRequest(f"{server.name} has a snapshot {body['name']}")
    state = POWER_STATES[body["state"]] if "state" in body else None
    await sandbox.ilkbyte.add_snapshot(server, body["name"], state, created_at)
    if body.get("is_cron"):
        sandbox.ilkbyte.record_listing()  # two changes, as a client makes them
        sandbox.ilkbyte.add_schedule(server, body["name"], int(body.get("day", 1)), int(body.get("hour", 0)), int(body.get("min", 0)))
    return ilkbyte_row(server, body["name"])


def change_snapshot(sandbox: SandboxState, cloud_name: str, server: Server, reference: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change a snapshot. VPS.org: `status` (any text), `created_at`, `size_mb`, `description`. Ilkbyte: `created_at`, `state`, `cron_time` (text
    only), `next_run` (reschedules).
    """
    if isinstance(server, VpsServer):
        check_keys(body, "status", "created_at", "size_mb", "description")
        cloud = get_cloud(sandbox, cloud_name)
        snapshot = _find_vpsorg_snapshot(cloud, server, reference)
        snapshot.status = body.get("status", snapshot.status)
        snapshot.size_mb = body.get("size_mb", snapshot.size_mb)
        snapshot.description = body.get("description", snapshot.description)
        if "created_at" in body:
            snapshot.created_at = parse_time(body["created_at"])
        cloud.record_listing()
        return vpsorg_row(snapshot)
    assert isinstance(server, IlkbyteServer)
    check_keys(body, "created_at", "state", "cron_time", "next_run")
    _require_ilkbyte_snapshot(server, reference)
    if "created_at" in body:
        server.tree.change(reference, taken_at=parse_time(body["created_at"]))
    if "state" in body:
        server.tree.change(reference, state=POWER_STATES[body["state"]])
    if "cron_time" in body:
        _schedule(server, reference).sentence = body["cron_time"]
    if "next_run" in body:
        _schedule(server, reference).next_run = parse_time(body["next_run"])
        sandbox.ilkbyte.start_timer(server, reference)
    sandbox.ilkbyte.record_listing()
    return ilkbyte_row(server, reference)


async def remove_snapshot(sandbox: SandboxState, cloud_name: str, server: Server, reference: str) -> None:
    """Remove a snapshot in any state."""
    if isinstance(server, VpsServer):
        cloud = get_cloud(sandbox, cloud_name)
        await cloud.drop_snapshot(_find_vpsorg_snapshot(cloud, server, reference))
        cloud.record_listing()
    elif isinstance(server, IlkbyteServer):
        _require_ilkbyte_snapshot(server, reference)
        await sandbox.ilkbyte.drop_snapshot(server, reference)
        sandbox.ilkbyte.record_listing()


def _find_vpsorg_snapshot(cloud: VpsOrg, server: VpsServer, reference: str) -> VpsSnapshot:
    """Find a snapshot by ID, else the newest of that name."""
    candidates = cloud.snapshots_of(server)
    for snapshot in candidates:
        if str(snapshot.id) == reference:
            return snapshot
    for snapshot in reversed(candidates):
        if snapshot.name == reference:
            return snapshot
    raise NotFound(f"no snapshot {reference!r} of {server.name}")


def _require_ilkbyte_snapshot(server: IlkbyteServer, name: str) -> None:
    if name not in server.tree:
        raise NotFound(f"no snapshot {name!r} of {server.name}")


def _schedule(server: IlkbyteServer, name: str) -> Schedule:
    if name not in server.schedules:
        raise BadRequest(f"snapshot {name} has no schedule")
    return server.schedules[name]


def _parse_power(power: Any) -> str:
    if power not in POWER_STATES:
        raise BadRequest(f"an Ilkbyte server is {', '.join(API_POWER.values())}, not {power!r}")
    return POWER_STATES[power]


def _check_ilkbyte_name(name: str) -> None:
    if not ILKBYTE_NAME.fullmatch(name):
        raise BadRequest("an Ilkbyte server's name has 3-16 letters and digits")
