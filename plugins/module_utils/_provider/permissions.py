# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a provider says that credentials permit.

Only a clear no counts: what is not understood may permit a change, and then the provider decides.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

_READ_ACTIONS = frozenset({"read", "readonly", "view", "viewonly", "list", "get", "none"})
_OTHER_AREAS = frozenset({"dns", "domains", "ssh_keys"})  # observed
_READ_LEVEL = re.compile("read|view|okuma|okunur")  # assumed: only the level of full access is known, and levels may be Turkish
_WRITE_LEVEL = re.compile("write|full|edit|admin|yaz|tam")
_NO_LEVELS = frozenset({"none", "no", "denied", "disabled", "yok"})


def parse_permissions(value: Any) -> tuple[str, ...] | None:
    """Return permissions such as `servers:read`, in a list or in one text; None if they are something else."""
    items = re.split(r"[,;\s]+", value) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    return tuple(item.strip() for item in items if item.strip())


def permit_changes(permissions: tuple[str, ...], areas: frozenset[str]) -> bool:
    """Return whether one of these permissions may permit changes in one of these areas."""
    return any(_may_permit(permission.lower(), areas) for permission in permissions)


def _may_permit(permission: str, areas: frozenset[str]) -> bool:
    area, colon, action = (part.strip() for part in permission.partition(":"))
    if not colon:
        return area not in _OTHER_AREAS and re.sub("[^a-z*]", "", area) not in _READ_ACTIONS
    return (area == "*" or area in areas) and re.sub("[^a-z*]", "", action) not in _READ_ACTIONS


def level_permits_changes(level: Any) -> bool | None:
    """Return whether a level such as `Full` permits changes; None if it is unknown."""
    if isinstance(level, bool):
        return level
    text = level.strip().lower() if isinstance(level, str) else ""
    if text in _NO_LEVELS:
        return False
    if _WRITE_LEVEL.search(text):
        return True
    return False if _READ_LEVEL.search(text) else None


def parse_caller_address(value: Any) -> str | None:
    """Return the caller's IP address as the provider sees it. Proxies may be listed after it."""
    try:
        return str(ipaddress.ip_address(re.split(r"[,\s]+", value.strip())[0])) if isinstance(value, str) else None
    except ValueError:
        return None
