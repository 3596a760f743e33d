# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's API: every call is a GET (POST works too), errors have HTTP 200, and /v2 renames one key."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..faults.lists import STALE, get_paging
from ..faults.table import CHANGING
from .cloud import POWER_ACTIONS, Ilkbyte
from .model import IlkbyteServer, Rejected, rows

SERVER_HEADER = "Netinternet WAF"
WORKING = "Çalışıyor"  # the response to every power call


@dataclass(frozen=True)
class Key:
    """An access key with its secret. Empty `allowed_ips` allows any address. Only the permission `Full` permits changes (assumed).

    `seen_address` replaces the caller's address that `GET /` returns. `account` is the name of its account; None if the API does not say.
    """

    access: str
    secret: str
    allowed_ips: tuple[str, ...] = ()
    permission: Any = "Full"
    seen_address: Any = None
    account: str | None = "Sandbox"


@dataclass(frozen=True)
class ApiCall:
    """A validated request: its parameters (query and form), and its server if the path names one."""

    request: Request
    parameters: dict[str, str]
    key: Key
    server: Any = None  # an IlkbyteServer


@dataclass(frozen=True)
class Success:
    """The message and data of a successful response."""

    message: str
    data: Any = None


Handler = Callable[[ApiCall], Awaitable[Success]]


