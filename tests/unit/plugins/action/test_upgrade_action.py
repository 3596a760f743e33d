# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the action upgrade_guard gets its options and its data about the run; the steps are tested elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.rewind.vps.plugins.action import upgrade_guard
from ansible_collections.rewind.vps.plugins.action.upgrade_guard import ActionModule
from ansible_collections.rewind.vps.plugins.module_utils._errors import BUSY, RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import RANGES, ROLE_OPTIONS, VARIABLE_OPTIONS
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import OperationFailed

TOKEN = "vps_S3cretToken0123456789"


class Templar:
    """A templar that knows {{ password }} and {{ url }}."""

    def template(self, value):
        known = {"{{ password }}": "templated-password", "{{ url }}": "https://templated.example", "{{ number }}": 7}
        return known.get(value, value) if isinstance(value, str) else value


class Action:
    """The action with a made-up task.

    :ivar seen: (step, options, context) of every step that would have been done.
    """

    def __init__(self, monkeypatch):
        self.seen, self.result, self.environment = [], {"changed": False, "msg": "done"}, {}
        self.error: Exception | None = None
        self.connection_options = {"host": "192.0.2.1", "port": 22, "remote_user": "admin", "private_key_file": "/key", "password": TOKEN}
        seen, action = self.seen, self

        class Steps:
            def __init__(self, parameters, context):
                self.known = parameters, context

            def run(self, step):
                seen.append((step, *self.known))
                if action.error is not None:
                    raise action.error
                return action.result

        monkeypatch.setattr(upgrade_guard, "Steps", Steps)
        monkeypatch.setattr(ActionBase, "run", lambda plugin, tmp, task_vars: {})
        for name in ("VPS_API_TOKEN", "REWIND_PROVIDER", "ILKBYTE_ACCESS_KEY", "ILKBYTE_SECRET_KEY", "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRETKEY"):
            monkeypatch.delenv(name, raising=False)

    def run(self, arguments=None, options=None, connection="ansible.builtin.ssh", check_mode=False, play=None, **variables):
        arguments = {**(arguments or {}), **({"options": options} if options else {})}
        made = object.__new__(ActionModule)
        play = SimpleNamespace(max_fail_percentage=None, force_handlers=False, **{"handlers": [], **(play or {})})
        made._task = SimpleNamespace(args={"step": "plan", **(arguments or {})}, check_mode=check_mode, any_errors_fatal=False, play=play,
                                     when=[], delegate_to=None)
        made._connection = SimpleNamespace(
            ansible_name=connection, transport="ssh", become=None, get_option=self.connection_options.get,
            option_definitions=self.connection_options)
        self.connection = made._connection
        made._templar = Templar()
        made._compute_environment_string = lambda wanted: wanted.update(self.environment)
        return made.run(None, {"inventory_hostname": "web1", **variables})

    def parameters(self, arguments=None, **how):
        """The parameters that the step gets."""
        result = self.run(arguments, **how)
        assert not result.get("failed"), result
        return self.seen[-1][1]

    def context(self, **how):
        assert not self.run(**how).get("failed")
        return self.seen[-1][2]


@pytest.fixture
def action(monkeypatch):
    return Action(monkeypatch)


# --- where an option comes from


@pytest.mark.parametrize(("name", "value"), [("keep_snapshots", 7), ("stop_server", True), ("tasks", ["/a", "/b"]), ("checks", [{"port": 7}])])
def test_a_role_option_comes_from_the_task_or_from_the_run(action, name, value):
    assert action.parameters(options={name: value})[name] == value
    assert action.parameters({"run": {"options": {name: value}}})[name] == value
    assert action.parameters(**{f"guarded_upgrade_{name}": value})[name] != value, "it is read by its name"


def test_the_providers_options_come_from_variables(action):
    given = {name: "vpsorg" if name == "provider" else 7 if name == "api_timeout" else False if name == "validate_certs" else "/other"
             for name in VARIABLE_OPTIONS}
    parameters = action.parameters(**{f"guarded_upgrade_{name}": value for name, value in given.items()})
    assert {name: parameters[name] for name in given} == given


def test_a_variable_is_templated_and_an_empty_one_counts_as_none(action):
    assert action.parameters(guarded_upgrade_api_url="{{ url }}")["api_url"] == "https://templated.example"
    parameters = action.parameters(options={"keep_snapshots": "", "accept_run": "", "tasks": [], "snapshot_prefix": ""}, guarded_upgrade_server=None)
    names = ("keep_snapshots", "server", "accept_run", "tasks", "snapshot_prefix")
    assert [parameters[name] for name in names] == [1, None, None, [], "rewind"]
    assert action.parameters(options={"keep_snapshots": 0, "stop_server": False})["keep_snapshots"] == 0, "zero is a value"


