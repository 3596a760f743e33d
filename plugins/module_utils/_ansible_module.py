# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module door: what every module's main() does."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._argspec import SPECS
from ._execute import execute, internal_error_result
from ._text import sanitize, sanitize_nested


class _Module(AnsibleModule):
    """One whose options may hold any character."""

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Ansible's line in the system's log, which is one line whatever was given. A NUL in it would end the task with a word about syslog."""
        super().log(sanitize(msg), log_args and sanitize_nested(log_args))


def run_module(name: str) -> None:
    """Run the module of that name in its own process and end it with the result."""
    spec = SPECS[name]
    module = _Module(argument_spec=spec.options, supports_check_mode=True, **spec.rules)
    # Since ansible-core 2.22 a result tells secrets in clear that the controller doesn't know: here those of the environment.
    if hasattr(module, "_new_secrets"):
        module._new_secrets.flush()
    try:
        _exit(module, execute(name, module.params, check_mode=module.check_mode, diff_mode=module._diff))
        return
    except Exception as error:  # a result that can't be written as JSON, for example
        result = internal_error_result(error)
    _exit(module, result)  # no exception is being handled here any more: fail_json would show its text


def _exit(module: AnsibleModule, result: dict[str, Any]) -> None:
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
