# SPDX-License-Identifier: GPL-3.0-or-later
"""How a task runs as a module, with fake tasks; functional tests check that no secret is shown or stored."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible import constants as C
from ansible.plugins.action import ActionBase
from builders import OPERATIONS

from ansible_collections.rewind.vps.plugins.plugin_utils._action import InProcessAction

TOKEN = "vps_S3cretToken0123456789"
OURS = "rewind.vps.snapshot"


class FakeAction(InProcessAction):
    """Notes what Ansible is asked to run and to build.

    :ivar shown: the options as ANSIBLE_DEBUG shows them.
    :ivar built: name and options of each module that is built.
    """

    operation = OPERATIONS["snapshot"]

    def __init__(self, args, environment, answer=None):
        self._task = SimpleNamespace(args=args, environment=[environment], async_val=0)
        self._connection = SimpleNamespace(become=None, has_pipelining=True, transport="local", _shell=SimpleNamespace(tmpdir=None))
        self._cleanup_remote_tmp = True
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
def no_module_build(monkeypatch):
    for name in ("VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRET_KEY", "ILKBYTE_SECRETKEY"):
        monkeypatch.delenv(name, raising=False)

    def build(self, module_name, module_args, task_vars):
        self.built.append((module_name, module_args))

    monkeypatch.setattr(ActionBase, "_configure_module", build)


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
    action = FakeAction({TOKEN: 1}, {})
    action._connection.transport, action._connection.become = transport, become
    action._run_as_module({})
    assert action.built[0][1].get("api_token") == (TOKEN if known else None)
    assert (TOKEN in action.built[0][1]) != known


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
    action = FakeAction({}, {})
    action._connection.become, action._connection.has_pipelining = become, able
    assert action._is_pipelining_enabled(style, in_background) is expected


@pytest.mark.parametrize("kept", [True, False])
def test_no_file_is_kept(kept, monkeypatch):
    monkeypatch.setattr(C, "DEFAULT_KEEP_REMOTE_FILES", kept)
    assert FakeAction({}, {})._should_remove_tmp_path("/home/me/.ansible/tmp/ansible-tmp-1-2-3") is True
    assert FakeAction({}, {})._should_remove_tmp_path("/home/me") is False
    assert FakeAction({}, {})._should_remove_tmp_path(None) is False
