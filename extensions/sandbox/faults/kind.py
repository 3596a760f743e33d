# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fault of the HTTP exchange is made of: a function, what it says of itself, and its keys with their defaults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..http_exchange import Exchange

Fault = dict[str, Any]  # ``kind`` and the kind's own keys
FaultFunction = Callable[[Fault, Exchange], Awaitable[None]]


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault. ``keys``: what a rule may set, with the defaults; None: as the text says."""

    name: str
    description: str
    keys: dict[str, Any]
    run: FaultFunction

    async def __call__(self, fault: Fault, exchange: Exchange) -> None:
        """Spoil an exchange; the function sees every key."""
        await self.run({**self.keys, **fault}, exchange)


def fault_kind(**keys: Any) -> Callable[[FaultFunction], FaultKind]:
    """Make a kind of a function: its name is the kind's, its docstring says what the kind does."""
    def decorate(function: FaultFunction) -> FaultKind:
        return FaultKind(function.__name__, " ".join((function.__doc__ or "").split()), keys, function)
    return decorate
