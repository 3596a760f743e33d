# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of fault: its name, description, keys with defaults, and for response faults the function that applies it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..http_exchange import Exchange

Fault = dict[str, Any]  # `kind` and the keys of that kind
FaultFunction = Callable[[Fault, Exchange], Awaitable[None]]


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault.

    `keys` are what a rule may set, with defaults. `operations` are the only operations it can affect; empty means all.
    """

    name: str
    description: str
    keys: dict[str, Any] = field(default_factory=dict)
    run: FaultFunction | None = None
    operations: tuple[str, ...] = ()

    async def __call__(self, fault: Fault, exchange: Exchange) -> None:
        """Apply the fault to an exchange. The function receives every key."""
        assert self.run is not None
        await self.run({**self.keys, **fault}, exchange)


def fault_kind(**keys: Any) -> Callable[[FaultFunction], FaultKind]:
    """Decorate a function to make it a response fault. Its docstring is the description."""
    def decorate(function: FaultFunction) -> FaultKind:
        return FaultKind(function.__name__, " ".join((function.__doc__ or "").split()), keys, function)
    return decorate
