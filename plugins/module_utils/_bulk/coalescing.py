# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Request coalescing ("singleflight"): one listing of the whole account answers for every server that asks for it.

The first caller reads for all that call until its read starts. A caller never gets a read that started before its call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .results import copy_error

COALESCE_WINDOW = 0.03  # a read starts when no caller has joined for so long
MAX_COALESCE = 0.5
REFRESH_BACKOFF = 4  # after a read of one second, a read for polls only starts so many seconds later
MAX_BACKOFF = 10.0


@dataclass
class Flight:
    """One read and its callers."""

    started: float = 0.0  # before its first request
    value: Any = None
    direct: bool = False  # nothing was read: for so few callers it is cheaper if each reads for itself
    error: Exception | None = None
    callers: int = 0
    urgent: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)


class CoalescedRead:
    """Something that many want to read.

    Args:
        read: returns the value, and how many requests and seconds it took.
    """

    def __init__(self, read: Callable[[], tuple[Any, int, float]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._fetch_lock = threading.Lock()  # one read at a time
        self._next = Flight()
        self._latest: Flight | None = None
        self._updated = threading.Event()  # set when the next read has succeeded
        self._waiter_count = 0  # how many sleep until the next read
        self._requests = 2  # of a read, as far as is known; so a single caller never finds out
        self._backoff_until = 0.0

    def get(self, not_before: float, urgent: bool) -> Flight:
        """The first read that started after `not_before`.

        Args:
            urgent: a decision depends on it; otherwise this is a poll.

        Raises:
            Exception: a copy of the read's own.
        """
        with self._lock:
            if self.has_newer(not_before):
                return self._latest
            flight = self._next
            flight.callers += 1
            is_leader = flight.callers == 1
        if urgent:
            flight.urgent.set()
        if is_leader:
            self._fetch(flight)
        else:
            flight.finished.wait()
        if flight.error is not None:
            raise copy_error(flight.error)
        return flight

    def has_newer(self, not_before: float) -> bool:
        """Whether there is a read that started after `not_before`."""
        return self._latest is not None and self._latest.started > not_before

    def wait(self, not_before: float, seconds: float) -> None:
        """Return after so many seconds, or as soon as there is a read that started after `not_before`."""
        with self._lock:
            if self.has_newer(not_before):
                return
            updated = self._updated
            self._waiter_count += 1
        updated.wait(seconds)
        with self._lock:
            self._waiter_count -= 1

    def _fetch(self, flight: Flight) -> None:
        try:
            with self._fetch_lock:
                self._collect_callers(flight)
                if not flight.direct:
                    flight.value, self._requests, seconds = self._read()
                    self._backoff_until = time.monotonic() + min(MAX_BACKOFF, REFRESH_BACKOFF * seconds)
        except Exception as error:
            flight.error = error
        except BaseException as error:  # this thread ends, and the others must not wait for it
            flight.error = RuntimeError(type(error).__name__)
            raise
        finally:
            self._finish(flight)

    def _collect_callers(self, flight: Flight) -> None:
        flight.urgent.wait(max(0.0, self._backoff_until - time.monotonic()))
        deadline, callers = time.monotonic() + MAX_COALESCE, 0
        while callers != flight.callers and time.monotonic() < deadline:
            callers = flight.callers
            flight.finished.wait(COALESCE_WINDOW)  # a sleep: it cannot be finished yet
        with self._lock:
            self._next = Flight()
            flight.direct = flight.callers + self._waiter_count < self._requests  # it answers those that sleep, too
            flight.started = time.monotonic()

    def _finish(self, flight: Flight) -> None:
        with self._lock:
            if self._next is flight:
                self._next = Flight()
            updated = None
            if not flight.direct and flight.error is None:
                self._latest = flight
                updated, self._updated = self._updated, threading.Event()
        flight.finished.set()
        if updated is not None:
            updated.set()
