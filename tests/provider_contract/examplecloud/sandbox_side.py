# SPDX-License-Identifier: GPL-3.0-or-later
"""ExampleCloud in the sandbox: the provider behind its API, and the API. See docs/adding-a-cloud.md."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import format_utc
from sandbox.vpsorg.cloud import VpsOrg
from sandbox.vpsorg.model import Rejected, VpsServer, VpsSnapshot

KEY, READ_ONLY_KEY = "examplekey0123456789", "examplereads0123456789"
SERVER_STATES = {"active": "on", "stopped": "off"}
SNAPSHOT_STATES = {"completed": "done", "in_progress": "working"}


class ExampleCloud(VpsOrg):
    """Behaves as VPS.org behind its API: power, snapshots and restores take time, and the limit is five."""

    name = "examplecloud"
    server_prefix = "box"
    first_server_id = 501

    def duration(self, operation: str) -> float:
        return self.sandbox.settings.duration(f"vpsorg.{operation}", self.sandbox.rng)


class Refused(Exception):
    """An error response: a status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ExampleApi:
    """The routes. The name of a route is its operation, which faults and the request log use."""

    def __init__(self, cloud: ExampleCloud) -> None:
        self._cloud = cloud
        self.routes = [
            Route("/me", self._me, name="account"),
            Route("/servers", self._servers, name="servers.list"),
            Route("/servers/{server:int}", self._show, name="servers.show"),
            Route("/servers/{server:int}/power", self._power, methods=["POST"], name="servers.power"),
            Route("/servers/{server:int}/snapshots", self._snapshots, name="snapshots.list"),
            Route("/servers/{server:int}/snapshots", self._create, methods=["POST"], name="snapshots.create"),
            Route("/snapshots/{snapshot:int}", self._delete, methods=["DELETE"], name="snapshots.delete"),
            Route("/snapshots/{snapshot:int}/restore", self._restore, methods=["POST"], name="snapshots.restore"),
        ]
        self.app = Starlette(routes=self.routes, exception_handlers={Refused: _refused, Rejected: _rejected})

    def server_reference(self, path: dict[str, Any], query: dict[str, Any], body: Any) -> Any:
        """Return the server of a request, for the request log and for faults."""
        if "snapshot" in path:
            snapshot = self._cloud.snapshot(path["snapshot"])
            return snapshot.server.id if snapshot else None
        return path.get("server")

    async def _me(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse({"email": "sandbox@example.com"})

    async def _servers(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse({"servers": [_server_row(server) for server in self._cloud.servers]})

    async def _show(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse(_server_row(self._server(request)))

    async def _power(self, request: Request) -> Response:
        self._authorize(request)
        server = self._server(request)
        self._cloud.power(server, (await request.json())["action"])
        return JSONResponse({"server": server.id})

    async def _snapshots(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse({"snapshots": [_snapshot_row(one) for one in self._cloud.snapshots_of(self._server(request))]})

    async def _create(self, request: Request) -> Response:
        self._authorize(request)
        server, name = self._server(request), (await request.json())["label"]
        if not name or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise Refused(400, "A label has letters, digits, hyphens and underscores.")
        return JSONResponse(_snapshot_row(await self._cloud.create_snapshot(server, name, "")), 201)

    async def _restore(self, request: Request) -> Response:
        self._authorize(request)
        snapshot = self._snapshot(request)
        await self._cloud.restore_snapshot(snapshot)
        return JSONResponse({"snapshot": snapshot.id})

    async def _delete(self, request: Request) -> Response:
        self._authorize(request)
        snapshot = self._snapshot(request)
        await self._cloud.delete_snapshot(snapshot)
        return JSONResponse({"snapshot": snapshot.id})

    def _authorize(self, request: Request) -> None:
        key = request.headers.get("x-api-key")
        if key not in (KEY, READ_ONLY_KEY):
            raise Refused(401, "No such key.")
        if key == READ_ONLY_KEY and request.method != "GET":
            raise Refused(403, "This key may only read.")

    def _server(self, request: Request) -> VpsServer:
        server = self._cloud.server(request.path_params["server"])
        if server is None:
            raise Refused(404, "No such server.")
        return server

    def _snapshot(self, request: Request) -> VpsSnapshot:
        snapshot = self._cloud.snapshot(request.path_params["snapshot"])
        if snapshot is None:
            raise Refused(404, "No such snapshot.")
        return snapshot


def _server_row(server: VpsServer) -> dict[str, Any]:
    return {"id": server.id, "name": server.name, "state": SERVER_STATES.get(server.status, server.status), "ip": "127.0.0.1"}


def _snapshot_row(snapshot: VpsSnapshot) -> dict[str, Any]:
    state = SNAPSHOT_STATES.get(snapshot.status, snapshot.status)
    return {"id": snapshot.id, "label": snapshot.name, "state": state, "created": format_utc(snapshot.created_at)}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"error": str(error)}, error.status)


async def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, Rejected)
    return JSONResponse(error.body, error.status)
