# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that wait for something on purpose: all of them can be told that it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Abandoned(Exception):
    """The wait was ended from outside, since the world is made anew or ends."""


class Waits:
    """The waits under way."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def wait(self, what: Coroutine[Any, Any, None]) -> None:
        """Until ``what`` is over.

        :raises Abandoned: :meth:`end` came first.
        """
        task = asyncio.ensure_future(what)
        self._under_way.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self._under_way.discard(task)
            task.cancel()
        if task.cancelled():
            raise Abandoned

    def end(self) -> None:
        """End all waits."""
        for task in self._under_way:
            task.cancel()
