# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible is told of a server, and what it may be called: pure functions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils._errors import invalid_argument
from ...module_utils._text import sanitize_nested
from .accounts import Account

# A host's name is a part of paths (host_vars), of patterns (--limit) and of command lines, and stands on terminals as it is.
_HOST_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
# Ansible's names for the controller: a server of that name would get every task that is delegated to localhost.
CONTROLLER_NAMES = ("localhost", "127.0.0.1", "::1")


def host_variables(account: Account, server: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The variables of one server's host: no secret, and nothing of the cloud's own object.

    :arg server: as C(Server.to_result) has it.
    :arg source: the inventory file.
    """
    variables = {
        "rewind_provider": account.provider,
        "rewind_account": account.name,
        "rewind_api_url": account.api_url,
        "rewind_inventory": source,
        "rewind_server_id": server["id"],
        "rewind_server_name": server["name"] or server["id"],
        "rewind_server_power_state": server["power_state"],
        "rewind_server_task_state": server["task_state"],
        "rewind_server_address": server["address"],
    }
    if _is_address(server["address"]):
        variables["ansible_host"] = server["address"]
    return sanitize_nested(variables)


def _is_address(text: Any) -> bool:
    """Whether Ansible may connect to it: anything else could be an option of SSH's, or another machine's name."""
    try:
        return isinstance(text, str) and "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_valid_name(name: Any, groups: Iterable[str]) -> bool:
    """Whether a host may be called so. With a group's name, Ansible would give the group the host's variables."""
    return isinstance(name, str) and bool(_HOST_NAME.fullmatch(name)) and name.lower() not in CONTROLLER_NAMES and name not in groups


def check_unique(hosts: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Whether each host is one server.

    :arg hosts: names and variables.
    :raises RewindError: C(invalid_argument), naming both servers.
    """
    seen: dict[str, Mapping[str, Any]] = {}
    for name, variables in hosts:
        if name in seen:
            raise invalid_argument(
                f"Two servers would be the host {name}: {_label(seen[name])} and {_label(variables)}",
                """tell them apart with hostnames, for example ["rewind_account ~ '-' ~ rewind_server_name"], or leave one out with filters""",
            )
        seen[name] = variables


def check_conflicts(name: str, existing: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Whether a host that was there before may be this server.

    :arg before: the variables that the host has from sources that were read earlier.
    :raises RewindError: C(invalid_argument).
    """
    other = existing.get("rewind_inventory")
    if other is not None and other != variables["rewind_inventory"]:
        raise invalid_argument(
            f"The host {name} has come from {other} already, and would be {_label(variables)} here, too",
            "name the accounts in one file, or tell the hosts apart with hostnames or filters",
        )


def _label(variables: Mapping[str, Any]) -> str:
    return f"{variables['rewind_server_name']} ({variables['rewind_server_id']}) of account {variables['rewind_account']}"
