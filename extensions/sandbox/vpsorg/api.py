# SPDX-License-Identifier: GPL-3.0-or-later
"""VPS.org's API below /api/v1: authentication, requests and responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Match, Route

from ..faults.lists import STALE
from .cloud import POWER_ACTIONS, VpsOrg
from .drf import NOT_FOUND_PAGE, check_fields, choice, integer, json_object, paginate, text
from .model import Rejected, VpsServer, VpsSnapshot, shown_server, snapshot_row

BASE = "/api/v1"
NAME_PATTERN = r"[A-Za-z0-9_-]+"
NAME_MESSAGE = "Name may only contain letters, numbers, hyphens and underscores."
CREATING = "Snapshot is being created. This may take 3-10 minutes depending on server size."
RESTORING = "Server is being restored from snapshot. This may take 5-15 minutes."
POWER_MESSAGE = {"start": "Server is being started.", "stop": "Server is being stopped.",
                 "hard_stop": "Server is being stopped.", "restart": "Server is being restarted."}

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Token:
    """An API token. Reads of servers and snapshots need `servers:read`, changes need `servers:*`; `*` stands for any area or action.

    `stated` replaces the permissions that the account call returns. `account` is the email of its account; None if the API does not say.
    """

    name: str
    permissions: tuple[str, ...] = ("*:*",)
    stated: Any = None
    account: str | None = "sandbox@example.com"

    def permits(self, action: str) -> bool:
        """Return whether the token permits an action on servers."""
        return any(f"{area}:{name}" in self.permissions for area in ("servers", "*") for name in (action, "*"))


class VpsOrgApi:
    """The routes. `tokens` are the valid tokens by their text; the admin API adds to them."""

    def __init__(self, cloud: VpsOrg, tokens: dict[str, Token]) -> None:
        self._cloud = cloud
        self._tokens = tokens
        self.routes = [
            self._route("/servers/", self._list_servers, "servers.list"),
            self._route("/servers/{server}/", self._show_server, "servers.show"),
            self._route("/servers/{server}/power/", self._power, "servers.power", "POST"),
            self._route("/servers/{server}/snapshot/", self._create_server_snapshot, "snapshots.create", "POST"),
            self._route("/snapshots/", self._list_snapshots, "snapshots.list"),
            self._route("/snapshots/", self._create_snapshot, "snapshots.create", "POST"),
            self._route("/snapshots/{snapshot_id:int}/", self._delete_snapshot, "snapshots.delete", "DELETE"),
            self._route("/snapshots/{snapshot_id:int}/restore/", self._restore_snapshot, "snapshots.restore", "POST"),
            self._route("/account/me/", self._account, "account"),
        ]
        self.app = Starlette(
            routes=self.routes,
            exception_handlers={404: self._not_found, 405: self._method_not_allowed, Rejected: _rejected},
        )
        self.app.router.redirect_slashes = False  # Starlette's own redirect is a 307; Django's is not

    def server_reference(self, path: dict[str, Any], query: dict[str, Any], body: Any) -> Any:
        """Return the reference of the server that a request is about."""
        if "snapshot_id" in path:
            snapshot = self._cloud.snapshot(path["snapshot_id"])
            return snapshot.server.id if snapshot else None
        if "server" in path:
            return path["server"]
        fields = body if isinstance(body, dict) else query
        return fields.get("server_id")

    # Authentication

    def _route(self, path: str, handler: Handler, operation: str, method: str = "GET") -> Route:
        async def authenticated(request: Request) -> Response:
            token = self._authenticate(request)
            if operation != "account" and not token.permits("read" if method == "GET" else "write"):
                raise Rejected(403, {"detail": "You do not have permission to perform this action."})
            return await handler(request)
        return Route(BASE + path, authenticated, methods=[method], name=operation)

    def _authenticate(self, request: Request) -> Token:
        challenge = {"www-authenticate": "Bearer"}
        scheme, dummy, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise Rejected(401, {"detail": "Authentication credentials were not provided."}, challenge)
        token = self._tokens.get(value.strip())
        if token is None:
            raise Rejected(401, {"detail": "Invalid token."}, challenge)
        return token

    async def _not_found(self, request: Request, error: Exception) -> Response:
        if not request.url.path.endswith("/"):
            scope = {**request.scope, "path": request.url.path + "/"}
            if any(route.matches(scope)[0] is not Match.NONE for route in self.routes):
                # Django redirects every method: a client that follows turns POST into GET and loses the body. Nothing was executed.
                location = request.url.path + "/" + (f"?{request.url.query}" if request.url.query else "")
                return HTMLResponse("", 301, headers={"location": location})
        return HTMLResponse(NOT_FOUND_PAGE, 404)

    async def _method_not_allowed(self, request: Request, error: Exception) -> Response:
        try:
            self._authenticate(request)
        except Rejected as rejection:
            return await _rejected(request, rejection)
        matching = [route for route in self.routes if route.matches(request.scope)[0] is not Match.NONE]
        allowed = sorted({method for route in matching for method in route.methods or ()})
        return JSONResponse({"detail": f'Method "{request.method}" not allowed.'}, 405, headers={"allow": ", ".join(allowed)})

    # Servers

    async def _list_servers(self, request: Request) -> Response:
        rows = self._cloud.listing_at(request.scope.get(STALE))["servers"]
        wanted_status, wanted_location = (request.query_params.get(key) for key in ("status", "location"))
        if wanted_status:
            if wanted_status not in ("active", "stopped", "suspended"):
                raise Rejected(400, {"status": [f"Select a valid choice. {wanted_status} is not one of the available "
                                                "choices."]})
            rows = [row for row in rows if isinstance(row, dict) and row.get("status") == wanted_status]
        if wanted_location:
            rows = [row for row in rows if wanted_location in (str(row["location"]["id"]), row["location_name"])]
        return paginate(request, rows, self._cloud.sandbox.settings.vpsorg_page_size)

    async def _show_server(self, request: Request) -> Response:
        return JSONResponse(shown_server(self._server_by_id(request.path_params["server"])))

    async def _power(self, request: Request) -> Response:
        server = self._server_by_id(request.path_params["server"])
        action = check_fields(await json_object(request), {"action": choice(tuple(POWER_ACTIONS))})["action"]
        self._cloud.power(server, action)
        return JSONResponse({"status": "success", "message": POWER_MESSAGE[action],
                             "server": {"id": server.id, "name": server.name, "status": server.status}})

    def _server_by_id(self, reference: Any) -> VpsServer:
        """Find a server by ID or UUID. A name is not accepted."""
        server = self._cloud.server(reference)
        if server is None or str(reference) not in (str(server.id), server.uuid):
            raise Rejected(404, {"detail": "Server not found."})
        return server

    # Snapshots

    async def _list_snapshots(self, request: Request) -> Response:
        listing = self._cloud.listing_at(request.scope.get(STALE))
        rows = listing["snapshots"]
        wanted = request.query_params.get("server_id")
        if wanted:
            if not (wanted.isascii() and wanted.isdigit()):
                raise Rejected(400, {"server_id": ["Enter a number."]})
            rows = [row for row, owner in zip(rows, listing["owners"]) if owner == int(wanted)]
        return paginate(request, rows, self._cloud.sandbox.settings.vpsorg_page_size)

    async def _create_snapshot(self, request: Request) -> Response:
        fields = check_fields(await json_object(request), {
            "server_id": integer,
            "name": text(NAME_PATTERN, NAME_MESSAGE),
            "description": text(required=False),
        })
        server = self._server_by_id(fields["server_id"])
        snapshot = await self._cloud.create_snapshot(server, fields["name"], fields["description"])
        return JSONResponse({**snapshot_row(snapshot), "message": CREATING}, 201)

    async def _create_server_snapshot(self, request: Request) -> Response:
        """The other route: below the server, with an optional label as the name."""
        fields = check_fields(await json_object(request), {"label": text(required=False)})
        snapshot = await self._cloud.create_snapshot(self._server_by_id(request.path_params["server"]), fields["label"] or None, "")
        return JSONResponse({**snapshot_row(snapshot), "message": CREATING}, 201)

    async def _restore_snapshot(self, request: Request) -> Response:
        snapshot = self._snapshot(request)
        await self._cloud.restore_snapshot(snapshot)
        row = snapshot_row(snapshot)
        return JSONResponse({
            "status": "success",
            "message": RESTORING,
            "snapshot": {key: row[key] for key in ("id", "name", "created_at")},
            "server": {**row["server"], "status": "restoring"},
        })

    async def _delete_snapshot(self, request: Request) -> Response:
        await self._cloud.delete_snapshot(self._snapshot(request))
        return Response(status_code=204)

    def _snapshot(self, request: Request) -> VpsSnapshot:
        snapshot = self._cloud.snapshot(request.path_params["snapshot_id"])
        if snapshot is None:
            raise Rejected(404, {"detail": "Snapshot not found."})
        return snapshot

    async def _account(self, request: Request) -> Response:
        token = self._authenticate(request)
        return JSONResponse({
            "account": {"id": 1, "email": token.account, "name": "Sandbox"} if token.account else {},
            "token": {"name": token.name, "permissions": list(token.permissions) if token.stated is None else token.stated},
        })


async def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, Rejected)
    return JSONResponse(error.body, error.status, headers=error.headers)
