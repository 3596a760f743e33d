# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key and the data of an account in the inventory cache. Neither reveals a secret."""

from __future__ import annotations

import hashlib
from typing import Any

from .accounts import Account

VERSION = 1
FIELDS = ("id", "name", "power_state", "task_state", "address")  # of Server.to_result()
_ROUNDS = 100_000


def cache_key(account: Account) -> str:
    """Return a key that depends on the provider, the address and the credentials, and is safe as a file name.

    The hash of the credentials is slow and truncated, so that the key does not allow guessing them.
    """
    salt = f"rewind.vps {VERSION} {account.provider} {account.api_url}".encode()
    return f"rewind_vps_{hashlib.pbkdf2_hmac('sha256', chr(0).join(account.secrets).encode(), salt, _ROUNDS).hex()[:16]}"


def serialize(servers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the cache entry of an account."""
    return {"version": VERSION, "servers": [{name: server[name] for name in FIELDS} for server in servers]}


def deserialize(entry: Any) -> list[dict[str, Any]] | None:
    """Return the servers of an entry; None if this version did not write it."""
    servers = entry.get("servers") if isinstance(entry, dict) and entry.get("version") == VERSION else None
    if not isinstance(servers, list) or not all(_is_server(server) for server in servers):
        return None
    return [{name: server[name] for name in FIELDS} for server in servers]


def _is_server(server: Any) -> bool:
    return (
        isinstance(server, dict) and set(server) == set(FIELDS) and isinstance(server["id"], str)
        and all(server[name] is None or isinstance(server[name], str) for name in FIELDS)
    )
