# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandbox time, which runs faster than real time and can be advanced; and waits that a reset cancels.

All durations of the providers are in sandbox seconds. With speed 300 a restore of ten minutes takes two real seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any


class SandboxClock:
    """Sandbox time = start + elapsed real time * speed + everything advanced so far. `speed` is sandbox seconds per real second."""

    def __init__(self, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be more than zero, not {speed}")
        self.speed = speed
        self._moved = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Restart at the system's time, with nothing advanced."""
        self.started_at = datetime.now(timezone.utc)
        self._started_monotonic = time.monotonic()
        self._advanced = 0.0

    def elapsed(self) -> float:
        """Return the sandbox seconds since the clock started."""
        return (time.monotonic() - self._started_monotonic) * self.speed + self._advanced

    def now(self) -> datetime:
        """Return the sandbox time, UTC."""
        return self.started_at + timedelta(seconds=self.elapsed())

    def advance(self, seconds: float) -> None:
        """Jump forward and wake the sleepers that are due."""
        if seconds < 0:
            raise ValueError("time cannot run backwards")
        self._advanced += seconds
        # Sleepers hold the old event: setting it wakes them. Those that are not due wait for the new one.
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep_until(self, elapsed: float) -> None:
        """Sleep until `elapsed()` reaches `elapsed` sandbox seconds.

        An operation plans each stage from its own start, so one long `advance` carries it through all stages.
        """
        while (remaining := elapsed - self.elapsed()) > 0:
            try:
                async with asyncio.timeout(remaining / self.speed):
                    await self._moved.wait()
            except TimeoutError:
                pass


class Cancelled(Exception):
    """A reset or the end of the sandbox cancelled the wait."""


class CancellableWaits:
    """The running waits."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`. Raises Cancelled if `cancel_all` is called first."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self._running.discard(task)
            task.cancel()
        if task.cancelled():
            raise Cancelled

    def cancel_all(self) -> None:
        for task in self._running:
            task.cancel()


def format_utc(timestamp: datetime) -> str:
    """Format as 2025-01-15T18:30:00Z."""
    return timestamp.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time; UTC if it has no time zone. Raises ValueError."""
    timestamp = datetime.fromisoformat(text)
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)
