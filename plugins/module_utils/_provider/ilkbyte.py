# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ilkbyte: an API in which every call is a GET, including those that change something.

Sources of the facts: the provider's snapshot documentation (documented), its public clients and recorded traffic (observed),
and libvirt, whose snapshot fields these are (assumed). See docs/providers.md.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._text import extract_error_message
from . import base
from .base import Account, Schedule, Server, Snapshot

_SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # observed: 3-16 letters and digits; more is accepted
# A name that can be part of a path. A slash, a percent sign or dots alone would lead to another path, here or at the provider.
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_POWER_STATES = {
    "running": base.RUNNING, "çalışıyor": base.RUNNING,  # observed
    "shut off": base.STOPPED, "shutoff": base.STOPPED, "kapalı": base.STOPPED,  # observed, libvirt; the last one: assumed
}
_BUSY_STATUSES = {"paused", "in shutdown", "dying"}  # libvirt: a guest is paused while its snapshot is created or loaded
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
        schedule_timezone=("Europe/Istanbul", 180),  # documented: its list shows +03:00, which is Turkey's time all year
        power=True,  # observed
        snapshot_tree=True,  # documented
        synchronous_delete=False,  # assumed: not documented, so the list is read
        reports_restoring=False,
        restore_leaves_running=False,  # assumed, from libvirt: the server gets the power state of the snapshot
        expected_create_seconds=120,  # assumed: nothing is documented
        expected_restore_seconds=180,  # assumed: nothing is documented
    )

    # --- servers

    def server_from_reference(self, reference: str) -> Server | None:
        # Paths contain a server's name, so the name is its identity.
        return Server(reference, reference) if _SERVER_NAME.fullmatch(reference) else None

    def get_server(self, reference: str) -> Server:
        rejection: RewindError | None = None
        if _SERVER_NAME.fullmatch(reference):
            try:
                return self._server(reference, self._server_call(reference, "/show", "servers.show"), "servers.show")
            except RewindError as error:
                if error.kind not in (errors.PROVIDER_REJECTED, errors.NOT_FOUND):
                    raise
                rejection = error
        servers = self.list_servers()
        if rejection is not None and any(server.id == reference for server in servers):
            raise rejection.add_context(reference)
        return self.resolve_server(reference, servers)

    def list_servers(self) -> list[Server]:
        return self._read_until_consistent("servers.list", self._list_servers_once)

    def _list_servers_once(self) -> list[Server] | None:
        """Return the servers; None if one is on two pages. One that is on neither cannot be noticed, since there is no count."""
        found: dict[str, Server] = {}
        rows = 0
        for page in range(1, base.MAX_PAGES):
            data = self._request_data("/server/list/all", "servers.list", {"p": page})
            items = data.get("server_list") if isinstance(data, dict) else data
            if not isinstance(items, list):
                raise base.unexpected_response(self.display_name, "servers.list", '"server_list" missing')
            previous_count, rows = len(found), rows + len(items)
            for item in items:
                name = item.get("name") if isinstance(item, dict) else None
                if not isinstance(name, str) or not name:
                    raise base.unexpected_response(self.display_name, "servers.list", "a server without a name")
                found[name] = self._server(name, item, "servers.list")
            pagination = data.get("pagination") if isinstance(data, dict) else None
            page_count = str(pagination.get("total_page")) if isinstance(pagination, dict) else "1"
            if not page_count.isascii() or not page_count.isdecimal():
                raise base.unexpected_response(self.display_name, "servers.list", '"total_page" is not a number')
            if page >= int(page_count[:6]):
                break
            if len(found) == previous_count:
                raise base.unexpected_response(self.display_name, "servers.list", "a page without new servers, but not the last one")
        return list(found.values()) if len(found) == rows else None

    def set_power(self, server: Server, action: str) -> None:
        self._server_call(server.id, "/power", "servers.power", {"set": _POWER_ACTIONS[action]}, changes=True)

    # --- snapshots

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        if server is None:
            return [snapshot for each in self.list_servers() for snapshot in self.list_snapshots(each)]
        data = self._server_call(server.id, "/snapshot", "snapshots.list")
        items = [] if data == [] else data.get("snapshots") if isinstance(data, dict) else None
        if not isinstance(items, list):
            raise base.unexpected_response(self.display_name, "snapshots.list", '"snapshots" missing').add_context(server.label)
        return [self._snapshot(server, item) for item in items]

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
        data = self._request_data("/account", "account", {})
        if not isinstance(data, dict):
            raise base.unexpected_response(self.display_name, "account", '"data" missing')
        names = (data.get(key) for key in ("email", "username", "name"))
        return Account(name=next((str(name) for name in names if name), None))

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

    def _server(self, name: str, item: Any, operation: str) -> Server:
        if not isinstance(item, dict):
            raise base.unexpected_response(self.display_name, operation, "no server")
        status = str(item.get("status") or "unknown").lower()
        return Server(
            id=name,
            name=name,
            power_state=_POWER_STATES.get(status, status),
            task_state=status if status in _BUSY_STATUSES or (base.is_transitional(status) and status not in _POWER_STATES) else None,
            address=base.str_or_none(item.get("ipv4")) or base.str_or_none(item.get("ipv6")),
            raw=item,
        )

    def _snapshot(self, server: Server, item: Any) -> Snapshot:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            raise base.unexpected_response(self.display_name, "snapshots.list", "a snapshot without a name").add_context(server.label)
        parent = item.get("parent")
        return Snapshot(
            id=name,
            name=name,
            server=server,
            # Listed snapshots are finished: the list has no status for one that is being created (assumed, from libvirt).
            status=base.READY,
            provider_status=None,
            created_at=base.to_iso8601(item.get("date")),
            current=item.get("current") is True,
            parent=parent if isinstance(parent, str) and parent not in ("", "-") else None,
            power_state=_POWER_STATES.get(str(item.get("state")).lower()),
            schedule=parse_schedule(item.get("params")),
            raw=item,
        )


