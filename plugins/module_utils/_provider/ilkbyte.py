# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ilkbyte: an API in which every call is a GET, including those that change something.

Sources of the facts: the provider's snapshot documentation (documented), its public clients and recorded traffic (observed),
and libvirt, whose snapshot fields these are (assumed). See docs/providers.md.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._text import extract_error_message
from . import base
from .base import Account, Schedule, Server, Snapshot
from .ilkbyte_rows import ZONE_MINUTES, is_deleted, parse_server, parse_snapshot
from .permissions import level_permits_changes, parse_caller_address
from .values import fold, parse_object, parse_text

_SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # observed: 3-16 letters and digits; more is accepted
# A name that can be part of a path. A slash, a percent sign or dots alone would lead to another path, here or at the provider.
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_POWER_ACTIONS = {base.START: "start", base.STOP: "shutdown"}  # observed


class Ilkbyte(base.Provider):
    display_name = "Ilkbyte"
    endpoint = base.ProviderEndpoint(
        url="https://api.ilkbyte.com",  # documented
        url_env_var="ILKBYTE_HOST",
        credentials=(
            base.Credential("access_key", "an access key", ("ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY"), query="access"),
            base.Credential("secret_key", "a secret key", ("ILKBYTE_SECRET_KEY", "ILKBYTE_SECRETKEY"), query="secret"),
        ),
    )
    change_permission = "Full"  # observed
    capabilities = base.Capabilities(
        name_pattern=r"[A-Za-z0-9]+",  # documented
        name_rule="letters and digits",
        max_snapshots=None,
        unique_names=True,  # assumed, from libvirt
        lists_all_snapshots=False,
        server_list_has_details=False,  # assumed: the list may be cached
        description=False,
        recreate=True,  # documented
        schedule=True,  # documented
        schedule_timezone=("Europe/Istanbul", ZONE_MINUTES),
        power=True,  # observed
        snapshot_tree=True,  # documented
        synchronous_delete=False,  # assumed: not documented, so the list is read
        reports_restoring=False,
        restore_leaves_running=False,  # assumed, from libvirt: the server gets the power state of the snapshot
        expected_create_seconds=120,  # assumed: nothing is documented
        expected_restore_seconds=180,  # assumed: nothing is documented
    )

    _caller_address: str | None = None  # None until it was read, empty if the provider does not tell it

    # --- servers

    def server_from_reference(self, reference: str) -> Server | None:
        # Paths contain a server's name, so the name is its identity.
        return Server(reference, reference) if _SERVER_NAME.fullmatch(reference) else None

    def get_server(self, reference: str) -> Server:
        rejection: RewindError | None = None
        if _SERVER_NAME.fullmatch(reference):
            try:
                return self._show_server(reference)
            except RewindError as error:
                if error.kind not in (errors.PROVIDER_REJECTED, errors.NOT_FOUND):
                    raise
                rejection = error
        servers = self.list_servers()
        # Without an HTTP status: the answer was about a deleted server, and another one may have its name now.
        if rejection is not None and rejection.http_status is not None and any(server.id == reference for server in servers):
            raise rejection.add_context(reference)
        return self.resolve_server(reference, servers)

    def _show_server(self, name: str) -> Server:
        data = self._server_call(name, "/show", "servers.show")
        if not isinstance(data, dict):
            raise base.unexpected_response(self.display_name, "servers.show", "no server")
        if is_deleted(data):
            raise RewindError(f"Server {name} was deleted at {self.display_name}", kind=errors.NOT_FOUND, operation="servers.show", server=name)
        return parse_server(data, name)

    def list_servers(self) -> list[Server]:
        return self._read_until_consistent("servers.list", self._list_servers_once)

    def _list_servers_once(self) -> list[Server] | None:
        """Return the servers; None if one is on two pages. One that is on neither cannot be noticed, since there is no count.

        The list also has deleted servers, for years (observed). They may have the name of an existing server, so a name identifies no row.
        """
        found: list[Server] = []
        seen_servers: set[tuple[str, ...]] = set()
        seen_pages: list[list[Any]] = []
        for page in range(1, base.MAX_PAGES):
            data = self._request_data("/server/list/all", "servers.list", {"p": page})
            items = data.get("server_list") if isinstance(data, dict) else data
            if not isinstance(items, list):
                raise base.unexpected_response(self.display_name, "servers.list", '"server_list" missing')
            pagination = data.get("pagination") if isinstance(data, dict) else None
            page_count = str(pagination.get("total_page")) if isinstance(pagination, dict) else "1"
            if not page_count.isascii() or not page_count.isdecimal():
                raise base.unexpected_response(self.display_name, "servers.list", '"total_page" is not a number')
            is_last = page >= int(page_count[:6])
            if not is_last and (not items or items in seen_pages):
                raise base.unexpected_response(self.display_name, "servers.list", "a page without new servers, but not the last one")
            existing = [item for item in items if not is_deleted(item)]
            servers = {_row_key(item) for item in existing}
            if servers & seen_servers:
                return None
            found += [parse_server(item) for item in existing]
            seen_servers |= servers
            seen_pages.append(items)
            if is_last:
                break
        return found

    def set_power(self, server: Server, action: str) -> None:
        self._server_call(server.id, "/power", "servers.power", {"set": _POWER_ACTIONS[action]}, changes=True)

    # --- snapshots

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        if server is None:
            return [snapshot for each in self.list_servers() for snapshot in self.list_snapshots(each)]
        if server.id is None:
            raise RewindError(
                f"{self.display_name} lists server {server.label}, and a request for its snapshots needs its name",
                kind=errors.INVALID_RESPONSE, operation="snapshots.list", server=server.label, hint="check the server in the provider's panel",
            )
        data = self._server_call(server.id, "/snapshot", "snapshots.list")
        items = [] if data == [] else data.get("snapshots") if isinstance(data, dict) else None
        if not isinstance(items, list):
            raise base.unexpected_response(self.display_name, "snapshots.list", '"snapshots" missing').add_context(server.label)
        return [parse_snapshot(server, item) for item in items]

    def create_snapshot(self, server: Server, name: str, description: str | None) -> None:
        self._server_call(server.id, "/snapshot/create", "snapshots.create", {"name": name}, changes=True)

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot_change(snapshot, "/snapshot/revert", "snapshots.restore")

    def recreate_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot_change(snapshot, "/snapshot/update", "snapshots.update")

    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        try:
            self._snapshot_change(snapshot, "/snapshot/delete", "snapshots.delete")
        except RewindError as error:
            if error.kind == errors.NOT_FOUND and error.outcome == errors.NOT_APPLIED:
                return False
            raise
        return True

    # --- schedules and the account

    def add_schedule(self, snapshot: Snapshot, schedule: Schedule) -> None:
        params = {"day": schedule.day, "hour": schedule.hour, "min": schedule.minute}
        self._snapshot_change(snapshot, "/snapshot/cron/add", "cron.add", params)

    def remove_schedule(self, snapshot: Snapshot) -> None:
        self._snapshot_change(snapshot, "/snapshot/cron/delete", "cron.delete")

    def whoami(self) -> Account:
        return self._read_account(retry=True)

    def _read_account(self, retry: bool) -> Account:
        """Return what GET / says about the key and the caller (observed), with and without the usual envelope (assumed)."""
        response = self._api.read("/", operation="account", retry=retry)
        body = response.data if isinstance(response.data, dict) else {}
        if body.get("status", body.get("success")) is False:
            raise _rejection(self.display_name, "/", "account", response.status, body)
        data = body["data"] if isinstance(body.get("data"), dict) else body
        if not {"permission", "ip_address"} & set(data):
            raise base.unexpected_response(self.display_name, "account", '"permission" missing')
        permission = parse_text(data.get("permission"))
        return Account(
            permissions=(permission,) if permission else None,
            permits_changes=level_permits_changes(data.get("permission")),
            address=parse_caller_address(data.get("ip_address")),
        )

    def get_account(self) -> Account:
        data = self._request_data("/account", "account", {})
        if not isinstance(data, dict):
            raise base.unexpected_response(self.display_name, "account", '"data" missing')
        name = next(filter(None, (parse_text(data.get(key)) for key in ("email", "username", "name"))), None)
        return replace(self.whoami(), name=name, identity=base.account_identity(data, "email", "username", "name", "created_at"))

    def _forbidden_hint(self) -> str:
        """Return the hint for a key that is limited to IP addresses or to reads. The caller's address is read once, if the provider tells it."""
        if self._caller_address is None:
            self._caller_address = ""
            with contextlib.suppress(RewindError):
                self._caller_address = self._read_account(retry=False).address or ""
        seen_as = f"; {self.display_name} sees this machine as {self._caller_address}" if self._caller_address else ""
        return f"give the key the permission {self.change_permission}; a key limited to IP addresses works only from those{seen_as}"

    # --- HTTP helpers

    def _snapshot_change(self, snapshot: Snapshot, path: str, operation: str, extra_params: dict | None = None) -> None:
        params = {"name": snapshot.name, **(extra_params or {})}
        try:
            self._server_call(snapshot.server.id, path, operation, params, changes=True)
        except RewindError as error:
            error.add_context(snapshot=snapshot.name)
            raise

    def _server_call(self, server: str, path: str, operation: str, params: dict | None = None, changes: bool = False) -> Any:
        if not _PATH_PART.fullmatch(server):
            raise RewindError(
                f"Server name {server!r} cannot be used in an {self.display_name} URL; no request was sent",
                kind=errors.UNSUPPORTED, operation=operation, server=server, hint="rename the server in the provider's panel",
            )
        try:
            return self._request_data(f"/server/manage/{server}{path}", operation, params or {}, changes)
        except RewindError as error:
            error.add_context(server)
            raise

    def _request_data(self, path: str, operation: str, params: dict[str, Any], changes: bool = False) -> Any:
        """Return `data` of a response, and complete the error of one that is forbidden."""
        try:
            return self._request_once(path, operation, params, changes)
        except RewindError as error:
            if error.kind == errors.FORBIDDEN:
                error.hint = self._forbidden_hint()
            raise

    def _request_once(self, path: str, operation: str, params: dict[str, Any], changes: bool) -> Any:
        """Return `data` of a response. A rejection has HTTP 200 and `status` false (`success` under /v2)."""
        if changes:
            response = self._api.change("GET", path, operation=operation, params=params)
        else:
            response = self._api.read(path, operation=operation, params=params)
        body = response.data if isinstance(response.data, dict) else {}
        success = body.get("status", body.get("success"))
        if success is True:
            return body.get("data")
        if success is False:
            raise _rejection(self.display_name, path, operation, response.status, body)
        error = base.unexpected_response(self.display_name, operation, '"status" missing')
        error.outcome = errors.UNKNOWN if changes else errors.NOT_APPLIED
        raise error


