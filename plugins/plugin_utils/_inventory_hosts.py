# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of an inventory file: their names and variables, and how Ansible gets all of them or none.

Ansible keeps what a plugin adds before it fails. A playbook would use this partial inventory as if it were complete. So hosts are
first added to an inventory of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.inventory.data import InventoryData

from ..module_utils._errors import invalid_argument
from ..module_utils._provider.values import parse_address
from ..module_utils._text import sanitize_nested
from ._inventory_accounts import Account

IMPLICIT_GROUPS = ("all", "ungrouped")
SOURCE_VARIABLES = ("inventory_file", "inventory_dir")
# A host name becomes part of paths (host_vars), patterns (--limit), command lines and terminal output.
_HOST_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
# Ansible's names of the controller: a server with such a name would receive the tasks delegated to localhost.
CONTROLLER_NAMES = ("localhost", "127.0.0.1", "::1")


def host_variables(account: Account, server: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the variables of a server's host. They contain no secret and no raw provider data. `source` is the inventory file."""
    variables = {
        "rewind_provider": account.options["provider"],
        "rewind_account": account.name,
        "rewind_api_url": account.options["api_url"],
        "rewind_inventory": source,
        "rewind_server_id": server["id"],
        "rewind_server_name": server["name"] or server["id"],
        "rewind_server_power_state": server["power_state"],
        "rewind_server_task_state": server["task_state"],
        "rewind_server_address": server["address"],
    }
    address = parse_address(server["address"])  # any other text could be an SSH option or the name of another machine
    if address is not None:
        variables["ansible_host"] = address
    return sanitize_nested(variables)


def is_valid_name(name: Any, groups: Iterable[str]) -> bool:
    """Return whether a host can have this name. If a group has it, Ansible would set the host's variables on the group."""
    return isinstance(name, str) and bool(_HOST_NAME.fullmatch(name)) and name.lower() not in CONTROLLER_NAMES and name not in groups


def check_names(hosts: Iterable[tuple[str, Mapping[str, Any]]], existing: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no two servers have the same host name, and that no other inventory file has defined a host.

    Raises:
        RewindError: `invalid_argument`, with both servers or the other file.
    """
    seen: dict[str, Mapping[str, Any]] = {}
    for name, variables in hosts:
        if name in seen:
            raise invalid_argument(
                f"Two servers have the host name {name}: {_label(seen[name])} and {_label(variables)}",
                """make the names unique with hostnames, for example ["rewind_account ~ '-' ~ rewind_server_name"], or exclude one with filters""",
            )
        seen[name] = variables
        other = existing[name].get("rewind_inventory")
        if other is not None and other != variables["rewind_inventory"]:
            raise invalid_argument(
                f"{other} already defines the host {name}, which is {_label(variables)} in this file",
                "list the accounts in one file, or make the host names unique with hostnames or filters",
            )


def _label(variables: Mapping[str, Any]) -> str:
    return f"{variables['rewind_server_name']} ({variables['rewind_server_id']}) of account {variables['rewind_account']}"


def existing_variables(inventory: Any, name: str) -> dict[str, Any]:
    """Return the variables of a host from sources that were read before."""
    host = inventory.hosts.get(name)
    return {} if host is None else {key: value for key, value in host.vars.items() if key not in SOURCE_VARIABLES}


def commit(staged: InventoryData, inventory: Any, existing_variables_by_host: dict[str, dict[str, Any]]) -> None:
    """Add everything staged to the inventory, except variables that are those of other sources."""
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
