# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to servers and snapshots that only the admin API can make, including states that the providers never produce."""

from __future__ import annotations

import re
from typing import Any

from .clock import parse_time
from .cloud import RowChange
from .ilkbyte.cloud import Ilkbyte
from .ilkbyte.model import API_POWER, IlkbyteServer, Schedule
from .ilkbyte.model import snapshot_row as ilkbyte_row
from .state import SandboxState
from .vpsorg.cloud import VpsOrg
from .vpsorg.model import VpsServer, VpsSnapshot
from .vpsorg.model import snapshot_row as vpsorg_row

Body = dict[str, Any]

ILKBYTE_NAME = re.compile(r"[A-Za-z0-9]{3,16}")
POWER_STATES = {**{power: power for power in API_POWER}, **{api_power: power for power, api_power in API_POWER.items()}}


class NotFound(Exception):
    """No such cloud, server or snapshot."""


class BadRequest(Exception):
    """The request to the admin API is invalid."""


def check_keys(body: Body, *allowed: str) -> None:
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


async def describe_server(sandbox: SandboxState, cloud: str, server: Any) -> Body:
    """Return a server as the admin API shows it."""
    if isinstance(server, IlkbyteServer):
        snapshots = [ilkbyte_row(server, name) for name in server.tree.names()]
    else:
        snapshots = [vpsorg_row(snapshot) for snapshot in reversed(get_cloud(sandbox, cloud).snapshots_of(server))]
    machine = server.machine
    return {
        "cloud": cloud, "id": server.id, "uuid": server.uuid, "name": server.name, "hostname": server.hostname, "status": server.status,
        "powered_on": machine.powered_on, "boot_problem": machine.boot_problem, "network": "up" if machine.network_up else "down",
        "ssh_port": machine.port, "disk": str(machine.disk_path), "digest": await machine.digest(), "snapshots": snapshots,
    }


async def add_server(sandbox: SandboxState, body: Body) -> Body:
    """Add a server: `cloud`, `name`, `hostname`, `status` (Ilkbyte: running or shut off)."""
    check_keys(body, "cloud", "name", "hostname", "status")
    cloud, name = get_cloud(sandbox, body.get("cloud")), str(body["name"])
    if isinstance(cloud, Ilkbyte):
        _check_ilkbyte_name(name)
        state = _parse_power(body.get("status", "running"))
    else:
        state = body.get("status", "active")
    return await describe_server(sandbox, cloud.name, await cloud.add_server(name, body.get("hostname"), state))


async def change_server(sandbox: SandboxState, body: Body, *, cloud: str, server: str) -> Body:
    """Change `name`, `hostname`, `status` (the machine follows known statuses), `power` (on or off, machine only), `network` (up or down),
    `service` (Ilkbyte). `row` sets fields of its rows and of the answer for it alone to any value, `without` removes fields, and `show` sets
    fields of that answer only.
    """
    check_keys(body, "name", "hostname", "status", "power", "network", "service", "row", "without", "show")
    if body.get("power", "on") not in ("on", "off") or body.get("network", "up") not in ("up", "down"):
        raise BadRequest("power is on or off, network is up or down")
    account, found = get_cloud(sandbox, cloud), get_server(sandbox, cloud, server)
    if "name" in body:
        if isinstance(found, IlkbyteServer):
            _check_ilkbyte_name(str(body["name"]))
        found.name = str(body["name"])
    if "hostname" in body:
        found.hostname = str(body["hostname"])
    if "service" in body:
        if not isinstance(found, IlkbyteServer):
            raise BadRequest("only Ilkbyte has service")
        found.service = str(body["service"])
    if "row" in body or "without" in body:
        found.row_change = _row_change(body)
    if "show" in body:
        found.show_change = RowChange(dict(body["show"]))
    if "status" in body:
        if isinstance(found, IlkbyteServer):
            await sandbox.ilkbyte.set_power(found, _parse_power(body["status"]))
        else:
            account.set_status(found, str(body["status"]))
            await account.set_machine_power(found)
    if "power" in body:
        await (found.machine.power_on if body["power"] == "on" else found.machine.power_off)()
    if "network" in body:
        await found.machine.set_network(body["network"] == "up")
    account.record_listing()
    return await describe_server(sandbox, cloud, found)


def _row_change(body: Body) -> RowChange:
    return RowChange(dict(body.get("row", {})), tuple(body.get("without", ())))


