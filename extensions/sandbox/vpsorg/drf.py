# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Django REST framework service validates requests, pages lists and words its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ..faults.lists import get_paging
from .model import Rejected

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_TEXT = 255

# Fields and one field's name -> its value; raises ValueError with the message.
Check = Callable[[dict[str, Any], str], Any]

NOT_FOUND_PAGE = """<!doctype html>
<html lang="en">
<head><title>Not Found</title></head>
<body><h1>Not Found</h1></body>
</html>
"""


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; {} without a body. Raises Rejected: 400 for other data, 415 for another content type."""
    body = await request.body()
    if not body:
        return {}
    content_type = request.headers.get("content-type", "")
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise Rejected(415, {"detail": f'Unsupported media type "{content_type}" in request.'})
    try:
        data = json.loads(body)
    except ValueError as error:
        raise Rejected(400, {"detail": f"JSON parse error - {error}"}) from None
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise Rejected(400, {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]})
    return data


def check_fields(data: dict[str, Any], checks: dict[str, Check]) -> dict[str, Any]:
    """Check all fields. Raises Rejected 400 with all messages: `{"field": ["message"]}`."""
    values: dict[str, Any] = {}
    messages: dict[str, list[str]] = {}
    for field, check in checks.items():
        try:
            values[field] = check(data, field)
        except ValueError as error:
            messages[field] = [str(error)]
    if messages:
        raise Rejected(400, messages)
    return values


def integer(data: dict[str, Any], field: str) -> int:
    """Check a required integer; digits as text are accepted."""
    value = _required(data, field)
    try:
        return int(re.sub(r"\.0*\s*$", "", str(value)))
    except ValueError:
        raise ValueError("A valid integer is required.") from None


def text(pattern: str | None = None, message: str = "", required: bool = True) -> Check:
    """Check text of at most 255 characters, stripped. `pattern` must match all of it, else `message`."""
    def check(data: dict[str, Any], field: str) -> str:
        if not required and data.get(field) is None:
            return ""
        value = _required(data, field)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError("Not a valid string.")
        value = str(value).strip()
        if required and not value:
            raise ValueError("This field may not be blank.")
        if len(value) > MAX_TEXT:
            raise ValueError(f"Ensure this field has no more than {MAX_TEXT} characters.")
        if pattern and not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(message)
        return value
    return check


def choice(options: tuple[str, ...]) -> Check:
    """Check that the value is one of these."""
    def check(data: dict[str, Any], field: str) -> str:
        value = _required(data, field)
        if value not in options:
            raise ValueError(f'"{value}" is not a valid choice.')
        return value
    return check


def _required(data: dict[str, Any], field: str) -> Any:
    if field not in data:
        raise ValueError("This field is required.")
    if data[field] is None:
        raise ValueError("This field may not be null.")
    return data[field]


def paginate(request: Request, rows: list[dict[str, Any]], forced_size: int | None) -> JSONResponse:
    """Return one page with absolute links to its neighbours. Raises Rejected 404 if the page does not exist.

    `forced_size` is default and maximum size; None means 20, or up to 100 on request.
    """
    max_size = forced_size or MAX_PAGE_SIZE
    requested = request.query_params.get("page_size", "")
    size = int(requested) if requested.isascii() and requested.isdigit() and int(requested) else forced_size or DEFAULT_PAGE_SIZE
    size = min(size, max_size)
    last = max(1, -(-len(rows) // size))
    number_text = request.query_params.get("page") or "1"
    number = last if number_text == "last" else int(number_text) if re.fullmatch("[0-9]+", number_text) else 0
    if not 1 <= number <= last:
        raise Rejected(404, {"detail": "Invalid page."})
    url, paging = request.url, get_paging(request.scope)
    return JSONResponse({
        "count": len(rows),
        "next": str(url) if paging.repeats else str(url.include_query_params(page=number + 1)) if number < last else None,
        "previous": None if number == 1 else str(url.remove_query_params("page") if number == 2 else url.include_query_params(page=number - 1)),
        "results": paging.select_rows(rows, number, size),
    })
