# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `check_urls`: URLs, or mappings of a URL and what it may respond."""

from __future__ import annotations

import re
from typing import Any

from ...module_utils._errors import invalid_argument

_KEYS = {"url", "status_code", "use_proxy"}
_EXAMPLE = "a URL, or a mapping such as {url: https://example.com/health, status_code: [200, 401]}"


def normalize_check_urls(items: list[Any]) -> list[dict[str, Any]]:
    """Return each as `url`, `status_code` (a list) and `use_proxy`.

    A check uses no proxy by default: one that the provider needs may not reach the server.

    Raises:
        RewindError: One is neither a URL nor such a mapping.
    """
    return [_normalize(item) for item in items]


def _normalize(item: Any) -> dict[str, Any]:
    given = {"url": item} if isinstance(item, str) else item
    if not isinstance(given, dict) or not isinstance(given.get("url"), str) or not given["url"].strip() or set(given) - _KEYS:
        raise invalid_argument(f"check_urls takes {_EXAMPLE}, not {item!r}")
    codes, use_proxy = given.get("status_code", [200]), str(given.get("use_proxy", False)).lower()
    codes = [str(code).strip() for code in (codes if isinstance(codes, (list, tuple)) else str(codes).split(","))]
    if not codes or not all(re.fullmatch("[1-5][0-9][0-9]", code) for code in codes):
        raise invalid_argument(f"check_urls: status_code takes HTTP statuses from 100 to 599, not {given['status_code']!r}", f"give {_EXAMPLE}")
    if use_proxy not in ("true", "yes", "false", "no"):
        raise invalid_argument(f"check_urls: use_proxy takes true or false, not {given['use_proxy']!r}")
    return {"url": given["url"].strip(), "status_code": [int(code) for code in codes], "use_proxy": use_proxy in ("true", "yes")}
