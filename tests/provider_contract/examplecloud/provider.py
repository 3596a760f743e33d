# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ExampleCloud: a provider that does not exist, for docs/adding-a-cloud.md. A REST API with a key in a header."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._provider import base
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Account, Server, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._provider.values import parse_addresses, parse_text, to_iso8601

UNCONFIRMED = "it does not confirm the request"


class ExampleCloud(base.Provider):
    """One ExampleCloud account."""

    display_name = "ExampleCloud"
    endpoint = base.ProviderEndpoint(
        url="https://api.examplecloud.example/v1",
        url_env_var="EXAMPLECLOUD_URL",
        credentials=(base.Credential("example_key", "an API key", ("EXAMPLECLOUD_KEY",), header="X-Api-Key"),),
    )
    capabilities = base.Capabilities(
        name_pattern=r"[A-Za-z0-9_-]+",
        name_rule="letters, digits, hyphens and underscores",
        max_snapshots=5,
        unique_names=False,
        lists_all_snapshots=False,  # its documentation only has a list for each server
        server_list_has_details=True,
        description=False,
        recreate=False,
        schedule=False,
        schedule_timezone=None,
        power=True,
        snapshot_tree=False,
        synchronous_delete=True,
        reports_restoring=True,
        restore_leaves_running=True,
        expected_create_seconds=300,
        expected_restore_seconds=600,
    )

    def server_from_reference(self, reference: str) -> Server | None:
        return Server(str(int(reference))) if _is_number(reference) else None

    def get_server(self, reference: str) -> Server:
        if _is_number(reference):
            try:
                data = self._api.read(f"/servers/{int(reference)}", operation="servers.show").data
            except RewindError as error:
                if error.kind != errors.NOT_FOUND:
                    raise
            else:
                server = self._server(data, "servers.show")
                if server.id != str(int(reference)):
                    raise base.unexpected_response(self.display_name, "servers.show", "a different server than requested")
                return server
        return self.resolve_server(reference, self.list_servers())

    def list_servers(self) -> list[Server]:
        data = self._api.read("/servers", operation="servers.list").data
        return [self._server(item, "servers.list") for item in self._list(data, "servers", "servers.list")]

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        if server is None:
            return [snapshot for each in self.list_servers() for snapshot in self.list_snapshots(each)]
        data = self._api.read(f"/servers/{quote(server.id, safe='')}/snapshots", operation="snapshots.list").data
        return [self._snapshot(server, item, "snapshots.list") for item in self._list(data, "snapshots", "snapshots.list")]

    def whoami(self) -> Account:
        data = self._api.read("/me", operation="account").data
        if not isinstance(data, dict) or not parse_text(data.get("email")):
            raise base.unexpected_response(self.display_name, "account", '"email" missing')
        return Account(name=data["email"])

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        path = f"/servers/{quote(server.id, safe='')}/snapshots"
        data = self._change("POST", path, "snapshots.create", server, name, {"label": name})
        try:
            created = self._snapshot(server, data, "snapshots.create")
        except RewindError:
            created = None
        if created is None or created.name != name:
            raise self._unverified_response("snapshots.create", UNCONFIRMED, server.label, name)
        return created

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot_change("POST", f"/snapshots/{quote(str(snapshot.id), safe='')}/restore", "snapshots.restore", snapshot)

    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        try:
            self._snapshot_change("DELETE", f"/snapshots/{quote(str(snapshot.id), safe='')}", "snapshots.delete", snapshot)
        except RewindError as error:
            if error.kind == errors.NOT_FOUND and error.outcome == errors.NOT_APPLIED:
                return False
            raise
        return True

    def set_power(self, server: Server, action: str) -> None:
        data = self._change("POST", f"/servers/{quote(server.id, safe='')}/power", "servers.power", server, None, {"action": action})
        if not isinstance(data, dict) or str(data.get("server")) != server.id:
            raise self._unverified_response("servers.power", UNCONFIRMED, server.label)

    def _snapshot_change(self, method: str, path: str, operation: str, snapshot: Snapshot) -> None:
        data = self._change(method, path, operation, snapshot.server, f"{snapshot.name} ({snapshot.id})")
        if not isinstance(data, dict) or str(data.get("snapshot")) != snapshot.id:
            raise self._unverified_response(operation, UNCONFIRMED, snapshot.server.label, snapshot.name)

    def _change(self, method: str, path: str, operation: str, server: Server, snapshot: str | None, json: Any = None) -> Any:
        try:
            return self._api.change(method, path, operation=operation, json=json).data
        except RewindError as error:
            if error.kind == errors.PROVIDER_REJECTED:
                error.hint = "check the server and its snapshots (rewind.vps.server_info, rewind.vps.snapshot_info), then run again"
            error.add_context(server.label, snapshot)
            raise

    def _list(self, data: Any, key: str, operation: str) -> list[Any]:
        items = data.get(key) if isinstance(data, dict) else None
        if not isinstance(items, list):
            raise base.unexpected_response(self.display_name, operation, f'"{key}" missing')
        return items

    def _server(self, item: Any, operation: str) -> Server:
        if not isinstance(item, dict) or not _is_id(item.get("id")):
            raise base.unexpected_response(self.display_name, operation, "a server without an id")
        state = str(item.get("state") or "unknown").lower()
        return Server(
            id=str(item["id"]),
            name=parse_text(item.get("name")),
            power_state={"on": base.RUNNING, "off": base.STOPPED}.get(state, state),
            task_state=state if base.is_transitional(state) else None,
            addresses=parse_addresses(item.get("ip")),
            raw=item,
        )

    def _snapshot(self, server: Server, item: Any, operation: str) -> Snapshot:
        if not isinstance(item, dict) or not _is_id(item.get("id")) or not isinstance(item.get("label"), str):
            raise base.unexpected_response(self.display_name, operation, "a snapshot without an id or a label")
        state = str(item.get("state")).lower()
        return Snapshot(
            id=str(item["id"]),
            name=item["label"],
            server=server,
            status={"done": base.READY, "working": base.PENDING, "failed": base.FAILED}.get(state, base.UNKNOWN),
            provider_status=state,
            created_at=to_iso8601(item.get("created")),
            raw=item,
        )


def _is_number(reference: str) -> bool:
    return reference.isascii() and reference.isdecimal() and len(reference) <= 18


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
