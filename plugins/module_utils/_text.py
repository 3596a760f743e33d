# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of others that may be shown and written down.

What a cloud or a server says ends in messages, and messages on a terminal: there a control character is a command, and a
change of writing direction makes a line read as another one. Results keep names as they are; only what can't be written as
UTF-8 at all is replaced in them.
"""

from __future__ import annotations

import re
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_DEPTH = 50  # levels of an answer; honest ones have fewer than ten

# C0, DEL, C1; marks and overrides of the direction; separators of lines and paragraphs; halves of UTF-16 pairs.
_CONTROL_CHARS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def sanitize(text: str) -> str:
    """The text in one line, with a mark in place of whatever a terminal would obey."""
    return _CONTROL_CHARS.sub(REPLACEMENT, text)


def sanitize_nested(value: Any) -> Any:
    """The same for texts in nested dicts and lists; keys stay."""
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, dict):
        return {key: sanitize_nested(item) for key, item in value.items()}
    return [sanitize_nested(item) for item in value] if isinstance(value, (list, tuple)) else value


def to_valid_utf8(value: Any, levels: int = MAX_DEPTH) -> Any:
    """JSON data in which every text can be written as UTF-8.

    :raises ValueError: it is nested deeper than anything that can be meant.
    """
    if isinstance(value, str):
        return value if value.isascii() else _LONE_SURROGATES.sub(REPLACEMENT, value)
    if isinstance(value, (dict, list)) and levels <= 0:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return {to_valid_utf8(key): to_valid_utf8(item, levels - 1) for key, item in value.items()}
    return [to_valid_utf8(item, levels - 1) for item in value] if isinstance(value, list) else value
