# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin with fake accounts."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

from ansible_collections.rewind.vps.plugins.module_utils._module import server_info

PLUGINS = Path(__file__).resolve().parents[4] / "plugins" / "inventory"
NAME = "rewind.vps.servers"

# Loaded from a directory: Ansible finds collections only in a process that has not imported one itself.
inventory_loader.add_directory(str(PLUGINS))


def server(name: str | None, **fields: Any) -> dict[str, Any]:
    """Return one as server_info does."""
    return {"id": f"id-{name}", "name": name, "power_state": "running", "task_state": None, "address": "192.0.2.1", **fields}


class InventoryFile:
    """An inventory file that can be read several times. The environment has no options for it.

    `servers` has the servers of each account by its first credential, or the text of an error. `read_accounts` has the first
    credential of each account that was read, in order.
    """

    def __init__(self, directory: Path, monkeypatch: Any) -> None:
        self.path = directory / "test.rewind_vps.yml"
        self.servers: dict[str, Any] = {}
        self.read_accounts: list[str] = []
        self.warnings: list[str] = []
        self._patch = monkeypatch
        for name in ("REWIND_PROVIDER", "VPS_API_TOKEN", "VPS_API_URL", "ILKBYTE_HOST", "ILKBYTE_ACCESS_KEY", "ILKBYTE_SECRET_KEY",
                     "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRETKEY"):
            monkeypatch.delenv(name, raising=False)

    def plugin(self) -> Any:
        """Return a new plugin, as Ansible creates one for each file."""
        plugin = inventory_loader.get("servers")
        plugin._redirected_names = [NAME]
        self._patch.setattr(sys.modules[type(plugin).__module__], "execute", self._execute)
        self._patch.setattr(plugin.display, "warning", self.warnings.append)
        return plugin

    def read(self, config: dict[str, Any] | str, inventory: InventoryData | None = None, cache: bool = True) -> InventoryData:
        """Write the file, read it and return the inventory."""
        text = config if isinstance(config, str) else json.dumps({"plugin": NAME, **config})
        self.path.write_text(text, encoding="utf-8")
        inventory = inventory or InventoryData()
        plugin = self.plugin()
        plugin.parse(inventory, DataLoader(), str(self.path), cache=cache)
        with contextlib.suppress(AttributeError):  # as Ansible does; there may be no cache
            plugin.update_cache_if_changed()
        return inventory

    def _execute(self, operation: Any, parameters: dict[str, Any], *, check_mode: bool, diff_mode: bool) -> dict[str, Any]:
        assert (operation, parameters["server"], check_mode, diff_mode) == (server_info, None, False, False)
        key = parameters["api_token"] or parameters["access_key"]
        self.read_accounts.append(key)
        found = self.servers.get(key, "Rejected credentials")
        return {"failed": True, "msg": found} if isinstance(found, str) else {"servers": [dict(item) for item in found]}