def _row_key(item: Any) -> tuple[str, ...]:
    """Return what does not change while the pages of the list are read."""
    row = parse_object(item)
    return tuple(str(row.get(key)) for key in ("name", "created_time", "ipv4", "ipv6"))


def _rejection(display_name: str, path: str, operation: str, http_status: int, body: dict[str, Any]) -> RewindError:
    messages = (extract_error_message(body[key]) for key in ("error", "message") if isinstance(body.get(key), str))
    message = next((text for text in messages if text), "")
    folded = fold(message)
    kind = errors.PROVIDER_REJECTED
    if any(text in folded for text in _EXISTS_TEXTS):
        kind = errors.ALREADY_EXISTS
    elif any(text in folded for text in _NOT_FOUND_TEXTS):
        kind = errors.NOT_FOUND
    elif _FORBIDDEN.search(folded):
        kind = errors.FORBIDDEN
    return RewindError(
        f"{display_name} rejected the request (GET {path})",
        kind=kind,
        operation=operation,
        http_status=http_status,
        provider_message=message or None,
        hint=_REJECTION_HINTS.get(operation),
    )


# As `fold` returns them. libvirt; observed; the Turkish ones: assumed.
_EXISTS_TEXTS = ("already exists", "zaten var", "zaten mevcut")
_NOT_FOUND_TEXTS = ("no domain snapshot", "not found", "bulunamadi", "mevcut degil")
# A key that may not do this, or not from here (assumed: no text of such a rejection is recorded).
_FORBIDDEN = re.compile(r"permission|access denied|forbidden|\bip (address|adres)|yetki")
_REJECTION_HINTS = {
    "snapshots.create": "check the server and its snapshots (rewind.vps.server_info, rewind.vps.snapshot_info), then run again",
    "snapshots.restore": "check the server in the provider's panel, then run again",
    "snapshots.update": "check the server's snapshots (rewind.vps.snapshot_info) before you run again: the old one may be gone",
    "snapshots.delete": "check the server's snapshots (rewind.vps.snapshot_info), then run again",
    "servers.power": "check the server (rewind.vps.server_info), then run again",
    "cron.add": "check the snapshot's schedule (rewind.vps.snapshot_info), then run again",
    "cron.delete": "check the snapshot's schedule (rewind.vps.snapshot_info), then run again",
}
