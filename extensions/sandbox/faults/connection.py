# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the connection: answers that come late, slowly, in part or never.

``apply`` says whether the request is carried out although its answer is spoilt. ``seconds`` are real seconds, because
clients' timeouts are. A reset of the world ends every wait with a reset of the connection.
"""

from __future__ import annotations

import asyncio

from ..http_exchange import Exchange
from .content import firewall_page
from .kind import Fault, fault_kind


@fault_kind()
async def drop_before(fault: Fault, exchange: Exchange) -> None:
    """The connection is reset before the cloud has done anything (to a client it is as if nobody had read the request)."""
    await exchange.reset_connection()


@fault_kind()
async def drop_after(fault: Fault, exchange: Exchange) -> None:
    """The cloud has done what was asked; the connection is reset before the answer."""
    await exchange.execute()
    await exchange.reset_connection()


@fault_kind(seconds=1, apply=True)
async def delay(fault: Fault, exchange: Exchange) -> None:
    """The answer comes ``seconds`` late. ``apply`` true: carried out at once, before the wait; false: nothing is done, and
    after the wait the connection is reset."""
    response = await exchange.execute() if fault["apply"] else None
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    if response is None:
        await exchange.reset_connection()
    else:
        await exchange.send_response(response)


@fault_kind(apply=True)
async def hang(fault: Fault, exchange: Exchange) -> None:
    """The request is never answered: the connection stays open until the client goes. In the request log ``hanging`` becomes true
    when the carrying out, if any, is over."""
    await _execute_and_mark(fault, exchange)
    await exchange.wait(exchange.wait_disconnected())


@fault_kind(seconds=600, apply=False)
async def hang_then_reset(fault: Fault, exchange: Exchange) -> None:
    """Nothing is heard for ``seconds``; then the connection is reset. ``hanging`` in the request log as with ``hang``."""
    await _execute_and_mark(fault, exchange)
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    await exchange.reset_connection()


async def _execute_and_mark(fault: Fault, exchange: Exchange) -> None:
    if fault["apply"]:
        await exchange.execute()
    exchange.entry["hanging"] = True


@fault_kind(seconds=1)
async def late_execution(fault: Fault, exchange: Exchange) -> None:
    """The request is carried out only after ``seconds``, even if its client has given up by then; then it is answered."""
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    await exchange.send_response(await exchange.execute())


@fault_kind(seconds=1)
async def refuse_next(fault: Fault, exchange: Exchange) -> None:
    """The request is carried out and answered; from then on the cloud refuses connections for ``seconds``, and idle ones
    are closed. So it is the call AFTER the matching one that is refused."""
    response = await exchange.execute()
    await exchange.refuse_connections(float(fault["seconds"]))  # first, so that no client is quicker
    await exchange.send_response(response.with_header("connection", "close"))


@fault_kind(bytes=None, apply=True)
async def truncate(fault: Fault, exchange: Exchange) -> None:
    """The answer breaks off after ``bytes`` (null: half of it). ``apply`` false: it is the part of a firewall's page."""
    response = await exchange.execute() if fault["apply"] else firewall_page(200)
    await exchange.send_truncated(response, len(response.body) // 2 if fault["bytes"] is None else int(fault["bytes"]))


@fault_kind(seconds=1)
async def slow_body(fault: Fault, exchange: Exchange) -> None:
    """The real answer: its head at once, its body one byte after each pause of ``seconds``."""
    await exchange.send_slowly(await exchange.execute(), float(fault["seconds"]))


KINDS = (drop_before, drop_after, delay, hang, hang_then_reset, late_execution, refuse_next, truncate, slow_body)
