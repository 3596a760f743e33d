# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The provider as one server of a bulk operation sees it: listings are shared, changes are sent one by one.

A caching proxy that never returns old data. What it returns was read after the call, and after this server's own last change.
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
from .reads import READ_LISTING, ServerProvider

PAGE_SIZE = 100  # rows that one request of a listing gives; only for an estimate


class AccountCache:
    """The connections and listings that all servers of a task share."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.owners: dict[str, str] = {}
        self.listings = {what: CoalescedRead(lambda what=what: self._list(what)) for what in READ_LISTING}

    def _list(self, what: str) -> tuple[Any, int, float]:
        """A listing, how many requests it took and how long, without the time spent waiting for a connection."""

        def timed(provider: Provider) -> tuple[Any, float]:
            started = time.monotonic()
            return READ_LISTING[what](provider), time.monotonic() - started

        found, seconds = self.pool.list_all(timed)
        rows = sum(map(len, found.values())) if isinstance(found, dict) else len(found)
        return found, max(1, -(-rows // PAGE_SIZE)), seconds


class SharedProvider(ServerProvider):
    """The provider for one server, used by one thread.

    Args:
        reference: the server as the user names it.
        check: called before each request and while waiting; may raise to end the work on this server.
    """

    def __init__(self, reference: str, account_cache: AccountCache, check: Callable[[], None] = lambda: None) -> None:
        super().__init__(reference, account_cache.pool.primary, account_cache.owners)
        self._account_cache, self._pool, self._check = account_cache, account_cache.pool, check
        self._since = time.monotonic()
        self._served: dict[CoalescedRead, float] = {}
        self._last_read: CoalescedRead | None = None  # the one that this server polls
        self._urgent = True  # a decision depends on what is read now; otherwise it polls
        self._last_read_seconds = 0.0

    def server_time(self) -> datetime:
        return self._pool.server_time()

    def invalidate(self) -> None:
        self._since = time.monotonic()
        self._urgent = True

    def sleep(self, seconds: float) -> None:
        """Wait between two polls; shorter if a listing that this server polls is read for another one.

        Longer if a read had to wait for its connection, so that polls take at most half of the time of all connections.
        """
        self._urgent = False
        # Only if it polls a listing: a server that waits for a lock would otherwise poll again at once, and again.
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

    def list_servers(self) -> list[Server]:
        return self._read(lambda provider: provider.list_servers())

    def whoami(self) -> Account:
        return self._read(lambda provider: provider.whoami())

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

    # --- helpers

    def _read(self, request: Callable[[Provider], Result]) -> Result:
        self._check()
        started = time.monotonic()
        try:
            return self._pool.call(request, self._urgent)
        finally:
            self._last_read_seconds = time.monotonic() - started

    def _change(self, request: Callable[[Provider], Result]) -> Result:
        self._check()
        try:
            return self._pool.change(request)
        finally:
            self._since = time.monotonic()
            self._urgent = False  # from here on it polls

    def _list(self, what: str) -> Any:
        self._check()
        shared_read = self._account_cache.listings[what]
        self._last_read, self._last_read_seconds = shared_read, 0.0
        try:
            flight: Flight = shared_read.get(self._not_before(shared_read), self._urgent)
        except RewindError as error:
            if error.kind != errors.INVALID_RESPONSE:
                raise
            flight = Flight(direct=True)  # a list that keeps changing, or another server's invalid row, fails no server
        # What it reads for itself is newer than any listing so far, and a later listing serves it again.
        self._served[shared_read] = time.monotonic() if flight.direct else flight.started
        return None if flight.direct else flight.value

    def _not_before(self, shared_read: CoalescedRead) -> float:
        """No listing is used twice, and none that started before this server's own last change."""
        return max(self._since, self._served.get(shared_read, 0.0))
