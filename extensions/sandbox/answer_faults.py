# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a cloud and its client: one function per fault, and the table that names them.

Every function gets the fault (a dict: ``kind`` and its own keys) and the exchange. ``apply`` says whether the request
is carried out although its answer is spoilt; each function names its default. ``seconds`` are real seconds here,
because clients' timeouts are.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import URL

from .exchange import Answer, Exchange

Fault = dict[str, Any]
STALE = "sandbox.stale"  # key in the ASGI scope: lists answer with an older state

WAF_PAGE = (
    "<!DOCTYPE html><html><head><title>Request blocked</title></head>"
    "<body><h1>Request blocked</h1><p>Your request was blocked by the web application firewall.</p></body></html>"
)


async def drop_before(fault: Fault, exchange: Exchange) -> None:
    """The connection is reset before the cloud has done anything."""
    await exchange.drop()


async def drop_after(fault: Fault, exchange: Exchange) -> None:
    """The cloud has done what was asked; the connection is reset before the answer."""
    await exchange.carry_out()
    await exchange.drop()


async def delay(fault: Fault, exchange: Exchange) -> None:
    """The answer comes ``seconds`` (default 1) late. ``apply`` (default true): carried out at once, before the wait;
    false: nothing is done, and after the wait the connection is reset."""
    answer = await exchange.carry_out() if fault.get("apply", True) else None
    await asyncio.sleep(float(fault.get("seconds", 1)))
    if answer is None:
        await exchange.drop()
    else:
        await exchange.send_answer(answer)


async def status(fault: Fault, exchange: Exchange) -> None:
    """An HTTP status instead of the answer: ``status`` (default 500), ``body``, ``content_type``, ``headers``.
    ``apply`` (default false)."""
    if fault.get("apply", False):
        await exchange.carry_out()
    code = int(fault.get("status", 500))
    body = fault.get("body", {"detail": "Request was throttled."} if code == 429 else f"<h1>{code}</h1>")
    await exchange.send_answer(_made(fault, code, body))


async def html(fault: Fault, exchange: Exchange) -> None:
    """A web page instead of JSON, as a firewall in front sends it: ``status`` (default 200), ``body``. ``apply``
    (default false)."""
    if fault.get("apply", False):
        await exchange.carry_out()
    await exchange.send_answer(_made(fault, int(fault.get("status", 200)), fault.get("body", WAF_PAGE)))


async def truncate(fault: Fault, exchange: Exchange) -> None:
    """The answer breaks off after ``bytes`` (default: half of it). ``apply`` (default true; false: the part of an
    error page)."""
    answer = await exchange.carry_out() if fault.get("apply", True) else _made(fault, 200, WAF_PAGE)
    await exchange.send_part(answer, int(fault.get("bytes", len(answer.body) // 2)))


async def empty(fault: Fault, exchange: Exchange) -> None:
    """The answer's status (or ``status``) with no body at all. ``apply`` (default true)."""
    answer = await exchange.carry_out() if fault.get("apply", True) else Answer(200)
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    await exchange.send_answer(Answer(int(fault.get("status", answer.status)), headers))


async def raw(fault: Fault, exchange: Exchange) -> None:
    """Exactly this ``body`` (text, or anything to be sent as JSON) with ``status`` (default 200) and
    ``content_type`` (default application/json). ``apply`` (default true)."""
    if fault.get("apply", True):
        await exchange.carry_out()
    answer = _made({"content_type": "application/json", **fault}, int(fault.get("status", 200)), fault.get("body", ""))
    await exchange.send_answer(answer)


async def stale(fault: Fault, exchange: Exchange) -> None:
    """Lists answer with an older state, as from a replica that lags: the one before the last change, or with
    ``seconds`` the one of so many *sandbox* seconds ago."""
    exchange.scope[STALE] = {"seconds": fault.get("seconds")}
    await exchange.send_answer(await exchange.carry_out())


async def shuffle(fault: Fault, exchange: Exchange) -> None:
    """The rows of a list come in another order (``seed``, default 0, says which)."""
    answer = await exchange.carry_out()
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    for rows in _lists(body):
        rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
        random.Random(fault.get("seed", 0)).shuffle(rows)
    if body is not None:
        answer = Answer(answer.status, answer.headers, json.dumps(body, ensure_ascii=False).encode())
        answer = answer.with_header("content-length", str(len(answer.body)))
    await exchange.send_answer(answer)


async def redirect(fault: Fault, exchange: Exchange) -> None:
    """A redirect to ``location`` (default: the same address, so that whoever follows it asks twice) with ``status``
    (default 302). ``apply`` (default false)."""
    if fault.get("apply", False):
        await exchange.carry_out()
    location = fault.get("location", str(URL(scope=exchange.scope)))
    await exchange.send_answer(_made(fault, int(fault.get("status", 302)), "").with_header("location", location))


ANSWER_FAULTS: dict[str, Callable[[Fault, Exchange], Awaitable[None]]] = {
    function.__name__: function
    for function in (drop_before, drop_after, delay, status, html, truncate, empty, raw, stale, shuffle, redirect)
}

ANSWER_KINDS = {kind: " ".join((function.__doc__ or "").split()) for kind, function in ANSWER_FAULTS.items()}


def _made(fault: Fault, code: int, body: Any) -> Answer:
    content_type = "text/html; charset=utf-8" if isinstance(body, str) else "application/json"
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    answer = Answer(code, [("content-type", fault.get("content_type", content_type))], text.encode())
    for name, value in (fault.get("headers") or {}).items():
        answer = answer.with_header(name, str(value))
    return answer


def _lists(body: Any) -> list[list[Any]]:
    """The lists of rows in an answer of either cloud."""
    if not isinstance(body, dict):
        return []
    inner = body.get("data")
    data = inner if isinstance(inner, dict) else {}
    candidates = (body.get("results"), data.get("snapshots"), data.get("server_list"))
    return [rows for rows in candidates if isinstance(rows, list)]
