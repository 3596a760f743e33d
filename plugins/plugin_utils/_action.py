# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugins that run a module's operation in the controller's own process where possible.

A module on the controller costs half a second: packing, a new Python process and its imports. If the task would run on
the controller anyway, the action validates the options with the same spec and runs the same operation in process.
Otherwise it runs the module. Results, errors, check mode, diff and hidden values are the same in both modes.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._argspec import CREDENTIAL_ENV_VARS, SECRET_OPTIONS, SERVERS_RULE, client_credential
from ..module_utils._errors import internal_error_result
from ..module_utils._execute import execute
from ..module_utils._http.checks import requests_available
from ..module_utils._redaction import Redactor
from ..module_utils._text import sanitize
from . import _inventory_accounts as inventory_accounts

display = Display()

# Ansible loads an action in its main process, and each task is a fork of it. Thus `requests` is imported once, not in each task.
requests_available()
# Python's documentation recommends this before a fork. Otherwise a garbage collection in a task copies the memory that both share.
gc.freeze()

NO_LOG_PLACEHOLDER = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # as AnsibleModule shows hidden options
HOME_PATTERN = re.compile("HOME")  # a provider's own client keeps its credentials there
# The output of these is read by programs, which may have both streams in one.
MACHINE_READABLE_CALLBACKS = frozenset({"json", "jsonl", "null"})


def wants_progress(environ: Mapping[str, str], stdout_callback: str) -> bool:
    """Return whether to show progress: not with `REWIND_PROGRESS=0`, and not if the output is JSON."""
    disabled = environ.get("REWIND_PROGRESS", "").strip().lower() in ("0", "no", "off", "false")
    return not disabled and stdout_callback.rpartition(".")[2] not in MACHINE_READABLE_CALLBACKS


class ControllerAction(ActionBase):
    """Base of actions that work in the controller's process."""

    @contextlib.contextmanager
    def _task_environment(self, name_pattern: re.Pattern[str] | None = None) -> Iterator[None]:
        """Set the task's `environment` inside the block, as its module would see it. Each task has a process of its own.

        Args:
            name_pattern: Of the variables to set; by default all of them.
        """
        requested: dict[str, Any] = {}
        self._compute_environment_string(requested)
        original = dict(os.environ)
        os.environ.update({name: str(value) for name, value in requested.items() if name_pattern is None or name_pattern.fullmatch(name)})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(original)

    def _progress_callback(self, task_vars: dict[str, Any]) -> Callable[[str], None]:
        """Return a function that shows a line of progress on standard error, or does nothing (see `wants_progress`)."""
        if not wants_progress(os.environ, C.DEFAULT_STDOUT_CALLBACK):
            return lambda text: None
        host = task_vars.get("inventory_hostname", "localhost")
        return lambda text: display.display(sanitize(f"{host}: {text}"), stderr=True)


