# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of lists: old ones, rows in another order, pages that were cut at the wrong place or never end."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from ..http_exchange import Exchange
from .kind import Fault, fault_kind

STALE = "sandbox.stale"  # key in the ASGI scope: lists answer with an older state
PAGING = "sandbox.paging"  # key in the ASGI scope: a Paging


@dataclass(frozen=True)
class Paging:
    """How the pages of one answer go wrong. ``shift``: by how many places the rows have moved back; ``repeats``: the page
    says that there is one more, and it is always the same."""

    shift: int = 0
    repeats: bool = False

    def select_rows(self, rows: list[Any], number: int, size: int) -> list[Any]:
        """The rows of the page with this number, from 1 on."""
        first = max(0, (number - 1) * size - self.shift)
        return rows[first:first + size]


def get_paging(scope: Scope) -> Paging:
    """How pages are cut for this request."""
    return scope.get(PAGING, NORMAL_PAGING)


@fault_kind(seconds=None)
async def stale(fault: Fault, exchange: Exchange) -> None:
    """Lists answer with an older state, as from a replica that lags: the one before the last change, or with
    ``seconds`` the one of so many *sandbox* seconds ago."""
    exchange.scope[STALE] = {"seconds": fault["seconds"]}
    await exchange.send_response(await exchange.execute())


@fault_kind(seed=0)
async def shuffle(fault: Fault, exchange: Exchange) -> None:
    """The rows of a list come in another order (``seed`` says which)."""
    response = await exchange.execute()
    body = response.json()
    for rows in find_lists(body):
        rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
        random.Random(fault["seed"]).shuffle(rows)
    await exchange.send_response(response if body is None else response.with_json(body))


@fault_kind(rows=1)
async def shift(fault: Fault, exchange: Exchange) -> None:
    """The rows of a paged list move by ``rows`` places before this page is cut. Positive: as if others had come in front
    since the page before, so that rows are repeated; negative: as if some had gone, so that rows are left out. ``count``
    and ``total_page`` stay true."""
    exchange.scope[PAGING] = Paging(shift=int(fault["rows"]))
    await exchange.send_response(await exchange.execute())


@fault_kind()
async def repeat_page(fault: Fault, exchange: Exchange) -> None:
    """A page that leads nowhere: VPS.org's names itself as the next one, Ilkbyte's is always the first one's rows with one
    more page to come."""
    exchange.scope[PAGING] = Paging(repeats=True)
    await exchange.send_response(await exchange.execute())


NORMAL_PAGING = Paging()
KINDS = (stale, shuffle, shift, repeat_page)


def find_lists(body: Any) -> list[list[Any]]:
    """The lists of rows in an answer of either cloud."""
    if not isinstance(body, dict):
        return []
    inner = body.get("data")
    data = inner if isinstance(inner, dict) else {}
    candidates = (body.get("results"), data.get("snapshots"), data.get("server_list"))
    return [rows for rows in candidates if isinstance(rows, list)]
