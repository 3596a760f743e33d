# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH server of one machine. Its port is constant, and refuses connections while the machine is off."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import asyncssh

from .ports import reserve_port
from .runtime import Runtime
from .session import run_session
from .sftp import MachineSFTPServer

CLOSE_TIMEOUT = 5.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds.


class SshServer:
    """Accepts only the pool's key; every user is root."""

    def __init__(self, runtime: Runtime, *, port: int, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHAuthorizedKeys,
                 is_network_cut: Callable[[], bool]) -> None:
        """Reserve `port` (0: any free one). Raises OSError if it is taken."""
        self._runtime = runtime
        self._host_key = host_key
        self._client_key = client_key
        self._is_network_cut = is_network_cut
        # Bound but not listening: clients are refused, and the port stays reserved while the machine is off.
        self._reservation = reserve_port(port)
        self.port: int = self._reservation.getsockname()[1]
        self.was_used = False
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._sessions: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._acceptor = await asyncssh.listen(
            sock=reserve_port(self.port), server_factory=self._track_connection, server_host_keys=[self._host_key],
            authorized_client_keys=self._client_key, password_auth=False, kbdint_auth=False, host_based_auth=False, gss_host=None,
            process_factory=self._start_session, sftp_factory=self._start_sftp, allow_scp=False, line_editor=False, encoding=None,
            x11_forwarding=False, agent_forwarding=False, backlog=128, tcp_keepalive=False)

    @property
    def is_open(self) -> bool:
        return self._acceptor is not None

    async def close(self, *, reset: bool = False) -> None:
        """Refuse new connections and drop existing ones without an SSH disconnect message, as a server that goes down.

        With `reset` the client gets a TCP reset, as after a network failure, and may lose unread data.
        """
        acceptor, self._acceptor = self._acceptor, None
        if acceptor:
            acceptor.close()
        dropped = list(self._connections)
        for connection in dropped:
            if reset:
                connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.abort()
        if dropped:
            waits = [asyncio.create_task(connection.wait_closed()) for connection in dropped]
            await asyncio.wait(waits, timeout=CLOSE_TIMEOUT)

    async def wait_for_sessions(self) -> None:
        """Wait until every session's command has ended (the caller kills them)."""
        if self._sessions:
            await asyncio.wait(set(self._sessions), timeout=CLOSE_TIMEOUT)

    def release_port(self) -> None:
        self._reservation.close()

    def _track_connection(self) -> _ConnectionTracker:
        self.was_used = True
        return _ConnectionTracker(self._connections)

    def _start_session(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        # Not a task of the connection, which is cancelled with it: a command may outlive its connection.
        task = asyncio.create_task(run_session(process, self._runtime, self._is_network_cut))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    def _start_sftp(self, channel: asyncssh.SSHServerChannel) -> MachineSFTPServer:
        return MachineSFTPServer(channel, self._runtime)


class _ConnectionTracker(asyncssh.SSHServer):
    """Tracks live connections; asyncssh checks the key."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True
