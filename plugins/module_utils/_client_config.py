# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the file in which a provider's own command-line client keeps its credentials.

Other programs may have a file of this name, so only values under the expected names are used.
"""

from __future__ import annotations

import os
import stat

from ._text import decode_json

MAX_BYTES = 1024 * 1024


class UnusableConfig(Exception):
    """The file exists and cannot be used. The text says why and contains nothing of the file."""


def read_client_config(path: str) -> dict[str, str] | None:
    """Return the texts in a JSON file that only this user can read, without surrounding white space; None if there is no file.

    Args:
        path: May start with a tilde.

    Raises:
        UnusableConfig: Others can read it, or it is not such a file.
    """
    try:
        # A FIFO would block without O_NONBLOCK.
        handle = os.open(os.path.expanduser(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnusableConfig(f"it cannot be read ({type(error).__name__})") from None
    try:
        properties = os.fstat(handle)  # of the open file, since the one at this path may be replaced
        if not stat.S_ISREG(properties.st_mode):
            raise UnusableConfig("it is not a file")
        if properties.st_uid != os.geteuid():
            raise UnusableConfig("it belongs to another user")
        if properties.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UnusableConfig(f"others can read it (chmod 600 {path})")
        if properties.st_size > MAX_BYTES:
            raise UnusableConfig("it is too large")
        data = os.read(handle, MAX_BYTES)
    finally:
        os.close(handle)
    try:
        content = decode_json(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UnusableConfig("it is not a JSON object")
    return {name: value.strip() for name, value in content.items() if isinstance(value, str) and value.strip()}
