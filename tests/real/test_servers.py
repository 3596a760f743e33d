# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine's own parts do: power, services, the network, its clock, memory snapshots."""

from __future__ import annotations

import time

import pytest
from support.guarded_upgrade import CHANGE, FAIL, SLEEP
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


@pytest.mark.parametrize("host", ["web1", "app1"])
def test_stop_server_and_quiesced_services(real: RealUpgrades, host: str) -> None:
    """The server is shut down by ACPI for its snapshot, and started again with its services."""
    before = real.inspect(host)
    run = real.run(host, tasks=real.tasks("change", CHANGE), stop_server=True, quiesce_services=["cron"])
    real.assert_upgraded(host, run)
    after = real.inspect(host)
    assert after.boot != before.boot
    assert real.ssh(host, "systemctl is-active cron") == "active"
    # It ended by itself: a machine whose power was cut has no such line.
    assert "Powering off" in real.ssh(host, "journalctl --no-pager -b -1 -u systemd-logind | tail -5")


def test_quiesced_services_are_started_again_after_a_rollback(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    run = real.run("web1", tasks=real.tasks("fail", CHANGE, FAIL), quiesce_services=["cron"])
    assert run.status == 2, run.output
    real.assert_restored("web1", before)
    assert real.ssh("web1", "systemctl is-active cron") == "active"


def test_the_network_is_cut_during_the_upgrade(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    cut = {"name": "Cut the network", "ansible.builtin.shell": "(sleep 1; ip link set eth0 down) >/dev/null 2>&1 &"}
    run = real.run("web1", tasks=real.tasks("cut", CHANGE, cut, SLEEP), timeout=120)
    assert run.status != 0, run.output
    real.assert_restored("web1", before)


def test_memory_snapshots(real_memory: RealUpgrades) -> None:
    """The restored machine continues where its snapshot was taken: same boot, its clock behind, and no marker."""
    real = real_memory
    before = real.inspect("web1")
    run = real.run("web1", tasks=real.tasks("fail", CHANGE, FAIL))
    assert run.status == 2, run.output
    real.assert_restored("web1", before)
    assert real.inspect("web1").boot == before.boot
    assert int(real.ssh("web1", "date +%s")) < time.time() - 1


def test_a_machine_that_ignores_its_power_button(real: RealUpgrades) -> None:
    """The server stays on and is as before; no snapshot is taken of a running server in place of a stopped one."""
    before = real.inspect("web1")
    real.ssh("web1", "mkdir -p /run/systemd/logind.conf.d; printf '[Login]\\nHandlePowerKey=ignore\\n' >/run/systemd/logind.conf.d/lab.conf; "
                     "systemctl restart systemd-logind")
    run = real.run("web1", tasks=real.tasks("change", CHANGE), stop_server=True, snapshot_timeout=300)
    assert run.status == 2, run.output
    assert real.record("web1")["outcome"] == "not_started"
    assert real.count_requests("web1", "snapshots.create") == 0
    assert real.inspect("web1") == before


def test_memory_snapshots_upgrade(real_memory: RealUpgrades) -> None:
    real_memory.offer("web1", "lab-good")
    real_memory.assert_upgraded("web1", real_memory.run("web1"))
