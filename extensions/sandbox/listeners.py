# SPDX-License-Identifier: GPL-3.0-or-later
"""Several uvicorn servers in one process and one event loop, quiet and idle when nobody asks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS = 75  # as nginx; uvicorn's 5 s would break the connections of clients that poll


class Listener(uvicorn.Server):
    """One loopback port with one application.

    :param port: 0 for any free one; :attr:`url` says which.
    :raises OSError: the port is taken.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        super().__init__(uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, log_level="warning", access_log=False,
            date_header=False, server_header=False, timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        ))
        self._stop = asyncio.Event()
        # asyncio sets TCP_NODELAY only where the protocol is named; without it answers wait 40 ms for an ACK.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def open(self) -> None:
        """Accept connections from here on."""
        self._socket.listen(128)
        self._task = asyncio.create_task(self.serve(sockets=[self._socket]))
        while not self.started:
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Break all connections and free the port."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._stop.set()
        if self._task is not None:
            await self._task
        self._socket.close()

    async def main_loop(self) -> None:
        """uvicorn's own looks ten times a second whether to stop; three of them would not be idle."""
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the sandbox's business, not each listener's."""
        yield