def _rejection(display_name: str, path: str, operation: str, http_status: int, body: dict[str, Any]) -> RewindError:
    messages = (extract_error_message(body[key]) for key in ("error", "message") if isinstance(body.get(key), str))
    message = next((text for text in messages if text), "")
    message_lower = message.lower()
    kind = errors.PROVIDER_REJECTED
    if "already exists" in message_lower:  # libvirt
        kind = errors.ALREADY_EXISTS
    elif "no domain snapshot" in message_lower or "not found" in message_lower:  # libvirt; public
        kind = errors.NOT_FOUND
    return RewindError(
        f"{display_name} rejected the request (GET {path})",
        kind=kind,
        operation=operation,
        http_status=http_status,
        provider_message=message or None,
        hint=_REJECTION_HINTS.get(operation),
    )


_REJECTION_HINTS = {
    "snapshots.create": "check the server and its snapshots (rewind.vps.server_info, rewind.vps.snapshot_info), then run again",
    "snapshots.restore": "check the server in the provider's panel, then run again",
    "snapshots.update": "check the server's snapshots (rewind.vps.snapshot_info) before you run again: the old one may be gone",
    "snapshots.delete": "check the server's snapshots (rewind.vps.snapshot_info), then run again",
    "servers.power": "check the server (rewind.vps.server_info), then run again",
    "cron.add": "check the snapshot's schedule (rewind.vps.snapshot_info), then run again",
    "cron.delete": "check the snapshot's schedule (rewind.vps.snapshot_info), then run again",
}


# --- schedules

# "Her 1 günde bir 02:03 saatinde" means: every 1 day(s) at 02:03 (documented).
_SENTENCE = re.compile(r"her\s+(\d{1,3})\s+günde\s+bir\s+(\d{1,2}):(\d{2})\s+saatinde\.?", re.IGNORECASE)


def parse_schedule(params: Any) -> Schedule | None:
    """Return the schedule in a listed snapshot's `params`, or None if it has none.

    If the sentence cannot be parsed, hour and minute are those of `next_run`, and the day is None.
    """
    if not isinstance(params, dict) or params.get("is_cron") is not True:
        return None
    day, hour, minute = _parse_cron_sentence(params.get("cron_time")) or (None, *_time_of_day(params.get("next_run")))
    return Schedule(day, hour, minute, last_run=base.to_iso8601(params.get("last_run")), next_run=base.to_iso8601(params.get("next_run")))


def _parse_cron_sentence(sentence: Any) -> tuple[int, int, int] | None:
    if not isinstance(sentence, str):
        return None
    # The ü may be one character, or a u followed by a combining diaeresis.
    match = _SENTENCE.fullmatch(unicodedata.normalize("NFC", sentence).strip())
    if not match:
        return None
    day, hour, minute = (int(part) for part in match.groups())
    return (day, hour, minute) if day >= 1 and hour < 24 and minute < 60 else None


def _time_of_day(text: Any) -> tuple[int | None, int | None]:
    """Return hour and minute as written, in the provider's time zone, which schedules use."""
    try:
        timestamp = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    except ValueError:
        return None, None
    return timestamp.hour, timestamp.minute
