# SPDX-License-Identifier: GPL-3.0-or-later
"""rewind.vps.guarded_ssh without a server: its options, its arguments for ssh, and how it handles failures of ssh."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import local as local_plugin
from ansible.plugins.connection import ssh as ssh_plugin
from ansible.plugins.loader import connection_loader

PLUGINS = Path(__file__).resolve().parents[4] / "plugins" / "connection"
GUARDED = "guarded_ssh"
OWN_OPTIONS = {"run_record", "server_alive_interval", "server_alive_count_max", "server_name", "settings", "loss_fails_task", "terminal"}


# Loaded from a directory of plugins: Ansible finds collections only in a process that has not imported any by itself.
connection_loader.add_directory(str(PLUGINS))


@pytest.fixture
def connect():
    """Makes a connection as Ansible does, with these variables."""

    def made(plugin=GUARDED, **variables):
        connection = connection_loader.get(plugin, PlayContext(), "/dev/null")
        connection.set_options(var_options={"inventory_hostname": "web1", "ansible_host": "192.0.2.1", **variables})
        return connection

    return made


@pytest.fixture
def failing(connect, monkeypatch, tmp_path):
    """Makes a connection in which each operation of ssh has this result."""

    def made(outcome):
        def run(self, *args, **kwargs):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        for way in ("_run", "_file_transport_command", "_bare_run"):
            monkeypatch.setattr(ssh_plugin.Connection, way, run)
        connection = connect(ansible_control_path_dir=str(tmp_path))
        (tmp_path / "file").touch()
        return connection, [
            lambda: connection.exec_command("true"),
            lambda: connection.put_file(str(tmp_path / "file"), "/root/file"),
            lambda: connection.fetch_file("/root/file", str(tmp_path / "file")),
        ]

    return made


def definitions(connection):
    return constants.config.get_configuration_definitions("connection", connection._load_name)


def test_the_options_are_those_of_the_installed_ssh_and_its_own(connect):
    own, ssh_options = (definitions(connect(plugin)) for plugin in (GUARDED, "ssh"))
    assert "pipelining" in ssh_options  # from a fragment of documentation, not from the plugin's own text
    assert set(own) == set(ssh_options) | OWN_OPTIONS
    assert {name: own[name] for name in ssh_options} == ssh_options


def test_what_ansible_doc_reads_names_the_own_options_only():
    """It reads what is assigned in the file, and has to find text there."""
    source = (PLUGINS / "guarded_ssh.py").read_text("utf-8")
    assigned = [node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)
                and getattr(node.targets[0], "id", "") == "DOCUMENTATION"]
    assert [set(yaml.safe_load(ast.literal_eval(value))["options"]) for value in assigned] == [OWN_OPTIONS]


def test_the_command_is_that_of_ssh_with_its_questions_behind_the_users_own_arguments(connect, tmp_path):
    variables = {"ansible_port": 2222, "ansible_ssh_common_args": "-o ServerAliveInterval=7", "ansible_control_path_dir": str(tmp_path),
                 "ansible_ssh_private_key_file": "/key", "ansible_user": "root"}
    ssh_options = connect("ssh", **variables)._build_command("ssh", "ssh", "192.0.2.1", "true")
    own = connect(**variables)._build_command("ssh", "ssh", "192.0.2.1", "true")
    assert own == ssh_options[:-2] + [b"-o", b"ServerAliveInterval=15", b"-o", b"ServerAliveCountMax=4"] + ssh_options[-2:]
    off = connect(ansible_guarded_ssh_server_alive_interval=0, **variables)
    assert off.transport == "ssh", "actions look at it"
    assert off._build_command("ssh", "ssh", "192.0.2.1", "true") == ssh_options
    plain = connect(ansible_guarded_ssh_loss_fails_task=False, **variables)
    assert plain._build_command("ssh", "ssh", "192.0.2.1", "true") == ssh_options


def control_path(connection):
    """The first one counts for OpenSSH."""
    return next(part for part in connection._build_command("ssh", "ssh", "192.0.2.1", "true") if part.startswith(b"ControlPath"))


def test_in_the_role_it_shares_no_connection_with_ssh_another_run_or_a_server_before_its_restore(connect, tmp_path):
    common = {"ansible_control_path_dir": str(tmp_path / "new"), "ansible_control_path": "{{ a_template }}"}
    record = {"guarded_upgrade_active_record": "/a/run.json"}
    paths = [control_path(connect(**common, **variables)) for variables in (
        record, {"guarded_upgrade_active_record": "/another/run.json"}, {**record, "ansible_port": 2222},
        {"guarded_upgrade_connection_settings": {"port": 22}}, {**record, "ansible_ssh_common_args": "-o ControlPath=/tmp/%h"},
    )]
    assert paths[0] == paths[4] and len(set(paths)) == 4
    assert not [path for path in paths if b"template" in path or b"/tmp/%h" in path]
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert control_path(connect(ansible_ssh_args="-o ControlMaster=no", **record)) == b'ControlPath="none"', "nor one of ssh's configuration files"
    assert b"template" in control_path(connect(**common)), "without the role, the user's path"


def test_given_settings_come_before_variables(connect):
    planned = {"host": "192.0.2.9", "port": None, "remote_user": "old"}
    connection = connect(ansible_port=2222, ansible_user="new", guarded_upgrade_connection_settings=planned)
    command = connection._build_command("ssh", "ssh", "192.0.2.9", "true")
    assert b'User="old"' in command and not [part for part in command if part.startswith(b"Port=")]
    assert connection.get_option("host") == "192.0.2.9"
    assert connection.get_option("private_key_file") is None


def test_the_keyword_of_a_task_comes_first():
    connection = connection_loader.get(GUARDED, PlayContext(), "/dev/null")
    connection.set_options(task_keys={"connection": "local"}, var_options={})
    assert (type(connection), connection.transport) == (local_plugin.Connection, "local")
    status, stdout, _stderr = connection.exec_command("echo here")
    assert (status, stdout) == (0, b"here\n")


@pytest.mark.parametrize("keyword", ["ssh", "smart", "ansible.builtin.ssh", "rewind.vps.guarded_ssh", "", None, "{{ a_template }}"])
def test_other_keywords_mean_this_plugin(keyword):
    connection = connection_loader.get(GUARDED, PlayContext(), "/dev/null")
    connection.set_options(task_keys={"connection": keyword}, var_options={"ansible_host": "192.0.2.1"})
    assert connection.transport == "ssh" and connection.get_option("loss_fails_task") is True


def test_an_unknown_keyword_is_an_error():
    connection = connection_loader.get(GUARDED, PlayContext(), "/dev/null")
    with pytest.raises(AnsibleError, match="'no_such_plugin' was not found"):
        connection.set_options(task_keys={"connection": "no_such_plugin"}, var_options={})


def test_at_the_end_of_the_role_it_behaves_like_ssh(failing):
    connection, ways = failing(AnsibleConnectionFailure("No route to host."))
    connection.set_option("loss_fails_task", False)
    for way in ways:
        with pytest.raises(AnsibleConnectionFailure) as caught:
            way()
        assert not isinstance(caught.value, AnsibleActionFail)
    connection, ways = failing((1, b"", b"mkdir: No space left on device\n"))
    connection.set_option("loss_fails_task", False)
    assert connection.exec_command(connection._shell.mkdtemp("ansible-tmp-1-2", tmpdir="/root/.ansible/tmp"))[0] == 1


@pytest.mark.parametrize(("terminal", "in_data", "sent", "allocated"), [
    (True, None, None, True), (False, None, b"\n", False), (False, b"module", b"module", False), (True, b"module", b"module", False),
])
def test_without_a_terminal_a_command_has_no_input_either(connect, monkeypatch, tmp_path, terminal, in_data, sent, allocated):
    calls = []
    monkeypatch.setattr(ssh_plugin.Connection, "_run", lambda self, cmd, given, **how: calls.append((given, b"-tt" in cmd)) or (0, b"", b""))
    connection = connect(ansible_guarded_ssh_terminal=terminal, ansible_control_path_dir=str(tmp_path))
    assert connection.exec_command("reboot", in_data=in_data) == (0, b"", b"")
    assert calls == [(sent, allocated)]


def test_each_way_to_lose_the_connection_fails_the_task(failing):
    _connection, ways = failing(AnsibleConnectionFailure("No route to host."))
    for way in ways:
        with pytest.raises(AnsibleConnectionFailure) as caught:
            way()
        loss = caught.value
        assert isinstance(loss, AnsibleActionFail)
        assert not isinstance(loss, AnsibleAuthenticationFailure)
        assert loss.__cause__ is None and loss.__context__ is None  # else Ansible finds the failure of the connection there
        message = "server web1 was lost: No route to host; the task has failed, so that rescue can run"
        assert loss.result == {"failed": True, "msg": message, "connection_lost": True}
        assert str(loss) == message
        assert loss.detail == "No route to host."


def test_a_lost_connection_is_explained_in_the_words_of_ssh(failing):
    sent = 'Data could not be sent to remote host "192.0.2.1". Make sure this host can be reached over ssh: ssh: Connection refused\r\n'
    dummy, ways = failing(AnsibleConnectionFailure(sent))
    with pytest.raises(AnsibleConnectionFailure, match="^server web1 was lost: ssh: Connection refused; the task has failed"):
        ways[0]()


def test_a_failed_authentication_is_still_distinguished(failing):
    _connection, ways = failing(AnsibleAuthenticationFailure("Permission denied"))
    for way in ways:
        with pytest.raises(AnsibleAuthenticationFailure, match="^server web1 was lost: .*Permission denied; the task") as caught:
            way()
        assert isinstance(caught.value, AnsibleActionFail)


def test_other_errors_and_failed_commands_stay_what_they_are(failing):
    _connection, ways = failing(AnsibleError("no sshpass here"))
    for way in ways:
        with pytest.raises(AnsibleError, match="^no sshpass here$") as caught:
            way()
        assert caught.type is AnsibleError
    _connection, ways = failing((1, b"", b"no such file"))
    assert ways[0]() == (1, b"", b"no such file")


def test_a_server_without_space_for_a_temporary_directory_is_lost(failing):
    connection, _ways = failing((1, b"", b"mkdir: No space left on device\n"))
    command = connection._shell.mkdtemp("ansible-tmp-1-2", tmpdir="/root/.ansible/tmp")
    with pytest.raises(AnsibleActionFail, match="web1 was lost: no temporary directory can be created there: mkdir: No space left on device;"):
        connection.exec_command(f"/bin/sh -c '{command}'")


def test_the_end_of_a_task_does_not_hide_why_it_failed(failing):
    """Before ansible-core 2.19, an error from removing the temporary directory replaces the result."""
    connection, _ways = failing(AnsibleConnectionFailure("No route to host"))
    removal = connection._shell.remove("/root/.ansible/tmp/ansible-tmp-1-2/", recurse=True)
    with pytest.raises(AnsibleActionFail):
        connection.exec_command(removal)  # the server was there so far: this is the loss
    status, _stdout, message = connection.exec_command(removal)
    assert status == 255
    assert b"No route to host" in message
    with pytest.raises(AnsibleActionFail):
        connection.exec_command("true")


def connection_calls(failing, tmp_path, state):
    """Return the three operations of a connection whose run record has this state; ssh itself would succeed."""
    record = tmp_path / "run.json"
    record.write_text(json.dumps({"state": state, "reason": "a task failed"}), encoding="utf-8")
    connection, ways = failing((0, b"", b""))
    connection.set_option("run_record", str(record))
    return ways


@pytest.mark.parametrize("state", ["restoring", "restored", "ended"])
def test_nothing_is_done_on_a_server_that_its_guard_rolls_back(failing, tmp_path, state):
    for way in connection_calls(failing, tmp_path, state):
        with pytest.raises(AnsibleActionFail, match="has started to roll back the upgrade .a task failed., so this task does not run there"):
            way()


def test_under_a_guard_that_only_watches_everything_is_done(failing, tmp_path):
    for way in connection_calls(failing, tmp_path, "upgrading"):
        way()


@pytest.mark.parametrize("raw", [None, b"", b"{", b"\xff", b"[]", b"5", b'"state"', b'{"states": 1}', b"[" * 100_000, b'{"state": []}'], ids=ascii)
def test_an_unreadable_run_record_lets_nothing_be_done_on_the_server(connect, monkeypatch, tmp_path, raw):
    """The guard may be rolling back the upgrade."""
    calls = []
    monkeypatch.setattr(ssh_plugin.Connection, "exec_command", lambda self, *args, **kwargs: calls.append(args) or (0, b"", b""))
    path = tmp_path / "run.json"
    if raw is not None:
        path.write_bytes(raw)
    connection = connect(guarded_upgrade_active_record=str(path))
    with pytest.raises(AnsibleActionFail, match="can't be read"):
        connection.exec_command("true")
    assert not calls
