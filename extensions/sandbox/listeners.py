# SPDX-License-Identifier: GPL-3.0-or-later
"""Several uvicorn servers in one process and one event loop, silent and idle without requests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp

if TYPE_CHECKING:
    from .certificates import CertificateSelector

KEEP_ALIVE_SECONDS = 75  # as nginx; uvicorn's 5 s would break the connections of clients that poll
BACKLOG = 128


class Listener(uvicorn.Server):
    """One loopback port with one application. It can refuse connections for a while; the port stays the same.

    Port 0 means any free port; see `url`. Without a certificate selector it serves plain HTTP. Raises OSError if the port is taken.
    """

    def __init__(self, app: ASGIApp, port: int, certificate_selector: CertificateSelector | None = None) -> None:
        super().__init__(uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, log_level="warning", access_log=False,
            date_header=False, server_header=False, timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        ))
        self.certificate_selector = certificate_selector
        self._stop = asyncio.Event()
        # Never listens. It keeps the port while connections are refused: otherwise another program, or a client's own
        # end of a connection, could get it.
        self._reservation = _bind(port)
        self._port = self._reservation.getsockname()[1]
        self._listen_lock = asyncio.Lock()
        self._reopening: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate_selector else 'http'}://127.0.0.1:{self._port}"

    async def open(self) -> None:
        self._task = asyncio.create_task(self.serve())
        while not self.started and not self._task.done():
            await asyncio.sleep(0)
        if self._task.done():
            await self._task

    async def startup(self, sockets: Any = None) -> None:
        """Replace uvicorn's startup, which can open the sockets only once."""
        await self.lifespan.startup()
        self.servers: list[asyncio.base_events.Server] = []
        await self._listen()
        self.started = True

    async def _listen(self) -> None:
        async with self._listen_lock:
            if not self.servers:
                self.servers.append(await asyncio.get_running_loop().create_server(
                    self._protocol, sock=_bind(self._port), backlog=BACKLOG,
                    ssl=self.certificate_selector.context if self.certificate_selector else None))

    def _protocol(self) -> asyncio.Protocol:
        protocol: Any = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def refuse(self, seconds: float) -> None:
        """Stop listening for this many real seconds and close idle connections. Running requests continue."""
        self._stop_listening()
        self._reopening = asyncio.create_task(self._reopen(seconds))
        connections: set[Any] = self.server_state.connections
        idle = {connection for connection in connections if connection.cycle is None or connection.cycle.response_complete}
        for connection in idle:
            connection.transport.abort()
        while idle & connections:  # a client must see the closed connection before its next request
            await asyncio.sleep(0)

    async def accept(self) -> None:
        """Listen again, if not listening."""
        self._cancel_reopening()
        await self._listen()

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()

    def _cancel_reopening(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    def _stop_listening(self) -> None:
        self._cancel_reopening()
        while self.servers:
            self.servers.pop().close()

    async def close(self) -> None:
        """Reset all connections and free the port."""
        if self.started:
            self._stop_listening()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._stop.set()
        if self._task is not None:
            await self._task
        self._reservation.close()

    async def main_loop(self) -> None:
        """Replace uvicorn's loop, which polls ten times a second for each listener."""
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the sandbox."""
        yield


def _bind(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is given; without it responses wait 40 ms for an ACK.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock
