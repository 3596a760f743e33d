# SPDX-License-Identifier: GPL-3.0-or-later
"""Content faults: another status, a web page, an empty or arbitrary body. `apply` says whether the request is executed."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from starlette.datastructures import URL

from ..http_exchange import Exchange, HttpResponse
from .kind import Fault, fault_kind

WAF_PAGE = (
    "<!DOCTYPE html><html><head><title>Request blocked</title></head>"
    "<body><h1>Request blocked</h1><p>Your request was blocked by the web application firewall.</p></body></html>"
)


@fault_kind(status=500, body=None, content_type=None, headers=None, apply=False)
async def status(fault: Fault, exchange: Exchange) -> None:
    """An HTTP `status` instead of the response, with `body` (null: a web page, or for 4xx a JSON error), `content_type` (null: as the body is)
    and `headers`.
    """
    await _execute_if_requested(fault, exchange)
    code = int(fault["status"])
    rejection = {"detail": "Request was throttled." if code == 429 else "Not allowed."}
    page: Any = rejection if 400 <= code < 500 else f"<h1>{code}</h1>"
    await exchange.send_response(_response(fault, code, page if fault["body"] is None else fault["body"]))


@fault_kind(retry_after=1, seconds=1, value="999999999", apply=False)
async def throttle(fault: Fault, exchange: Exchange) -> None:
    """429 with a Retry-After by `retry_after`: a number of seconds, `date` (an HTTP date `seconds` after the response's own Date, so by the
    provider's clock), `absurd` (the text `value`) or `missing` (no such header).
    """
    await _execute_if_requested(fault, exchange)
    response = _response({}, 429, {"detail": "Request was throttled."})
    when = fault["retry_after"]
    if when == "date":
        until = exchange.date() + timedelta(seconds=float(fault["seconds"]))
        response = response.with_header("retry-after", format_datetime(until, usegmt=True))
    elif when != "missing":
        response = response.with_header("retry-after", str(fault["value"] if when == "absurd" else when))
    await exchange.send_response(response)


@fault_kind(status=200, body=WAF_PAGE, content_type=None, headers=None, apply=False)
async def html(fault: Fault, exchange: Exchange) -> None:
    """A firewall's web page instead of JSON, with `status`."""
    await _execute_if_requested(fault, exchange)
    await exchange.send_response(_response(fault, int(fault["status"]), fault["body"]))


@fault_kind(status=None, apply=True)
async def empty(fault: Fault, exchange: Exchange) -> None:
    """The response's status (or `status`) with an empty body."""
    response = await exchange.execute() if fault["apply"] else HttpResponse(200)
    headers = [(name, value) for name, value in response.headers if name.lower() != "content-length"]
    await exchange.send_response(HttpResponse(response.status if fault["status"] is None else int(fault["status"]), headers))


@fault_kind(body="", status=200, content_type="application/json", headers=None, apply=True)
async def raw(fault: Fault, exchange: Exchange) -> None:
    """Exactly this `body` (text, or data sent as JSON) with `status` and `content_type`."""
    await _execute_if_requested(fault, exchange)
    await exchange.send_response(_response(fault, int(fault["status"]), fault["body"]))


@fault_kind(encoding="utf-8-sig")
async def byte_order_mark(fault: Fault, exchange: Exchange) -> None:
    """The response with a byte order mark before its body, in this `encoding` (utf-8-sig, utf-16 or utf-32)."""
    response = await exchange.execute()
    body = response.body.decode().encode(fault["encoding"]) if response.body else b""
    headers = [(name, value) for name, value in response.headers if name.lower() != "content-length"]
    await exchange.send_response(HttpResponse(response.status, headers, body).with_header("content-length", str(len(body))))


@fault_kind(location=None, status=302, headers=None, apply=False)
async def redirect(fault: Fault, exchange: Exchange) -> None:
    """A redirect to `location` (null: the same URL, so following it repeats the request) with `status`."""
    await _execute_if_requested(fault, exchange)
    location = str(URL(scope=exchange.scope)) if fault["location"] is None else fault["location"]
    await exchange.send_response(_response(fault, int(fault["status"]), "").with_header("location", location))


KINDS = (status, throttle, html, empty, raw, byte_order_mark, redirect)


def firewall_page(code: int) -> HttpResponse:
    return _response({}, code, WAF_PAGE)


async def _execute_if_requested(fault: Fault, exchange: Exchange) -> None:
    if fault["apply"]:
        await exchange.execute()


def _response(fault: Fault, code: int, body: Any) -> HttpResponse:
    content_type = "text/html; charset=utf-8" if isinstance(body, str) else "application/json"
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    response = HttpResponse(code, [("content-type", fault.get("content_type") or content_type)], text.encode())
    for name, value in (fault.get("headers") or {}).items():
        response = response.with_header(name, str(value))
    return response
