# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be known without an HTTP library: nothing here loads one until it is called."""

from __future__ import annotations

import functools
import ipaddress
from urllib.parse import urlsplit


def requests_available() -> bool:
    """Return whether the library `requests`, the one runtime dependency, can be imported."""
    from . import session

    return session.requests is not None


@functools.cache
def is_loopback(url: str) -> bool:
    """Return whether the URL's host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
