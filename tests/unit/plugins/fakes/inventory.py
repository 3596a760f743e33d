# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, with made-up accounts in place of clouds."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

PLUGINS = Path(__file__).resolve().parents[4] / "plugins" / "inventory"
NAME = "rewind.vps.servers"

# Found as a plugin in a folder: Ansible finds collections only in a process that has not imported any by itself.
inventory_loader.add_directory(str(PLUGINS))


def server(name: str | None, **fields: Any) -> dict[str, Any]:
    """As server_info returns one."""
    return {"id": f"id-{name}", "name": name, "power_state": "running", "task_state": None, "address": "192.0.2.1", **fields}


class InventoryFile:
    """One inventory file, read again and again.

    :ivar servers: what each account has, by its first credential; a text is what its failure says.
    :ivar asked: the first credential of each account that was asked, in order.
    """

    def __init__(self, directory: Path, monkeypatch: Any) -> None:
        self.path = directory / "test.rewind_vps.yml"
        self.servers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.warnings: list[str] = []
        self._patch = monkeypatch

    def plugin(self) -> Any:
        """A new one, as Ansible makes one for each file."""
        made = inventory_loader.get("servers")
        made._redirected_names = [NAME]
        self._patch.setattr(sys.modules[type(made).__module__], "execute", self._execute)
        self._patch.setattr(made.display, "warning", self.warnings.append)
        return made

    def read(self, config: dict[str, Any] | str, inventory: InventoryData | None = None, cache: bool = True) -> InventoryData:
        """Write the file, read it, and give the inventory."""
        text = config if isinstance(config, str) else json.dumps({"plugin": NAME, **config})
        self.path.write_text(text, encoding="utf-8")
        inventory = inventory or InventoryData()
        plugin = self.plugin()
        plugin.parse(inventory, DataLoader(), str(self.path), cache=cache)
        with contextlib.suppress(AttributeError):  # as Ansible does it; there may be no cache
            plugin.update_cache_if_changed()
        return inventory

    def _execute(self, module: str, parameters: dict[str, Any], *, check_mode: bool, diff_mode: bool) -> dict[str, Any]:
        assert (module, parameters["server"], check_mode, diff_mode) == ("server_info", None, False, False)
        key = parameters["api_token"] or parameters["access_key"]
        self.asked.append(key)
        found = self.servers.get(key, "These credentials are not known")
        return {"failed": True, "msg": found} if isinstance(found, str) else {"servers": [dict(item) for item in found]}
