# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation as an Ansible module, in a process of its own."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._errors import internal_error_result
from ._execute import execute
from ._text import sanitize, sanitize_nested


class _Module(AnsibleModule):
    """A module whose options may contain any character."""

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Write Ansible's line to the system log. A NUL in it would fail the task with a message about syslog."""
        super().log(sanitize(msg), log_args and sanitize_nested(log_args))


def run_module(operation: Any) -> None:
    """Run a file of `_module/` as a module, and end the process with the result."""
    module = _Module(supports_check_mode=True, **operation.SPEC.to_kwargs())
    # Since ansible-core 2.22 a result contains, in clear, secrets that the controller does not know: here those of the environment.
    if hasattr(module, "_new_secrets"):
        module._new_secrets.flush()
    try:
        _exit(module, execute(operation, module.params, check_mode=module.check_mode, diff_mode=module._diff))
        return
    except Exception as error:  # for example a result that is no JSON
        result = internal_error_result(error)
    _exit(module, result)  # outside of the except clause: fail_json would show the exception's text


def _exit(module: AnsibleModule, result: dict[str, Any]) -> None:
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
