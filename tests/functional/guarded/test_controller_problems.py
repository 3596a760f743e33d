# SPDX-License-Identifier: GPL-3.0-or-later
"""When the controller itself can't log in: the message says so, and no server is restored for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner

# Their rules have unit tests; these prove them through Ansible, and take minutes together.
pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.slow]

ON_CONTROLLER = {"delegate_to": "localhost", "become": False}


def playbook_with_key(upgrades: UpgradeRunner, key: Path) -> str:
    inventory = json.loads(upgrades.command("ansible-inventory", "-i", upgrades.sandbox.inventory, "--host", "web1", environment={}).stdout)
    shutil.copy(inventory["ansible_ssh_private_key_file"], key)
    return upgrades.playbook("book", {
        "hosts": "{{ target }}", "gather_facts": False, "vars": {"ansible_ssh_private_key_file": str(key)},
        "roles": [{"role": "rewind.vps.guarded_upgrade"}]})


def test_a_key_that_is_gone_before_the_snapshot(upgrades: UpgradeRunner, tmp_path: Path) -> None:
    playbook = playbook_with_key(upgrades, tmp_path / "key")
    (tmp_path / "key").unlink()
    run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 4, run.output
    assert "NOT_STARTED: web1: Ansible can't log in to web1: " in run.output and "Permission denied" in run.output
    assert f"the SSH key {tmp_path}/key does not exist on the controller" in run.output
    assert upgrades.record("web1")["outcome"] == "not_started"
    upgrades.assert_untouched("web1")


@pytest.mark.duration(20)
def test_a_key_that_is_lost_during_the_upgrade(upgrades: UpgradeRunner, tmp_path: Path) -> None:
    playbook = playbook_with_key(upgrades, tmp_path / "key")
    lose = {"name": "Lose the key", "ansible.builtin.file": {"path": str(tmp_path / "key"), "state": "absent"}, **ON_CONTROLLER}
    reset = {"name": "Log in again", "ansible.builtin.meta": "reset_connection"}
    late = {"name": "Come late", "ansible.builtin.raw": "echo late > /etc/late"}
    run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE, lose, reset, late))
    assert run.status == 2, run.output
    assert "UNKNOWN: web1: the upgrade could not be finished, and nothing was restored, because of a problem of the controller: " in run.output
    assert f"its SSH key {tmp_path}/key was changed or removed" in run.output and "Reason: Come late: server web1 was lost" in run.output
    record = upgrades.record("web1")
    assert (record["outcome"], record["acknowledged"]) == ("unknown", True)
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    assert [item["id"] for item in upgrades.snapshots("web1")] == [record["snapshot"]["id"]]
    assert (upgrades.disk("web1") / "etc" / "changed").exists()
    assert upgrades.no_guard_left()
