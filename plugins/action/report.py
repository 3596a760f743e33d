# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError, internal_error_result, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._provider.values import to_iso8601
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize
from ansible_collections.rewind.vps.plugins.plugin_utils._action import ControllerAction
from ansible_collections.rewind.vps.plugins.plugin_utils._report import accounts as report_accounts
from ansible_collections.rewind.vps.plugins.plugin_utils._report import upgrade_history
from ansible_collections.rewind.vps.plugins.plugin_utils._report.render import render, write_page
from ansible_collections.rewind.vps.plugins.plugin_utils._report.summary_view import build_result
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import credential_values


class ActionModule(ControllerAction):
    """Reads the accounts and writes the page; always on the controller."""

    _supports_async = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            with self._task_environment():
                return {**result, **self._report(task_vars)}
        except AnsibleError:  # Ansible's own: a variable that cannot be templated
            raise
        except Exception as error:  # Ansible would show its text, which may contain a secret
            return {**result, **internal_error_result(error)}

    def _report(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        validation = ArgumentSpecValidator(report_accounts.OPTIONS).validate(self._task.args.copy())
        parameters = validation.validated_parameters
        secrets = credential_values(parameters)
        if validation.error_messages:
            return {"failed": True, "msg": Redactor([*secrets, *_given_secrets(self._task.args)]).redact_text(validation.errors.msg)}
        try:
            accounts = report_accounts.with_labels(self._accounts(parameters, task_vars))
            redactor = Redactor([*secrets, *(secret for account in accounts for secret in credential_values(account))])
            gathered = redactor.redact({
                "made_at": to_iso8601(datetime.now(timezone.utc).isoformat()),
                "accounts": [report_accounts.read_account(account, self._progress_callback(task_vars)) for account in accounts],
                "upgrades": upgrade_history.read_upgrades(parameters["state_dir"], parameters["upgrades"]),
            })
            path = os.path.abspath(parameters["path"])
            if not self._task.check_mode:
                write_page(path, render(gathered))
            return build_result(gathered, path, self._task.check_mode)
        except RewindError as error:
            return {"failed": True, "changed": False, "msg": error.format(), "error": error.to_result()}
        except OSError as error:
            return {"failed": True, "changed": False, "msg": sanitize(f"Cannot write the page: {error.strerror}: {error.filename}")}

    def _accounts(self, parameters: dict[str, Any], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        if not 1 <= parameters["upgrades"] <= report_accounts.MAX_UPGRADES:
            raise invalid_argument(f"upgrades must be from 1 to {report_accounts.MAX_UPGRADES}, not {parameters['upgrades']}")
        if os.path.isdir(parameters["path"]):
            raise invalid_argument(f"path must be a file, but {parameters['path']} is a directory")
        hostvars = task_vars.get("hostvars") or {}
        return report_accounts.select_accounts(parameters, lambda host, name: (hostvars[host] if host in hostvars else {}).get(name))


def _given_secrets(arguments: dict[str, Any]) -> list[str]:
    """Return the credentials among options that are not validated yet."""
    accounts = arguments.get("accounts")
    mappings = [arguments, *(account for account in (accounts if isinstance(accounts, list) else []) if isinstance(account, dict))]
    return [str(secret) for mapping in mappings for secret in credential_values(mapping) if secret]