class InProcessAction(ControllerAction):
    """Base of the actions of modules.

    Attributes:
        operation: The module's file in `module_utils/_module/`.
    """

    operation: Any
    _supports_async = True
    _supports_check_mode = True
    _options: dict[str, Any] = {}  # of the module while it is started, with credentials

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            return {**result, **self._dispatch(task_vars)}
        except AnsibleError:  # Ansible's own: an unreachable host, a missing module
            raise
        except Exception as error:  # Ansible would show its text
            return {**result, **internal_error_result(error)}

    def _dispatch(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        if isinstance(self._task.args.get("server"), (list, tuple)):  # Ansible would convert it to a string
            instead = "use servers for a list" if "servers" in self.operation.SPEC.options else "use a loop, or one task for each host"
            return {"failed": True, "msg": f"server takes one server, but a list was given: {instead}"}
        reason = self._module_reason(task_vars)
        if reason:
            display.vvv(f"{self._full_name}: runs as a module, since {reason}")
            return self._run_as_module(task_vars)
        with self._task_environment():
            return self._run_in_process(task_vars)

    # --- the execution mode

    def _module_reason(self, task_vars: dict[str, Any]) -> str | None:
        if self._connection.transport != "local":
            return "the task does not run on the controller"
        if self._task.async_val:
            return "the task is asynchronous"
        if getattr(self._connection, "become", None):
            return "the task uses become"
        if not requests_available():
            return "the controller's Python has no requests"
        if self._has_custom_interpreter(task_vars):
            return "another Python is configured"
        return None

    def _has_custom_interpreter(self, task_vars: dict[str, Any]) -> bool:
        """Return whether a variable, the environment or ansible.cfg selects another Python than the controller's."""
        variables = task_vars
        if self._task.delegate_to:
            variables = (task_vars.get("ansible_delegated_vars") or {}).get(self._task.delegate_to) or {}
        interpreter = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=variables))
        return bool(interpreter) and not str(interpreter).startswith("auto") and interpreter != sys.executable

    # --- options

    @property
    def _full_name(self) -> str:
        return f"rewind.vps.{self.operation.__name__.rpartition('.')[2]}"

    def _build_arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the task's options and those from the inventory. They are not added to the task, since callbacks show that."""
        options, arguments = self.operation.SPEC.options, dict(self._task.args)
        variables = {name: self._templar.template(task_vars[name]) for name in inventory_accounts.HOST_VARIABLES if name in task_vars}
        # Without a server, a task that only reads is about the whole account.
        may_name_none = "servers" in options and SERVERS_RULE not in self.operation.SPEC.required_one_of
        names = {name for name in options if name != "server" or not (may_name_none or "servers" in arguments)}
        added = inventory_accounts.options_for_host(arguments, variables, on_controller=self._connection.transport == "local")
        return {**arguments, **{name: value for name, value in added.items() if name in names}}

    # --- in process

    def _run_in_process(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        validation = ArgumentSpecValidator(**self.operation.SPEC.to_kwargs()).validate(self._build_arguments(task_vars))
        # A secret may be in another option, too, so messages about options are redacted as well.
        redactor = Redactor([validation.validated_parameters.get(name) for name in SECRET_OPTIONS])
        if validation.error_messages:
            unsupported = f"Unsupported parameters for ({self._full_name}) module: " if isinstance(validation.errors[0], UnsupportedError) else ""
            result = {"failed": True, "msg": redactor.redact_text(unsupported + validation.errors.msg)}
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
            self.operation,
            parameters,
            check_mode=self._task.check_mode,
            diff_mode=self._task.diff,
            progress=self._progress_callback(task_vars),
            # The process is the task's own: it ends, and a loop does not continue with the next item.
            redeliver_signal=lambda number: os.kill(os.getpid(), number),
            redactor=redactor,
        )

    def _injects_invocation(self, task_vars: dict[str, Any]) -> bool:
        """Return whether results contain the options: a setting since ansible-core 2.21, always before."""
        try:
            return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
        except AnsibleError:
            return True

    def _mask_secrets(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the options as a module's result shows them, with secrets hidden."""
        secrets = {parameters.get(name) for name in SECRET_OPTIONS} - {None, ""}
        return {name: NO_LOG_PLACEHOLDER if isinstance(value, str) and value in secrets else value for name, value in parameters.items()}

    # --- as a module

    def _run_as_module(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module, without its credentials where they are visible.

        Ansible would write the task's `environment` on a command line, show a module's options with ANSIBLE_DEBUG, and
        write them to a file, which ANSIBLE_KEEP_REMOTE_FILES keeps.
        """
        if C.DEFAULT_KEEP_REMOTE_FILES:
            display.warning("ANSIBLE_KEEP_REMOTE_FILES keeps no file of rewind.vps: the credentials are in it")
        wrap_async = self._task.async_val
        with self._credentials_as_options(self._build_arguments(task_vars)):
            # Before the module is built: ansible-core 2.22 passes known secrets to the module. The module would return unknown
            # ones in clear, visible with ANSIBLE_DEBUG and in an asynchronous task's job file.
            redactor = Redactor([str(self._options[name]) for name in SECRET_OPTIONS if self._options.get(name)])
            self._options = {self._safe_option_name(name, redactor): value for name, value in self._options.items()}
            # No options are passed here, since ANSIBLE_DEBUG shows them, and any of them may contain a credential.
            result = self._execute_module(module_name=self._full_name, module_args={}, task_vars=task_vars, wrap_async=wrap_async)
            result = redactor.redact(result)  # AnsibleModule quotes invalid options, and hides only values
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _safe_option_name(self, name: str, redactor: Redactor) -> str:
        """Return an option's name as AnsibleModule may show it: it quotes unknown options."""
        options = self.operation.SPEC.options
        known = {*options, *(alias for option in options.values() for alias in option.get("aliases", ()))}
        return name if name in known else redactor.redact_text(str(name))

    @contextlib.contextmanager
    def _credentials_as_options(self, arguments: dict[str, Any]) -> Iterator[None]:
        """Convert credentials in the task's `environment` to options. Ansible would put them on the module's command line.

        If the module inherits this process's environment, its credentials are converted as well: then they can be redacted.
        """
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        self._options = arguments
        is_inherited = self._connection.transport == "local" and not getattr(self._connection, "become", None)
        visible = {**os.environ, **environment} if is_inherited else environment
        for option in SECRET_OPTIONS:
            found = [visible[name] for name in self.operation.SPEC.options[option]["fallback"][1] if str(visible.get(name, "")).strip()]
            if not found and is_inherited:
                with self._task_environment(HOME_PATTERN):
                    found = [value for value in [client_credential(option)] if value]
            if found:
                self._options.setdefault(option, found[0])
        environment = {name: value for name, value in environment.items() if name not in CREDENTIAL_ENV_VARS or not str(value).strip()}
        original = self._task.environment
        self._task.environment = [environment]
        try:
            yield
        finally:
            self._task.environment = original
            self._options = {}

    # Ansible's own methods, overridden for `_run_as_module`

    def _configure_module(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> Any:
        """Build the module. The options are added here, after everything that ANSIBLE_DEBUG shows."""
        if module_name == self._full_name:
            module_args = {**self._options, **module_args}
        return super()._configure_module(module_name=module_name, module_args=module_args, task_vars=task_vars)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        """Use a pipe where possible, whatever the configuration says: then a run that is killed leaves no file.

        Another user may need a terminal (sudo's requiretty), and an asynchronous module a file. The configuration decides there.
        """
        connection = self._connection
        usable = module_style == "new" and getattr(connection, "has_pipelining", False) and not wrap_async and not getattr(connection, "become", None)
        return bool(usable or super()._is_pipelining_enabled(module_style, wrap_async))

    def _should_remove_tmp_path(self, tmp_path: str | None) -> bool:
        """Decide as Ansible does, but ignore ANSIBLE_KEEP_REMOTE_FILES."""
        return bool(tmp_path and self._cleanup_remote_tmp and "-tmp-" in tmp_path)
