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
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from .._provider.base import Provider

CHANGES, LISTINGS = "changes", "listings"
CALM_SECONDS = 2.0  # for so long a listing and the changes make way for each other

Answer = TypeVar("Answer")


class Lines:
    """:arg providers: of one account; as many calls run at the same time."""

    def __init__(self, providers: list[Provider]) -> None:
        self.first = self._last = providers[0]
        self._lock = threading.Lock()
        self._free = list(reversed(providers))
        self._urgent: collections.deque[_Waiting] = collections.deque()
        self._patient: collections.deque[_Waiting] = collections.deque()
        self._calm = threading.Condition()
        self._under_way = {CHANGES: 0, LISTINGS: 0}

    def ask(self, call: Callable[[Provider], Answer], urgent: bool = True) -> Answer:
        """Read something."""
        provider = self._take(urgent)
        try:
            return call(provider)
        finally:
            self._give_back(provider)

    def change(self, call: Callable[[Provider], Answer]) -> Answer:
        """Ask for a change; not while a listing of the whole account is read, if that can be."""
        with self._calm:
            self._calm.wait_for(lambda: not self._under_way[LISTINGS], CALM_SECONDS)
            self._under_way[CHANGES] += 1
        with self._until_over(CHANGES):
            return self.ask(call)

    def list_all(self, call: Callable[[Provider], Answer]) -> Answer:
        """Read a listing of the whole account, page by page.

        A snapshot that is made between two pages moves all rows, and then the listing has to be read anew. So changes of
        this task wait for a moment.
        """
        with self._calm:
            self._under_way[LISTINGS] += 1
            self._calm.wait_for(lambda: not self._under_way[CHANGES], CALM_SECONDS)
        with self._until_over(LISTINGS):
            return self.ask(call)

    def server_time(self) -> datetime:
        """The time at the cloud, UTC."""
        return self._last.server_time()

    def _take(self, urgent: bool) -> Provider:
        with self._lock:
            if self._free:
                return self._free.pop()
            waiting = _Waiting()
            (self._urgent if urgent else self._patient).append(waiting)
        waiting.served.wait()
        return waiting.provider

    def _give_back(self, provider: Provider) -> None:
        with self._lock:
            self._last = provider
            queue = self._urgent or self._patient
            if not queue:
                self._free.append(provider)
                return
            waiting = queue.popleft()
        waiting.provider = provider
        waiting.served.set()

    @contextlib.contextmanager
    def _until_over(self, what: str) -> Iterator[None]:
        try:
            yield
        finally:
            with self._calm:
                self._under_way[what] -= 1
                if not self._under_way[what]:
                    self._calm.notify_all()


class _Waiting:
    """Somebody who waits for a line."""

    provider: Provider

    def __init__(self) -> None:
        self.served = threading.Event()


def moment() -> float:
    """For telling what was read before something from what was read after it."""
    return time.monotonic()
