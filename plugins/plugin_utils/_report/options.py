# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the action C(report), and which accounts they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._argspec import PROVIDERS, REQUIRED_CREDENTIALS, SECRET_OPTIONS, provider_spec
from ...module_utils._errors import invalid_argument

OPTIONS: dict[str, dict[str, Any]] = {
    **provider_spec(),
    "provider": {**provider_spec()["provider"], "required": False},  # only where the accounts are not told otherwise
    "accounts": {"type": "list", "elements": "dict", "options": {**provider_spec(), "label": {"type": "str"}}},
    "hosts": {"type": "list", "elements": "str"},
    "path": {"type": "path", "default": "rewind-report.html"},
    "state_dir": {"type": "path", "default": "~/.local/state/rewind.vps"},
    "upgrades": {"type": "int", "default": 50},
}
MAX_UPGRADES = 1000
PROVIDER_OPTIONS = tuple(provider_spec())

# Which variables tell of a host's account, the nearest first: those of the role guarded_upgrade, then the inventory's.
HOST_VARIABLES = {name: (f"guarded_upgrade_{name}",) for name in PROVIDER_OPTIONS}
HOST_VARIABLES["provider"] += ("rewind_provider",)
HOST_VARIABLES["api_url"] += ("rewind_api_url",)


def accounts_of(parameters: Mapping[str, Any], host_variable: Callable[[str, str], Any]) -> list[dict[str, Any]]:
    """The accounts to ask, validated: those given; else those of the hosts; else the task's own; else all in the environment.

    :arg host_variable: a host's variable, or None where it has none.
    :raises RewindError: C(invalid_argument), there is none.
    """
    if parameters["accounts"]:
        return parameters["accounts"]
    if parameters["hosts"]:
        return _of_hosts(parameters["hosts"], host_variable)
    if parameters["provider"]:
        return [{name: parameters[name] for name in PROVIDER_OPTIONS}]
    matches = [account for account in (_validated({"provider": name}) for name in PROVIDERS)
             if any(account[secret] for secret in REQUIRED_CREDENTIALS[account["provider"]])]
    if not matches:
        raise invalid_argument(
            "There is no account to report on", "export the credentials of a cloud, or name the accounts in accounts (report_accounts)",
        )
    return matches


def secrets_of(parameters: Mapping[str, Any]) -> list[str | None]:
    """The credentials among options."""
    return [parameters.get(name) for name in SECRET_OPTIONS]


def _of_hosts(hosts: Iterable[str], host_variable: Callable[[str, str], Any]) -> list[dict[str, Any]]:
    """The hosts' accounts, each once."""
    accounts: list[dict[str, Any]] = []
    for host in hosts:
        given = {}
        for name, variables in HOST_VARIABLES.items():
            value = next((value for value in (host_variable(host, variable) for variable in variables) if value not in (None, "")), None)
            if value is not None:
                given[name] = value
        account = _validated(given, f"host {host}: ")
        if account not in accounts:
            accounts.append(account)
    return accounts


def _validated(given: dict[str, Any], context: str = "") -> dict[str, Any]:
    """With what the environment has for it."""
    validation = ArgumentSpecValidator(provider_spec()).validate(given)
    if validation.error_messages:
        raise invalid_argument(f"{context}{validation.errors.msg}", "set provider or REWIND_PROVIDER, or rewind_provider of the host")
    return validation.validated_parameters
