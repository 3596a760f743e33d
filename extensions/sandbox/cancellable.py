# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that wait for something on purpose: all of them can be told that it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


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
