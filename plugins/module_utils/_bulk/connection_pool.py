# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A limited number of connections to one account, which all servers of a task share."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from .._provider.base import Provider

CHANGES, LISTINGS = "changes", "listings"
YIELD_SECONDS = 2.0  # for at most so long, listings and changes wait for each other

Result = TypeVar("Result")


class ConnectionPool:
    """Each connection is a provider with a session of its own, kept alive. As many calls run at the same time.

    Polls use at most half of the connections: otherwise a thousand polls delay the changes that are left.
    A snapshot that is created between two pages of a listing moves all rows, and the listing must be read again. So changes wait
    for a listing in progress. Without that, 1,000 servers at VPS.org need twice as many reads.
    """

    def __init__(self, providers: list[Provider]) -> None:
        self.primary = self.last_used = providers[0]
        self.size = len(providers)
        self._free: queue.SimpleQueue[Provider] = queue.SimpleQueue()
        for provider in providers:
            self._free.put(provider)
        self._polls = threading.Semaphore(max(1, self.size // 2))
        self._condition = threading.Condition()
        self._in_progress = {CHANGES: 0, LISTINGS: 0}

    def call(self, request: Callable[[Provider], Result], urgent: bool = True) -> Result:
        """Send requests over one connection; wait for it if all are in use."""
        with contextlib.nullcontext() if urgent else self._polls:
            provider = self._free.get()
            try:
                return request(provider)
            finally:
                self.last_used = provider
                self._free.put(provider)

    def change(self, request: Callable[[Provider], Result]) -> Result:
        """Send a change, after a listing of the account that is in progress."""
        with self._condition:
            self._condition.wait_for(lambda: not self._in_progress[LISTINGS], YIELD_SECONDS)
            self._in_progress[CHANGES] += 1
        with self._finish_on_exit(CHANGES):
            return self.call(request)

    def list_all(self, request: Callable[[Provider], Result]) -> Result:
        """Read a listing of the account, after the changes that are in progress."""
        with self._condition:
            self._in_progress[LISTINGS] += 1
            self._condition.wait_for(lambda: not self._in_progress[CHANGES], YIELD_SECONDS)
        with self._finish_on_exit(LISTINGS):
            return self.call(request)

    @contextlib.contextmanager
    def _finish_on_exit(self, kind: str) -> Iterator[None]:
        try:
            yield
        finally:
            with self._condition:
                self._in_progress[kind] -= 1
                if not self._in_progress[kind]:
                    self._condition.notify_all()
