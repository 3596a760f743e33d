# SPDX-License-Identifier: GPL-3.0-or-later
"""What would make an upgrade fail although nothing is wrong with it: found before the snapshot, so that nothing is restored."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

LOCK = "/var/lib/dpkg/lock-frontend"


def on_server(upgrades: UpgradeRunner, host: str, script: str) -> None:
    run = upgrades.command("ansible", host, "-i", upgrades.sandbox.inventory, "-m", "ansible.builtin.raw", "-a", script, environment={})
    assert run.status == 0, run.output


def lock_package_manager(upgrades: UpgradeRunner, host: str, seconds: int) -> None:
    on_server(upgrades, host, f"mkdir -p /var/lib/dpkg; nohup flock {LOCK} sleep {seconds} >/dev/null 2>&1 </dev/null & sleep 0.2")


def is_not_started(upgrades: UpgradeRunner, expected: str, host: str = "web1", **options: object) -> None:
    options.setdefault("tasks", upgrades.tasks("upgrade", CHANGE))
    before = upgrades.digest(host)
    run = upgrades.run(host, **options)
    assert run.status == 2, run.output
    assert f"NOT_STARTED: {host}: " in run.output and expected in run.output and "Traceback" not in run.output, run.output
    assert "Nothing was changed" in run.output
    record = upgrades.record(host)
    assert (record["outcome"], record["snapshot"]["id"]) == ("not_started", None) and expected in record["reason"]
    upgrades.assert_untouched(host)
    assert upgrades.digest(host) == before


def test_a_busy_package_manager(upgrades: UpgradeRunner) -> None:
    """What stays busy ends the run, and a rerun upgrades."""
    lock_package_manager(upgrades, "web1", 600)
    is_not_started(upgrades, "has locked /var/lib/dpkg/lock-frontend", timeout=5)
    on_server(upgrades, "web1", "kill $(fuser /var/lib/dpkg/lock-frontend 2>/dev/null) || pkill -x flock; sleep 0.5")
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 0, run.output
    assert upgrades.record("web1")["outcome"] == "upgraded"


def test_a_place_for_the_marker_that_does_not_exist(upgrades: UpgradeRunner) -> None:
    is_not_started(upgrades, "the marker can't be written to /nowhere: ", marker_dir="/nowhere")


def test_a_step_that_needs_python(upgrades: UpgradeRunner) -> None:
    interpreter = {"ansible_python_interpreter": "/usr/bin/no-python"}
    playbook = upgrades.playbook("book", {
        "hosts": "{{ target }}", "gather_facts": False, "vars": interpreter, "roles": [{"role": "rewind.vps.guarded_upgrade"}]})
    raw = upgrades.tasks("raw", {"name": "Change", "ansible.builtin.raw": "echo new > /etc/changed"})
    is_not_started(upgrades, "which guarded_upgrade_quiesce_services would need (", playbook=playbook, tasks=raw, quiesce_services=["app"])


def test_the_reason_is_in_the_message_and_in_the_table(upgrades: UpgradeRunner) -> None:
    """Of a loop's item, of a command, and of a server whose upgrade did not start."""
    loop = {"name": "Install", "ansible.builtin.command": "sh -c 'echo starting; echo {{ item }} is broken >&2; test {{ item }} = php'",
            "loop": ["php", "mysql"], "when": "inventory_hostname == 'web1'"}
    command = {**FAIL, "ansible.builtin.command": "sh -c 'echo the last line; exit 3'", "when": "inventory_hostname == 'web2'"}
    lock_package_manager(upgrades, "web3", 600)
    run = upgrades.run("web1,web2,web3", playbook=upgrades.batch_playbook(3), tasks=upgrades.tasks("upgrade", CHANGE, loop, command), timeout=30)
    assert run.status == 2, run.output
    reasons = {"web1": "Install: (mysql) mysql is broken", "web2": "Break: the last line", "web3": "has locked /var/lib/dpkg/lock-frontend"}
    assert outcomes(run) == {"web1": "rolled_back", "web2": "rolled_back", "web3": "not_started"}
    table = [line for line in run.stdout.splitlines() if line.strip(" \"',").startswith(tuple(reasons))]
    for host, reason in reasons.items():
        assert reason in upgrades.record(host)["reason"]
        assert any(host in line and reason in line for line in table), table
    for host in ("web1", "web2"):
        assert f"ROLLED_BACK: {host}: " in run.stdout and f"Reason: {reasons[host]}. " in run.stdout
