# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin API for tests and demos: JSON on loopback, no credentials."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import admin_actions as actions
from .admin_actions import BadRequest, Body, NotFound, check_keys, get_cloud
from .clock import format_utc
from .faults.table import ALL_FAULTS
from .ilkbyte.api import Key
from .listeners import Listener
from .state import SandboxState
from .vpsorg.api import Token

Handler = Callable[..., Any]  # state, body, path parameters by name -> the JSON of the response (None: an empty object), or an awaitable of it


async def _list_servers(sandbox: SandboxState, body: Body) -> Any:
    return {"servers": [await actions.describe_server(sandbox, cloud.name, server) for cloud in sandbox.clouds for server in cloud.servers]}


async def _reset(sandbox: SandboxState, body: Body) -> None:
    names = [cloud.name for cloud in sandbox.clouds]
    check_keys(body, "servers", *(f"{name}_servers" for name in names))
    counts = {name: body.get(f"{name}_servers", body.get("servers")) for name in names}
    await sandbox.reset({name: number for name, number in counts.items() if number is not None})


def _show_clock(sandbox: SandboxState, body: Body) -> Any:
    return {"now": format_utc(sandbox.clock.now()), "elapsed": sandbox.clock.elapsed(), "speed": sandbox.clock.speed}


async def _advance(sandbox: SandboxState, body: Body) -> Any:
    check_keys(body, "advance")
    sandbox.clock.advance(float(body["advance"]))
    for _dummy in range(10):  # start what is due before the caller continues
        await asyncio.sleep(0)
    return _show_clock(sandbox, body)


def _add_credentials(sandbox: SandboxState, body: Body) -> None:
    check_keys(body, "vpsorg_token", "ilkbyte_key")
    credentials = sandbox.credentials
    if token := body.get("vpsorg_token"):
        credentials.tokens[token["token"]] = Token(
            token.get("name", "added"), tuple(token.get("permissions", ("*:*",))), token.get("stated"), token.get("account", Token.account),
        )
    if key := body.get("ilkbyte_key"):
        credentials.keys[key["access_key"]] = Key(
            key["access_key"], key["secret_key"], tuple(key.get("allowed_ips", ())), key.get("permission", "Full"), key.get("seen_address"),
            key.get("account", Key.account),
        )
    sandbox.request_log.set_secrets(credentials.secrets())


def _list_faults(sandbox: SandboxState, body: Body) -> Any:
    return {"faults": sandbox.faults.rules(), "kinds": {kind.name: kind.description for kind in ALL_FAULTS.values()},
            "keys": {kind.name: kind.keys for kind in ALL_FAULTS.values()}}


async def _refuse_connections(sandbox: SandboxState, body: Body) -> None:
    check_keys(body, "cloud", "seconds")
    seconds = float(body["seconds"])
    if seconds > 0:
        await _listener(sandbox, body).refuse(seconds)
    else:
        await _listener(sandbox, body).accept()


def _select_certificate(sandbox: SandboxState, body: Body) -> None:
    check_keys(body, "cloud", "kind", "times")
    certificate_selector = _listener(sandbox, body).certificate_selector
    if certificate_selector is None:
        raise BadRequest("this sandbox has no TLS; start it with --tls")
    certificate_selector.select(body.get("kind", "good"), body.get("times"))


def _listener(sandbox: SandboxState, body: Body) -> Listener:
    return sandbox.listeners[get_cloud(sandbox, body.get("cloud")).name]


def _change_settings(sandbox: SandboxState, body: Body) -> Any:
    sandbox.settings.update(body)
    return vars(sandbox.settings)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/request-log", lambda sandbox, body: {"entries": sandbox.request_log.entries}),
    ("DELETE", "/request-log", lambda sandbox, body: sandbox.request_log.clear()),
    ("POST", "/reset", _reset),
    ("GET", "/servers", _list_servers),
    ("POST", "/servers", actions.add_server),
    ("PATCH", "/servers/{cloud}/{server}", actions.change_server),
    ("DELETE", "/servers/{cloud}/{server}", actions.remove_server),
    ("POST", "/rows", actions.add_rows),
    ("POST", "/snapshots", actions.add_snapshot),
    ("POST", "/snapshots/bulk", actions.add_snapshots),
    ("PATCH", "/snapshots/{cloud}/{server}/{snapshot}", actions.change_snapshot),
    ("DELETE", "/snapshots/{cloud}/{server}/{snapshot}", actions.remove_snapshot),
    ("GET", "/clock", _show_clock),
    ("POST", "/clock", _advance),
    ("POST", "/credentials", _add_credentials),
    ("GET", "/faults", _list_faults),
    ("POST", "/faults", lambda sandbox, body: sandbox.faults.add(body)),
    ("DELETE", "/faults", lambda sandbox, body: sandbox.faults.clear()),
    ("POST", "/refuse", _refuse_connections),
    ("POST", "/certificate", _select_certificate),
    ("GET", "/settings", lambda sandbox, body: vars(sandbox.settings)),
    ("POST", "/settings", _change_settings),
)
CHANGE_SERVERS = (_reset, actions.add_server, actions.change_server, actions.remove_server)


def admin_app(sandbox: SandboxState, servers_changed: Callable[[], None]) -> Starlette:
    """Return the application. `servers_changed` is called when servers were added, removed or renamed."""
    def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                body = await request.json() if await request.body() else {}
                if not isinstance(body, dict):
                    raise BadRequest("the body must be a JSON object")
                result = handler(sandbox, body, **request.path_params)
                if inspect.isawaitable(result):
                    result = await result
            except NotFound as error:
                return JSONResponse({"error": str(error)}, 404)
            except (BadRequest, ValueError, TypeError, KeyError) as error:
                return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
            if handler in CHANGE_SERVERS:
                servers_changed()
            return JSONResponse({} if result is None else result)
        return respond
    return Starlette(routes=[Route(path, endpoint(handler), methods=[method]) for method, path, handler in ROUTES])
