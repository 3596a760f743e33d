# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes text from providers and servers safe to show and to write.

It ends up in messages, and messages end up on a terminal: there a control character is a command, and a change of the
writing direction makes a line read differently. Results keep names as they are, except for what UTF-8 cannot encode.
"""

from __future__ import annotations

import json
import re
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_PROVIDER_MESSAGE = 500  # characters
MAX_DEPTH = 50  # levels of a response; valid ones have fewer than ten

# C0, DEL, C1; direction marks and overrides; line and paragraph separators; lone halves of UTF-16 pairs.
_CONTROL_CHARS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")  # in JSON


def sanitize(text: str) -> str:
    """Return the text in one line, with a replacement for everything that a terminal would obey."""
    return _CONTROL_CHARS.sub(REPLACEMENT, text)


def sanitize_nested(value: Any) -> Any:
    """Sanitize texts in nested dicts and lists. Keys stay as they are."""
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, dict):
        return {key: sanitize_nested(item) for key, item in value.items()}
    return [sanitize_nested(item) for item in value] if isinstance(value, (list, tuple)) else value


def to_valid_utf8(value: Any) -> Any:
    """Return JSON data in which UTF-8 can encode every text.

    Raises:
        ValueError: It is nested deeper than any valid data.
    """
    _require_depth(value)
    return _to_valid_utf8(value)


def decode_json(data: bytes) -> Any:
    """Return the data of a JSON document, in which UTF-8 can encode every text.

    Raises:
        ValueError: It is not Unicode or not JSON, or nested deeper than any valid data.
    """
    text = data.decode(json.detect_encoding(data))  # UTF-8, unless a byte order mark says otherwise
    decoded = json.loads(text)
    if _SURROGATE_ESCAPE.search(text):
        return to_valid_utf8(decoded)
    _require_depth(decoded)  # there can be no lone surrogate, so a large response is not walked value by value
    return decoded


def extract_error_message(data: Any) -> str | None:
    """Return the message of a provider's error response as one bounded line, or None.

    Understands both providers' shapes and Django's field errors.
    """
    if isinstance(data, dict):
        for key in ("detail", "error", "message"):
            if isinstance(data.get(key), str) and data[key].strip():
                return _one_line(data[key])
        fields = [f"{name}: {_join(value)}" for name, value in data.items()]
        return _one_line("; ".join(fields)) or None
    return _one_line(_join(data)) or None if data else None


def _require_depth(value: Any) -> None:
    level = [value]
    for _depth in range(MAX_DEPTH):
        level = [
            item for container in level if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container) if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise ValueError("nested too deep")


def _to_valid_utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _LONE_SURROGATES.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {_to_valid_utf8(key): _to_valid_utf8(item) for key, item in value.items()}
    return [_to_valid_utf8(item) for item in value] if isinstance(value, list) else value


def _join(value: Any) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


def _one_line(text: str) -> str:
    return sanitize(" ".join(text.split())[:MAX_PROVIDER_MESSAGE])
