# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin API for tests and demos: JSON on loopback, no credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .admin_actions import (
    BadRequest,
    NotFound,
    add_server,
    add_snapshot,
    add_snapshots,
    change_server,
    change_snapshot,
    check_keys,
    get_cloud,
    get_server,
    remove_snapshot,
)
from .clock import format_utc
from .cloud import Server
from .faults.registry import ALL_FAULTS
from .ilkbyte.api import Key
from .state import SandboxState
from .vpsorg.api import Token

Handler = Callable[[Request], Awaitable[Any]]


class AdminApi:
    """The routes. `servers_changed` is called when servers are added, removed or renamed."""

    def __init__(self, sandbox: SandboxState, servers_changed: Callable[[], None]) -> None:
        self._state = sandbox
        self._servers_changed = servers_changed
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/request-log", self._request_log), ("DELETE", "/request-log", self._clear_request_log),
            ("POST", "/reset", self._reset),
            ("GET", "/servers", self._servers), ("POST", "/servers", self._add_server),
            ("PATCH", "/servers/{cloud}/{server}", self._change_server),
            ("DELETE", "/servers/{cloud}/{server}", self._remove_server),
            ("POST", "/snapshots", self._add_snapshot), ("POST", "/snapshots/bulk", self._add_snapshots),
            ("PATCH", "/snapshots/{cloud}/{server}/{snapshot}", self._change_snapshot),
            ("DELETE", "/snapshots/{cloud}/{server}/{snapshot}", self._remove_snapshot),
            ("GET", "/clock", self._clock), ("POST", "/clock", self._advance),
            ("POST", "/credentials", self._add_credentials),
            ("GET", "/faults", self._faults), ("POST", "/faults", self._add_faults),
            ("DELETE", "/faults", self._clear_faults),
            ("POST", "/refuse", self._refuse_connections),
            ("POST", "/certificate", self._select_certificate),
            ("GET", "/settings", self._settings), ("POST", "/settings", self._change_settings),
        ]
        self.app = Starlette(routes=[Route(path, _endpoint(handler), methods=[method]) for method, path, handler in routes])

    async def _request_log(self, request: Request) -> Any:
        return {"entries": self._state.request_log.entries}

    async def _clear_request_log(self, request: Request) -> Any:
        self._state.request_log.clear()

    async def _reset(self, request: Request) -> Any:
        body = await _json_object(request)
        names = [cloud.name for cloud in self._state.clouds]
        check_keys(body, "servers", *(f"{name}_servers" for name in names))
        counts = {name: body.get(f"{name}_servers", body.get("servers")) for name in names}
        await self._state.reset({name: number for name, number in counts.items() if number is not None})
        self._servers_changed()

    async def _servers(self, request: Request) -> Any:
        return {"servers": [await self._describe(cloud.name, server) for cloud in self._state.clouds for server in cloud.servers]}

    async def _describe(self, cloud: str, server: Any) -> dict[str, Any]:
        if cloud == "ilkbyte":
            snapshots = self._state.ilkbyte.rows()["snapshots"][server.name]
        else:
            rows = get_cloud(self._state, cloud).rows()["snapshots"]
            snapshots = [row for row in rows if row["server"]["id"] == server.id]
        return {
            "cloud": cloud, "id": server.id, "uuid": server.uuid, "name": server.name, "hostname": server.hostname,
            "status": server.status, "powered_on": server.machine.powered_on,
            "boot_problem": server.machine.boot_problem, "network": "up" if server.machine.network_up else "down",
            "ssh_port": server.machine.port,
            "disk": str(server.machine.disk_path), "digest": await server.machine.digest(), "snapshots": snapshots,
        }

    async def _add_server(self, request: Request) -> Any:
        body = await _json_object(request)
        server = await add_server(self._state, body)
        self._servers_changed()
        return await self._describe(body["cloud"], server)

    async def _change_server(self, request: Request) -> Any:
        server = self._requested_server(request)
        await change_server(self._state, request.path_params["cloud"], server, await _json_object(request))
        self._servers_changed()
        return await self._describe(request.path_params["cloud"], server)

    async def _remove_server(self, request: Request) -> Any:
        await get_cloud(self._state, request.path_params["cloud"]).remove_server(self._requested_server(request))
        self._servers_changed()

    async def _add_snapshot(self, request: Request) -> Any:
        return await add_snapshot(self._state, await _json_object(request))

    async def _add_snapshots(self, request: Request) -> Any:
        return {"added": await add_snapshots(self._state, await _json_object(request))}

    async def _change_snapshot(self, request: Request) -> Any:
        path = request.path_params
        return change_snapshot(self._state, path["cloud"], self._requested_server(request), path["snapshot"], await _json_object(request))

    async def _remove_snapshot(self, request: Request) -> Any:
        path = request.path_params
        await remove_snapshot(self._state, path["cloud"], self._requested_server(request), path["snapshot"])

    def _requested_server(self, request: Request) -> Server:
        return get_server(self._state, request.path_params["cloud"], request.path_params["server"])

    async def _clock(self, request: Request) -> Any:
        clock = self._state.clock
        return {"now": format_utc(clock.now()), "elapsed": clock.elapsed(), "speed": clock.speed}

    async def _advance(self, request: Request) -> Any:
        body = await _json_object(request)
        check_keys(body, "advance")
        self._state.clock.advance(float(body["advance"]))
        for _dummy in range(10):  # start what is due before the caller continues
            await asyncio.sleep(0)
        return await self._clock(request)

    async def _add_credentials(self, request: Request) -> Any:
        body = await _json_object(request)
        check_keys(body, "vpsorg_token", "ilkbyte_key")
        credentials = self._state.credentials
        if token := body.get("vpsorg_token"):
            permissions = tuple(token.get("permissions", ("read", "write")))
            credentials.tokens[token["token"]] = Token(token.get("name", "added"), permissions)
        if key := body.get("ilkbyte_key"):
            allowed = tuple(key.get("allowed_ips", ()))
            credentials.keys[key["access_key"]] = Key(key["access_key"], key["secret_key"], allowed)
        self._state.request_log.set_secrets(credentials.secrets())

    async def _faults(self, request: Request) -> Any:
        return {"faults": self._state.faults.rules(), "kinds": {kind.name: kind.description for kind in ALL_FAULTS.values()},
                "keys": {kind.name: kind.keys for kind in ALL_FAULTS.values()}}

    async def _add_faults(self, request: Request) -> Any:
        body = await request.json()
        for rule in body if isinstance(body, list) else [body]:
            self._state.faults.add(rule)
        return await self._faults(request)

    async def _clear_faults(self, request: Request) -> Any:
        self._state.faults.clear()

    async def _refuse_connections(self, request: Request) -> Any:
        body = await _json_object(request)
        check_keys(body, "cloud", "seconds")
        listener = self._state.listeners[get_cloud(self._state, body.get("cloud")).name]
        seconds = float(body["seconds"])
        if seconds > 0:
            await listener.refuse(seconds)
        else:
            await listener.accept()

    async def _select_certificate(self, request: Request) -> Any:
        body = await _json_object(request)
        check_keys(body, "cloud", "kind", "times")
        certificate_selector = self._state.listeners[get_cloud(self._state, body.get("cloud")).name].certificate_selector
        if certificate_selector is None:
            raise BadRequest("this sandbox has no TLS; start it with --tls")
        certificate_selector.select(body.get("kind", "good"), body.get("times"))

    async def _settings(self, request: Request) -> Any:
        return vars(self._state.settings)

    async def _change_settings(self, request: Request) -> Any:
        self._state.settings.update(await _json_object(request))
        return await self._settings(request)


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            result = await handler(request)
        except NotFound as error:
            return JSONResponse({"error": str(error)}, 404)
        except (BadRequest, ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(result if result is not None else {})
    return endpoint


async def _json_object(request: Request) -> dict[str, Any]:
    body = await request.json() if await request.body() else {}
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body
