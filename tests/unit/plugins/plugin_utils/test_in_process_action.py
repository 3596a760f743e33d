# SPDX-License-Identifier: GPL-3.0-or-later
"""Which execution mode a task has, and what Ansible gets to see of one that runs as a module. Functional tests check what both modes do."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest
from ansible import constants as C
from ansible.plugins.action import ActionBase
from builders import OPERATIONS

from ansible_collections.rewind.vps.plugins.module_utils import _ansible_module as ansible_module
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.plugin_utils import _action as action
from ansible_collections.rewind.vps.plugins.plugin_utils._action import InProcessAction, wants_progress

TOKEN = "vps_S3cretToken0123456789"
OURS = "rewind.vps.snapshot"


class Templar:
    """Knows one variable."""

    def template(self, text):
        return str(text).replace("{{ ansible_playbook_python }}", sys.executable)


class FakeAction(InProcessAction):
    """Notes what Ansible is asked to run and to build.

    :ivar shown: the options as ANSIBLE_DEBUG shows them.
    :ivar built: name and options of each module that is built.
    """

    operation = OPERATIONS["snapshot"]

    def __init__(self, args=None, environment=None, answer=None, *, transport="local", become=None, async_val=0, delegate_to=None):
        self._task = SimpleNamespace(args=args or {}, environment=[environment or {}], async_val=async_val, delegate_to=delegate_to)
        self._connection = SimpleNamespace(become=become, has_pipelining=True, transport=transport, _shell=SimpleNamespace(tmpdir=None))
        self._templar, self._cleanup_remote_tmp = Templar(), True
        self.shown, self.built, self._answer = None, [], answer or {"changed": False}

    def _compute_environment_string(self, raw_environment_out=None):
        raw_environment_out.update(self._task.environment[0])
        return ""

    def _execute_module(self, module_name, module_args, task_vars, wrap_async):
        module_args["_ansible_check_mode"] = False
        for name, options in ((module_name, module_args), ("ansible.legacy.async_wrapper", {})):
            self._configure_module(module_name=name, module_args=options, task_vars=task_vars)
        self.shown = repr(module_args)
        self.environment = self._task.environment
        return self._answer

    def _remove_tmp_path(self, tmp_path):
        assert tmp_path is None


@pytest.fixture(autouse=True)
def no_environment_and_no_module_build(monkeypatch):
    for name in ("ANSIBLE_PYTHON_INTERPRETER", "VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRET_KEY", "ILKBYTE_SECRETKEY"):
        monkeypatch.delenv(name, raising=False)

    def build(self, module_name, module_args, task_vars):
        self.built.append((module_name, module_args))

    monkeypatch.setattr(ActionBase, "_configure_module", build)


@pytest.mark.parametrize(("task", "variables", "reason"), [
    ({}, {}, None),
    ({"transport": "ssh"}, {}, "the task does not run on the controller"),
    ({"async_val": 60}, {}, "the task is asynchronous"),
    ({"become": object()}, {}, "the task uses become"),
    ({}, {"ansible_python_interpreter": "/opt/other/python3"}, "another Python is configured"),
    ({}, {"ansible_python_interpreter": sys.executable}, None),
    ({}, {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}, None),
    ({}, {"ansible_python_interpreter": "auto"}, None),
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
])
def test_execution_mode_of_a_task(task, variables, reason):
    assert FakeAction(**task)._module_reason(variables) == reason


@pytest.mark.parametrize(("module_name", "instead"), [("snapshot", "use servers for a list"), ("snapshot_cron", "use a loop")])
def test_a_list_is_not_made_one_server_with_a_strange_name(module_name, instead):
    made = FakeAction()
    made.operation, made._task.args = OPERATIONS[module_name], {"server": ["web1", "web2"]}
    result = made._dispatch({})
    assert result["failed"] and instead in result["msg"]


@pytest.mark.parametrize(("interpreter", "reason"), [
    ("/opt/other/python3", "another Python is configured"), ("auto_legacy", None), (sys.executable, None),
])
def test_an_interpreter_requested_by_the_environment(interpreter, reason, monkeypatch):
    monkeypatch.setenv("ANSIBLE_PYTHON_INTERPRETER", interpreter)
    assert FakeAction()._module_reason({}) == reason
    # A variable outweighs the environment, as it does in Ansible.
    assert FakeAction()._module_reason({"ansible_python_interpreter": sys.executable}) is None


def test_without_requests_in_the_controller(monkeypatch):
    monkeypatch.setattr(action, "requests_available", lambda: False)
    assert FakeAction()._module_reason({}) == "the controller's Python has no requests"


def test_hidden_options_are_shown_as_ansible_does():
    shown = FakeAction()._mask_secrets({"api_token": "vps_0123456789", "secret_key": None, "name": "nightly", "api_timeout": 30})
    assert shown == {"api_token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "secret_key": None, "name": "nightly",
                     "api_timeout": 30}


def test_the_tasks_environment_is_there_only_inside(monkeypatch):
    monkeypatch.setenv("REWIND_TEST_BEFORE", "before")
    made = FakeAction()
    made._compute_environment_string = lambda wanted: wanted.update(VPS_API_TOKEN="vps_task", REWIND_TEST_BEFORE=5)
    before = dict(os.environ)
    with pytest.raises(RuntimeError), made._task_environment():
        assert os.environ["VPS_API_TOKEN"] == "vps_task" and os.environ["REWIND_TEST_BEFORE"] == "5"
        os.environ["REWIND_TEST_LEFT"] = "over"
        raise RuntimeError
    assert dict(os.environ) == before


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("diff", [True, False])
def test_both_execution_modes_pass_on_check_mode_and_diff(monkeypatch, check_mode, diff):
    seen = []

    def execute(operation, parameters, **keywords):
        seen.append((operation, keywords["check_mode"], keywords["diff_mode"]))
        return {"warnings": []}

    made = FakeAction()
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


# --- as a module


@pytest.mark.parametrize(("args", "environment", "token"), [
    ({"api_token": TOKEN, "name": TOKEN}, {"LANG": "C"}, TOKEN),
    ({"name": "one"}, {"VPS_API_TOKEN": TOKEN, "LANG": "C"}, TOKEN),
    ({"api_token": "the option's"}, {"VPS_API_TOKEN": TOKEN, "LANG": "C"}, "the option's"),
])
def test_credentials_reach_the_module_and_nothing_else(args, environment, token):
    action = FakeAction(args, environment)
    assert action._run_as_module({}) == {"changed": False}
    assert action.built[0] == (OURS, {**args, "api_token": token, "_ansible_check_mode": False})
    assert action.built[1] == ("ansible.legacy.async_wrapper", {}), "not the wrapper's business"
    assert TOKEN not in action.shown
    assert action.environment == [{"LANG": "C"}]
    assert action._task.environment == [environment] and action._options == {}, "as before for the next task"


def test_what_the_module_refuses_is_shown_without_them():
    result = {"failed": True, "msg": f"Unsupported parameters: {TOKEN}", "invocation": {"module_args": {TOKEN: "hidden"}}}
    action = FakeAction({"api_token": TOKEN, TOKEN: 1}, {}, result)
    assert TOKEN[:8] not in repr(action._run_as_module({}))
    dummy, options = action.built[0]
    assert set(options) == {"api_token", "********", "_ansible_check_mode"}, "a job file and ANSIBLE_DEBUG have what the module itself says"


@pytest.mark.parametrize(("transport", "become", "known"), [("local", None, True), ("ssh", None, False), ("local", object(), False)])
def test_the_controllers_environment_counts_where_the_module_has_it(transport, become, known, monkeypatch):
    monkeypatch.setenv("VPS_API_TOKEN", TOKEN)
    action = FakeAction({TOKEN: 1}, transport=transport, become=become)
    action._run_as_module({})
    assert action.built[0][1].get("api_token") == (TOKEN if known else None)
    assert (TOKEN in action.built[0][1]) != known


def test_the_token_of_the_providers_own_client_counts_where_the_module_has_it(tmp_path):
    """Its file is in the home directory that the task's environment names. A blank variable counts as unset in both execution modes."""
    path = tmp_path / ".vps" / "config.json"
    path.parent.mkdir()
    path.write_text(f'{{"api_token": "{TOKEN}"}}', encoding="utf-8")
    path.chmod(0o600)
    for transport, become, known in (("local", None, True), ("ssh", None, False), ("local", object(), False)):
        action = FakeAction({"name": "one"}, {"HOME": str(tmp_path), "VPS_API_TOKEN": " "}, transport=transport, become=become)
        action._run_as_module({})
        assert action.built[0][1].get("api_token") == (TOKEN if known else None)
        assert action.environment == [{"HOME": str(tmp_path), "VPS_API_TOKEN": " "}]


