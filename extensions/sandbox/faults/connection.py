# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection faults: responses that are late, slow, incomplete or missing.

`apply` says whether the request is executed. `seconds` are real seconds, as are client timeouts. A reset of the sandbox ends every wait with a
connection reset.
"""

from __future__ import annotations

import asyncio

from ..http_exchange import Exchange
from .content import firewall_page
from .kind import Fault, fault_kind


@fault_kind()
async def drop_before(fault: Fault, exchange: Exchange) -> None:
    """The connection is reset before the request is executed. To a client this equals an unread request."""
    await exchange.reset_connection()


@fault_kind()
async def drop_after(fault: Fault, exchange: Exchange) -> None:
    """The request is executed; the connection is reset before the response."""
    await exchange.execute()
    await exchange.reset_connection()


@fault_kind(seconds=1, apply=True)
async def delay(fault: Fault, exchange: Exchange) -> None:
    """The response is `seconds` late. With `apply` the request is executed before the wait; without it nothing is executed and the connection is
    reset after the wait.
    """
    response = await exchange.execute() if fault["apply"] else None
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    if response is None:
        await exchange.reset_connection()
    else:
        await exchange.send_response(response)


@fault_kind(apply=True)
async def hang(fault: Fault, exchange: Exchange) -> None:
    """No response; the connection stays open until the client closes it. In the request log `hanging` becomes true after the execution, if any."""
    await _execute_and_mark(fault, exchange)
    await exchange.wait(exchange.wait_disconnected())


@fault_kind(seconds=600, apply=False)
async def hang_then_reset(fault: Fault, exchange: Exchange) -> None:
    """No response for `seconds`, then the connection is reset. `hanging` in the request log as with `hang`."""
    await _execute_and_mark(fault, exchange)
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    await exchange.reset_connection()


async def _execute_and_mark(fault: Fault, exchange: Exchange) -> None:
    if fault["apply"]:
        await exchange.execute()
    exchange.entry["hanging"] = True


@fault_kind(seconds=1)
async def late_execution(fault: Fault, exchange: Exchange) -> None:
    """The request is executed after `seconds`, even if its client has disconnected, and then answered."""
    await exchange.wait(asyncio.sleep(float(fault["seconds"])))
    await exchange.send_response(await exchange.execute())


@fault_kind(seconds=1)
async def refuse_next(fault: Fault, exchange: Exchange) -> None:
    """The request is executed and answered. Then connections are refused for `seconds` and idle ones are closed, so the call AFTER the matching
    one is refused.
    """
    response = await exchange.execute()
    listener = exchange.cloud.sandbox.listeners[exchange.cloud.name]
    await listener.refuse(float(fault["seconds"]))  # before the response, so no client can connect first
    await exchange.send_response(response.with_header("connection", "close"))


@fault_kind(bytes=None, apply=True)
async def truncate(fault: Fault, exchange: Exchange) -> None:
    """The response ends after `bytes` (null: half of it). Without `apply` it is part of a firewall page."""
    response = await exchange.execute() if fault["apply"] else firewall_page(200)
    await exchange.send_truncated(response, len(response.body) // 2 if fault["bytes"] is None else int(fault["bytes"]))


@fault_kind(seconds=1)
async def slow_body(fault: Fault, exchange: Exchange) -> None:
    """The real response: headers at once, then one byte of the body every `seconds`."""
    await exchange.send_slowly(await exchange.execute(), float(fault["seconds"]))


KINDS = (drop_before, drop_after, delay, hang, hang_then_reset, late_execution, refuse_next, truncate, slow_body)
