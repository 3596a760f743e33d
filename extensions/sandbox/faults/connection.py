# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the connection: answers that come late, slowly, in part or never.

``apply`` says whether the request is carried out although its answer is spoilt. ``seconds`` are real seconds, because
clients' timeouts are. A reset of the world ends every wait with a reset of the connection.
"""

from __future__ import annotations

import asyncio

from ..http_exchange import Exchange
from .content import page_of_firewall
from .kind import Fault, fault_kind


@fault_kind()
async def drop_before(fault: Fault, exchange: Exchange) -> None:
    """The connection is reset before the cloud has done anything (to a client it is as if nobody had read the request)."""
    await exchange.drop()


@fault_kind()
async def drop_after(fault: Fault, exchange: Exchange) -> None:
    """The cloud has done what was asked; the connection is reset before the answer."""
    await exchange.carry_out()
    await exchange.drop()


@fault_kind(seconds=1, apply=True)
async def delay(fault: Fault, exchange: Exchange) -> None:
    """The answer comes ``seconds`` late. ``apply`` true: carried out at once, before the wait; false: nothing is done, and
    after the wait the connection is reset."""
    answer = await exchange.carry_out() if fault["apply"] else None
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    if answer is None:
        await exchange.drop()
    else:
        await exchange.send_answer(answer)


@fault_kind(apply=True)
async def hold(fault: Fault, exchange: Exchange) -> None:
    """The request is never answered: the connection stays open until the client goes. In the request log ``held`` becomes true
    when the carrying out, if any, is over."""
    await _hold(fault, exchange)
    await exchange.wait(exchange.until_disconnected())


@fault_kind(seconds=600, apply=False)
async def silence(fault: Fault, exchange: Exchange) -> None:
    """Nothing is heard for ``seconds``; then the connection is reset. ``held`` in the request log as with ``hold``."""
    await _hold(fault, exchange)
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    await exchange.drop()


async def _hold(fault: Fault, exchange: Exchange) -> None:
    if fault["apply"]:
        await exchange.carry_out()
    exchange.entry["held"] = True


@fault_kind(seconds=1)
async def late(fault: Fault, exchange: Exchange) -> None:
    """The request is carried out only after ``seconds``, even if its client has given up by then; then it is answered."""
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    await exchange.send_answer(await exchange.carry_out())


@fault_kind(seconds=1)
async def refuse(fault: Fault, exchange: Exchange) -> None:
    """The request is carried out and answered; from then on the cloud refuses connections for ``seconds``, and idle ones
    are closed. So it is the call AFTER the matching one that is refused."""
    answer = await exchange.carry_out()
    await exchange.refuse_connections(float(fault["seconds"]))  # first, so that no client is quicker
    await exchange.send_answer(answer.with_header("connection", "close"))


@fault_kind(bytes=None, apply=True)
async def truncate(fault: Fault, exchange: Exchange) -> None:
    """The answer breaks off after ``bytes`` (null: half of it). ``apply`` false: it is the part of a firewall's page."""
    answer = await exchange.carry_out() if fault["apply"] else page_of_firewall(200)
    await exchange.send_part(answer, len(answer.body) // 2 if fault["bytes"] is None else int(fault["bytes"]))


@fault_kind(seconds=1)
async def drip(fault: Fault, exchange: Exchange) -> None:
    """The real answer: its head at once, its body one byte after each pause of ``seconds``."""
    await exchange.send_slowly(await exchange.carry_out(), float(fault["seconds"]))


KINDS = (drop_before, drop_after, delay, hold, silence, late, refuse, truncate, drip)
