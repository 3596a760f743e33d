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
from ..module_utils._http import requests_available
from ..module_utils._redaction import Redactor
from ._module_execution import ModuleExecutionAction

display = Display()

NO_LOG_PLACEHOLDER = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # as AnsibleModule shows hidden options


class InProcessAction(ModuleExecutionAction):
    """Base of the collection's action plugins; C(module) names the module."""

    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            return {**result, **self._dispatch(task_vars)}
        except AnsibleError:  # Ansible's own: a host that is not reached, a module that is not found
            raise
        except Exception as error:  # Ansible would show its text
            return {**result, **internal_error_result(error)}

    def _dispatch(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        if isinstance(self._task.args.get("server"), (list, tuple)):  # Ansible would make one text of it
            instead = "give a list as servers" if "servers" in SPECS[self.module].options else "use a loop, or one task for each host"
            return {"failed": True, "msg": f"server takes one server, and a list was given: {instead}"}
        reason = self._module_reason(task_vars)
        if reason:
            display.vvv(f"rewind.vps.{self.module}: runs as a module, since {reason}")
            return self._run_as_module(task_vars)
        with self._task_environment():
            return self._run_in_process(task_vars)

    # --- which door

    def _module_reason(self, task_vars: dict[str, Any]) -> str | None:
        if self._connection.transport != "local":
            return "the task does not run on the controller"
        if self._task.async_val:
            return "the task is asynchronous"
        if getattr(self._connection, "become", None):
            return "the task becomes another user"
        if not requests_available():
            return "the controller's Python has no requests"
        if self._has_custom_interpreter(task_vars):
            return "another Python is asked for"
        return None

    def _has_custom_interpreter(self, task_vars: dict[str, Any]) -> bool:
        """Whether a variable, the environment or ansible.cfg names another Python than the controller's."""
        variables = task_vars
        if self._task.delegate_to:
            variables = (task_vars.get("ansible_delegated_vars") or {}).get(self._task.delegate_to) or {}
        interpreter = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=variables))
        return bool(interpreter) and not str(interpreter).startswith("auto") and interpreter != sys.executable

    # --- here

    def _run_in_process(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        spec = SPECS[self.module]
        validation = ArgumentSpecValidator(spec.options, **spec.rules).validate(self._build_arguments(task_vars))
        # A secret may have been written into another option, too, so whatever is said about options passes through it as well.
        redactor = Redactor([validation.validated_parameters.get(name) for name in SECRET_OPTIONS])
        if validation.error_messages:
            result = {"failed": True, "msg": redactor.redact_text(self._validation_message(validation.errors))}
        else:
            result = self._execute(validation.validated_parameters, task_vars, redactor)
        warnings = [f"Both option {item['option']} and its alias {item['alias']} are set." for item in validation._warnings]
        if warnings or result.get("warnings"):
            result["warnings"] = [*warnings, *result.get("warnings", [])]
        else:
            result.pop("warnings", None)
        if self._injects_invocation(task_vars):
            result["invocation"] = redactor.redact({"module_args": self._mask_secrets(validation.validated_parameters)})
        return result

    def _execute(self, parameters: dict[str, Any], task_vars: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
        return execute(
            self.module,
            parameters,
            check_mode=self._task.check_mode,
            diff_mode=self._task.diff,
            progress=self._progress_callback(task_vars),
            # The process is the task's own: it ends now, and does not take up the next item of a loop.
            redeliver_signal=lambda number: os.kill(os.getpid(), number),
            redactor=redactor,
        )

    def _validation_message(self, errors: Any) -> str:
        if isinstance(errors[0], UnsupportedError):
            return f"Unsupported parameters for (rewind.vps.{self.module}) module: {errors.msg}"
        return errors.msg

    def _injects_invocation(self, task_vars: dict[str, Any]) -> bool:
        """Whether modules show their options in results here: since core 2.21 a setting, before always."""
        try:
            return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
        except AnsibleError:
            return True

    def _mask_secrets(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The options as a module's result shows them, with secrets hidden."""
        secrets = {parameters.get(name) for name in SECRET_OPTIONS} - {None, ""}
        return {name: NO_LOG_PLACEHOLDER if isinstance(value, str) and value in secrets else value for name, value in parameters.items()}
