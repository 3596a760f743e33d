# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin guarded_ssh in real plays, with servers of the sandbox that are lost and come back."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.playbook_runner import PlaybookRunner, Run

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.skipif(not shutil.which("ssh"), reason="needs an SSH client")]

GUARDED = {"set_fact": {"ansible_connection": "rewind.vps.guarded_ssh"}}
RESET = {"meta": "reset_connection"}
FAILED = "ansible_failed_result"
# Changes a field of this server in the sandbox after `before` seconds, and ends after `after` seconds.
CHANGE = """
import json, sys, time, urllib.request as r
url, field, value, before, after = sys.argv[1:]
time.sleep(float(before))
change = json.dumps({field: value}).encode()
r.urlopen(r.Request(url, change, {"Content-Type": "application/json"}, method="PATCH"), timeout=30).read()
time.sleep(float(after))
"""
# Between ssh and a server: forwards data in both directions until a file exists.
RELAY = """
import os, select, socket, sys
port, silence = int(sys.argv[1]), sys.argv[2]
server = socket.create_connection(("127.0.0.1", port))
while True:
    for end in select.select([0, server], [], [], 0.1)[0]:
        data = os.read(0, 65536) if end == 0 else server.recv(65536)
        if not data:
            sys.exit()
        if os.path.exists(silence):
            continue
        server.sendall(data) if end == 0 else os.write(1, data)
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Any]:
    from sandbox import launch

    with launch(vpsorg_servers=3, ilkbyte_servers=0, speed=200) as sandbox:
        yield sandbox


class ConnectionRunner:
    """Runs plays on the sandbox's servers. A play can `save` values, which are read after it."""

    def __init__(self, sandbox: Any, directory: Path, sockets: str) -> None:
        self._sandbox, self._directory = sandbox, directory
        self._runner = PlaybookRunner(sandbox, directory)
        self._environment = {"ANSIBLE_SSH_CONTROL_PATH_DIR": sockets}
        (directory / "saved").mkdir()

    def run(self, hosts: str, *tasks: dict[str, Any], environment: dict[str, str] | None = None, **play: Any) -> Run:
        variables = {
            "server_url": self._sandbox.admin_url + "/servers/vpsorg/{{ rewind_server_id }}",
            "ansible_pipelining": False,
        }
        playbook = self._directory / "play.yml"
        playbook.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "vars": variables, "tasks": tasks, **play}]), "utf-8")
        return self._runner.command("ansible-playbook", "-i", self._sandbox.inventory, str(playbook),
                                    environment={**self._environment, **(environment or {})})

    def save(self, name: str, expression: str) -> dict[str, Any]:
        """A task that saves a value under a name."""
        destination = self._directory / "saved" / f"{{{{ inventory_hostname }}}}-{name}"
        return {"copy": {"content": f"{{{{ {expression} | to_json }}}}", "dest": str(destination)}, "delegate_to": "localhost"}

    def saved(self, host: str, name: str) -> Any:
        return json.loads((self._directory / "saved" / f"{host}-{name}").read_text("utf-8"))

    def has_saved(self, host: str) -> bool:
        return any((self._directory / "saved").glob(f"{host}-*"))


@pytest.fixture
def runner(sandbox: Any, tmp_path: Path) -> Iterator[ConnectionRunner]:
    for server in sandbox.admin.servers():
        sandbox.admin.update_server("vpsorg", server["id"], power="on", network="up")
    sockets = tempfile.mkdtemp(prefix="rw", dir="/tmp")  # a control socket's path must be short
    yield ConnectionRunner(sandbox, tmp_path, sockets)
    shutil.rmtree(sockets, ignore_errors=True)


def change(field: str, value: str, before: float = 0, **task: Any) -> dict[str, Any]:
    """Change the server in the sandbox, from the controller."""
    arguments = [sys.executable, "-c", CHANGE, "{{ server_url }}", field, value, str(before), "0"]
    return {"command": {"argv": arguments}, "delegate_to": "localhost", **task}


