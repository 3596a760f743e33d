# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that tasks take from the inventory plugin `servers`: the host's variables and the credentials of its account.

The credentials are not variables, because Ansible shows variables (`ansible-inventory --list`, `debug`). They stay in the memory of
the process that reads the inventory. Ansible forks each task from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..module_utils._argspec import SECRET_OPTIONS
from ._inventory.accounts import Account

HOST_VARIABLES = ("rewind_provider", "rewind_api_url", "rewind_server_id", "rewind_inventory", "rewind_account")

_registry: dict[str, dict[str, Account]] = {}  # by file, then by name


def register(source: str, accounts: Iterable[Account]) -> None:
    """Register the accounts of an inventory file, and replace those registered before."""
    _registry[source] = {account.name: account for account in accounts}


def unregister(source: str) -> None:
    """Remove the accounts of an inventory file."""
    _registry.pop(source, None)


def options_for_host(given: Mapping[str, Any], variables: Mapping[str, Any], *, on_controller: bool) -> dict[str, Any]:
    """Return the options that the inventory adds to a task: `provider`, `api_url`, `server` and the options of the account.

    Options of the task have precedence. If the task sets another provider, nothing is added; with another address, no credentials.

    Args:
        given: The options of the task.
        variables: The host's variables among HOST_VARIABLES.
        on_controller: Whether the task runs on the controller. Other machines get no credentials from the inventory.
    """
    provider = variables.get("rewind_provider")
    if not provider or (given.get("provider") or provider) != provider:
        return {}
    found = {"provider": provider, "api_url": variables.get("rewind_api_url"), "server": variables.get("rewind_server_id")}
    account = _registry.get(str(variables.get("rewind_inventory")), {}).get(str(variables.get("rewind_account")))
    api_url = str(given.get("api_url") or found["api_url"]).rstrip("/")
    if on_controller and account is not None and (account.provider, account.api_url) == (provider, api_url):
        found.update(_account_options(account, given))
    # An empty server is an error of the task, so it must not become the server of the host.
    unset = {name for name in found if (name not in given if name == "server" else given.get(name) in (None, ""))}
    return {name: value for name, value in found.items() if value not in (None, "") and name in unset}


def _account_options(account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the account's options, with its credentials only if the task sets none: keys of two accounts must not be mixed."""
    credentials = [name for name in SECRET_OPTIONS if account.options[name]]
    has_own_credentials = any(given.get(name) for name in credentials)
    return {name: value for name, value in account.options.items() if not (has_own_credentials and name in credentials)}
