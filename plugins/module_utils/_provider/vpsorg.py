# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VPS.org: a REST API with a bearer token.

Sources of the facts: the provider's snapshot documentation (documented), its public client vps-mcp and its other public
documentation (observed), and our conclusions (assumed). See docs/providers.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import _errors as errors
from .._errors import RewindError
from . import base
from .base import Account, Server, Snapshot
from .permissions import parse_permissions, permit_changes
from .values import parse_number, parse_text, parse_uuid
from .vpsorg_pages import read_pages
from .vpsorg_rows import parse_server, parse_snapshot, parse_snapshot_server, raw_aliases, refers_to

if TYPE_CHECKING:
    from .._http.client import ApiClient, ApiResponse

_CHANGE_AREAS = frozenset({"servers", "snapshots"})  # the first one: observed; the other one: assumed
_PAGE_SIZE = 100  # the maximum (observed, for servers)


class VpsOrg(base.Provider):
    display_name = "VPS.org"
    endpoint = base.ProviderEndpoint(
        url="https://admin.vps.org/api/v1",  # documented
        url_env_var="VPS_API_URL",
        credentials=(base.Credential("api_token", "an API token", ("VPS_API_TOKEN",), header="Authorization", prefix="Bearer "),),
        optional_path="/api/v1",  # observed: one client's address has it, the other one's does not
        client_config="~/.vps/config.json",  # observed: `vps login` writes it
    )
    change_permission = "servers:* or *:*"  # observed
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

    def __init__(self, api: ApiClient) -> None:
        super().__init__(api)
        self._listed: dict[str, Server] = {}  # as last listed, by number: neither number nor UUID changes

    # --- servers

    def server_from_reference(self, reference: str) -> Server | None:
        return Server(_normalize(reference)) if _is_number(reference) else None

    def get_server(self, reference: str) -> Server:
        """Return the answer for one server: only that has `deployed` (observed). Its path is the UUID (observed), which the list has."""
        wanted = _normalize(reference)
        shown = None
        if wanted in self._listed:
            shown = self._show_listed(self._listed[wanted])
            if shown is not None:
                return shown
        elif parse_uuid(wanted):
            shown = self._show_server(wanted)
            if shown is not None and parse_number(shown.id):
                return shown
        try:
            listed = self.resolve_server(wanted, self.list_servers())
        except RewindError as error:
            if error.kind != errors.NOT_FOUND:
                raise
            shown = shown or (self._show_server(wanted) if _is_number(wanted) else None)
            if shown is None:
                raise
            return shown
        if shown is not None:
            return _combine(listed, shown)
        return listed if "deployed" in listed.raw else self._show_listed(listed) or listed

    def resolve_server(self, reference: str, servers: list[Server]) -> Server:
        return super().resolve_server(_normalize(reference), servers)

    def aliases_of(self, server: Server) -> set[str]:
        return super().aliases_of(server) | raw_aliases(server)

    def with_addresses(self, server: Server) -> Server:
        """Only the answer for one server has IPv6 addresses (observed)."""
        return server if server.addresses or server.id is None else self._show_listed(server) or server

    def is_named_by_snapshots(self, server: Server) -> bool:
        return parse_number(server.id) is not None

    def list_servers(self) -> list[Server]:
        servers = [parse_server(item) for item in self._list_all("/servers/", "servers.list", {"page_size": _PAGE_SIZE})]
        self._listed = {server.id: server for server in servers if server.id is not None}
        return servers

    def _show_listed(self, listed: Server) -> Server | None:
        """Return a listed server as the provider shows it now; None if the provider knows neither its UUID nor its number."""
        for path in _paths_of(listed):
            shown = self._show_server(path, listed.id)
            if shown is not None:
                return _combine(listed, shown)
        return None

    def _show_server(self, path: str, id_: str | None = None) -> Server | None:
        """Return the server of GET /servers/{path}/; None if the provider does not know the path.

        Args:
            path: Its UUID or its number.
            id_: What a listed server is identified by.
        """
        try:
            response = self._api.read(f"/servers/{quote(path, safe='')}/", operation="servers.show")
        except RewindError as error:
            if error.http_status in (400, 404):
                return None
            raise
        server = parse_server(response.data)
        number = parse_number(server.raw.get("id"))
        if path not in (number, parse_uuid(server.raw.get("uuid"))) or (parse_number(id_) and number not in (None, id_)):
            raise base.unexpected_response(self.display_name, "servers.show", "a different server than requested")
        return server

    def set_power(self, server: Server, action: str) -> None:
        paths = _paths_of(server if server.raw else self._listed.get(server.id, server))
        try:
            return self._request_power(server, paths[0], action)
        except RewindError as error:
            if error.http_status != 404 or error.outcome != errors.NOT_APPLIED or not self._is_known_by_number_only(paths):
                raise
        return self._request_power(server, paths[-1], action)

    def _is_known_by_number_only(self, paths: list[str]) -> bool:
        """Return whether reads show it. A change's 404 alone does not: a gateway may respond with it after the change was executed."""
        try:
            return len(paths) > 1 and self._show_server(paths[0]) is None and self._show_server(paths[-1]) is not None
        except RewindError:
            return False

    def _request_power(self, server: Server, path: str, action: str) -> None:
        response = self._change("POST", f"/servers/{quote(path, safe='')}/power/", "servers.power", server.label, json={"action": action})
        if not isinstance(response.data, dict) or not refers_to(response.data, "server", server):
            raise self._unverified_response("servers.power", "it does not refer to this server", server.label)

    # --- snapshots

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        if server is not None and not self.is_named_by_snapshots(server):
            return self._list_snapshots_by_name(server)
        params = {"server_id": server.id} if server else {"page_size": _PAGE_SIZE}
        items = self._list_all("/snapshots/", "snapshots.list", params)
        snapshots = [parse_snapshot(item) for item in items]
        if server is None:
            return snapshots
        # If the provider ignores the filter, another server's snapshot must not become ours.
        own = [snapshot for snapshot in snapshots if snapshot.server.id == server.id]
        unnamed = [snapshot for snapshot in snapshots if snapshot.server.id is None]
        if len(own) + len(unnamed) < len(snapshots):
            return own
        return [snapshot if snapshot.server.id else replace(snapshot, server=server, names_server=False) for snapshot in snapshots]

    def _list_snapshots_by_name(self, server: Server) -> list[Snapshot]:
        """Return the snapshots of a server without a number: those that name a server of its name, if only one server has it."""
        if server.name is None:
            raise self._unmatched(server, "has neither a number nor a name")
        namesakes = [item for item in self.list_servers() if item.name == server.name]
        if len(namesakes) > 1:
            raise self._unmatched(server, f"has no number, and {len(namesakes)} servers have its name")
        named = [snapshot for snapshot in self.list_snapshots(None) if snapshot.server.name == server.name]
        if len({snapshot.server.id for snapshot in named}) > 1:
            raise self._unmatched(server, "has no number, and snapshots of several servers have its name")
        return [replace(snapshot, server=server) for snapshot in named]

    def _unmatched(self, server: Server, problem: str) -> RewindError:
        return RewindError(
            f"Server {server.label} at {self.display_name} {problem}, so its snapshots cannot be matched",
            kind=errors.AMBIGUOUS, server=server.label, hint="give the server a unique name in the provider's panel",
        )

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        self._require_deployed(server)
        body = {"server_id": self._number_of(server), "name": name}
        if description:
            body["description"] = description
        response = self._change("POST", "/snapshots/", "snapshots.create", server.label, name, json=body)
        snapshot = parse_snapshot(response.data)
        if snapshot.id is None or parse_number(snapshot.server.id) != str(body["server_id"]) or snapshot.name != name:
            raise self._unverified_response("snapshots.create", "it refers to another snapshot", server.label, name)
        return replace(snapshot, server=server) if snapshot.server.id != server.id else snapshot

    def _require_deployed(self, server: Server) -> None:
        """Check a server that was only listed: a list does not show whether the provider has finished creating it (observed)."""
        if server.raw and "deployed" not in server.raw:
            server = self._show_listed(server) or server
        if server.task_state == base.PROVISIONING:
            raise base.not_provisioned(server)

    def _number_of(self, server: Server) -> int:
        """Return the number that a request for a snapshot needs. A server without one gets it from its snapshots."""
        number = parse_number(server.id)
        if number is None:
            ids = (parse_snapshot_server(snapshot.raw).id for snapshot in self._list_snapshots_by_name(server))
            number = next((id_ for id_ in ids if parse_number(id_)), None)
        if number is None:
            raise RewindError(
                f"{self.display_name} does not show the number of server {server.label}, which the request for a snapshot needs",
                kind=errors.UNSUPPORTED, operation="snapshots.create", server=server.label,
                hint="create its first snapshot in the provider's panel: later ones use the number that it shows",
            )
        return int(number)

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        path = f"/snapshots/{quote(snapshot.id, safe='')}/restore/"
        data = self._change("POST", path, "snapshots.restore", snapshot.server.label, snapshot.label).data
        # A proxy or a maintenance page may return 200, too. The caller then reads whether the server is restoring.
        is_success = isinstance(data, dict) and data.get("status") == "success"  # documented
        if not is_success or not refers_to(data, "server", snapshot.server) or not refers_to(data, "snapshot", snapshot):
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
        if not isinstance(account, dict) and not isinstance(token, dict):
            raise base.unexpected_response(self.display_name, "account", '"account" and "token" missing')
        permissions = parse_permissions(token.get("permissions")) if isinstance(token, dict) else None
        return Account(
            name=parse_text(account.get("email")) if isinstance(account, dict) else None,
            permissions=permissions,
            permits_changes=None if permissions is None else permit_changes(permissions, _CHANGE_AREAS),
            identity=base.account_identity(account, "id", "uuid", "email") if isinstance(account, dict) else None,
        )

    # --- HTTP helpers

    def _change(self, method: str, path: str, operation: str, server: str, snapshot: str | None = None, json: Any = None) -> ApiResponse:
        try:
            return self._api.change(method, path, operation=operation, json=json)
        except RewindError as error:
            if error.kind == errors.PROVIDER_REJECTED:
                error.hint = error.hint or _REJECTION_HINTS.get(operation)
            elif error.kind == errors.FORBIDDEN and error.outcome == errors.NOT_APPLIED:  # not a firewall's page
                error.hint = f"give the token the rights that changes need: {self.change_permission}"
            error.add_context(server, snapshot)
            raise

    def _list_all(self, path: str, operation: str, params: dict[str, Any]) -> list[Any]:
        return self._read_until_consistent(operation, lambda: read_pages(self._api, path, operation, params))


