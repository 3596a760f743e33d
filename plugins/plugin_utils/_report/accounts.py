# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the action `report`, the accounts they select, and what is read of each account.

If an account cannot be read, its entry holds the reason. The other accounts are not affected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._argspec import PROVIDERS, REQUIRED_CREDENTIALS, normalize_params, provider_spec
from ...module_utils._errors import RewindError, invalid_argument
from ...module_utils._execute import execute
from ...module_utils._module import server_info, snapshot_info
from ...module_utils._provider.registry import REGISTRY
from .._upgrade.options import INVENTORY_VARIABLES, PROVIDER_OPTIONS

OPTIONS: dict[str, dict[str, Any]] = {
    **provider_spec(),
    "provider": {**provider_spec()["provider"], "required": False},  # accounts or hosts may select the accounts instead
    "accounts": {"type": "list", "elements": "dict", "options": {**provider_spec(), "label": {"type": "str"}}},
    "hosts": {"type": "list", "elements": "str"},
    "path": {"type": "path", "default": "rewind-report.html"},
    "state_dir": {"type": "path", "default": "~/.local/state/rewind.vps"},
    "upgrades": {"type": "int", "default": 50},
}
MAX_UPGRADES = 1000
_READS = ((server_info, "servers"), (snapshot_info, "snapshots"))

# The variables that define the account of a host, by precedence: those of the role guarded_upgrade, then the inventory's.
HOST_VARIABLES = {name: (f"guarded_upgrade_{name}", *INVENTORY_VARIABLES.get(name, ())) for name in PROVIDER_OPTIONS}


def select_accounts(parameters: Mapping[str, Any], host_variable: Callable[[str, str], Any]) -> list[dict[str, Any]]:
    """Return the validated accounts to report on.

    These are `accounts`; else the accounts of `hosts`; else the task's own account; else all accounts in the environment.

    Args:
        parameters: The validated options of the task.
        host_variable: Returns a variable of a host, or None.

    Raises:
        RewindError: `invalid_argument`, if there is no account.
    """
    if parameters["accounts"]:
        return parameters["accounts"]
    if parameters["hosts"]:
        return _accounts_of_hosts(parameters["hosts"], host_variable)
    if parameters["provider"]:
        return [{name: parameters[name] for name in PROVIDER_OPTIONS}]
    matches = [account for account in (_validate({"provider": name}) for name in PROVIDERS)
               if any(account[secret] for secret in REQUIRED_CREDENTIALS[account["provider"]])]
    if not matches:
        raise invalid_argument(
            "There is no account to report on", "export the credentials of a provider, or list the accounts in accounts (report_accounts)",
        )
    return matches


def _accounts_of_hosts(hosts: Iterable[str], host_variable: Callable[[str, str], Any]) -> list[dict[str, Any]]:
    """Return each account of the hosts once."""
    accounts: list[dict[str, Any]] = []
    for host in hosts:
        given = {}
        for name, variables in HOST_VARIABLES.items():
            value = next((value for value in (host_variable(host, variable) for variable in variables) if value not in (None, "")), None)
            if value is not None:
                given[name] = value
        account = _validate(given, f"host {host}: ")
        if account not in accounts:
            accounts.append(account)
    return accounts


def _validate(given: dict[str, Any], context: str = "") -> dict[str, Any]:
    """Return the options of an account with the defaults from the environment."""
    validation = ArgumentSpecValidator(provider_spec()).validate(given)
    if validation.error_messages:
        raise invalid_argument(f"{context}{validation.errors.msg}", "set provider or REWIND_PROVIDER, or rewind_provider of the host")
    return validation.validated_parameters


def with_labels(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each account a unique label: its own or the provider's name, numbered if several accounts share it."""
    labels = [account.get("label") or REGISTRY[account["provider"]].display_name for account in accounts]
    totals, seen = Counter(labels), Counter()
    result = []
    for account, label in zip(accounts, labels):
        seen[label] += 1
        result.append({**account, "label": label if totals[label] == 1 else f"{label} {seen[label]}"})
    return result


def read_account(account: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Read one account as plain data without secrets.

    Args:
        account: The validated provider options and `label`.
        progress: Receives one line for each request.

    Returns:
        `servers` and `snapshots` are None if they could not be listed. `unlisted` has the IDs of the servers whose snapshots
        could not be listed although those of other servers were. `error` has the reason.
    """
    provider = REGISTRY[account["provider"]]
    limits = provider.capabilities
    report: dict[str, Any] = {
        "label": account["label"], "provider": account["provider"], "api_url": None, "limit": limits.max_snapshots,
        "expected_seconds": limits.expected_create_seconds, "servers": None, "snapshots": None, "unlisted": [], "error": None,
    }
    options = {name: account[name] for name in PROVIDER_OPTIONS}
    try:
        report["api_url"] = normalize_params(options)["api_url"]
    except RewindError as error:
        return {**report, "error": error.format()}
    for operation, key in _READS:
        progress(f"{account['label']}: listing {key}")
        defaults = {name: option.get("default") for name, option in operation.SPEC.options.items() if name not in options}
        result = execute(operation, {**defaults, **options}, check_mode=False, diff_mode=False, progress=progress)
        report[key] = result.get(key)
        if result.get("failed"):
            return {**report, "error": result["msg"], "unlisted": [failed["server"] for failed in result.get("failed_servers", [])]}
    return report
