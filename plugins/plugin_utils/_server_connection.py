# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs scripts and modules on the server of a task, as tasks do, and explains why Ansible can't log in."""

from __future__ import annotations

import tempfile
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ssh as ssh_plugin

from ._server_facts import forget_interpreter
from ._time_limit import TimeLimitExceeded, time_limit
from ._upgrade import controller_observer, controller_state, server_check

COMMAND_TIMEOUT = 180  # seconds; a package manager may read its repositories
PRIVILEGE_PROMPT = "privilege escalation prompt"  # of ssh's error if become does not respond; some versions of ansible-core call it unreachable


class ServerConnection:
    """The connection of an action's task to its server."""

    def __init__(self, action: ActionBase, task_vars: dict[str, Any]) -> None:
        self._action = action
        self._task_vars = task_vars

    @property
    def become_method(self) -> str | None:
        """With which the task becomes another user, if it does."""
        become = getattr(self._action._connection, "become", None)
        return become.name if become else None

    def run(self, script: str, privileged: bool) -> dict[str, Any]:
        """Run a script in the login shell, as the action `raw` does, with become only if `privileged`. Return `stdout` and `stderr`.

        Raises:
            RewindError: Ansible can't log in, or not become the other user.
        """
        host = self._task_vars.get("inventory_hostname", "localhost")
        try:
            with time_limit(COMMAND_TIMEOUT):
                return self._action._low_level_execute_command(script, sudoable=privileged, executable=False)
        except TimeLimitExceeded:
            raise server_check.unreachable_error(f"no answer within {COMMAND_TIMEOUT} s", "", host) from None
        except AnsibleError as failure:
            detail = to_text(failure)
            if isinstance(failure, AnsibleConnectionFailure) and PRIVILEGE_PROMPT not in detail:
                raise server_check.unreachable_error(detail, controller_state.explain(detail, self.observe_controller()), host) from None
        # Outside of `except`, so that Ansible does not find a lost connection as the cause.
        raise server_check.become_error(self.become_method or "become", detail, host)

    def run_module(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Run one of Ansible's modules on the server, as a task would, and return its result.

        The Python interpreter that Ansible knows may be older than the server, for example in a fact cache. Then it is discovered again, and is among
        the result's facts.
        """
        result = self._run_module(name, options, self._task_vars)
        without_interpreter = forget_interpreter(self._task_vars)
        if result.get("failed") and without_interpreter["ansible_facts"] != (self._task_vars.get("ansible_facts") or {}):
            result = self._run_module(name, options, without_interpreter)
        return result

    def _run_module(self, name: str, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        try:
            with time_limit(COMMAND_TIMEOUT):
                return self._action._execute_module(module_name=name, module_args=options, task_vars=task_vars)
        except TimeLimitExceeded:
            return {"failed": True, "msg": f"no answer within {COMMAND_TIMEOUT} s"}
        except AnsibleError as failure:  # for example without a directory for temporary files
            return {"failed": True, "msg": to_text(failure)}

    def observe_controller(self) -> dict[str, Any] | None:
        """Observe what logins of this connection depend on, see `controller_observer`. None for other connections than SSH."""
        connection = self._action._connection
        if not isinstance(connection, ssh_plugin.Connection):
            return None
        directories = [C.DEFAULT_LOCAL_TMP, connection.get_option("control_path_dir") or tempfile.gettempdir()]
        return controller_observer.observe(controller_observer.ssh_command(connection), directories)
