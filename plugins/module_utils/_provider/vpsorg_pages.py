# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a list of VPS.org, which Django REST framework splits into pages (observed)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from .._errors import RewindError
from . import base
from .values import parse_number
from .vpsorg_rows import row_id

if TYPE_CHECKING:
    from .._http.client import ApiClient


def read_pages(api: ApiClient, path: str, operation: str, params: dict[str, Any]) -> list[Any] | None:
    """Return all items of a list that Django REST framework splits into pages (observed); None if the pages are inconsistent.

    If the list changes between two pages, an item may be on both or on neither.
    """
    found: dict[str, Any] = {}
    seen_pages: set[str] = set()
    counts: set[int] = set()
    rows = 0
    for _page in range(base.MAX_PAGES):
        try:
            data = api.read(path, operation=operation, params=params).data
        except RewindError as error:
            if seen_pages and error.http_status == 404:
                return None  # there are fewer pages than before
            raise
        if not isinstance(data, dict) or not isinstance(data.get("results"), list):
            raise base.unexpected_response(api.provider_name, operation, '"results" missing')
        for number, item in enumerate(data["results"], rows):
            found[row_id(item) or f"row {number}"] = item
        rows += len(data["results"])
        counts |= {int(data["count"])} if parse_number(data.get("count")) else set()
        next_url = data.get("next")
        if not next_url:
            is_consistent = not seen_pages or (len(found) == rows and counts <= {rows})
            return list(found.values()) if is_consistent else None
        if str(next_url) in seen_pages:
            raise base.unexpected_response(api.provider_name, operation, "a page repeats")
        seen_pages.add(str(next_url))
        params = next_page_params(api, next_url, path, operation)
    raise base.unexpected_response(api.provider_name, operation, f"more than {base.MAX_PAGES} pages")


def next_page_params(api: ApiClient, url: Any, path: str, operation: str) -> dict[str, str]:
    """Return the query of the next page. Host and path stay the same, so that the token goes nowhere else."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None or not parts.path.endswith(path):
        raise base.unexpected_response(api.provider_name, operation, "the next page is at another address")
    return dict(parse_qsl(parts.query))
