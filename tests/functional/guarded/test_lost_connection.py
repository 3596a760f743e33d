# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that don't answer any more: SSH dies and stays dead, or the server never comes back from its reboot."""

from __future__ import annotations

import pytest
from support.cases import SPEED
from support.guarded_upgrade import CHANGE, UpgradeRunner, outcomes

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

CUT_NETWORK = {"name": "Break the network", "ansible.builtin.copy": {
    "dest": "/etc/network/interfaces", "content": "# auto eth0 was here\n", "mode": "0644"}}
GO_ON = {"name": "Go on until the connection is lost", "ansible.builtin.command": "sleep 60"}
BREAK_BOOT = {"name": "Lose the kernel", "ansible.builtin.file": {"path": "/boot/vmlinuz", "state": "absent"}}


def test_the_only_server_of_the_batch_cuts_its_own_network(upgrades: UpgradeRunner) -> None:
    run = upgrades.run("web1,web2", tasks=upgrades.tasks("upgrade", CHANGE, CUT_NETWORK, GO_ON))
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert "ROLLED_BACK: web1" in run.stdout
    assert "web1 was lost" in upgrades.record("web1")["reason"]
    assert not upgrades.records("web2"), "the roll-out went on"


@pytest.mark.duration(15)
def test_a_server_never_comes_back_from_its_reboot(upgrades: UpgradeRunner) -> None:
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE, BREAK_BOOT), reboot="always", reboot_timeout=6)
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert upgrades.record("web1")["reason"].startswith("Reboot")


@pytest.mark.duration(25)
def test_one_of_five_is_lost_and_the_others_are_well(upgrades: UpgradeRunner) -> None:
    """With the linear strategy, in a batch of five with two forks; the batch after it is not started."""
    upgrades.sandbox.admin.settings(seconds={"vpsorg.snapshots.create": 10 * SPEED})  # all five are asked for in this time
    upgrades.install_service("web2")
    only_web3 = [{**task, "when": "inventory_hostname == 'web3'"} for task in (CUT_NETWORK, GO_ON)]
    run = upgrades.run("web1,web2,web3,web4,web5,app1", "--forks", "2", playbook=upgrades.batch_playbook(5),
                       tasks=upgrades.tasks("upgrade", CHANGE, *only_web3), quiesce_services="{{ ['app'] if inventory_hostname == 'web2' else [] }}")
    assert run.status == 2, run.output
    assert upgrades.service_log("web2") == ["stopped", "started"]
    upgrades.assert_rolled_back("web3")
    for host in ("web1", "web2", "web4", "web5"):
        assert upgrades.record(host)["outcome"] == "upgraded"
        assert upgrades.count_requests(host, "snapshots.restore") == 0
        assert (upgrades.disk(host) / "etc" / "changed").exists()
    first_ready = min(event["n"] for event in upgrades.sandbox.admin.events("snapshot_ready"))
    assert all(event["n"] < first_ready for event in upgrades.sandbox.admin.events("snapshot_started")), "one per fork"
    assert not upgrades.records("app1"), "the roll-out went on"
    assert "Roll-out stopped before app1: the upgrade of web3" in run.stdout
    assert run.stdout.count("The same as JSON") == 1
    assert outcomes(run) == {**dict.fromkeys(("web1", "web2", "web4", "web5"), "upgraded"), "web3": "rolled_back", "app1": "not_reached"}


def test_a_lost_server_behind_another_connection_is_left_to_the_guard(upgrades: UpgradeRunner) -> None:
    """A connection that is not SSH can't be guarded by ours: the play loses the host, and its guard acts when the run ends."""
    lost = {"name": "Lose the connection", "lose_connection": {}}
    actions = upgrades.directory / "action_plugins"
    actions.mkdir()
    (actions / "lose_connection.py").write_text(
        "from ansible.errors import AnsibleConnectionFailure\nfrom ansible.plugins.action import ActionBase\n\n\n"
        "class ActionModule(ActionBase):\n    def run(self, tmp=None, task_vars=None):\n        raise AnsibleConnectionFailure('gone')\n",
        encoding="utf-8")
    library = upgrades.directory / "library"
    library.mkdir()
    (library / "lose_connection.py").write_text("", encoding="utf-8")
    connections = upgrades.directory / "connection_plugins"
    connections.mkdir()
    (connections / "other_ssh.py").write_text(
        "from ansible.plugins.connection import ssh\nfrom ansible.plugins.connection.ssh import Connection as Ssh\n\n"
        "DOCUMENTATION = ssh.DOCUMENTATION\n\n\nclass Connection(Ssh):\n    transport = 'other_ssh'\n", encoding="utf-8")
    playbook = upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False, "serial": 1, "connection": "other_ssh",
                                          "roles": [{"role": "rewind.vps.guarded_upgrade"}]})
    run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE, lost))
    assert run.status == 4, run.output
    assert "even if this run is killed (guard PID" in run.output
    record = upgrades.wait_for_state("web1", "ended")
    assert record["outcome"] == "rolled_back"
    upgrades.assert_rolled_back("web1")
