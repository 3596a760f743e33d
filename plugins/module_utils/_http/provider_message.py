# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The message in the body of a provider's error response."""

from __future__ import annotations

from typing import Any

from .._text import sanitize

MAX_PROVIDER_MESSAGE = 500  # characters


def extract_error_message(data: Any) -> str | None:
    """Return the message as one bounded line, or None. Understands both providers' shapes and Django's field errors."""
    if isinstance(data, dict):
        for key in ("detail", "error", "message"):
            if isinstance(data.get(key), str) and data[key].strip():
                return _one_line(data[key])
        fields = [f"{name}: {_join(value)}" for name, value in data.items()]
        return _one_line("; ".join(fields)) or None
    return _one_line(_join(data)) or None if data else None


def _join(value: Any) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


def _one_line(text: str) -> str:
    return sanitize(" ".join(text.split())[:MAX_PROVIDER_MESSAGE])
