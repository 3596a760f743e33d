# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the role on a server: a login of their own, no terminal, no input, a time limit; and whether modules run."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.rewind.vps.plugins.plugin_utils._server_shell import EMPTY_INPUT, ServerShell
from ansible_collections.rewind.vps.plugins.plugin_utils._time_limit import TimeLimitExceeded, time_limit
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable

OK = {"rc": 0, "stdout": "end\n", "stderr": ""}


class Action:
    """An action over a real ssh plugin, whose commands are answered here.

    :ivar calls: command, input and ssh's arguments of each command.
    :ivar modules: results of modules by the discovered interpreter that they were run with.
    """

    def __init__(self, become=None, plugin="ssh", **variables):
        self._connection = connection_loader.get(plugin, PlayContext(), "/dev/null")
        self._connection.set_options(var_options={"ansible_host": "192.0.2.1", **variables})
        self._connection.become = become
        self._discovered_interpreter_key = self._discovered_interpreter = None
        self.calls, self.answers, self.modules = [], [OK], {}

    def _low_level_execute_command(self, cmd, sudoable, in_data):
        assert sudoable
        built = self._connection._build_command("ssh", "ssh", "192.0.2.1", "true") if self._connection.transport == "ssh" else []
        self.calls.append((cmd, in_data, [part.decode() for part in built]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def _execute_module(self, module_name, module_args, task_vars):
        assert (module_name, module_args) == ("ansible.builtin.ping", {})
        result = self.modules[(task_vars.get("ansible_facts") or {}).get("discovered_interpreter_python")]
        if isinstance(result, Exception):
            raise result
        if "discovers" in result:
            self._discovered_interpreter_key, self._discovered_interpreter = "discovered_interpreter_python", result["discovers"]
        return result


@pytest.mark.parametrize("variables", [
    {}, {"ansible_ssh_extra_args": "-o ControlPath=/mine"}, {"ansible_ssh_common_args": "-o ControlMaster=auto -o ControlPath=/mine"},
    {"ansible_ssh_args": "-C -o ControlPath=/mine"},
])
def test_a_new_login_has_no_shared_connection(variables, tmp_path):
    """The first ControlPath counts, and -S comes before all of them."""
    action = Action(ansible_control_path_dir=str(tmp_path), **variables)
    shell = ServerShell(action, {})
    for new_login in (False, True, False):
        assert shell.run("true", 5, new_login=new_login) == "end\n"
    without, with_new_login, afterwards = (call[2] for call in action.calls)
    assert without == afterwards and "-S" not in without
    assert with_new_login[with_new_login.index("-S") + 1] == "none"
    assert [part for part in with_new_login if part not in ("-S", "none")] == without


@pytest.mark.parametrize(("variables", "answer", "works", "commands"), [
    ({}, OK, True, 1), ({}, AnsibleConnectionFailure("lost"), False, 1), ({"ansible_ssh_args": "-o ControlPath=none"}, OK, False, 0),
])
def test_an_open_connection_is_used_to_keep_it(variables, answer, works, commands, tmp_path):
    action = Action(ansible_control_path_dir=str(tmp_path), **variables)
    action._connection._build_command("ssh", "ssh", "192.0.2.1", "true")
    action.answers = [answer]
    assert ServerShell(action, {}).keep_open() is works
    assert len(action.calls) == commands


@pytest.mark.parametrize("new_login", [False, True])
def test_ssh_does_not_send_a_command_again(new_login, tmp_path):
    """A command that reboots would run twice, and refused logins would be many."""
    action = Action(ansible_control_path_dir=str(tmp_path), ansible_ssh_retries=3)
    seen = []
    action.answers = [lambda: seen.append(action._connection.get_option("reconnection_retries")) or OK]
    ServerShell(action, {}).run("true", 5, new_login=new_login)
    assert seen == [0] and action._connection.get_option("reconnection_retries") == 3


def test_a_failed_login_leaves_the_arguments_as_they_were(tmp_path):
    action = Action(ansible_control_path_dir=str(tmp_path), ansible_ssh_extra_args="-o LogLevel=ERROR")
    action.answers = [AnsibleConnectionFailure("Failed to connect to the host via ssh: Permission denied (publickey).")]
    with pytest.raises(ServerUnavailable, match="Permission denied") as caught:
        ServerShell(action, {}).run("true", 5, new_login=True)
    assert caught.value.is_refused
    assert action._connection.get_option("ssh_extra_args") == "-o LogLevel=ERROR"


def test_the_end_of_a_long_message_is_kept(tmp_path):
    """ssh states the cause in its last line, below a banner."""
    action = Action(ansible_control_path_dir=str(tmp_path))
    action.answers = [AnsibleConnectionFailure(f"Failed to connect to the host via ssh: {'@' * 1200}\nHost key verification failed.")]
    with pytest.raises(ServerUnavailable, match="Host key verification failed") as caught:
        ServerShell(action, {}).run("true", 5)
    assert caught.value.is_refused


def test_a_command_has_no_terminal_and_no_input(tmp_path):
    action = Action(ansible_control_path_dir=str(tmp_path))
    ServerShell(action, {}).run("systemctl", 5)
    command, stdin, dummy = action.calls[0]
    assert command.startswith("exec </dev/null\n") and command.endswith("systemctl") and stdin == EMPTY_INPUT


@pytest.mark.parametrize(("become", "terminal"), [
    (None, False), (SimpleNamespace(name="sudo"), False), (SimpleNamespace(name="su"), True), (SimpleNamespace(name="x", require_tty=True), True),
    (SimpleNamespace(name="x", pipelining=False), True),
])
def test_what_needs_a_terminal_has_one_and_still_no_input(become, terminal, tmp_path):
    action = Action(become=become, ansible_control_path_dir=str(tmp_path))
    shell = ServerShell(action, {})
    shell.run("systemctl", 5)
    assert shell.requires_terminal is terminal
    assert action.calls[0][1] is (None if terminal else EMPTY_INPUT) and action.calls[0][0].startswith("exec </dev/null\n")


def test_sudo_that_requires_a_terminal_gets_one(tmp_path):
    action = Action(become=SimpleNamespace(name="sudo"), ansible_control_path_dir=str(tmp_path))
    action.answers = [{"rc": 1, "stdout": "", "stderr": "sudo: sorry, you must have a tty to run sudo\n"}, OK]
    shell = ServerShell(action, {})
    assert shell.run("true", 5) == shell.run("true", 5) == "end\n"
    assert [stdin for dummy, stdin, dummy2 in action.calls] == [EMPTY_INPUT, None, None] and shell.requires_terminal


def test_what_is_not_ssh_runs_as_it_is():
    action = Action(plugin="local")
    assert ServerShell(action, {}).run("true", 5, new_login=True) == "end\n"


@pytest.mark.parametrize("answer", [
    {"rc": 127, "stdout": "", "stderr": "sh: not found\n"}, {"rc": 1, "stdout": "sh: not found", "stderr": ""}, AnsibleError("sh: not found"),
])
def test_a_command_that_does_not_run(answer, tmp_path):
    action = Action(ansible_control_path_dir=str(tmp_path))
    action.answers = [answer]
    with pytest.raises(ServerUnavailable, match="^sh: not found$") as caught:
        ServerShell(action, {}).run("true", 5)
    assert not caught.value.is_refused


def test_a_command_that_hangs_is_left(tmp_path):
    action = Action(ansible_control_path_dir=str(tmp_path))
    action.answers = [lambda: time.sleep(30)]
    started_at = time.monotonic()
    with pytest.raises(ServerUnavailable, match="no answer within 0 s"):
        ServerShell(action, {}).run("true", 0.05)
    assert time.monotonic() - started_at < 20


# --- modules

PONG = {"ping": "pong"}
LOST = {"failed": True, "module_stderr": "/bin/sh: 1: /usr/bin/python3.11: not found\n", "msg": "MODULE FAILURE"}
FACTS = {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11", "distribution": "Debian"}}


@pytest.mark.parametrize(("variables", "modules", "problem", "facts"), [
    ({}, {None: PONG}, None, {}),
    ({}, {None: {**PONG, "discovers": "/usr/bin/python3"}}, None, {"discovered_interpreter_python": "/usr/bin/python3"}),
    ({}, {None: LOST}, "/bin/sh: 1: /usr/bin/python3.11: not found", {}),
    ({}, {None: AnsibleError("No python interpreters found")}, "No python interpreters found", {}),
    # The interpreter that was discovered before the upgrade is gone, and another one is there or not.
    (FACTS, {"/usr/bin/python3.11": LOST, None: {**PONG, "discovers": "/usr/bin/python3.13"}}, None,
     {"discovered_interpreter_python": "/usr/bin/python3.13"}),
    (FACTS, {"/usr/bin/python3.11": LOST, None: LOST}, "/bin/sh: 1: /usr/bin/python3.11: not found", {}),
    (FACTS, {"/usr/bin/python3.11": PONG}, None, {}),
    ({}, {None: {}}, "it has no result", {}),
])
def test_whether_modules_run(variables, modules, problem, facts):
    action = Action(plugin="local")
    action.modules = modules
    shell = ServerShell(action, variables)
    assert shell.find_module_problem(5) == problem
    assert shell.facts == facts


def test_a_lost_server_says_nothing_about_its_modules():
    action = Action(plugin="local")
    action.modules = {None: AnsibleConnectionFailure("No route to host")}
    with pytest.raises(ServerUnavailable, match="No route to host"):
        ServerShell(action, {}).find_module_problem(5)


# --- the time limit and the task's own


def test_a_limit_ends_its_block_only():
    with pytest.raises(TimeLimitExceeded), time_limit(0.05):
        time.sleep(30)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with time_limit(30):
        pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_the_tasks_own_limit_stays_in_force():
    ended = []
    handler = signal.signal(signal.SIGALRM, lambda number, frame: ended.append("task"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with time_limit(30):
            while not ended:
                time.sleep(0.05)
        signal.setitimer(signal.ITIMER_REAL, 60)
        with pytest.raises(TimeLimitExceeded), time_limit(0.05):
            time.sleep(30)
        assert 30 < signal.getitimer(signal.ITIMER_REAL)[0] < 60
        assert ended == ["task"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
