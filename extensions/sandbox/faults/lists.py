# SPDX-License-Identifier: GPL-3.0-or-later
"""List faults: stale lists, rows in another order, pages that are cut wrongly or never end."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from ..http_exchange import Exchange
from .kind import Fault, fault_kind

STALE = "sandbox.stale"  # key in the ASGI scope: lists show an older state
PAGING = "sandbox.paging"  # key in the ASGI scope: a Paging


@dataclass(frozen=True)
class Paging:
    """How the pages of one response are wrong: rows moved back by `shift`; with `repeats` every page announces another one."""

    shift: int = 0
    repeats: bool = False

    def select_rows(self, rows: list[Any], number: int, size: int) -> list[Any]:
        """Return the rows of this page, counted from 1."""
        first = max(0, (number - 1) * size - self.shift)
        return rows[first:first + size]


def get_paging(scope: Scope) -> Paging:
    """Return how pages are cut for this request."""
    return scope.get(PAGING, NORMAL_PAGING)


@fault_kind(seconds=None)
async def stale(fault: Fault, exchange: Exchange) -> None:
    """Lists show an older state, as from a lagging replica: before the last change, or `seconds` *sandbox* seconds ago."""
    exchange.scope[STALE] = {"seconds": fault["seconds"]}
    await exchange.send_response(await exchange.execute())


@fault_kind(seed=0)
async def shuffle(fault: Fault, exchange: Exchange) -> None:
    """The rows of a list are in another order (selected by `seed`)."""
    response = await exchange.execute()
    body = response.json()
    for rows in find_lists(body):
        rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
        random.Random(fault["seed"]).shuffle(rows)
    await exchange.send_response(response if body is None else response.with_json(body))


@fault_kind(rows=1)
async def shift(fault: Fault, exchange: Exchange) -> None:
    """The rows of a paged list move by `rows` before the page is cut. Positive: rows of the previous page repeat; negative: rows are missing.
    `count` and `total_page` stay correct.
    """
    exchange.scope[PAGING] = Paging(shift=int(fault["rows"]))
    await exchange.send_response(await exchange.execute())


@fault_kind()
async def repeat_page(fault: Fault, exchange: Exchange) -> None:
    """Endless paging: a VPS.org page names itself as the next one; Ilkbyte always returns the rows of the first page and announces one more."""
    exchange.scope[PAGING] = Paging(repeats=True)
    await exchange.send_response(await exchange.execute())


NORMAL_PAGING = Paging()
KINDS = (stale, shuffle, shift, repeat_page)


def find_lists(body: Any) -> list[list[Any]]:
    """Return the lists of rows in a response of either provider."""
    if not isinstance(body, dict):
        return []
    inner = body.get("data")
    data = inner if isinstance(inner, dict) else {}
    candidates = (body.get("results"), data.get("snapshots"), data.get("server_list"))
    return [rows for rows in candidates if isinstance(rows, list)]
