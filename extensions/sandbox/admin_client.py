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
    """The sandbox refused a call to its admin API; the text says why."""


class AdminClient:
    """What tests and demos may see and do behind the clouds' backs.

    :param url: the sandbox's ``admin_url``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # No proxies: the sandbox is on loopback, whatever the environment says.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request_log(self) -> list[Row]:
        """All entries: requests and effects, in order."""
        return self._call("GET", "request-log")["entries"]

    def clear_request_log(self) -> None:
        """Forget all entries."""
        self._call("DELETE", "request-log")

    def requests(self, changing: bool | None = None, cloud: str | None = None, operation: str | None = None,
                 server: str | None = None) -> list[Row]:
        """The requests among the entries that match."""
        wanted = {"kind": "request", "changing": changing, "cloud": cloud, "operation": operation, "server": server}
        return _filter(self.request_log(), wanted)

    def events(self, event: str | None = None, cloud: str | None = None, server: str | None = None,
                snapshot: str | None = None, request: int | None = None, actor: str | None = None) -> list[Row]:
        """The events among the entries that match. ``request``: the number (``n``) of the request that caused them; ``actor``:
        ``client``, ``schedule`` or ``other_client``."""
        wanted = {"kind": "event", "event": event, "cloud": cloud, "server": server, "snapshot": snapshot, "request": request,
                  "actor": actor}
        return _filter(self.request_log(), wanted)

    def reset(self, servers: int | None = None, **numbers: int) -> None:
        """Make the world as new; ``servers`` at each cloud, or ``vpsorg_servers`` and ``ilkbyte_servers``."""
        self._call("POST", "reset", {**({} if servers is None else {"servers": servers}), **numbers})

    def servers(self, cloud: str | None = None) -> list[Row]:
        """All servers with id, status, power, boot problem, network, SSH port, disk (its path here), digest and snapshots."""
        return _filter(self._call("GET", "servers")["servers"], {"cloud": cloud})

    def server(self, name: str) -> Row:
        """The server of this name.

        :raises AdminError: there is none.
        """
        for row in self.servers():
            if row["name"] == name:
                return row
        raise AdminError(f"no server {name}")

    def add_server(self, cloud: str, name: str, **fields: Any) -> Row:
        """Make one more server (``hostname``, ``status``)."""
        return self._call("POST", "servers", {"cloud": cloud, "name": name, **fields})

    def update_server(self, cloud: str, server: Any, **fields: Any) -> Row:
        """Change ``name``, ``hostname``, ``status``, ``power`` (on, off), ``network`` (up, down), ``service``."""
        return self._call("PATCH", _path("servers", cloud, server), fields)

    def remove_server(self, cloud: str, server: Any) -> None:
        """Remove a server with its snapshots."""
        self._call("DELETE", _path("servers", cloud, server))

    def add_snapshot(self, cloud: str, server: Any, name: str, **fields: Any) -> Row:
        """Put a snapshot there as if made by hand (``created_at``; for VPS.org ``status``, ``size_mb``,
        ``description``; for Ilkbyte ``state``, ``is_cron``, ``day``, ``hour``, ``min``)."""
        return self._call("POST", "snapshots", {"cloud": cloud, "server": server, "name": name, **fields})

    def add_snapshots(self, cloud: str, snapshots: list[Row]) -> None:
        """Many at once, which is quick: each with ``server``, ``name`` and the fields of :meth:`add_snapshot`."""
        self._call("POST", "snapshots/bulk", {"cloud": cloud, "snapshots": snapshots})

    def update_snapshot(self, cloud: str, server: Any, snapshot: Any, **fields: Any) -> Row:
        """Change what lists show of a snapshot (by id or name)."""
        return self._call("PATCH", _path("snapshots", cloud, server, snapshot), fields)

    def remove_snapshot(self, cloud: str, server: Any, snapshot: Any) -> None:
        """Remove a snapshot whatever its state."""
        self._call("DELETE", _path("snapshots", cloud, server, snapshot))

    def fault(self, kind: str, *, cloud: str | None = None, operation: str | None = None, server: Any = None,
              times: int | None = 1, skip: int = 0, **details: Any) -> None:
        """Let requests go wrong: after ``skip`` matching ones the next ``times`` (None: all). ``details`` are the
        fault's own: ``seconds``, ``status``, ``apply``, ``body``…"""
        self._call("POST", "faults", {"cloud": cloud, "operation": operation, "server": server, "times": times,
                                      "skip": skip, "fault": {"kind": kind, **details}})

    def faults(self) -> list[Row]:
        """The rules that can still hit."""
        return self._call("GET", "faults")["faults"]

    def clear_faults(self) -> None:
        """Remove all rules."""
        self._call("DELETE", "faults")

    def refuse_connections(self, cloud: str, seconds: float) -> None:
        """From now on, for so many real seconds, nothing listens on the cloud's port; 0: it listens again at once."""
        self._call("POST", "refuse", {"cloud": cloud, "seconds": seconds})

    def certificate(self, cloud: str, kind: str, times: int | None = None) -> None:
        """With TLS: in the next ``times`` new connections (None: all) the cloud shows a certificate that is ``good``,
        ``expired``, ``not_yet_valid``, ``self_signed``, for an ``other_name``, or signed by an ``other_ca``."""
        self._call("POST", "certificate", {"cloud": cloud, "kind": kind, "times": times})

    def clock(self) -> Row:
        """``now`` (UTC), ``elapsed`` sandbox seconds, ``speed``."""
        return self._call("GET", "clock")

    def advance(self, seconds: float) -> Row:
        """Move sandbox time forward."""
        return self._call("POST", "clock", {"advance": seconds})

    def settings(self, **changes: Any) -> Row:
        """Change settings; answers all that are in force."""
        return self._call("POST", "settings", changes)

    def add_credentials(self, **credentials: Row) -> None:
        """``vpsorg_token={"token", "permissions"}``, ``ilkbyte_key={"access_key", "secret_key", "allowed_ips"}``."""
        self._call("POST", "credentials", credentials)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/{path}", data=data, method=method,
                                         headers={"Content-Type": "application/json"})
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