def add_rows(sandbox: SandboxState, body: Body) -> None:
    """Add rows with any content to lists of `cloud`: `servers`, and `snapshots` (Ilkbyte: of `server`). Nothing is behind them."""
    check_keys(body, "cloud", "servers", "snapshots", "server")
    cloud = get_cloud(sandbox, body.get("cloud"))
    cloud.extra_server_rows = [*cloud.extra_server_rows, *body.get("servers", ())]
    if body.get("snapshots"):
        owner = get_server(sandbox, cloud.name, body.get("server")) if isinstance(cloud, Ilkbyte) else cloud
        owner.extra_snapshot_rows = [*owner.extra_snapshot_rows, *body["snapshots"]]
    cloud.record_listing()


async def remove_server(sandbox: SandboxState, body: Body, *, cloud: str, server: str) -> None:
    await get_cloud(sandbox, cloud).remove_server(get_server(sandbox, cloud, server))


async def add_snapshot(sandbox: SandboxState, body: Body) -> Body:
    """Add a snapshot and return its row: `cloud`, `server`, `name`, `created_at`; VPS.org: `status`, `size_mb`, `description`; Ilkbyte: `state`
    and, with `is_cron`, `day`, `hour`, `min`.
    """
    row = await _insert_snapshot(sandbox, body)
    get_cloud(sandbox, body["cloud"]).record_listing()
    return row


async def add_snapshots(sandbox: SandboxState, body: Body) -> None:
    """Add `snapshots` to `cloud` in one change, each as for `add_snapshot`; the last one is the newest. If one is invalid, those before it
    are added.
    """
    check_keys(body, "cloud", "snapshots")
    cloud = get_cloud(sandbox, body.get("cloud"))
    try:
        for snapshot in body["snapshots"]:
            await _insert_snapshot(sandbox, {**snapshot, "cloud": cloud.name})
    finally:
        cloud.record_listing()


async def _insert_snapshot(sandbox: SandboxState, body: Body) -> Body:
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


def change_snapshot(sandbox: SandboxState, body: Body, *, cloud: str, server: str, snapshot: str) -> Body:
    """Change a snapshot. VPS.org: `status` (any text), `created_at`, `size_mb`, `description`. Ilkbyte: `created_at`, `state`, `cron_time` (text
    only), `next_run` (reschedules). `row` sets fields of its row to any value, and `without` removes fields.
    """
    account, found = get_cloud(sandbox, cloud), get_server(sandbox, cloud, server)
    if isinstance(found, VpsServer):
        check_keys(body, "status", "created_at", "size_mb", "description", "row", "without")
        changed = _find_vpsorg_snapshot(account, found, snapshot)
        if "row" in body or "without" in body:
            changed.row_change = _row_change(body)
        for key in ("status", "created_at", "size_mb", "description"):
            if key in body:
                setattr(changed, key, parse_time(body[key]) if key == "created_at" else body[key])
        account.record_listing()
        return vpsorg_row(changed)
    check_keys(body, "created_at", "state", "cron_time", "next_run", "row", "without")
    _require_ilkbyte_snapshot(found, snapshot)
    if "row" in body or "without" in body:
        found.snapshot_changes = {**found.snapshot_changes, snapshot: _row_change(body)}
    if "created_at" in body:
        found.tree.change(snapshot, taken_at=parse_time(body["created_at"]))
    if "state" in body:
        found.tree.change(snapshot, state=POWER_STATES[body["state"]])
    if "cron_time" in body:
        _schedule(found, snapshot).sentence = body["cron_time"]
    if "next_run" in body:
        _schedule(found, snapshot).next_run = parse_time(body["next_run"])
        account.start_timer(found, snapshot)
    account.record_listing()
    return ilkbyte_row(found, snapshot)


async def remove_snapshot(sandbox: SandboxState, body: Body, *, cloud: str, server: str, snapshot: str) -> None:
    """Remove a snapshot in any state."""
    account, found = get_cloud(sandbox, cloud), get_server(sandbox, cloud, server)
    if isinstance(found, VpsServer):
        await account.drop_snapshot(_find_vpsorg_snapshot(account, found, snapshot))
    else:
        _require_ilkbyte_snapshot(found, snapshot)
        await account.drop_snapshot(found, snapshot)
    account.record_listing()


def _find_vpsorg_snapshot(cloud: VpsOrg, server: VpsServer, reference: str) -> VpsSnapshot:
    if snapshot := cloud.find_snapshot(server, reference):
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
