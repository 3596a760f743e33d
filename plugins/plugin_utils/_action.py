# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quick door: a module's work done in the controller's own process.

A local module costs half a second of packing, a fresh Python and imports. Where the task would run on the controller
anyway, its action plugin validates with the same specs and runs the same operation in process; everywhere else it
hands over to the module. Results, errors, check mode, diff and hidden values are the same through both.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.utils.display import Display

from ..module_utils._argspec import SECRET_OPTIONS, SPECS
from ..module_utils._execute import execute, internal_error_result
from ..module_utils._http.session import requests_available
from ..module_utils._redaction import Redactor
from ._module_execution import ModuleDoor

display = Display()

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # as AnsibleModule shows hidden options


class QuickDoor(ModuleDoor):
    """Base of the collection's action plugins; C(module) names the module."""

    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            return {**result, **self._through_a_door(task_vars)}
        except AnsibleError:  # Ansible's own: a host that is not reached, a module that is not found
            raise
        except Exception as error:  # Ansible would show its text
            return {**result, **internal_error_result(error)}

    def _through_a_door(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        if isinstance(self._task.args.get("server"), (list, tuple)):  # Ansible would make one text of it
            instead = "give a list as servers" if "servers" in SPECS[self.module].options else "use a loop, or one task for each host"
            return {"failed": True, "msg": f"server takes one server, and a list was given: {instead}"}
        reason = self._why_not_here(task_vars)
        if reason:
            display.vvv(f"rewind.vps.{self.module}: runs as a module, since {reason}")
            return self._hand_over(task_vars)
        with self._task_environment():
            return self._run_here(task_vars)

    # --- which door

    def _why_not_here(self, task_vars: dict[str, Any]) -> str | None:
        if self._connection.transport != "local":
            return "the task does not run on the controller"
        if self._task.async_val:
            return "the task is asynchronous"
        if getattr(self._connection, "become", None):
            return "the task becomes another user"
        if not requests_available():
            return "the controller's Python has no requests"
        if self._other_interpreter(task_vars):
            return "another Python is asked for"
        return None

    def _other_interpreter(self, task_vars: dict[str, Any]) -> bool:
        """Whether a variable, the environment or ansible.cfg names another Python than the controller's."""
        variables = task_vars
        if self._task.delegate_to:
            variables = (task_vars.get("ansible_delegated_vars") or {}).get(self._task.delegate_to) or {}
        asked = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=variables))
        return bool(asked) and not str(asked).startswith("auto") and asked != sys.executable

    # --- here

    def _run_here(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        spec = SPECS[self.module]
        validation = ArgumentSpecValidator(spec.options, **spec.rules).validate(self._arguments(task_vars))
        # A secret may have been written into another option, too, so whatever is said about options passes through it as well.
        redactor = Redactor([validation.validated_parameters.get(name) for name in SECRET_OPTIONS])
        if validation.error_messages:
            result = {"failed": True, "msg": redactor.redact_text(self._validation_message(validation.errors))}
        else:
            result = self._result_of_run(validation.validated_parameters, task_vars, redactor)
        warnings = [f"Both option {item['option']} and its alias {item['alias']} are set." for item in validation._warnings]
        if warnings or result.get("warnings"):
            result["warnings"] = [*warnings, *result.get("warnings", [])]
        else:
            result.pop("warnings", None)
        if self._tells_invocation(task_vars):
            result["invocation"] = redactor.redact({"module_args": self._shown(validation.validated_parameters)})
        return result

    def _result_of_run(self, parameters: dict[str, Any], task_vars: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
        return execute(
            self.module,
            parameters,
            check_mode=self._task.check_mode,
            diff_mode=self._task.diff,
            tell=self._teller(task_vars),
            # The process is the task's own: it ends now, and does not take up the next item of a loop.
            hand_on_signal=lambda number: os.kill(os.getpid(), number),
            redactor=redactor,
        )

    def _validation_message(self, errors: Any) -> str:
        if isinstance(errors[0], UnsupportedError):
            return f"Unsupported parameters for (rewind.vps.{self.module}) module: {errors.msg}"
        return errors.msg

    def _tells_invocation(self, task_vars: dict[str, Any]) -> bool:
        """Whether modules show their options in results here: since core 2.21 a setting, before always."""
        try:
            return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
        except AnsibleError:
            return True

    def _shown(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The options as a module's result shows them, with secrets hidden."""
        secrets = {parameters.get(name) for name in SECRET_OPTIONS} - {None, ""}
        return {name: HIDDEN if isinstance(value, str) and value in secrets else value for name, value in parameters.items()}
