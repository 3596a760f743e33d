# SPDX-License-Identifier: GPL-3.0-or-later
"""Which execution mode a task has, with fake tasks. Functional tests check what both modes do."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest
from builders import OPERATIONS

from ansible_collections.rewind.vps.plugins.module_utils import _ansible_module as ansible_module
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.plugin_utils import _action as action
from ansible_collections.rewind.vps.plugins.plugin_utils._action import InProcessAction, wants_progress


class Templar:
    """Knows one variable."""

    def template(self, text):
        return str(text).replace("{{ ansible_playbook_python }}", sys.executable)


def make_action(transport="local", async_val=0, become=None, delegate_to=None):
    made = object.__new__(InProcessAction)
    made.operation = OPERATIONS["snapshot"]
    made._connection = SimpleNamespace(transport=transport, become=become)
    made._task = SimpleNamespace(async_val=async_val, delegate_to=delegate_to)
    made._templar = Templar()
    return made


@pytest.fixture(autouse=True)
def no_interpreter_in_environment(monkeypatch):
    monkeypatch.delenv("ANSIBLE_PYTHON_INTERPRETER", raising=False)


@pytest.mark.parametrize(("task", "variables", "reason"), [
    ({}, {}, None),
    ({"transport": "ssh"}, {}, "the task does not run on the controller"),
    ({"transport": "paramiko"}, {}, "the task does not run on the controller"),
    ({"transport": "community.docker.docker"}, {}, "the task does not run on the controller"),
    ({"async_val": 60}, {}, "the task is asynchronous"),
    ({"become": object()}, {}, "the task uses become"),
    ({}, {"ansible_python_interpreter": "/opt/other/python3"}, "another Python is configured"),
    ({}, {"ansible_python_interpreter": "python3"}, "another Python is configured"),
    ({}, {"ansible_python_interpreter": sys.executable}, None),
    ({}, {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}, None),
    ({}, {"ansible_python_interpreter": "auto"}, None),
    ({}, {"ansible_python_interpreter": "auto_silent"}, None),
    ({}, {"ansible_python_interpreter": None}, None),
    ({}, {"ansible_python_interpreter": ""}, None),
    # A delegated task runs where it is delegated to: the first host's interpreter says nothing about that.
    ({"delegate_to": "localhost"}, {"ansible_python_interpreter": "/usr/bin/python9"}, None),
    ({"delegate_to": "localhost"}, {"ansible_delegated_vars": {}}, None),
    ({"delegate_to": "localhost"},
     {"ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": "/opt/other/python3"}}},
     "another Python is configured"),
    ({"delegate_to": "localhost"},
     {"ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": sys.executable}}}, None),
    ({"delegate_to": "localhost"},
     {"ansible_delegated_vars": {"other": {"ansible_python_interpreter": "/opt/other/python3"}}}, None),
    ({"delegate_to": "bastion", "transport": "ssh"}, {}, "the task does not run on the controller"),
])
def test_execution_mode_of_a_task(task, variables, reason):
    assert make_action(**task)._module_reason(variables) == reason


@pytest.mark.parametrize(("module_name", "instead"), [("snapshot", "use servers for a list"), ("snapshot_cron", "use a loop")])
def test_a_list_is_not_made_one_server_with_a_strange_name(module_name, instead):
    made = make_action()
    made.operation, made._task.args = OPERATIONS[module_name], {"server": ["web1", "web2"]}
    result = made._dispatch({})
    assert result["failed"] and instead in result["msg"]


@pytest.mark.parametrize(("interpreter", "reason"), [
    ("/opt/other/python3", "another Python is configured"), ("auto_legacy", None), (sys.executable, None),
])
def test_an_interpreter_requested_by_the_environment(interpreter, reason, monkeypatch):
    monkeypatch.setenv("ANSIBLE_PYTHON_INTERPRETER", interpreter)
    assert make_action()._module_reason({}) == reason
    # A variable outweighs the environment, as it does in Ansible.
    assert make_action()._module_reason({"ansible_python_interpreter": sys.executable}) is None


def test_without_requests_in_the_controller(monkeypatch):
    monkeypatch.setattr(action, "requests_available", lambda: False)
    assert make_action()._module_reason({}) == "the controller's Python has no requests"


def test_hidden_options_are_shown_as_ansible_does():
    shown = make_action()._mask_secrets({"api_token": "vps_0123456789", "secret_key": None, "name": "nightly", "api_timeout": 30})
    assert shown == {"api_token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "secret_key": None, "name": "nightly",
                     "api_timeout": 30}


def test_the_tasks_environment_is_there_only_inside(monkeypatch):
    monkeypatch.setenv("REWIND_TEST_BEFORE", "before")
    made = make_action()
    made._compute_environment_string = lambda wanted: wanted.update(VPS_API_TOKEN="vps_task", REWIND_TEST_BEFORE=5)
    before = dict(os.environ)
    with pytest.raises(RuntimeError), made._task_environment():
        assert os.environ["VPS_API_TOKEN"] == "vps_task" and os.environ["REWIND_TEST_BEFORE"] == "5"
        os.environ["REWIND_TEST_LEFT"] = "over"
        raise RuntimeError
    assert dict(os.environ) == before


@pytest.mark.parametrize(("given", "token"), [({}, "of-the-environment"), ({"api_token": "of-the-task"}, "of-the-task")])
def test_credentials_of_the_tasks_environment_become_options(given, token):
    """For Ansible puts a task's environment on the command line of its module."""
    made = make_action(transport="ssh")
    environment = {"VPS_API_TOKEN": "of-the-environment", "HTTPS_PROXY": "http://proxy.example"}
    made._compute_environment_string = lambda wanted: wanted.update(environment)
    made._task.args, made._task.environment = {"provider": "vpsorg", **given}, [environment]
    with made._credentials_as_options(made._build_arguments({})):
        assert made._options == {"provider": "vpsorg", "api_token": token}
        assert made._task.environment == [{"HTTPS_PROXY": "http://proxy.example"}]
    assert made._task.environment == [environment]
    assert made._task.args == {"provider": "vpsorg", **given}


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("diff", [True, False])
def test_both_execution_modes_pass_on_check_mode_and_diff(monkeypatch, check_mode, diff):
    seen = []

    def execute(operation, parameters, **keywords):
        seen.append((operation, keywords["check_mode"], keywords["diff_mode"]))
        return {"warnings": []}

    made = make_action()
    made._task.check_mode, made._task.diff = check_mode, diff
    monkeypatch.setattr(action, "execute", execute)
    made._execute({}, {}, Redactor([]))

    class Module:
        def __init__(self, supports_check_mode, **spec):
            self.params, self.check_mode, self._diff = {}, check_mode, diff

        def exit_json(self, **result):
            seen.append(result)

    monkeypatch.setattr(ansible_module, "_Module", Module)
    monkeypatch.setattr(ansible_module, "execute", execute)
    ansible_module.run_module(OPERATIONS["snapshot"])
    assert seen == [(OPERATIONS["snapshot"], check_mode, diff), (OPERATIONS["snapshot"], check_mode, diff), {}]


@pytest.mark.parametrize(("environ", "callback", "wanted"), [
    ({}, "default", True), ({}, "ansible.posix.debug", True), ({"REWIND_PROGRESS": "1"}, "default", True), ({"REWIND_PROGRESS": ""}, "default", True),
    ({"REWIND_PROGRESS": "0"}, "default", False), ({"REWIND_PROGRESS": " No "}, "default", False), ({"REWIND_PROGRESS": "false"}, "default", False),
    ({}, "json", False), ({}, "ansible.posix.json", False), ({}, "ansible.posix.jsonl", False), ({}, "community.general.null", False),
])
def test_progress_is_for_people(environ, callback, wanted):
    assert wants_progress(environ, callback) is wanted
