# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress messages of a bulk operation: each change of state, and from time to time a summary."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from .._wait.polling import FIRST_PROGRESS_AFTER, PROGRESS_INTERVAL

MAX_NAMED = 3  # servers that one line names if many have changed alike
MAX_INDIVIDUAL_LINES = 5  # up to so many servers have a line each
EVENT_INTERVAL = 2.0  # seconds


class Progress:
    """Collects changes from the threads of the servers, and reports them when `tick` is called.

    Args:
        progress: shows one line. Its errors are ignored: a closed terminal is no reason to stop.
    """

    def __init__(self, progress: Callable[[str], None], total: int, expected_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._total, self._expected_seconds, self._monotonic = progress, total, expected_seconds, monotonic
        self._started_at = monotonic()
        self._lock = threading.Lock()
        self._events: dict[str, list[str]] = {}  # servers by what happened
        self._pending_since: dict[str, float] = {}  # when a change was requested, for servers that are not done
        self._done = self._failed = 0
        self._next_events = self._started_at + EVENT_INTERVAL
        self._next_summary = self._started_at + FIRST_PROGRESS_AFTER

    def started(self, server: str, event: str) -> None:
        """Record what is in progress at a server."""
        with self._lock:
            self._pending_since.setdefault(server, self._monotonic())
            self._events.setdefault(event, []).append(server)

    def finished(self, server: str, event: str | None, failed: bool) -> None:
        """Record how a server ended; `event` is None if there was nothing to do."""
        with self._lock:
            self._pending_since.pop(server, None)
            self._done, self._failed = self._done + (not failed), self._failed + failed
            if event is not None:
                self._events.setdefault(event, []).append(server)

    def tick(self) -> None:
        now = self._monotonic()
        if now >= self._next_events:
            self._next_events = now + EVENT_INTERVAL
            self.flush()
        if now >= self._next_summary:
            self._next_summary = now + PROGRESS_INTERVAL
            self._report(self._summary(now))

    def flush(self) -> None:
        """Report all changes that were not reported yet."""
        with self._lock:
            events, self._events = self._events, {}
        for event, servers in events.items():
            if len(servers) <= MAX_INDIVIDUAL_LINES:
                for server in servers:
                    self._report(f"{server}: {event}")
            else:
                self._report(f"{', '.join(servers[:MAX_NAMED])} and {len(servers) - MAX_NAMED} more: {event}")

    def _report(self, line: str) -> None:
        with contextlib.suppress(Exception):
            self._progress(line)

    def _summary(self, now: float) -> str:
        with self._lock:
            pending = self._total - self._done - self._failed
            slowest, since = min(self._pending_since.items(), key=lambda item: item[1], default=(None, now))
            newest = max(self._pending_since.values(), default=now)
        parts = [f"{self._done} of {self._total} servers are done, {pending} pending, {self._failed} failed, after {now - self._started_at:.0f} s"]
        if slowest is not None:
            parts.append(f"slowest: {slowest} ({now - since:.0f} s)")
            remaining = newest + self._expected_seconds - now
            parts.append(f"about {remaining:.0f} s left" if remaining > 0 else "longer than the provider's estimate")
        return "; ".join(parts)