def test_an_option_keeps_its_name_whatever_the_secret_is():
    action = FakeAction({"api_token": "server", "servers": ["web1"], "serverless": 1}, {})
    action._run_as_module({})
    assert set(action.built[0][1]) == {"api_token", "servers", "********less", "_ansible_check_mode"}


@pytest.mark.parametrize(("style", "in_background", "become", "able", "by_configuration", "expected"), [
    ("new", False, None, True, False, True),
    ("new", False, object(), True, False, False),
    ("new", False, object(), True, True, True),
    ("new", 60, None, True, False, False),
    ("new", False, None, False, False, False),
    ("binary", False, None, True, False, False),
])
def test_pipelining_is_used_wherever_possible(style, in_background, become, able, by_configuration, expected, monkeypatch):
    monkeypatch.setattr(ActionBase, "_is_pipelining_enabled", lambda self, module_style, wrap_async=False: by_configuration)
    action = FakeAction(become=become)
    action._connection.has_pipelining = able
    assert action._is_pipelining_enabled(style, in_background) is expected


@pytest.mark.parametrize("kept", [True, False])
def test_no_file_is_kept(kept, monkeypatch):
    monkeypatch.setattr(C, "DEFAULT_KEEP_REMOTE_FILES", kept)
    assert FakeAction()._should_remove_tmp_path("/home/me/.ansible/tmp/ansible-tmp-1-2-3") is True
    assert FakeAction()._should_remove_tmp_path("/home/me") is False
    assert FakeAction()._should_remove_tmp_path(None) is False