def cut_itself_off() -> dict[str, Any]:
    """A task during which the server is lost, as by a wrong firewall rule."""
    return {"command": {"argv": ["{{ ansible_python_interpreter }}", "-c", CHANGE, "{{ server_url }}", "network", "down", "0", "60"]}}


def dictionary(expressions: dict[str, str]) -> str:
    """An expression for a dictionary of these."""
    return "{" + ", ".join(f"'{name}': {expression}" for name, expression in expressions.items()) + "}"


def assert_lost(result: dict[str, Any], server: str, text: str = "") -> None:
    """The result is that of a failed task, quotes ssh, and has no traceback."""
    assert result["failed"] is True, result
    assert not result.get("unreachable"), result
    assert result["connection_lost"] is True, result
    assert result["msg"].startswith(f"server {server} was lost: "), result
    assert text in result["msg"], result
    assert "Traceback" not in json.dumps(result)


IN_BACKGROUND = {"async": 60, "poll": 0}
BACK = [change("network", "up"), {"wait_for_connection": {"timeout": 120}}]
# Tasks on a lost server: each takes its own path through Ansible.
TASKS = {
    "module": {"ping": {}},
    "pipelined": {"ping": {}, "vars": {"ansible_pipelining": True}},
    "ignore_unreachable": {"ping": {}, "ignore_unreachable": True},
    "raw": {"raw": "true"},
    "script": {"script": "{{ playbook_dir }}/script.sh"},
    "put": {"copy": {"content": "x", "dest": "/root/x"}, "vars": {"ansible_remote_tmp": "/tmp"}},
    "fetch": {"fetch": {"src": "/etc/hostname", "dest": "{{ playbook_dir }}/fetched"}},
    "facts": {"setup": {}, "vars": {"ansible_python_interpreter": "auto"}},
    "background": {"command": "true", "async": 20, "poll": 1},
    "status": {"async_status": {"jid": "1.2"}},
    "become": {"command": "true", "become": True, "become_user": "nobody"},
}


@pytest.mark.slow  # test_lost_connection is quick
@pytest.mark.duration(20)
def test_rescue_runs_and_decides_whether_the_play_continues(runner, tmp_path):
    """web1 cuts itself off in the middle of a task and is rescued. web2 is gone before its tasks, and its rescue fails."""
    (tmp_path / "script.sh").write_text("#!/bin/sh\n", "utf-8")
    first, second = {"when": "inventory_hostname == 'web1'"}, {"when": "inventory_hostname == 'web2'"}
    names = {name: f"lost_{name}" for name in TASKS}
    on_lost_server = [{**task, "register": names[name], "ignore_errors": True} for name, task in TASKS.items()]
    run = runner.run(
        "web1,web2,web3", GUARDED, RESET, runner.save("started", "true"),
        {**first, "block": [cut_itself_off()],
         "rescue": [
             {"set_fact": {"cut_off": f"{{{{ {FAILED} }}}}"}},
             {"command": "hostname", "delegate_to": "web3", "register": "elsewhere"},
             {"command": "true", "delegate_to": "localhost", "register": "here"},
             runner.save("rescue", "[cut_off, elsewhere.stdout, here.rc]"),
             *BACK],
         "always": [{"set_fact": {"always": True}}]},
        {**first, "set_fact": {"ansible_connection": "ssh"}},
        {**first, "command": "hostname", "register": "plain"},
        {**first, **runner.save("after", "[always, plain.stdout]")},
        {**second, "block": [change("power", "off"), *on_lost_server, runner.save("on_lost_server", dictionary(names)),
                             {"ping": {}}],
         "rescue": [runner.save("before-a-task", FAILED), change("power", "on"),
                    {"fail": {"msg": "rescued in vain"}}]},
        serial=1)
    assert run.status == 2, run.output
    assert "unreachable=1" not in run.stdout
    cut_off, *delegated = runner.saved("web1", "rescue")
    assert_lost(cut_off, "web1", "127.0.0.1 closed")
    assert delegated == ["web3", 0]
    assert runner.saved("web1", "after") == [True, "web1"]
    for result in runner.saved("web2", "on_lost_server").values():
        assert_lost(result, "web2", "Connection refused")
    assert_lost(runner.saved("web2", "before-a-task"), "web2", "Connection refused")
    assert not runner.has_saved("web3")
    assert "rescued in vain" in run.stdout


