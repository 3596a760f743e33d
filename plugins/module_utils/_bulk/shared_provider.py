# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The provider as one server of a bulk operation sees it: listings are shared, changes are sent one by one.

A caching proxy that never returns old data. What it returns was read after the call, and after this server's own last change.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import Provider
from .reads import READ_LISTING, ConnectionPool, Result, ServerProvider
from .results import copy_error

PAGE_SIZE = 100  # rows that one request of a listing gives; only for an estimate
COALESCE_WINDOW = 0.03  # a read starts when no caller has joined for so long
MAX_COALESCE = 0.5
REFRESH_BACKOFF = 4  # after a read of one second, a read for polls only starts so many seconds later
MAX_BACKOFF = 10.0
MAX_YIELD = 2.0  # for at most so long, a change waits for a listing
_CHANGES = (
    "create_snapshot", "restore_snapshot", "delete_snapshot", "recreate_snapshot", "set_power", "add_schedule", "remove_schedule",
)


@dataclass(frozen=True)
class Listing:
    """One read for all servers that need it. Without a value and an error it was cheaper that each reads for itself."""

    started: float = 0.0  # before its first request
    ended: float = 0.0
    value: Any = None
    error: Exception | None = None


class CoalescedRead:
    """Request coalescing ("singleflight"): one listing of the whole account answers for every server that needs it.

    Args:
        read: Returns the value, and how many requests and seconds it took.
    """

    def __init__(self, read: Callable[[], tuple[Any, int, float]]) -> None:
        self._read = read
        self._condition = threading.Condition()
        self._is_reading = False
        self._latest = Listing()
        self._callers = self._sleepers = 0  # who needs a read now, and who sleeps until the next one
        self._requests = 2  # of a read, as far as is known; so a single server never finds out
        self._urgent = threading.Event()
        self._backoff_until = 0.0

    def get(self, not_before: float, urgent: bool) -> Listing:
        """Return the first read that started after `not_before`, also if it failed. One of the callers reads for all.

        Args:
            urgent: A decision depends on it; otherwise this is a poll.
        """
        called = time.monotonic()

        def is_answered() -> bool:
            latest = self._latest
            return latest.started > not_before and (latest.value is not None or latest.ended > called)

        with self._condition:
            self._callers += 1
            if urgent:
                self._urgent.set()
            self._condition.wait_for(lambda: not self._is_reading or is_answered())
            if is_answered():
                self._callers -= 1
                return self._latest
            self._is_reading = True
        try:
            listing = self._latest = self._fetch()
        finally:
            with self._condition:
                self._callers -= 1
                self._is_reading = False
                self._condition.notify_all()
        return listing

    def wait(self, not_before: float, seconds: float) -> bool:
        """Wait for a read that started after `not_before`. Return whether there is one."""
        with self._condition:
            self._sleepers += 1
            found = self._condition.wait_for(lambda: self._latest.value is not None and self._latest.started > not_before, seconds)
            self._sleepers -= 1
        return found

    def _fetch(self) -> Listing:
        self._urgent.wait(max(0.0, self._backoff_until - time.monotonic()))
        deadline, callers = time.monotonic() + MAX_COALESCE, 0
        while callers != self._callers and time.monotonic() < deadline:
            callers = self._callers
            time.sleep(COALESCE_WINDOW)
        self._urgent.clear()
        started = time.monotonic()
        if self._callers + self._sleepers < self._requests:
            return Listing(started, started)
        try:
            value, self._requests, seconds = self._read()
        except Exception as error:
            return Listing(started, time.monotonic(), error=error)
        self._backoff_until = time.monotonic() + min(MAX_BACKOFF, REFRESH_BACKOFF * seconds)
        return Listing(started, time.monotonic(), value)


class AccountCache:
    """The connections and listings that all servers of a task share."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        # Cleared while a listing is read: a snapshot that is created between two pages moves all rows, and they are read again.
        self.may_change = threading.Event()
        self.may_change.set()
        self.listings = {what: CoalescedRead(lambda what=what: self._list(what)) for what in READ_LISTING}

    def _list(self, what: str) -> tuple[Any, int, float]:
        """A listing, how many requests it took and how long, without the time spent waiting for a connection."""

        def timed(provider: Provider) -> tuple[Any, float]:
            started = time.monotonic()
            return READ_LISTING[what](provider), time.monotonic() - started

        self.may_change.clear()
        try:
            found, seconds = self.pool.call(timed)
        finally:
            self.may_change.set()
        rows = sum(map(len, found.values())) if isinstance(found, dict) else len(found)
        return found, max(1, -(-rows // PAGE_SIZE)), seconds


class SharedProvider(ServerProvider):
    """The provider for one server, used by one thread.

    Args:
        check: called before each request and while waiting; may raise to end the work on this server.
    """

    def __init__(self, reference: str, account_cache: AccountCache, check: Callable[[], None] = lambda: None) -> None:
        super().__init__(reference, account_cache.pool, self._list_account)
        self._account_cache, self._check = account_cache, check
        self._since = time.monotonic()
        self._served: dict[CoalescedRead, float] = {}
        self._last_read: CoalescedRead | None = None  # the one that this server polls
        self._urgent = True  # a decision depends on what is read now; otherwise it polls
        self._last_read_seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return self._over_pool(self._change, name) if name in _CHANGES else super().__getattr__(name)

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
            if remaining <= 0:
                return
            if shared_read is None:
                time.sleep(remaining)
            elif shared_read.wait(self._not_before(shared_read), remaining):
                return

    def _read(self, request: Callable[[Provider], Result]) -> Result:
        self._check()
        started = time.monotonic()
        try:
            return self._pool.call(request, self._urgent)
        finally:
            self._last_read_seconds = time.monotonic() - started

    def _change(self, request: Callable[[Provider], Result]) -> Result:
        self._account_cache.may_change.wait(MAX_YIELD)
        self._check()
        try:
            return self._pool.call(request)
        finally:
            self._since = time.monotonic()
            self._urgent = False  # from here on it polls

    def _list_account(self, what: str) -> Any:
        self._check()
        shared_read = self._account_cache.listings[what]
        self._last_read, self._last_read_seconds = shared_read, 0.0
        listing = shared_read.get(self._not_before(shared_read), self._urgent)
        # What it reads for itself is newer than any listing so far, and a later listing serves it again.
        self._served[shared_read] = time.monotonic() if listing.value is None else listing.started
        if listing.error is not None and not (isinstance(listing.error, RewindError) and listing.error.kind == errors.INVALID_RESPONSE):
            raise copy_error(listing.error)
        return listing.value  # a list that keeps changing, or another server's invalid row, fails no server

    def _not_before(self, shared_read: CoalescedRead) -> float:
        """No listing is used twice, and none that started before this server's own last change."""
        return max(self._since, self._served.get(shared_read, 0.0))
