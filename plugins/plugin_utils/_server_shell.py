# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the role's own commands on the server, over the connection of the task.

They need only a POSIX shell. They get no terminal and no input, so a program that asks a question can't block them, and each has a time limit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ssh as ssh_plugin

from ._server_facts import forget_interpreter
from ._time_limit import TimeLimitExceeded, time_limit
from ._upgrade.server_access import MAX_ERROR_CHARS, ServerUnavailable

KEEP_OPEN_TIMEOUT = 20  # seconds
REQUIRES_TERMINAL = "you must have a tty"  # of sudo with requiretty

SCRIPT_START = "exec </dev/null\nLC_ALL=C\nexport LC_ALL\n"
EMPTY_INPUT = b"\n"  # with input, a connection requests no terminal, and closes standard input afterwards


class ServerShell:
    """The server of an action's task. Implements `ServerAccess`."""

    def __init__(self, action: ActionBase, task_vars: dict[str, Any]) -> None:
        self._action = action
        self._task_vars = task_vars
        self.facts: dict[str, Any] = {}
        self._sudo_requires_terminal = False

    @property
    def requires_terminal(self) -> bool:
        """Whether commands run in a terminal only, as with su. They have no input there, either."""
        connection = self._action._connection
        become = connection.become
        if become is not None and (become.name == "su" or getattr(become, "require_tty", False) or not getattr(become, "pipelining", True)):
            return True
        return self._sudo_requires_terminal or not connection.has_pipelining

    def run(self, script: str, seconds: float, *, new_login: bool = False) -> str:
        """See `ServerAccess.run`."""
        result = self._execute(script, seconds, new_login)
        if result["rc"] != 0 and not self.requires_terminal and REQUIRES_TERMINAL in result.get("stderr", ""):
            self._sudo_requires_terminal = True
            result = self._execute(script, seconds, new_login)
        if result["rc"] != 0:
            raise ServerUnavailable(_one_line(result.get("stderr") or result["stdout"]) or f"the shell ended with status {result['rc']}")
        return result["stdout"]

    def _execute(self, script: str, seconds: float, new_login: bool) -> dict[str, Any]:
        stdin = None if self.requires_terminal else EMPTY_INPUT
        try:
            with time_limit(seconds), self._ssh_options(new_login):
                return self._action._low_level_execute_command(SCRIPT_START + script, sudoable=True, in_data=stdin)
        except TimeLimitExceeded:
            raise ServerUnavailable(f"no answer within {seconds:.0f} s") from None
        except AnsibleError as error:
            raise ServerUnavailable(_message(error)) from None

    def keep_open(self) -> bool:
        """See `ServerAccess.keep_open`. Without a shared connection this would be one more login."""
        if not getattr(self._action._connection, "_persistent", False):
            return False
        try:
            return self._execute("true", KEEP_OPEN_TIMEOUT, new_login=False)["rc"] == 0
        except ServerUnavailable:
            return False

    def reset(self) -> None:
        """See `ServerAccess.reset`."""
        with contextlib.suppress(AnsibleError):
            self._action._connection.reset()

    def find_module_problem(self, seconds: float) -> str | None:
        """See `ServerAccess.find_module_problem`. A Python interpreter that an upgrade has replaced is searched again."""
        problem = self._run_ping(self._task_vars, seconds)
        without_interpreter = forget_interpreter(self._task_vars)
        if problem and without_interpreter["ansible_facts"] != (self._task_vars.get("ansible_facts") or {}):
            problem = self._run_ping(without_interpreter, seconds)
        return problem

    def _run_ping(self, task_vars: dict[str, Any], seconds: float) -> str | None:
        try:
            with time_limit(seconds):
                result = self._action._execute_module(module_name="ansible.builtin.ping", module_args={}, task_vars=task_vars)
        except TimeLimitExceeded:
            return f"no answer within {seconds:.0f} s"
        except AnsibleConnectionFailure as failure:
            raise ServerUnavailable(_message(failure)) from None
        except AnsibleError as error:
            return _message(error)
        if result.get("ping") == "pong":
            if self._action._discovered_interpreter_key:
                self.facts = {self._action._discovered_interpreter_key: str(self._action._discovered_interpreter)}
            return None
        return _one_line(result.get("module_stderr") or result.get("module_stdout") or result.get("msg") or "it has no result")

    @contextlib.contextmanager
    def _ssh_options(self, new_login: bool) -> Iterator[None]:
        """Let ssh send the command once, and for a new login open a connection of its own (`-S none` comes before every ControlPath).

        Other connection plugins log in for each task.
        """
        connection = self._action._connection
        if not isinstance(connection, ssh_plugin.Connection):
            yield
            return
        arguments = connection.get_option("ssh_extra_args")
        options = {"reconnection_retries": 0, "ssh_extra_args": f"{arguments or ''} -S none" if new_login else arguments}
        before = {name: connection.get_option(name) for name in options}
        for name, value in options.items():
            connection.set_option(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                connection.set_option(name, value)


def _message(error: AnsibleError) -> str:
    """Return the message of the connection, without the text that Ansible's executor adds."""
    return " ".join((getattr(error, "detail", None) or to_text(error)).split())[-MAX_ERROR_CHARS:]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
