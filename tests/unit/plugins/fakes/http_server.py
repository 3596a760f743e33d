# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on loopback that treats each request exactly as a script says, down to single bytes and resets.

A script is a list of steps, one for each request; the last step serves every further request too. A step gets the
connected socket when a whole request has been read, and returns whether the connection may be used again.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient

Step = Callable[[socket.socket], bool]


@dataclass(frozen=True)
class Received:
    """A received request: method, target (path and query), headers in lower case, body."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Serves a script until closed.

    Args:
        tls: Wraps every connection.
        listening: False for a port that refuses connections until `listen` is called.
    """

    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None, listening: bool = True) -> None:
        self.script = list(script)
        self.requests: list[Received] = []
        self.connections = 0
        self.delays: list[float] = []  # the pauses of the clients that `api` makes
        self._tls = tls
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0)) if listening else socket.socket()
        if not listening:
            self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        if listening:
            self._serve()

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Accept connections from now on (after `listening=False`)."""
        self._socket.listen()
        self._serve()

    def close(self) -> None:
        """Refuse further connections."""
        # shutdown, for close alone would not wake the thread that waits in accept
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, dummy = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(10)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while (request := read_request(connection)) is not None:
                with self._lock:
                    self.requests.append(request)
                    step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if not step(connection):
                    break
        connection.close()


@contextlib.contextmanager
def serving(*script: Step, **options: Any) -> Iterator[ScriptedServer]:
    """A server until the end of the `with` block."""
    server = ScriptedServer(*script, **options)
    try:
        yield server
    finally:
        server.close()


def api(server: ScriptedServer, **options: Any) -> ApiClient:
    """A client of this server that does not really sleep between attempts."""
    return ApiClient("VPS.org", server.url, **{"timeout": 5.0, "sleep": server.delays.append, **options})


def read_request(connection: socket.socket) -> Received | None:
    """Return the next complete request on a connection; None at its end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        head += byte
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    method, target = first.split(" ")[:2]
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Received(method, target, headers, body)


# --- responses


def head(status: int, headers: dict[str, str]) -> bytes:
    """A status line and headers, with the empty line."""
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def response(status: int = 200, body: Any = None, **headers: str) -> Step:
    """A complete response. `body` is sent as it is if it is bytes, else as JSON. `retry_after=` is Retry-After."""
    raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def step(connection: socket.socket) -> bool:
        connection.sendall(head(status, {"content-length": str(len(raw)), **named}) + raw)
        return True

    return step


def raw_bytes(data: bytes) -> Step:
    """Exactly these bytes, then the end of the connection."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return step


def reset(connection: socket.socket) -> bool:
    """A TCP reset instead of a response."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def close_connection(connection: socket.socket) -> bool:
    """Close the connection without a response."""
    return False


def no_response(connection: socket.socket) -> bool:
    """No response until the client gives up."""
    connection.recv(1)
    return False


def half_response(connection: socket.socket) -> bool:
    """The first half of the body that the headers promise."""
    connection.sendall(head(200, {"content-length": "20"}) + b'{"id": 801')
    return False


def send_slowly(data: bytes) -> Step:
    """Send one byte at a time until the client closes the connection. No single read takes long."""

    def step(connection: socket.socket) -> bool:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        return False

    return step
