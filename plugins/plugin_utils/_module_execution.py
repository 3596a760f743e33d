# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hands a task over to its module, and the credentials with it where nobody sees them.

Left alone, Ansible would write a task's C(environment) on a command line, show a module's options with ANSIBLE_DEBUG, and
write them into a file, which ANSIBLE_KEEP_REMOTE_FILES keeps.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from ansible import constants as C
from ansible.utils.display import Display

from ..module_utils._argspec import SECRET_OPTIONS, SPECS
from ..module_utils._redaction import Redactor
from . import _inventory_credentials as inventory_credentials
from ._controller_action import ControllerAction

display = Display()


class ModuleExecutionAction(ControllerAction):
    """The part of the action plugins that runs the module; C(module) names it."""

    module: str
    _options: dict[str, Any] = {}  # of the module that is being handed over to, credentials among them

    def _run_as_module(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        if C.DEFAULT_KEEP_REMOTE_FILES:
            display.warning("ANSIBLE_KEEP_REMOTE_FILES keeps no file of rewind.vps: the credentials are in it")
        wrap_async = self._task.async_val
        with self._credentials_as_options(self._build_arguments(task_vars)):
            # Before the module is built: ansible-core 2.22 gives it the secrets that are known here, and has it answer in clear
            # with those that are new to it, to be seen with ANSIBLE_DEBUG and in an asynchronous task's job file.
            redactor = Redactor([str(self._options[name]) for name in SECRET_OPTIONS if self._options.get(name)])
            self._options = {self._safe_option_name(name, redactor): value for name, value in self._options.items()}
            # No options are named here, since ANSIBLE_DEBUG shows them, and a credential may have been written into any of them.
            result = self._execute_module(module_name=self._full_name, module_args={}, task_vars=task_vars, wrap_async=wrap_async)
            result = redactor.redact(result)  # what AnsibleModule refuses it quotes, and hides values only
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _build_arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The task's options, with what the inventory knows of its host. Not in the task itself: callbacks are shown that."""
        options, arguments = SPECS[self.module].options, dict(self._task.args)
        variables = {name: self._templar.template(task_vars[name]) for name in inventory_credentials.HOST_VARIABLES if name in task_vars}
        # A task that only reads means the whole account where it names no server.
        may_name_none = "servers" in options and ["server", "servers"] not in SPECS[self.module].rules.get("required_one_of", [])
        names = {name for name in options if name != "server" or not (may_name_none or "servers" in arguments)}
        added = inventory_credentials.options_for_host(arguments, variables, on_controller=self._connection.transport == "local")
        return {**arguments, **{name: value for name, value in added.items() if name in names}}

    @property
    def _full_name(self) -> str:
        return f"rewind.vps.{self.module}"

    def _safe_option_name(self, name: str, redactor: Redactor) -> str:
        """An option's name as AnsibleModule may show it: it quotes those that it does not know."""
        options = SPECS[self.module].options
        known = {*options, *(alias for option in options.values() for alias in option.get("aliases", ()))}
        return name if name in known else redactor.redact_text(str(name))

    @contextlib.contextmanager
    def _credentials_as_options(self, arguments: dict[str, Any]) -> Iterator[None]:
        """Makes options of the credentials in the task's C(environment), which Ansible would put on the module's command line.

        Of those that the module would find in its environment, too, where that is this process's own: then they are known here.
        """
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        self._options = arguments
        for option in SECRET_OPTIONS:
            names = SPECS[self.module].options[option]["fallback"][1]
            found = [environment.pop(name) for name in names if name in environment]
            if self._connection.transport == "local" and not getattr(self._connection, "become", None):
                found += [os.environ[name] for name in names if name in os.environ]
            if found:
                self._options.setdefault(option, found[0])
        original = self._task.environment
        self._task.environment = [environment]
        try:
            yield
        finally:
            self._task.environment = original
            self._options = {}

    # --- where Ansible's own ways are left

    def _configure_module(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> Any:
        """Builds what is sent: here, behind everything that ANSIBLE_DEBUG shows, the options come in."""
        if module_name == self._full_name:
            module_args = {**self._options, **module_args}
        return super()._configure_module(module_name=module_name, module_args=module_args, task_vars=task_vars)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        """Through a pipe wherever it can be, whatever the configuration says: a run that is killed leaves no file then.

        Another user may need a terminal (sudo's requiretty), and an asynchronous module a file, so those go by the configuration.
        """
        connection = self._connection
        usable = module_style == "new" and getattr(connection, "has_pipelining", False) and not wrap_async and not getattr(connection, "become", None)
        return bool(usable or super()._is_pipelining_enabled(module_style, wrap_async))

    def _should_remove_tmp_path(self, tmp_path: str | None) -> bool:
        """As in Ansible, but for ANSIBLE_KEEP_REMOTE_FILES."""
        return bool(tmp_path and self._cleanup_remote_tmp and "-tmp-" in tmp_path)
