# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bounded number of lines to one cloud, which all servers of a task share.

A line is a provider with a session of its own, kept alive. Whoever wants to ask something takes a free one, or waits for
it; those who decide or change something come before those who only look again.
"""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from .._provider.base import Provider

CHANGES, LISTINGS = "changes", "listings"
YIELD_SECONDS = 2.0  # for so long a listing and the changes make way for each other

Result = TypeVar("Result")


class ConnectionPool:
    """:arg providers: of one account; as many calls run at the same time."""

    def __init__(self, providers: list[Provider]) -> None:
        self.primary = self._last_used = providers[0]
        self._lock = threading.Lock()
        self._free = list(reversed(providers))
        self._urgent_queue: collections.deque[_Waiter] = collections.deque()
        self._normal_queue: collections.deque[_Waiter] = collections.deque()
        self._condition = threading.Condition()
        self._in_progress = {CHANGES: 0, LISTINGS: 0}

    def read(self, call: Callable[[Provider], Result], urgent: bool = True) -> Result:
        """Read something."""
        provider = self._acquire(urgent)
        try:
            return call(provider)
        finally:
            self._release(provider)

    def change(self, call: Callable[[Provider], Result]) -> Result:
        """Ask for a change; not while a listing of the whole account is read, if that can be."""
        with self._condition:
            self._condition.wait_for(lambda: not self._in_progress[LISTINGS], YIELD_SECONDS)
            self._in_progress[CHANGES] += 1
        with self._finish_on_exit(CHANGES):
            return self.read(call)

    def list_all(self, call: Callable[[Provider], Result]) -> Result:
        """Read a listing of the whole account, page by page.

        A snapshot that is made between two pages moves all rows, and then the listing has to be read anew. So changes of
        this task wait for a moment.
        """
        with self._condition:
            self._in_progress[LISTINGS] += 1
            self._condition.wait_for(lambda: not self._in_progress[CHANGES], YIELD_SECONDS)
        with self._finish_on_exit(LISTINGS):
            return self.read(call)

    def server_time(self) -> datetime:
        """The time at the cloud, UTC."""
        return self._last_used.server_time()

    def _acquire(self, urgent: bool) -> Provider:
        with self._lock:
            if self._free:
                return self._free.pop()
            waiter = _Waiter()
            (self._urgent_queue if urgent else self._normal_queue).append(waiter)
        waiter.ready.wait()
        return waiter.provider

    def _release(self, provider: Provider) -> None:
        with self._lock:
            self._last_used = provider
            queue = self._urgent_queue or self._normal_queue
            if not queue:
                self._free.append(provider)
                return
            waiter = queue.popleft()
        waiter.provider = provider
        waiter.ready.set()

    @contextlib.contextmanager
    def _finish_on_exit(self, kind: str) -> Iterator[None]:
        try:
            yield
        finally:
            with self._condition:
                self._in_progress[kind] -= 1
                if not self._in_progress[kind]:
                    self._condition.notify_all()


class _Waiter:
    """Somebody who waits for a line."""

    provider: Provider

    def __init__(self) -> None:
        self.ready = threading.Event()
