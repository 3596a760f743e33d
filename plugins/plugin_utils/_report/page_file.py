# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the page into its file, whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PRIVATE = 0o600  # it names servers and addresses; a file that is there keeps its mode


def write_page(path: str, text: str) -> None:
    """:raises OSError: it can't be written; what was there before is untouched."""
    target = Path(path).resolve()  # a link stays a link
    mode = target.stat().st_mode & 0o777 if target.exists() else PRIVATE
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            os.fchmod(handle, mode)
            file.write(text)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
