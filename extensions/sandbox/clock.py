# SPDX-License-Identifier: GPL-3.0-or-later
"""Sandbox time: a clock that runs faster than the wall's and can be moved forward.

Every duration of the two clouds is in sandbox seconds. With ``speed`` 300 a restore of ten minutes takes two
seconds of real time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any


class SandboxClock:
    """Sandbox time = start + elapsed real time * speed + everything advanced so far.

    :param speed: sandbox seconds in one real second; more than zero.
    """

    def __init__(self, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be more than zero, not {speed}")
        self.speed = speed
        self._moved = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Start anew at the machine's own time, with nothing advanced."""
        self.started_at = datetime.now(timezone.utc)
        self._started_monotonic = time.monotonic()
        self._advanced = 0.0

    def elapsed(self) -> float:
        """Sandbox seconds since the clock started."""
        return (time.monotonic() - self._started_monotonic) * self.speed + self._advanced

    def now(self) -> datetime:
        """Sandbox time, UTC."""
        return self.started_at + timedelta(seconds=self.elapsed())

    def advance(self, seconds: float) -> None:
        """Jump forward; sleepers whose time has come wake up."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._advanced += seconds
        # Waiters hold the old event: setting it wakes them, and the new one serves those who sleep on.
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep_until(self, elapsed: float) -> None:
        """Sleep until :meth:`elapsed` reaches ``elapsed`` sandbox seconds.

        Operations of several stages plan each stage from their own start, so that one long :meth:`advance` carries
        them through all of their stages.
        """
        while (remaining := elapsed - self.elapsed()) > 0:
            try:
                async with asyncio.timeout(remaining / self.speed):
                    await self._moved.wait()
            except TimeoutError:
                pass

    async def sleep_until_time(self, timestamp: datetime) -> None:
        """Sleep until sandbox time reaches ``timestamp`` (with a time zone)."""
        await self.sleep_until((timestamp - self.started_at).total_seconds())


class Cancelled(Exception):
    """The wait was ended from outside, since the world is made anew or ends."""


class CancellableWaits:
    """The waits under way."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Until ``work`` is over.

        :raises Cancelled: :meth:`cancel_all` came first.
        """
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
        """End all waits."""
        for task in self._running:
            task.cancel()


def format_utc(timestamp: datetime) -> str:
    """``2025-01-15T18:30:00Z``"""
    return timestamp.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as a datetime with a time zone; UTC where the text names none.

    :raises ValueError: the text is no such time.
    """
    timestamp = datetime.fromisoformat(text)
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)