def test_what_the_inventory_knows_comes_after_the_role_and_before_module_defaults(action):
    inventory = {"rewind_provider": "vpsorg", "rewind_api_url": "https://inventory.example", "rewind_server_id": "12345"}
    arguments = {"provider": "ilkbyte", "api_url": "https://defaults.example"}
    options = action.parameters(arguments, **inventory)
    assert [options[name] for name in ("provider", "api_url", "server")] == ["vpsorg", "https://inventory.example", "12345"]
    role = {"guarded_upgrade_provider": "ilkbyte", "guarded_upgrade_api_url": "https://role.example", "guarded_upgrade_server": "web1"}
    options = action.parameters({}, **inventory, **role)
    assert [options[name] for name in ("provider", "api_url", "server")] == ["ilkbyte", "https://role.example", "web1"]
    arguments["api_token"] = "of module_defaults"
    assert action.parameters(arguments, guarded_upgrade_api_token=TOKEN)["api_token"] == TOKEN
    options = action.parameters(arguments)
    assert (options["api_token"], options["provider"]) == ("of module_defaults", "ilkbyte")


def test_the_tasks_environment_is_the_last_resort_and_does_not_stay(action, monkeypatch):
    action.environment = {"VPS_API_TOKEN": TOKEN, "REWIND_PROVIDER": "vpsorg"}
    options = action.parameters()
    assert (options["api_token"], options["provider"]) == (TOKEN, "vpsorg")
    assert "VPS_API_TOKEN" not in os.environ
    assert action.parameters(guarded_upgrade_api_token="of the role")["api_token"] == "of the role"


# --- what is refused before anything is done


@pytest.mark.parametrize(("name", "low", "high"), [(name, low, high) for name, (low, high) in RANGES.items()])
def test_ranges(action, name, low, high):
    def given(value):
        fits = {"check_timeout": {"soak_time": 0}, "soak_time": {"check_timeout": 86400}}.get(name, {})
        return {"options": {**fits, name: value}} if name in ROLE_OPTIONS else {f"guarded_upgrade_{name}": value}

    for value in (low, high):
        assert action.parameters(**given(value))[name] == value
    done = len(action.seen)
    for value in (low - 1, high + 1):
        result = action.run(**given(value))
        assert result["failed"] and not result["changed"] and result["error"]["kind"] == "invalid_argument"
        assert name in result["msg"] and f"from {low} to {high}, not {value}" in result["msg"]
    assert len(action.seen) == done


@pytest.mark.parametrize("options", [{"soak_time": 300}, {"check_timeout": 30}, {"check_timeout": 20, "soak_time": 60}])
def test_a_soak_that_does_not_fit(action, options):
    result = action.run(options=options)
    assert result["failed"] and result["error"]["kind"] == "invalid_argument" and not action.seen
    assert "soak_time" in result["msg"] and "must be shorter than check_timeout" in result["msg"]


@pytest.mark.parametrize("prefix", ["re-wind", "re wind", "rewind_", "ş", "rewind\n", "*", "²", "re?"])
def test_a_prefix_that_a_provider_rejects_or_that_would_match_others(action, prefix):
    result = action.run(options={"snapshot_prefix": prefix})
    assert result["failed"] and result["error"]["kind"] == "invalid_argument" and "letters and digits" in result["msg"] and not action.seen
    assert action.parameters(options={"snapshot_prefix": "nightly7"})["snapshot_prefix"] == "nightly7"


@pytest.mark.parametrize(("arguments", "variables", "message"), [
    ({TOKEN: 1}, {}, "Supported parameters"), ({"options": {"nonsense": 1}}, {}, "nonsense"), ({"options": "text"}, {}, "dictionary"),
    ({}, {"guarded_upgrade_provider": "aws"}, "provider"), ({"step": None}, {}, "step"),
])
def test_what_an_option_does_not_take_is_reported_without_credentials(action, arguments, variables, message):
    result = action.run({"api_token": TOKEN, **arguments}, **variables)
    assert result["failed"] is True and message in result["msg"] and not action.seen
    assert TOKEN[:8] not in repr(result)


def test_without_requests_in_the_controller(action, monkeypatch):
    monkeypatch.setattr(upgrade_guard, "requests_available", lambda: False)
    result = action.run()
    assert result["failed"] and "requests" in result["msg"] and "pip install" in result["error"]["hint"] and not action.seen


# --- what becomes of a step


def test_any_other_exception_is_an_internal_error_and_its_text_is_not_shown(action):
    action.error = RuntimeError(f"https://api.example/?secret={TOKEN} the-text")
    result = action.run({"api_token": TOKEN})
    assert result["failed"] is True and result["error"]["kind"] == "internal"
    assert "RuntimeError at test_upgrade_action.py" in result["msg"]
    assert TOKEN not in repr(result) and "the-text" not in repr(result) and "exception" not in result


