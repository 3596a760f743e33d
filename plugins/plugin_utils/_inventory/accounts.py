# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts that an inventory file names: the same options as the modules', from the same specification."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._argspec import SECRET_OPTIONS, normalize_params, provider_spec
from ...module_utils._errors import RewindError, invalid_argument

ACCOUNT_OPTIONS: dict[str, dict[str, Any]] = {"name": {"type": "str"}, **provider_spec()}

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Account:
    """One account at a cloud.

    :ivar name: what the file calls it; else the cloud's name.
    :ivar options: what opens the cloud's door, validated, with C(api_url) resolved. Secrets are in it.
    """

    name: str
    options: dict[str, Any] = field(repr=False)

    @property
    def provider(self) -> str:
        """The cloud, as the option names it."""
        return self.options["provider"]

    @property
    def api_url(self) -> str:
        """Where the cloud is asked."""
        return self.options["api_url"]

    @property
    def secrets(self) -> list[str]:
        """The credentials that are given."""
        return [self.options[name] for name in SECRET_OPTIONS if self.options[name]]


class AccountReader:
    """Reads the accounts of one file.

    :arg template: evaluates a text that may be a template.
    :ivar secrets: every credential that was seen, before and after templating; kept also where reading fails.
    """

    def __init__(self, template: Callable[[Any], Any]) -> None:
        self._template = template
        self.secrets: list[str] = []

    def collect_secrets(self, config: Any) -> None:
        """Note the credentials of a file as they stand in it, wherever they stand."""
        if isinstance(config, Mapping):
            for name, value in config.items():
                if name in SECRET_OPTIONS and isinstance(value, str):
                    self.secrets.append(value)
                self.collect_secrets(value)
        elif isinstance(config, (list, tuple)):
            for item in config:
                self.collect_secrets(item)

    def read(self, config: Mapping[str, Any]) -> list[Account]:
        """The accounts, in the file's order; at least one.

        :raises RewindError: C(invalid_argument), naming the account and the option.
        """
        accounts = [self._account(given, label) for given, label in _raw_accounts(config)]
        names = [account.name for account in accounts]
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise invalid_argument(f"{names.count(duplicates[0])} accounts are called {duplicates[0]}", "give each account a name of its own")
        return accounts

    def _account(self, given: Mapping[str, Any], label: str) -> Account:
        options = {name: self._render(value, f"{name} of {label}") for name, value in given.items()}
        self.collect_secrets(options)
        validation = ArgumentSpecValidator(ACCOUNT_OPTIONS).validate(options)
        parameters = validation.validated_parameters
        self.collect_secrets(parameters)  # those of the environment, too
        if validation.error_messages:
            raise invalid_argument(f"{label.capitalize()}: {validation.errors.msg}")
        name = parameters.pop("name", None) or parameters["provider"]
        if not _NAME.fullmatch(name):
            raise invalid_argument(
                f"The name of {label} has characters that no account's name may have",
                "use up to 64 letters, digits, dots, hyphens and underscores, and begin with a letter or a digit",
            )
        try:
            options = normalize_params(parameters)
        except RewindError as error:
            error.message = f"Account {name}: {error.message}"
            raise
        return Account(name, {option: options[option] for option in provider_spec()})

    def _render(self, value: Any, description: str) -> Any:
        """An option's value; the text of an error in it may hold anything, so it is not shown."""
        try:
            rendered = self._template(value)
            return str(rendered) if getattr(rendered, "__ENCRYPTED__", False) else rendered  # an inline vault, before ansible-core 2.19
        except Exception as error:
            error_text = type(error).__name__
        raise invalid_argument(
            f"{description} can't be evaluated ({error_text})",
            "is a variable, a file or a vault's password missing? Besides lookups only variables given with -e are known in an inventory file",
        )


def _raw_accounts(config: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """What is given of each account, and how messages call it."""
    top_level = {name: config[name] for name in ACCOUNT_OPTIONS if name in config}
    if "accounts" not in config:
        return [(top_level, "the account")]
    if top_level:
        raise invalid_argument(f"{', '.join(top_level)} can't stand beside accounts", "let each account have its own")
    accounts = config["accounts"]
    if not isinstance(accounts, list) or not accounts:
        raise invalid_argument("accounts must be a list of at least one account", "or leave it out, and say the one account's options in its place")
    for number, given in enumerate(accounts, 1):
        if not isinstance(given, Mapping):
            raise invalid_argument(f"Account {number} of accounts must be options with their values, such as provider: and api_token:")
        if not set(given) <= set(ACCOUNT_OPTIONS):
            raise invalid_argument(f"Account {number} of accounts has options that no account has", f"there are: {', '.join(ACCOUNT_OPTIONS)}")
    return [(given, f"account {number} of accounts") for number, given in enumerate(accounts, 1)]