_REJECTION_HINTS = {
    "snapshots.create": "check the server's snapshots (rewind.vps.snapshot_info): the limit may be reached",
    "snapshots.restore": "the server must be idle: check it with rewind.vps.server_info, then run again",
    "snapshots.delete": "a snapshot that is being created or restored cannot be deleted: run again when that has finished",
    "servers.power": "the server must be idle: check it with rewind.vps.server_info, then run again",
}


def _is_number(reference: str) -> bool:
    return reference.isascii() and reference.isdecimal() and len(reference) <= 18


def _normalize(reference: str) -> str:
    """Return a number without leading zeros, a UUID in lower case, and anything else as it is."""
    return parse_number(reference) or parse_uuid(reference) or reference


def _paths_of(server: Server) -> list[str]:
    """Return what identifies a listed server in paths: its UUID (observed), then its number. The provider may not know one of them."""
    return [path for path in dict.fromkeys((parse_uuid(server.raw.get("uuid")), server.id)) if path is not None]


def _combine(listed: Server, shown: Server) -> Server:
    """Return a shown server with what only the list has: each may have fields that the other lacks (observed)."""
    return replace(
        shown, id=listed.id, name=parse_text(shown.raw.get("name")) or listed.name, addresses=shown.addresses or listed.addresses,
        raw={"deployed": None, **listed.raw, **shown.raw},  # so that it is not read again
    )
