# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stages the hosts of an inventory file, so that Ansible gets all of them or none.

Ansible keeps what a plugin adds before it fails. A playbook would use this partial inventory as if it were complete.
"""

from __future__ import annotations

from typing import Any

from ansible.inventory.data import InventoryData

IMPLICIT_GROUPS = ("all", "ungrouped")
SOURCE_VARIABLES = ("inventory_file", "inventory_dir")


def new(inventory: Any) -> InventoryData:
    """Return an empty inventory for staging."""
    staged = InventoryData()
    staged.current_source = inventory.current_source
    return staged


def existing_variables(inventory: Any, name: str) -> dict[str, Any]:
    """Return the variables of a host from sources that were read before."""
    host = inventory.hosts.get(name)
    return {} if host is None else {key: value for key, value in host.vars.items() if key not in SOURCE_VARIABLES}


def commit(staged: InventoryData, inventory: Any, existing_variables_by_host: dict[str, dict[str, Any]]) -> None:
    """Add everything staged to the inventory.

    Args:
        staged: The staged inventory.
        inventory: The inventory to change.
        existing_variables_by_host: The variables of each host before this file was read.
    """
    for group in staged.groups.values():
        inventory.add_group(group.name)
    for host in staged.hosts.values():
        inventory.add_host(host.name)
        existing = existing_variables_by_host.get(host.name, {})
        for key, value in host.vars.items():
            if key not in SOURCE_VARIABLES and not (key in existing and existing[key] is value):
                inventory.set_variable(host.name, key, value)
    for group in staged.groups.values():
        if group.name in IMPLICIT_GROUPS:
            continue
        for child in [*group.child_groups, *group.hosts]:
            inventory.add_child(group.name, child.name)
