# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VPS.org: a REST API with a bearer token.

Sources of the facts: the provider's snapshot documentation (documented), its public client vps-mcp and its other public
documentation (observed), and our conclusions (assumed). See docs/providers.md.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from .. import _errors as errors
from .._errors import RewindError
from . import base
from .base import Account, Server, Snapshot

if TYPE_CHECKING:
    from .._http.client import ApiResponse

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_READY_STATUSES = {"completed"}  # documented
_PENDING_STATUSES = {"in_progress", "pending", "creating", "queued"}  # the first one: documented; the others: assumed
_FAILED_STATUSES = {"failed", "error"}  # assumed: no failure word is documented
_POWER_STATES = {"active": base.RUNNING, "running": base.RUNNING, "stopped": base.STOPPED, "off": base.STOPPED}
_PAGE_SIZE = 100  # the maximum (observed, for servers)


class VpsOrg(base.Provider):
    display_name = "VPS.org"
    endpoint = base.ProviderEndpoint(
        url="https://admin.vps.org/api/v1",  # documented
        url_env_var="VPS_API_URL",
        credentials=(base.Credential("api_token", "an API token", ("VPS_API_TOKEN",), header="Authorization", prefix="Bearer "),),
    )
    capabilities = base.Capabilities(
        name_pattern=r"[A-Za-z0-9_-]+",  # documented
        name_rule="letters, digits, hyphens and underscores",
        max_snapshots=5,  # documented
        unique_names=False,  # assumed
        lists_all_snapshots=True,  # documented
        server_list_has_details=True,  # observed: the same object
        description=True,  # documented
        recreate=False,
        schedule=False,
        schedule_timezone=None,
        power=True,  # observed
        snapshot_tree=False,
        synchronous_delete=True,  # documented: 204, "deleted"
        reports_restoring=True,  # documented
        restore_leaves_running=True,  # assumed: the documentation says that it is stopped first, and not that it must be started
        expected_create_seconds=600,  # documented: 3-10 minutes
        expected_restore_seconds=900,  # documented: 5-15 minutes
    )

    # --- servers

    def server_from_reference(self, reference: str) -> Server | None:
        return Server(str(int(reference))) if _is_number(reference) else None

    def get_server(self, reference: str) -> Server:
        is_number = _is_number(reference)
        reference = reference.lower() if _UUID.fullmatch(reference) else reference
        if is_number or _UUID.fullmatch(reference):
            server = self._show_server(reference)
            if server is not None:
                return server
        return self.resolve_server(reference, self.list_servers())

    def resolve_server(self, reference: str, servers: list[Server]) -> Server:
        return super().resolve_server(reference.lower() if _UUID.fullmatch(reference) else reference, servers)

    def aliases_of(self, server: Server) -> set[str]:
        return super().aliases_of(server) | _raw_aliases(server)

    def _show_server(self, reference: str) -> Server | None:
        """Return the server of GET /servers/{id or uuid}/; None if the provider does not know that path (observed)."""
        try:
            response = self._api.read(f"/servers/{quote(reference, safe='')}/", operation="servers.show")
        except RewindError as error:
            if error.http_status in (400, 404):
                return None
            raise
        server = self._server(response.data, "servers.show")
        if reference not in _raw_aliases(server) and server.id != reference.lstrip("0"):
            raise base.unexpected_response(self.display_name, "servers.show", "a different server than requested")
        return server

    def list_servers(self) -> list[Server]:
        items = self._list_all("/servers/", "servers.list", {"page_size": _PAGE_SIZE})
        return [self._server(item, "servers.list") for item in items]

    def set_power(self, server: Server, action: str) -> None:
        response = self._change("POST", f"/servers/{quote(server.id, safe='')}/power/", "servers.power", server.label, json={"action": action})
        if not isinstance(response.data, dict) or not _refers_to(response.data, "server", server.id):
            raise self._unverified_response("servers.power", "it does not refer to this server", server.label)

    # --- snapshots

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        params = {"server_id": server.id} if server else {"page_size": _PAGE_SIZE}
        items = self._list_all("/snapshots/", "snapshots.list", params)
        snapshots = [self._snapshot(item, "snapshots.list") for item in items]
        # If the provider ignores the filter, another server's snapshot must not become ours.
        return [snapshot for snapshot in snapshots if server is None or snapshot.server.id == server.id]

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        body = {"server_id": int(server.id), "name": name}
        if description:
            body["description"] = description
        response = self._change("POST", "/snapshots/", "snapshots.create", server.label, name, json=body)
        try:
            snapshot = self._snapshot(response.data, "snapshots.create")
        except RewindError as error:
            error.outcome = errors.UNKNOWN
            error.add_context(server.label, name)
            raise
        if snapshot.server.id != server.id or snapshot.name != name:
            raise self._unverified_response("snapshots.create", "it refers to another snapshot", server.label, name)
        return snapshot

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        path = f"/snapshots/{quote(snapshot.id, safe='')}/restore/"
        data = self._change("POST", path, "snapshots.restore", snapshot.server.label, snapshot.label).data
        # A proxy or a maintenance page may return 200, too. The caller then reads whether the server is restoring.
        is_success = isinstance(data, dict) and data.get("status") == "success"  # documented
        if not is_success or not _refers_to(data, "server", snapshot.server.id) or not _refers_to(data, "snapshot", snapshot.id):
            raise self._unverified_response("snapshots.restore", "it does not confirm this restore", snapshot.server.label, snapshot.label)

    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        path = f"/snapshots/{quote(snapshot.id, safe='')}/"
        try:
            response = self._change("DELETE", path, "snapshots.delete", snapshot.server.label, snapshot.label)
        except RewindError as error:
            if error.http_status == 404 and error.outcome == errors.NOT_APPLIED:
                return False
            raise
        if response.status != 204:  # documented; a synchronous deletion is not read back
            raise self._unverified_response("snapshots.delete", f"HTTP {response.status} instead of 204", snapshot.server.label, snapshot.label)
        return True

    # --- the account

    def whoami(self) -> Account:
        data = self._api.read("/account/me/", operation="account").data
        account = data.get("account") if isinstance(data, dict) else None
        token = data.get("token") if isinstance(data, dict) else None
        if not isinstance(account, dict):
            raise base.unexpected_response(self.display_name, "account", '"account" missing')
        permissions = token.get("permissions") if isinstance(token, dict) else None
        return Account(
            name=base.str_or_none(account.get("email")),
            permissions=tuple(str(item) for item in permissions) if isinstance(permissions, list) else None,
        )

    # --- HTTP helpers

    def _change(self, method: str, path: str, operation: str, server: str, snapshot: str | None = None, json: Any = None) -> ApiResponse:
        try:
            return self._api.change(method, path, operation=operation, json=json)
        except RewindError as error:
            if error.kind == errors.PROVIDER_REJECTED:
                error.hint = error.hint or _REJECTION_HINTS.get(operation)
            error.add_context(server, snapshot)
            raise

    def _list_all(self, path: str, operation: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        return self._read_until_consistent(operation, lambda: self._list_all_once(path, operation, params))

    def _list_all_once(self, path: str, operation: str, params: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Return all items of a list that Django REST framework splits into pages (observed); None if the pages are inconsistent.

        If the list changes between two pages, an item may be on both or on neither.
        """
        found: dict[str, dict[str, Any]] = {}
        seen_pages: set[str] = set()
        counts: set[int] = set()
        rows = 0
        for _page in range(base.MAX_PAGES):
            try:
                data = self._api.read(path, operation=operation, params=params).data
            except RewindError as error:
                if seen_pages and error.http_status == 404:
                    return None  # there are fewer pages than before
                raise
            if not isinstance(data, dict) or not isinstance(data.get("results"), list):
                raise base.unexpected_response(self.display_name, operation, '"results" missing')
            for item in data["results"]:
                if not isinstance(item, dict) or not _is_id(item.get("id")):
                    raise base.unexpected_response(self.display_name, operation, "an entry without an id")
                found[str(item["id"])] = item
            rows += len(data["results"])
            counts |= {data["count"]} if _is_id(data.get("count")) else set()
            next_url = data.get("next")
            if not next_url:
                is_consistent = not seen_pages or (len(found) == rows and counts <= {rows})
                return list(found.values()) if is_consistent else None
            if str(next_url) in seen_pages:
                raise base.unexpected_response(self.display_name, operation, "a page repeats")
            seen_pages.add(str(next_url))
            params = self._next_page_params(next_url, path, operation)
        raise base.unexpected_response(self.display_name, operation, f"more than {base.MAX_PAGES} pages")

    def _next_page_params(self, url: Any, path: str, operation: str) -> dict[str, str]:
        """Return the query of the next page. Host and path stay the same, so that the token goes nowhere else."""
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
        except ValueError:
            parts = None
        if parts is None or not parts.path.endswith(path):
            raise base.unexpected_response(self.display_name, operation, "the next page is at another address")
        return dict(parse_qsl(parts.query))

    def _server(self, item: Any, operation: str) -> Server:
        if not isinstance(item, dict) or not _is_id(item.get("id")):
            raise base.unexpected_response(self.display_name, operation, "a server without an id")
        status = str(item.get("status") or "unknown").lower()
        addresses = item.get("ipv4_addresses")
        first = addresses[0] if isinstance(addresses, list) and addresses else None
        return Server(
            id=str(item["id"]),
            name=base.str_or_none(item.get("name")) or base.str_or_none(item.get("hostname")),
            power_state=_POWER_STATES.get(status, status),
            task_state=status if base.is_transitional(status) and status not in _POWER_STATES else None,
            address=base.str_or_none(item.get("ip_address")) or base.str_or_none(first),
            raw=item,
        )

    def _snapshot(self, item: Any, operation: str) -> Snapshot:
        server = item.get("server") if isinstance(item, dict) else None
        if not isinstance(server, dict) or not _is_id(server.get("id")) or not _is_id(item.get("id")):
            raise base.unexpected_response(self.display_name, operation, "a snapshot without an id or a server")
        if not isinstance(item.get("name"), str):
            raise base.unexpected_response(self.display_name, operation, "a snapshot without a name")
        return Snapshot(
            id=str(item["id"]),
            name=item["name"],
            server=Server(str(server["id"]), base.str_or_none(server.get("name"))),
            status=_status(item.get("status")),
            provider_status=str(item.get("status")),
            failure_confirmed=str(item.get("status")).lower() in _FAILED_STATUSES,
            size_mb=_int_or_none(item.get("size_mb")),
            created_at=base.to_iso8601(item.get("created_at")),
            description=base.str_or_none(item.get("description")),
            raw=item,
        )


_REJECTION_HINTS = {
    "snapshots.create": "check the server's snapshots (rewind.vps.snapshot_info): the limit may be reached",
    "snapshots.restore": "the server must be idle: check it with rewind.vps.server_info, then run again",
    "snapshots.delete": "a snapshot that is being created or restored cannot be deleted: run again when that has finished",
    "servers.power": "the server must be idle: check it with rewind.vps.server_info, then run again",
}


def _is_number(reference: str) -> bool:
    return reference.isascii() and reference.isdecimal() and len(reference) <= 18


def _int_or_none(size: Any) -> int | None:
    if isinstance(size, float):
        return int(size) if math.isfinite(size) else None
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _is_id(value: Any) -> bool:
    """Return whether it is an id: a whole number (documented). Paths contain nothing else."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _refers_to(data: dict[str, Any], part: str, id_: str) -> bool:
    """Return whether a part of a response (`server`, `snapshot`), if present, has this id."""
    found = data.get(part)
    return found is None or (isinstance(found, dict) and _is_id(found.get("id")) and str(found["id"]) == id_)


def _status(status: Any) -> str:
    """Map a status. One that is neither pending nor completed counts as failed: no failure state is documented (assumed)."""
    text = str(status).lower()
    if text in _READY_STATUSES:
        return base.READY
    return base.PENDING if text in _PENDING_STATUSES else base.FAILED


def _raw_aliases(server: Server) -> set[str]:
    raw = server.raw
    uuid = base.str_or_none(raw.get("uuid"))
    names = [uuid.lower() if uuid else None, *(base.str_or_none(raw.get(key)) for key in ("hostname", "name"))]
    return {name for name in names if name}
