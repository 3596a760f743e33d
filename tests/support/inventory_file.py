# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory files of the sandbox's accounts: one that may write, a second one at VPS.org that may only read, one at Ilkbyte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox import SandboxHandle

READS_ONLY = "vps_ReadsOnly0123456789"
# Both tokens at VPS.org see the same servers there, since the sandbox has one world.
DISTINCT_NAMES = {"hostnames": ["rewind_account ~ '-' ~ rewind_server_name"]}


def environment(sandbox: SandboxHandle) -> dict[str, str]:
    """Under names that no module looks for by itself."""
    return {"SHOP": sandbox.vpsorg_token, "BLOG": READS_ONLY, "ILK_KEY": sandbox.ilkbyte_access_key, "ILK_SECRET": sandbox.ilkbyte_secret_key}


def accounts(sandbox: SandboxHandle) -> list[dict[str, Any]]:
    """Shop, blog and ilkbyte, with credentials from that environment."""
    sandbox.admin.add_credentials(vpsorg_token={"token": READS_ONLY, "permissions": ["servers:read"]})
    return [
        {"name": "shop", "provider": "vpsorg", "api_token": "{{ lookup('ansible.builtin.env', 'SHOP') }}", "api_url": sandbox.vpsorg_url},
        {"name": "blog", "provider": "vpsorg", "api_token": "{{ lookup('ansible.builtin.env', 'BLOG') }}", "api_url": sandbox.vpsorg_url},
        {"provider": "ilkbyte", "access_key": "{{ lookup('ansible.builtin.env', 'ILK_KEY') }}",
         "secret_key": "{{ lookup('ansible.builtin.env', 'ILK_SECRET') }}", "api_url": sandbox.ilkbyte_url},
    ]


def write(directory: Path, **config: Any) -> str:
    """The path of an inventory file with these options."""
    path = directory / "given.rewind_vps.yml"
    path.write_text(json.dumps({"plugin": "rewind.vps.servers", **config}), encoding="utf-8")
    return str(path)


def cache(directory: Path) -> dict[str, Any]:
    """Options for a cache of files."""
    return {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(directory / "cache")}
