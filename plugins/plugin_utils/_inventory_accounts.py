# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts of an inventory file of the plugin `servers`, and the options that tasks of its hosts take from them.

The credentials are not variables, because Ansible shows variables (`ansible-inventory --list`, `debug`). They stay in the memory of
the process that reads the inventory. Ansible forks each task from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._argspec import SECRET_OPTIONS, complete_api_url, normalize_params, provider_spec
from ..module_utils._errors import RewindError, invalid_argument

ACCOUNT_OPTIONS: dict[str, dict[str, Any]] = {"name": {"type": "str"}, **provider_spec()}
HOST_VARIABLES = ("rewind_provider", "rewind_api_url", "rewind_server_id", "rewind_inventory", "rewind_account")
CACHE_VERSION = 1
CACHED_FIELDS = {"id", "name", "power_state", "task_state", "address"}  # of Server.to_result()

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ROUNDS = 100_000

_registry: dict[str, dict[str, Account]] = {}  # by file, then by name


@dataclass(frozen=True)
class Account:
    """One account at a provider.

    `name` is given in the file, else the provider's. `options` are validated, with `api_url` resolved, and include the credentials.
    """

    name: str
    options: dict[str, Any] = field(repr=False)

    @property
    def secrets(self) -> list[str]:
        """The credentials that are set."""
        return [self.options[name] for name in SECRET_OPTIONS if self.options[name]]


class AccountReader:
    """Reads the accounts of one file.

    `secrets` has every credential found so far, before and after templating, even if reading fails.

    Args:
        template: Evaluates a value that may be a template.
    """

    def __init__(self, template: Callable[[Any], Any]) -> None:
        self._template = template
        self.secrets: list[str] = []

    def collect_secrets(self, config: Any) -> None:
        """Add the credentials at any level of a configuration to `secrets`."""
        if isinstance(config, Mapping):
            for name, value in config.items():
                if name in SECRET_OPTIONS and isinstance(value, str):
                    self.secrets.append(value)
                self.collect_secrets(value)
        elif isinstance(config, (list, tuple)):
            for item in config:
                self.collect_secrets(item)

    def read(self, config: Mapping[str, Any]) -> list[Account]:
        """Return the accounts in the order of the file; at least one.

        Raises:
            RewindError: `invalid_argument`, with the account and the option.
        """
        accounts = [self._account(given, label) for given, label in _raw_accounts(config)]
        names = [account.name for account in accounts]
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise invalid_argument(f"{names.count(duplicates[0])} accounts have the name {duplicates[0]}", "give each account a unique name")
        return accounts

    def _account(self, given: Mapping[str, Any], label: str) -> Account:
        options = {name: self._render(value, f"{name} of {label}") for name, value in given.items()}
        self.collect_secrets(options)
        validation = ArgumentSpecValidator(ACCOUNT_OPTIONS).validate(options)
        parameters = validation.validated_parameters
        self.collect_secrets(parameters)  # including those of the environment
        if validation.error_messages:
            raise invalid_argument(f"{label.capitalize()}: {validation.errors.msg}")
        name = parameters.pop("name", None) or parameters["provider"]
        if not _NAME.fullmatch(name):
            raise invalid_argument(
                f"The name of {label} is not valid",
                "use up to 64 letters, digits, dots, hyphens and underscores, and start with a letter or a digit",
            )
        try:
            options = normalize_params(parameters)
        except RewindError as error:
            error.message = f"Account {name}: {error.message}"
            raise
        return Account(name, {option: options[option] for option in provider_spec()})

    def _render(self, value: Any, description: str) -> Any:
        """Evaluate an option. The text of an error is not shown, since it may contain a secret."""
        try:
            rendered = self._template(value)
            return str(rendered) if getattr(rendered, "__ENCRYPTED__", False) else rendered  # an inline vault before ansible-core 2.19
        except Exception as error:
            error_text = type(error).__name__
        raise invalid_argument(
            f"{description} cannot be evaluated ({error_text})",
            "check for a missing variable, file or vault password; an inventory file can use lookups and variables set with -e, but no others",
        )


def _raw_accounts(config: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """Return the raw options of each account, and its label for messages."""
    top_level = {name: config[name] for name in ACCOUNT_OPTIONS if name in config}
    if "accounts" not in config:
        return [(top_level, "the account")]
    if top_level:
        raise invalid_argument(f"{', '.join(top_level)} cannot be combined with accounts", "set these options in each account")
    accounts = config["accounts"]
    if not isinstance(accounts, list) or not accounts:
        raise invalid_argument("accounts must be a list of at least one account",
                               "or remove it and set the options of the single account at the top level")
    for number, given in enumerate(accounts, 1):
        if not isinstance(given, Mapping):
            raise invalid_argument(f"Account {number} of accounts must be a mapping of options, such as provider and api_token")
        if not set(given) <= set(ACCOUNT_OPTIONS):
            raise invalid_argument(f"Account {number} of accounts has unknown options", f"valid options: {', '.join(ACCOUNT_OPTIONS)}")
    return [(given, f"account {number} of accounts") for number, given in enumerate(accounts, 1)]


# --- the cache: neither the key nor the data of an account reveals a secret


def cache_key(account: Account) -> str:
    """Return a key that depends on the provider, the address and the credentials, and is safe as a file name.

    The hash of the credentials is slow and truncated, so that the key does not allow guessing them.
    """
    salt = f"rewind.vps {CACHE_VERSION} {account.options['provider']} {account.options['api_url']}".encode()
    return f"rewind_vps_{hashlib.pbkdf2_hmac('sha256', chr(0).join(account.secrets).encode(), salt, _ROUNDS).hex()[:16]}"


def cache_entry(servers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"version": CACHE_VERSION, "servers": servers}


def cached_servers(entry: Any) -> list[dict[str, Any]] | None:
    """Return the servers of an entry; None if this version did not write it."""
    servers = entry.get("servers") if isinstance(entry, dict) and entry.get("version") == CACHE_VERSION else None
    return servers if isinstance(servers, list) and all(_is_server(server) for server in servers) else None


def _is_server(server: Any) -> bool:
    return (
        isinstance(server, dict) and set(server) == CACHED_FIELDS
        and all(value is None or isinstance(value, str) for value in server.values())
    )


# --- what tasks take from an account


def register(source: str, accounts: Iterable[Account]) -> None:
    """Register the accounts of an inventory file, and replace those registered before."""
    _registry[source] = {account.name: account for account in accounts}


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
    api_url = complete_api_url(provider, str(given.get("api_url") or found["api_url"]))
    if on_controller and account is not None and [account.options[name] for name in ("provider", "api_url")] == [provider, api_url]:
        credentials = [name for name in SECRET_OPTIONS if account.options[name]]
        may_add_credentials = not any(given.get(name) for name in credentials)  # keys of two accounts must not be mixed
        found.update({name: value for name, value in account.options.items() if may_add_credentials or name not in credentials})
    # An empty server is an error of the task, so it must not become the server of the host.
    unset = {name for name in found if (name not in given if name == "server" else given.get(name) in (None, ""))}
    return {name: value for name, value in found.items() if value not in (None, "") and name in unset}