def test_failures_are_reported_as_data(action):
    action.error = RewindError("Another run guards it", kind=BUSY, server="web1", hint="wait")
    result = action.run()
    assert (result["failed"], result["changed"], result["error"]["kind"]) == (True, False, "busy")
    assert result["msg"] == "Another run guards it. Server: web1. Nothing was changed. Next: wait."
    action.error = OperationFailed({"failed": True, "changed": True, "msg": "no", "error": {"kind": "limit_reached"}})
    assert action.run() == {"failed": True, "changed": True, "msg": "no", "error": {"kind": "limit_reached"}}
    action.error = OSError(28, "No space left on device", "/state/run.json")
    result = action.run()
    assert result["failed"] and "No space left on device: /state/run.json" in result["msg"]


def test_no_secret_leaves_with_a_result(action):
    action.result = {"changed": False, "msg": f"with {TOKEN}", "run": {"deep": [TOKEN]}, TOKEN: "a key", "reason": "hunter2-password"}
    result = action.run(guarded_upgrade_api_token=TOKEN, ansible_password="hunter2-password")
    assert TOKEN not in repr(result) and "hunter2" not in repr(result)


# --- what it knows of the run


def test_the_context(action, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = action.context(ansible_host="{{ url }}", ansible_play_batch=["web1", "web2"], playbook_dir="/play", inventory_dir="/inventory",
                             check_mode=True, ansible_password="hunter2-password", play={})
    assert (context.host, context.address, context.batch, context.check_mode) == ("web1", "https://templated.example", ["web1", "web2"], True)
    assert context.search_paths == ["/play", "/play/tasks", str(tmp_path), "/inventory"]
    assert context.process["pid"] == os.getppid() and context.process["started"]
    assert context.more_secrets == ["hunter2-password"] and "hunter2" not in repr(context)
    own_playbooks = Path(upgrade_guard.__file__).resolve().parents[2] / "playbooks"
    assert action.context(playbook_dir=str(own_playbooks)).search_paths == [str(tmp_path)], "no user's files are beside our own playbooks"
    alone = action.context()
    assert (alone.address, alone.batch, alone.check_mode, alone.more_secrets) == (None, ["web1"], False, [])
    names = {"ansible.builtin.ssh": "ssh", "ansible.legacy.ssh": "ssh", "ssh": "ssh", "rewind.vps.guarded_ssh": "rewind.vps.guarded_ssh"}
    assert {plugin: action.context(connection=plugin).connection for plugin in names} == names


# --- the connection


def test_a_password_that_is_the_users_name_does_not_change_what_later_steps_read(action):
    action.result = {"msg": "sudo: deploy", "outcome": "upgraded", "run": {"login": {"settings": {"remote_user": "deploy"}}}}
    for password in ("deploy", "upgraded"):
        result = action.run(ansible_become_password=password)
        assert result["run"] == action.result["run"] and result["outcome"] == "upgraded"
    assert action.run(ansible_become_password="deploy")["msg"] == "sudo: ********"


def test_the_plan_records_how_it_logs_in_without_secrets(action):
    login = action.context().login
    assert login["settings"] == {"host": "192.0.2.1", "port": 22, "remote_user": "admin", "private_key_file": "/key", "host_key_checking": None}
    assert (login["become"], login["is_left_over"]) == (None, False)
    action.connection_options["loss_fails_task"] = False
    assert action.context().login["is_left_over"] is True


@pytest.mark.parametrize(("handlers", "expected"), [
    ([], False), ([SimpleNamespace(block=[])], False), ([SimpleNamespace(block=["a handler"])], True),
])
def test_a_play_with_handlers_is_recognized(action, handlers, expected):
    assert action.context(play={"handlers": handlers}).has_handlers is expected


def test_a_restored_server_is_probed_over_a_new_login_with_the_become_of_the_plan(action, monkeypatch):
    """Whatever the upgrade has made of the variables, and within a time limit."""
    calls = []

    class Shell:
        def __init__(self, plugin, task_vars):
            self.plugin = plugin

        def run(self, script, seconds, *, new_login):
            calls.append((script, seconds, new_login, self.plugin._connection.become))
            return "begin"

    monkeypatch.setattr(upgrade_guard, "ServerShell", Shell)
    probe_as_planned = action.context().probe_as_planned
    connection = action.connection
    connection.become = SimpleNamespace(_load_name="sudo", option_definitions={"become_user": {}}, get_option={"become_user": "new"}.get)
    assert probe_as_planned("probe", 60, {"become": None}) == "begin"
    assert calls == [("probe", 60, True, None)]


def test_a_become_plugin_that_is_gone_is_no_traceback(action, monkeypatch):
    def fail(*arguments):
        raise AnsibleError("the become plugin was not found")

    monkeypatch.setattr(upgrade_guard, "use_planned_become", fail)
    with pytest.raises(ServerUnavailable, match="the become plugin was not found"):
        action.context().probe_as_planned("probe", 60, {})
