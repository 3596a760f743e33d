# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to the server: it is the plan's after a restore, a task's own keyword comes first, and a shell is enough."""

from __future__ import annotations

import subprocess
import time

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, proven

# Their rules have unit tests; these prove them through Ansible, and take minutes together.
pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.slow]

ON_CONTROLLER = {"delegate_to": "localhost", "ansible.builtin.command": "false"}


def other_known_hosts(upgrades: UpgradeRunner) -> str:
    """A file that knows another key for every server."""
    path = upgrades.directory / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(upgrades.directory / "key")], check=True)
    path.write_text("* " + (upgrades.directory / "key.pub").read_text("utf-8"), encoding="utf-8")
    return str(path)


@pytest.mark.duration(20)
def test_variables_that_the_upgrade_has_changed_do_not_apply_to_the_restored_server(upgrades: UpgradeRunner) -> None:
    moved = {"name": "Move", "ansible.builtin.set_fact": {
        "ansible_host": "192.0.2.1", "ansible_port": 1, "ansible_user": "other", "ansible_ssh_private_key_file": "/missing",
        "ansible_become": True, "ansible_become_user": "other"}}
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE, moved, {"name": "Break here", **ON_CONTROLLER}))
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert proven(upgrades.record("web1")) >= {"cloud", "marker", "files"}


@pytest.mark.duration(20)
def test_another_host_key_is_reported_at_once_in_the_words_of_ssh(upgrades: UpgradeRunner) -> None:
    known_hosts = other_known_hosts(upgrades)
    changed = {"name": "Change the key", "ansible.builtin.set_fact": {
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes"}}
    started_at = time.monotonic()
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE, changed, {"name": "Break here", **ON_CONTROLLER}), connection_timeout=300)
    assert time.monotonic() - started_at < 200
    assert run.status == 2, run.output
    record = upgrades.record("web1")
    assert record["outcome"] == "unknown"
    assert "Host key verification failed" in record["message"]
    assert [finding for finding in record["verification"] if "Host key verification failed" in finding["detail"]]


@pytest.mark.duration(25)
@pytest.mark.parametrize("variables", [{}, {"ansible_connection": "ssh"}], ids=["keyword", "variable"])
def test_connection_local_runs_on_the_controller(upgrades: UpgradeRunner, variables: dict[str, str]) -> None:
    """In the upgrade and afterwards. Where the host has a variable for its connection, that comes before keywords without the role, too."""
    def touch(name: str) -> dict:
        return {"name": f"Touch {name}", "connection": "local", "ansible.builtin.command": f"touch {upgrades.directory / name}"}

    names = ["task", "handler", "check", "hook", "post_task"] if not variables else []
    playbook = upgrades.playbook(
        "book", {"hosts": "{{ target }}", "gather_facts": False, "vars": variables, "roles": [{"role": "rewind.vps.guarded_upgrade"}],
                 "handlers": [touch("handler")], "post_tasks": [{"meta": "reset_connection"}, *([touch("post_task")] if names else [])]},
        {"hosts": "{{ target }}", "gather_facts": False, "connection": "local", "tasks": [touch("later_play")]},
    )
    change = {**CHANGE, "notify": "Touch handler"} if names else CHANGE
    run = upgrades.run(
        "web1", playbook=playbook, tasks=upgrades.tasks("upgrade", change, *([touch("task")] if names else [])),
        checks=[upgrades.tasks("checks", *([touch("check")] if names else [{"ansible.builtin.ping": None}]))],
        after_tasks=[upgrades.tasks("notify", *([touch("hook")] if names else []))],
    )
    assert run.status == 0, run.output
    assert upgrades.record("web1")["outcome"] == "upgraded"
    for name in names + (["later_play"] if names else []):
        assert (upgrades.directory / name).exists(), name


@pytest.mark.duration(25)
def test_a_lost_server_in_a_handler_is_rolled_back_at_once(upgrades: UpgradeRunner) -> None:
    cut = {"name": "Cut the network", "ansible.builtin.shell": "echo '# none' > /etc/network/interfaces; sleep 60"}
    playbook = upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False, "handlers": [cut],
                                          "roles": [{"role": "rewind.vps.guarded_upgrade"}]})
    run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", {**CHANGE, "notify": "Cut the network"}))
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert "ROLLED_BACK: web1" in run.stdout and "web1 was lost" in upgrades.record("web1")["reason"]


@pytest.mark.duration(20)
def test_a_control_path_that_is_a_template(upgrades: UpgradeRunner) -> None:
    """Ansible opens it before the role, and can't reset it on every version. The restored server is contacted all the same."""
    playbook = upgrades.playbook("book", {
        "hosts": "{{ target }}", "gather_facts": False, "roles": [{"role": "rewind.vps.guarded_upgrade"}],
        "vars": {"ansible_control_path": f"{upgrades.control_path}/{{{{ inventory_hostname }}}}"},
        "pre_tasks": [{"name": "Log in", "ansible.builtin.raw": "true"}],
    })
    run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert proven(upgrades.record("web1")) >= {"cloud", "marker", "boot", "files"}


@pytest.mark.duration(25)
def test_a_server_without_python_is_stopped_for_its_snapshot_and_restored(upgrades: UpgradeRunner) -> None:
    playbook = upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False, "roles": [{"role": "rewind.vps.guarded_upgrade"}],
                                          "vars": {"ansible_python_interpreter": "/nowhere/python"}})
    tasks = upgrades.tasks("upgrade", {"name": "Change", "ansible.builtin.raw": "echo new > /etc/changed"},
                           {"name": "Break", "ansible.builtin.raw": "exit 3"})
    run = upgrades.run("web1", playbook=playbook, tasks=tasks, stop_server=True)
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert proven(upgrades.record("web1")) >= {"cloud", "marker", "boot", "files"}


@pytest.mark.duration(25)
def test_a_server_without_python_is_rebooted(upgrades: UpgradeRunner) -> None:
    playbook = upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False, "roles": [{"role": "rewind.vps.guarded_upgrade"}],
                                          "vars": {"ansible_python_interpreter": "/nowhere/python"}})
    tasks = upgrades.tasks("upgrade", {"name": "Change", "ansible.builtin.raw": "echo new > /etc/changed"})
    run = upgrades.run("web1", playbook=playbook, tasks=tasks, reboot="always", reboot_timeout=60)
    assert run.status == 0, run.output
    assert upgrades.record("web1")["outcome"] == "upgraded"
    assert upgrades.record("web1")["after"]["boot_id"] != upgrades.record("web1")["before"]["boot_id"]
