# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of a sandbox's admin API. Standard library only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

Row = dict[str, Any]
REQUEST_TIMEOUT = 60


class AdminError(Exception):
    """The sandbox rejected an admin API call; the message contains its error."""


class AdminClient:
    """Client for the `admin_url` of a sandbox."""

    def __init__(self, url: str) -> None:
        self._url = url
        # No proxies: the sandbox is on loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request_log(self) -> list[Row]:
        """Return all entries: requests and events, in order."""
        return self._call("GET", "request-log")["entries"]

    def clear_request_log(self) -> None:
        self._call("DELETE", "request-log")

    def requests(self, changing: bool | None = None, cloud: str | None = None, operation: str | None = None,
                 server: str | None = None) -> list[Row]:
        wanted = {"kind": "request", "changing": changing, "cloud": cloud, "operation": operation, "server": server}
        return _filter(self.request_log(), wanted)

    def events(self, event: str | None = None, cloud: str | None = None, server: str | None = None,
               snapshot: str | None = None, request: int | None = None, actor: str | None = None) -> list[Row]:
        """Return the matching events. `request` is the number (`n`) of the causing request; `actor` is client, schedule or other_client."""
        wanted = {"kind": "event", "event": event, "cloud": cloud, "server": server, "snapshot": snapshot, "request": request, "actor": actor}
        return _filter(self.request_log(), wanted)

    def reset(self, servers: int | None = None, **numbers: int) -> None:
        """Reset the sandbox, with `servers` at each provider, or `vpsorg_servers` and `ilkbyte_servers`."""
        self._call("POST", "reset", {**({} if servers is None else {"servers": servers}), **numbers})

    def servers(self, cloud: str | None = None) -> list[Row]:
        """Return servers with ID, status, power, boot problem, network, SSH port, disk (local path), digest and snapshots."""
        return _filter(self._call("GET", "servers")["servers"], {"cloud": cloud})

    def server(self, name: str) -> Row:
        """Return the server of this name. Raises AdminError if there is none."""
        for row in self.servers():
            if row["name"] == name:
                return row
        raise AdminError(f"no server {name}")

    def add_server(self, cloud: str, name: str, **fields: Any) -> Row:
        """Add a server (`hostname`, `status`)."""
        return self._call("POST", "servers", {"cloud": cloud, "name": name, **fields})

    def update_server(self, cloud: str, server: Any, **fields: Any) -> Row:
        """Change `name`, `hostname`, `status`, `power` (on, off), `network` (up, down), `service`."""
        return self._call("PATCH", _path("servers", cloud, server), fields)

    def remove_server(self, cloud: str, server: Any) -> None:
        """Remove a server with its snapshots."""
        self._call("DELETE", _path("servers", cloud, server))

    def add_snapshot(self, cloud: str, server: Any, name: str, **fields: Any) -> Row:
        """Add a snapshot (`created_at`; VPS.org: `status`, `size_mb`, `description`; Ilkbyte: `state`, `is_cron`, `day`, `hour`, `min`)."""
        return self._call("POST", "snapshots", {"cloud": cloud, "server": server, "name": name, **fields})

    def add_snapshots(self, cloud: str, snapshots: list[Row]) -> None:
        """Add many snapshots at once, each with `server`, `name` and the fields of `add_snapshot`."""
        self._call("POST", "snapshots/bulk", {"cloud": cloud, "snapshots": snapshots})

    def add_rows(self, cloud: str, **rows: Any) -> None:
        """Add rows with any content to lists: `servers`, `snapshots` (Ilkbyte: of `server`)."""
        self._call("POST", "rows", {"cloud": cloud, **rows})

    def update_snapshot(self, cloud: str, server: Any, snapshot: Any, **fields: Any) -> Row:
        """Change a snapshot (by ID or name)."""
        return self._call("PATCH", _path("snapshots", cloud, server, snapshot), fields)

    def remove_snapshot(self, cloud: str, server: Any, snapshot: Any) -> None:
        """Remove a snapshot in any state."""
        self._call("DELETE", _path("snapshots", cloud, server, snapshot))

    def fault(self, kind: str, *, cloud: str | None = None, operation: str | None = None, server: Any = None,
              times: int | None = 1, skip: int = 0, **details: Any) -> None:
        """Add a fault: skip `skip` matching requests, then affect the next `times` (None: all). `details` are the fault's own keys."""
        self._call("POST", "faults", {"cloud": cloud, "operation": operation, "server": server, "times": times,
                                      "skip": skip, "fault": {"kind": kind, **details}})

    def faults(self) -> list[Row]:
        return self._call("GET", "faults")["faults"]

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def refuse_connections(self, cloud: str, seconds: float) -> None:
        """Refuse connections to the provider for this many real seconds; 0 ends it."""
        self._call("POST", "refuse", {"cloud": cloud, "seconds": seconds})

    def certificate(self, cloud: str, kind: str, times: int | None = None) -> None:
        """With TLS: select the certificate for the next `times` connections (None: all): good, expired, not_yet_valid, self_signed, other_name,
        other_ca.
        """
        self._call("POST", "certificate", {"cloud": cloud, "kind": kind, "times": times})

    def clock(self) -> Row:
        """Return `now` (UTC), `elapsed` sandbox seconds and `speed`."""
        return self._call("GET", "clock")

    def advance(self, seconds: float) -> Row:
        return self._call("POST", "clock", {"advance": seconds})

    def settings(self, **changes: Any) -> Row:
        """Change settings and return all of them."""
        return self._call("POST", "settings", changes)

    def add_credentials(self, **credentials: Row) -> None:
        """Add credentials.

        `vpsorg_token={token, permissions, stated, account}`, or
        `ilkbyte_key={access_key, secret_key, allowed_ips, permission, seen_address, account}`.
        `account` is whose credentials they are; None if the API does not say.
        """
        self._call("POST", "credentials", credentials)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/{path}", data=data, method=method, headers={"Content-Type": "application/json"})
        text = ""
        try:
            with self._opener.open(request, timeout=REQUEST_TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
        raise AdminError(f"{method} /{path}: {text}")


def _path(*parts: Any) -> str:
    return "/".join(quote(str(part), safe="") for part in parts)


def _filter(rows: list[Row], wanted: Row) -> list[Row]:
    wanted = {key: value for key, value in wanted.items() if value is not None}
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
