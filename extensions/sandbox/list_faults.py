# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of lists: old ones, rows in another order."""

from __future__ import annotations

import json
import random
from typing import Any

from .exchange import Exchange
from .fault_kind import Fault, fault_kind

STALE = "sandbox.stale"  # key in the ASGI scope: lists answer with an older state


@fault_kind(seconds=None)
async def stale(fault: Fault, exchange: Exchange) -> None:
    """Lists answer with an older state, as from a replica that lags: the one before the last change, or with
    ``seconds`` the one of so many *sandbox* seconds ago."""
    exchange.scope[STALE] = {"seconds": fault["seconds"]}
    await exchange.send_answer(await exchange.carry_out())


@fault_kind(seed=0)
async def shuffle(fault: Fault, exchange: Exchange) -> None:
    """The rows of a list come in another order (``seed`` says which)."""
    answer = await exchange.carry_out()
    body = answer.json()
    for rows in lists_of(body):
        rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
        random.Random(fault["seed"]).shuffle(rows)
    await exchange.send_answer(answer if body is None else answer.with_json(body))


KINDS = (stale, shuffle)


def lists_of(body: Any) -> list[list[Any]]:
    """The lists of rows in an answer of either cloud."""
    if not isinstance(body, dict):
        return []
    inner = body.get("data")
    data = inner if isinstance(inner, dict) else {}
    candidates = (body.get("results"), data.get("snapshots"), data.get("server_list"))
    return [rows for rows in candidates if isinstance(rows, list)]
