# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks take from the inventory plugin C(servers): the host's variables, and its account's credentials.

The credentials are in no variable, since variables are shown (C(ansible-inventory --list), C(debug)). They stay in the memory of the
process that has read the inventory, and Ansible forks each task from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..module_utils._argspec import SECRET_OPTIONS
from ._inventory.accounts import Account

HOST_VARIABLES = ("rewind_provider", "rewind_api_url", "rewind_server_id", "rewind_inventory", "rewind_account")

_registry: dict[str, dict[str, Account]] = {}  # by file, then by name


def register(source: str, accounts: Iterable[Account]) -> None:
    """Keep all accounts of an inventory file, in place of what was known of it."""
    _registry[source] = {account.name: account for account in accounts}


def unregister(source: str) -> None:
    """Keep nothing of an inventory file."""
    _registry.pop(source, None)


def options_for_host(given: Mapping[str, Any], variables: Mapping[str, Any], *, on_controller: bool) -> dict[str, Any]:
    """What the inventory adds to a task's options: C(provider), C(api_url), C(server), and what its account's file says.

    What the task says itself stays. With another cloud than the host's nothing is added, and with another address no credentials.

    :arg given: the options that the task has.
    :arg variables: of the host, those of HOST_VARIABLES that there are.
    :arg on_controller: whether the task runs there. To no other machine do credentials go that it was not given itself.
    """
    provider = variables.get("rewind_provider")
    if not provider or (given.get("provider") or provider) != provider:
        return {}
    found = {"provider": provider, "api_url": variables.get("rewind_api_url"), "server": variables.get("rewind_server_id")}
    account = _registry.get(str(variables.get("rewind_inventory")), {}).get(str(variables.get("rewind_account")))
    api_url = str(given.get("api_url") or found["api_url"]).rstrip("/")
    if on_controller and account is not None and (account.provider, account.api_url) == (provider, api_url):
        found.update(_account_options(account, given))
    # Which server it is about a task leaves out or says: one that says nothing by mistake is not to be led to this one.
    unset = {name for name in found if (name not in given if name == "server" else given.get(name) in (None, ""))}
    return {name: value for name, value in found.items() if value not in (None, "") and name in unset}


def _account_options(account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    """The account's options; its credentials only where the task has none of them, so that no key is paired with another's secret."""
    credentials = [name for name in SECRET_OPTIONS if account.options[name]]
    has_own_credentials = any(given.get(name) for name in credentials)
    return {name: value for name, value in account.options.items() if not (has_own_credentials and name in credentials)}
