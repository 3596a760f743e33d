# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its answer, held apart so that a fault can come between them."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .cloud import Cloud
from .request_log import Entry


@dataclass
class HttpResponse:
    """An HTTP response: status, headers (name, value), body."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def with_header(self, name: str, value: str) -> HttpResponse:
        """Return a copy with this header set."""
        others = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        return HttpResponse(self.status, [*others, (name, value)], self.body)

    def json(self) -> Any:
        """Return the decoded body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def with_json(self, data: Any) -> HttpResponse:
        """Return a copy with this data as JSON body."""
        body = json.dumps(data, ensure_ascii=False).encode()
        return HttpResponse(self.status, self.headers, body).with_header("content-length", str(len(body)))


async def read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


class Exchange:
    """One request: execute it, and respond or not. `default_headers` are in every response; `entry` is in the request log."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send, *,
                 default_headers: list[tuple[str, str]], cloud: Cloud[Any], entry: Entry) -> None:
        self.scope = scope
        self.body = body
        self.cloud = cloud
        self.entry = entry
        self.status: int | None = None  # as sent; None: no response
        self.concurrent_change: Callable[[str], Awaitable[None]] | None = None  # another client's change
        self._app = app
        self._receive = receive
        self._send = send
        self._default_headers = default_headers

    async def execute(self) -> HttpResponse:
        """Execute the request and return the response without sending it."""
        if self.concurrent_change is None:
            return await self._execute()
        await self.concurrent_change("before")
        response = await self._execute()
        await self.concurrent_change("after")
        return response

    async def _execute(self) -> HttpResponse:
        sent: list[Message] = []
        body_read = False

        async def receive() -> Message:
            nonlocal body_read
            if body_read:
                return await self._receive()  # only a disconnect can follow
            body_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await self._app(self.scope, receive, send)
        except Exception:  # a bug of the sandbox: respond as a web server does, and print it
            traceback.print_exc(file=sys.stderr)
            return HttpResponse(500, [("content-type", "text/html; charset=utf-8")], b"<h1>Server Error (500)</h1>")
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in sent[0]["headers"]]
        return HttpResponse(sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]))

    async def send_response(self, response: HttpResponse) -> None:
        await self._start(response)
        await self._send({"type": "http.response.body", "body": response.body})

    async def send_truncated(self, response: HttpResponse, size: int) -> None:
        """Announce the whole body, send its first `size` bytes and close the connection."""
        await self._start(response.with_header("content-length", str(len(response.body))))
        await self._send({"type": "http.response.body", "body": response.body[:size], "more_body": True})
        _transport(self._receive).close()
        await self.wait_disconnected()

    async def send_slowly(self, response: HttpResponse, pause: float) -> None:
        """Send the headers at once, then one byte per interval while the client listens."""
        await self._start(response)
        for position in range(len(response.body)):
            await self.wait(asyncio.sleep(pause))
            if _transport(self._receive).is_closing():
                return
            await self._send({"type": "http.response.body", "body": response.body[position:position + 1], "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    def date(self) -> datetime:
        """Return the time of the Date header."""
        return parsedate_to_datetime(dict(self._default_headers)["date"])

    def set_date(self, text: str | None) -> None:
        """Set the Date header; None removes it."""
        self._default_headers = [(name, value) for name, value in self._default_headers if name != "date"]
        if text is not None:
            self._default_headers.append(("date", text))

    async def reset_connection(self) -> None:
        """Reset the connection without a response, if the client is still connected."""
        transport = _transport(self._receive)
        if transport.is_closing():
            return
        sock: Any = transport.get_extra_info("socket")
        # SO_LINGER with zero seconds sends a TCP reset, as from a crashed proxy.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        # uvicorn logs an error if an application ends without a response while the client is connected.
        await self.wait_disconnected()

    async def _start(self, response: HttpResponse) -> None:
        self.status = response.status
        for name, value in self._default_headers:
            response = response.with_header(name, value)
        if response.status >= 200 and response.status not in (204, 304):
            if not any(name.lower() == "content-length" for name, dummy in response.headers):
                response = response.with_header("content-length", str(len(response.body)))
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`. Raises Cancelled if the sandbox is reset."""
        await self.cloud.sandbox.waits.wait(work)

    async def wait_disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _transport(receive: Receive) -> Any:
    """Return the TCP transport of an ASGI request.

    ASGI cannot reset a connection. Under uvicorn `receive` is a method of the request cycle, which holds the transport.
    """
    return receive.__self__.transport  # type: ignore[attr-defined]