class IlkbyteApi:
    """The routes. `keys` are the valid keys by access key; the admin API adds to them."""

    def __init__(self, cloud: Ilkbyte, keys: dict[str, Key]) -> None:
        self._cloud = cloud
        self._keys = keys
        paths: list[tuple[str, Handler, str]] = [
            ("/", self._root, "account"),
            ("/account", self._account, "account"),
            ("/account/users", self._users, "account"),
            ("/server/list", self._list_servers, "servers.list"),
            ("/server/list/all", self._list_servers, "servers.list"),
            ("/server/manage/{server}/show", self._show, "servers.show"),
            ("/server/manage/{server}/power", self._power, "servers.power"),
            ("/server/manage/{server}/snapshot", self._snapshots, "snapshots.list"),
            ("/server/manage/{server}/snapshot/create", self._change_snapshot(cloud.create_snapshot, "Snapshot created!"), "snapshots.create"),
            ("/server/manage/{server}/snapshot/revert", self._change_snapshot(cloud.revert_snapshot, "Snapshot reverted!"), "snapshots.restore"),
            ("/server/manage/{server}/snapshot/update", self._change_snapshot(cloud.update_snapshot, "Snapshot recreated!"), "snapshots.update"),
            ("/server/manage/{server}/snapshot/delete", self._change_snapshot(cloud.delete_snapshot, "Snapshot deleted!"), "snapshots.delete"),
            ("/server/manage/{server}/snapshot/cron/add", self._add_cron, "cron.add"),
            ("/server/manage/{server}/snapshot/cron/delete", self._delete_cron, "cron.delete"),
        ]
        self.routes = [
            Route(prefix + path, self._authenticated(handler, operation), methods=["GET", "POST"], name=operation)
            for prefix in ("", "/v2") for path, handler, operation in paths
        ]
        self.app = Starlette(routes=self.routes, exception_handlers={404: _not_found, 405: _not_found})
        self.app.router.redirect_slashes = False

    def server_reference(self, path: dict[str, Any], query: dict[str, Any], body: Any) -> Any:
        """Return the reference of the server that a request is about."""
        return path.get("server")

    # Authentication

    def _authenticated(self, handler: Handler, operation: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            parameters = {**request.query_params, **await _form(request)}
            key = self._keys.get(parameters.get("access", ""))
            if key is None or key.secret != parameters.get("secret"):
                return _response(request, False, error="Access denied!", http_status=401)
            # How else would a caller learn its address? (assumed)
            if handler != self._root and key.allowed_ips and (request.client is None or request.client.host not in key.allowed_ips):
                return _response(request, False, error="IP address is not allowed!", http_status=403)
            if operation in CHANGING and key.permission != "Full":
                return _response(request, False, error="Permission denied!")
            try:
                success = await handler(ApiCall(request, parameters, key, self._find_server(request)))
            except Rejected as rejection:
                return _response(request, False, error=str(rejection))
            return _response(request, True, message=success.message, data=success.data)
        return endpoint

    def _find_server(self, request: Request) -> IlkbyteServer | None:
        name = request.path_params.get("server")
        if name is None:
            return None
        server = next((server for server in self._cloud.servers if server.name == name), None)
        if server is None:
            raise Rejected("Server not found!")
        return server

    # Account and servers

    async def _root(self, call: ApiCall) -> Success:
        address = call.key.seen_address or (call.request.client.host if call.request.client else None)
        return Success("Ilkbyte API", {"api_access": True, "documents": "https://api.ilkbyte.com/docs", "ip_address": address,
                                       "permission": call.key.permission})

    async def _account(self, call: ApiCall) -> Success:
        account = {"name": call.key.account, "created_at": "27.07.2018 15:31:00"} if call.key.account else {}
        return Success("Account Info", {**account, "group": "Standart", "balance": 74.3, "status": True})

    async def _users(self, call: ApiCall) -> Success:
        user = {"email": "sandbox@example.com", "firstname": "Sandbox", "lastname": "User", "lastnamename": "User", "level": "Sahibi",
                "status": "Active", "verify": True, "last_login": "27.07.2018 15:31:00"}
        return Success("Account Users", {"pagination": {"current_page": 1, "total_page": 1}, "user_list": [user]})

    async def _list_servers(self, call: ApiCall) -> Success:
        rows = self._rows(call)["servers"]
        if not call.request.url.path.endswith("/all"):
            rows = [row for row in rows if isinstance(row, dict) and row.get("service") == "active"]
        requested = call.parameters.get("p", "1")
        number = max(1, int(requested)) if re.fullmatch("[0-9]+", requested) else 1
        size = self._cloud.sandbox.settings.ilkbyte_page_size
        paging = get_paging(call.request.scope)
        page_rows = paging.select_rows(rows, 1 if paging.repeats else number, size)
        pagination = {"current_page": number, "total_page": number + 1 if paging.repeats else max(1, -(-len(rows) // size))}
        return Success(f"{len(page_rows)} Server Listed", {"pagination": pagination, "server_list": page_rows})

    async def _show(self, call: ApiCall) -> Success:
        row = rows(call.server)[0]
        # As in recorded answers: Active here, active in lists; InProgress in both.
        service = {"service": row["service"].capitalize()} if row.get("service") == "active" else {}
        return Success("Server Info", call.server.show_change.apply({**row, **service}))

    async def _power(self, call: ApiCall) -> Success:
        action = call.parameters.get("set", "")
        if action not in POWER_ACTIONS:
            raise Rejected("Invalid power action!")
        await self._cloud.power(call.server, action)
        return Success(call.server.name, {"Status": WORKING})

    # Snapshots

    async def _snapshots(self, call: ApiCall) -> Success:
        return Success("Snapshot list created", {"snapshots": self._rows(call)["snapshots"].get(call.server.name, [])})

    def _change_snapshot(self, change: Callable[[IlkbyteServer, str], Awaitable[None]], message: str) -> Handler:
        async def handler(call: ApiCall) -> Success:
            await change(call.server, _name(call))
            return Success(message)
        return handler

    async def _add_cron(self, call: ApiCall) -> Success:
        name = _name(call)
        day = _integer(call, "day", 0, 366)
        hour = _integer(call, "hour", 0, 23)
        minute = _integer(call, "min", 0, 59)
        self._cloud.add_schedule(call.server, name, day, hour, minute)
        return Success("Scheduled snapshot task created!")

    async def _delete_cron(self, call: ApiCall) -> Success:
        self._cloud.delete_schedule(call.server, _name(call))
        return Success("Scheduled snapshot task deleted!!")

    def _rows(self, call: ApiCall) -> dict[str, Any]:
        return self._cloud.listing_at(call.request.scope.get(STALE))


def _name(call: ApiCall) -> str:
    name = call.parameters.get("name", "")
    if not name:
        raise Rejected("Snapshot name is required!")
    if not (name.isascii() and name.isalnum()):
        raise Rejected("Snapshot name must be alphanumeric!")
    return name


def _integer(call: ApiCall, parameter: str, low: int, high: int) -> int:
    text = call.parameters.get(parameter, "")
    if not re.fullmatch("[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise Rejected(f"Invalid {parameter} value!")
    return int(text)


async def _form(request: Request) -> dict[str, str]:
    if "form-urlencoded" not in request.headers.get("content-type", ""):
        return {}
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _response(request: Request, success: bool, *, message: str = "", error: str | None = None, data: Any = None,
              http_status: int = 200) -> Response:
    success_key = "success" if request.url.path.startswith("/v2/") else "status"
    body = {success_key: success, "message": message, "error": error, "data": data}
    return JSONResponse(body, http_status, headers={"content-type": "application/json; charset=utf-8"})


async def _not_found(request: Request, error: Exception) -> Response:
    return _response(request, False, error="Not found!", http_status=404)