@pytest.mark.slow  # test_lost_connection is quick
@pytest.mark.duration(15)
def test_reboot_and_wait_for_connection_outlast_an_outage(runner):
    """Both need Ansible's own failure of a connection; a server that stays away fails the reboot."""
    run = runner.run(
        "web1", GUARDED,
        {"reboot": {"reboot_command": "reboot", "reboot_timeout": 60}, "register": "rebooted"},
        change("network", "down"), change("network", "up", before=10, **IN_BACKGROUND),
        {"wait_for_connection": {"timeout": 120}, "register": "waited"},
        {"reboot": {"reboot_command": "poweroff", "reboot_timeout": 3, "connect_timeout": 1}, "register": "gone", "ignore_errors": True},
        runner.save("results", "[rebooted, waited, gone]"))
    assert run.status == 0, run.output
    rebooted, waited, gone = runner.saved("web1", "results")
    assert rebooted["rebooted"] is True
    assert not rebooted.get("failed")
    assert waited["elapsed"] >= 1
    assert gone["failed"] is True, gone
    assert not gone.get("unreachable")
    assert "timeout=3" in gone["msg"]


@pytest.mark.duration(15)
def test_connections_are_shared_reset_and_watched(runner, tmp_path):
    """ssh's options apply, a reset closes the shared connection, and a silent or full server is lost."""
    relay, silence = tmp_path / "relay.py", tmp_path / "silence"
    relay.write_text(RELAY, "utf-8")
    # A shell script: OpenSSH would split a Python path with a blank.
    program = tmp_path / "relay"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {relay} "$@"\n', "utf-8")
    program.chmod(0o755)
    through_relay = f"-o 'ProxyCommand={program} {{{{ ansible_port }}}} {silence}'"
    watched = {"ansible_ssh_extra_args": through_relay, "ansible_guarded_ssh_server_alive_interval": 1,
               "ansible_guarded_ssh_server_alive_count_max": 2, "ansible_timeout": 10}
    settings = tmp_path / "ansible.cfg"
    settings.write_text("[ssh_connection]\ncontrol_path = %(directory)s/of-%%h-%%p\nretries = 0\n", "utf-8")
    sockets = {"find": {"paths": "{{ lookup('env', 'ANSIBLE_SSH_CONTROL_PATH_DIR') }}", "file_type": "any"}, "delegate_to": "localhost"}
    lost = {"ignore_errors": True}
    run = runner.run(
        "web1", GUARDED, {"ping": {}}, {**sockets, "register": "open"}, RESET, {**sockets, "register": "closed"},
        {"ping": {}, "vars": {"ansible_remote_tmp": "/proc/none"}, "register": "full", **lost},
        {"ping": {}, "vars": {"ansible_ssh_common_args": "-F /dev/null -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes",
                              "ansible_control_path": "none"}, "register": "stranger", **lost},
        RESET,
        {"vars": watched, "block": [
            {"ping": {}},
            {"shell": f"sleep 2; touch {silence}", "delegate_to": "localhost", **IN_BACKGROUND},
            {"command": "sleep 60", "register": "silent", **lost}]},
        runner.save("results", dictionary({name: name for name in ("open", "closed", "full", "stranger", "silent")})),
        environment={"ANSIBLE_CONFIG": str(settings)})
    assert run.status == 0, run.output
    saved = runner.saved("web1", "results")
    assert [Path(socket["path"]).name.rpartition("-")[0] for socket in saved["open"]["files"]] == ["of-127.0.0.1"]
    assert saved["closed"]["files"] == []
    assert_lost(saved["full"], "web1", "no temporary directory can be created there: mkdir")
    assert_lost(saved["stranger"], "web1", "Host key verification failed")
    assert_lost(saved["silent"], "web1")
