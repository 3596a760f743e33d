# SPDX-License-Identifier: GPL-3.0-or-later
"""The outermost layer of each simulated provider: logs every request and applies faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .clock import Cancelled
from .cloud import Cloud
from .concurrent_client import ConcurrentChange
from .faults.table import CHANGING, RESPONSE_FAULTS
from .http_exchange import Exchange, read_body
from .request_log import actor, current_request

# Path parameters, query and decoded body -> the reference (ID, UUID, name) of the request's server, or None.
ServerReference = Callable[[dict[str, Any], dict[str, Any], Any], Any]


class FaultMiddleware:
    """An ASGI application around a provider's own. A route's name is its operation."""

    def __init__(self, app: ASGIApp, *, cloud: Cloud[Any], routes: list[Route], server_reference: ServerReference,
                 server_header: str | None = None) -> None:
        self._app = app
        self._cloud = cloud
        self._routes = routes
        self._server_reference = server_reference
        self._request_log, self._faults = cloud.sandbox.request_log, cloud.sandbox.faults
        self._server_header = server_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        operation, path_params = self._route(scope)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        decoded = _decode(scope, body)
        server = self._cloud.server(self._server_reference(path_params, query, decoded))
        entry = self._request_log.add_request(
            cloud=self._cloud.name, operation=operation, server=server.name if server else None,
            method=scope["method"], path=scope["path"], query=query, body=decoded, changing=operation in CHANGING,
        )
        current_request.set(entry)
        actor.set("client")
        exchange = Exchange(self._app, scope, body, receive, send, default_headers=self._headers(), cloud=self._cloud, entry=entry)
        names = server.aliases if server else frozenset[str]()
        fault = self._faults.take_response_fault(self._cloud.name, operation, names)
        spec = self._faults.take_concurrent_change(self._cloud.name, operation, names)
        if spec is not None:
            entry["fault"], entry["concurrent_change"] = "concurrent_change", spec["action"]
            exchange.concurrent_change = ConcurrentChange(spec, self._cloud, server).apply
        try:
            if fault is None:
                await exchange.send_response(await exchange.execute())
            else:
                entry["fault"] = fault["kind"]
                await RESPONSE_FAULTS[fault["kind"]](fault, exchange)
        except Cancelled:
            await exchange.reset_connection()
        finally:
            entry["http_status"] = exchange.status

    def _route(self, scope: Scope) -> tuple[str | None, dict[str, Any]]:
        for route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return route.name, found["path_params"]
        return None, {}

    def _headers(self) -> list[tuple[str, str]]:
        offset = self._cloud.sandbox.settings.date_offset_seconds.get(self._cloud.name, 0.0)
        headers = [("date", format_datetime(self._cloud.sandbox.clock.now() + timedelta(seconds=offset), usegmt=True))]
        if self._server_header:
            headers.append(("server", self._server_header))
        return headers


def _decode(scope: Scope, body: bytes) -> Any:
    """Decode the body for the request log: JSON or a form as an object, other text as is, None when empty."""
    if not body:
        return None
    headers = dict(scope["headers"])
    text = body.decode("utf-8", "replace")
    if b"form-urlencoded" in headers.get(b"content-type", b""):
        return dict(parse_qsl(text, keep_blank_values=True))
    try:
        return json.loads(text)
    except ValueError:
        return text
