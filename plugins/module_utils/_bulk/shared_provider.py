# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud as one server of a fleet sees it: reads that others want too are shared, changes go out one by one.

An operation can't tell it from a provider of its own. What it reads was read after its question, and after whatever it
had asked for or waited for before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import Account, Provider, Schedule, Server, Snapshot
from .coalescing import CoalescedRead, Flight
from .connection_pool import ConnectionPool, Result
from .reads import claim_server, snapshots_by_server

PAGE_SIZE = 100  # rows that one request of a listing gives; only for an estimate


class AccountCache:
    """The readings that all members of a fleet share."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.owners: dict[str, str] = {}  # the name by which a server is at work, by its id
        self.servers = CoalescedRead(self._list_servers)
        self.snapshots = CoalescedRead(self._list_snapshots)

    def _list_servers(self) -> tuple[list[Server], int, float]:
        servers, seconds = self._timed(lambda provider: provider.list_servers())
        return servers, _requests(len(servers)), seconds

    def _list_snapshots(self) -> tuple[dict[str, list[Snapshot]], int, float]:
        by_server, seconds = self._timed(snapshots_by_server)
        return by_server, _requests(sum(map(len, by_server.values()))), seconds

    def _timed(self, call: Callable[[Provider], Result]) -> tuple[Result, float]:
        """What was listed, and for how long; without the time that it took to get a line."""

        def timed(provider: Provider) -> tuple[Result, float]:
            started = time.monotonic()
            return call(provider), time.monotonic() - started

        return self.pool.list_all(timed)


def _requests(rows: int) -> int:
    return max(1, -(-rows // PAGE_SIZE))


class SharedProvider(Provider):
    """One server's view. Used by one thread.

    :arg reference: as the user calls the server.
    :arg check: called before each request and while waiting; may raise to end this member's work.
    """

    def __init__(self, reference: str, account_cache: AccountCache, check: Callable[[], None] = lambda: None) -> None:
        self._reference = reference
        self._account_cache, self._pool, self._check = account_cache, account_cache.pool, check
        primary = account_cache.pool.primary
        self.display_name, self.capabilities = primary.display_name, primary.capabilities
        self._since = time.monotonic()
        self._served: dict[CoalescedRead, float] = {}
        self._last_read: CoalescedRead | None = None  # since the last pause, by what it waits for
        self._urgent = True  # it decides by what it reads now, and does not only look again
        self._last_read_seconds = 0.0  # seconds

    # --- what needs no request

    def server_time(self) -> datetime:
        return self._pool.server_time()

    def server_from_reference(self, reference: str) -> Server | None:
        server = self._pool.primary.server_from_reference(reference)
        return server and self._claim(server, reference)

    def aliases_of(self, server: Server) -> set[str]:
        return self._pool.primary.aliases_of(server)

    def resolve_server(self, reference: str, servers: list[Server]) -> Server:
        return self._pool.primary.resolve_server(reference, servers)

    def invalidate(self) -> None:
        self._since = time.monotonic()
        self._urgent = True

    def sleep(self, seconds: float) -> None:
        """Wait, as polling.py wants; shorter where another member has had read meanwhile what this one waits for.

        And longer where so many look that each waits for a line: the lines are not there for looking again alone.
        """
        self._urgent = False
        # Who waits for something else, such as a lock, is not woken: it would look again at once, and again.
        shared_read, self._last_read = self._last_read, None
        deadline = time.monotonic() + max(seconds, self._last_read_seconds)
        while True:
            self._check()
            remaining = min(1.0, deadline - time.monotonic())
            if remaining <= 0 or (shared_read is not None and shared_read.has_newer(self._not_before(shared_read))):
                return
            if shared_read is None:
                time.sleep(remaining)
            else:
                shared_read.wait(self._not_before(shared_read), remaining)

    # --- reads

    def get_server(self, reference: str) -> Server:
        if self.capabilities.server_list_has_details:
            servers = self._read_shared(self._account_cache.servers)
            if servers is not None:
                try:
                    return self._claim(self.resolve_server(reference, servers), reference)
                except RewindError as error:
                    if error.kind != errors.NOT_FOUND:
                        raise
        return self._claim(self._read_direct(lambda provider: provider.get_server(reference)), reference)

    def list_servers(self) -> list[Server]:
        return self._read_direct(lambda provider: provider.list_servers())

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        if server is not None and self.capabilities.lists_all_snapshots:
            by_server = self._read_shared(self._account_cache.snapshots)
            if by_server is not None:
                return list(by_server.get(server.id, ()))
        return self._read_direct(lambda provider: provider.list_snapshots(server))

    def whoami(self) -> Account:
        return self._read_direct(lambda provider: provider.whoami())

    # --- changes

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot | None:
        return self._change(lambda provider: provider.create_snapshot(server, name, description))

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        self._change(lambda provider: provider.restore_snapshot(snapshot))

    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        return self._change(lambda provider: provider.delete_snapshot(snapshot))

    def recreate_snapshot(self, snapshot: Snapshot) -> None:
        self._change(lambda provider: provider.recreate_snapshot(snapshot))

    def set_power(self, server: Server, action: str) -> None:
        self._change(lambda provider: provider.set_power(server, action))

    def add_schedule(self, snapshot: Snapshot, schedule: Schedule) -> None:
        self._change(lambda provider: provider.add_schedule(snapshot, schedule))

    def remove_schedule(self, snapshot: Snapshot) -> None:
        self._change(lambda provider: provider.remove_schedule(snapshot))

    # --- how

    def _claim(self, server: Server, reference: str) -> Server:
        """The server, unless it is another member's by another name: two would be at work on it at once."""
        if reference == self._reference:
            claim_server(self._account_cache.owners, server, reference)
        return server

    def _read_direct(self, call: Callable[[Provider], Result]) -> Result:
        self._check()
        started = time.monotonic()
        try:
            return self._pool.read(call, self._urgent)
        finally:
            self._last_read_seconds = time.monotonic() - started

    def _change(self, call: Callable[[Provider], Result]) -> Result:
        self._check()
        try:
            return self._pool.change(call)
        finally:
            self._since = time.monotonic()
            self._urgent = False  # what comes now is looked at until it is there

    def _read_shared(self, shared_read: CoalescedRead) -> Any:
        """What a shared reading has found; None where this member had better ask for itself."""
        self._check()
        self._last_read, self._last_read_seconds = shared_read, 0.0
        try:
            flight: Flight = shared_read.get(self._not_before(shared_read), self._urgent)
        except RewindError as error:
            if error.kind != errors.INVALID_RESPONSE:
                raise
            flight = Flight(direct=True)  # a list that never holds still, or another server's row that is none, is nobody's end
        # What it asks for itself is newer than any reading up to now, and a later one answers it as well.
        self._served[shared_read] = time.monotonic() if flight.direct else flight.started
        return None if flight.direct else flight.value

    def _not_before(self, shared_read: CoalescedRead) -> float:
        """No reading twice, and none that is older than what this member has done."""
        return max(self._since, self._served.get(shared_read, 0.0))
