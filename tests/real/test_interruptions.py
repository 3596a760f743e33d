# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that end before their upgrade is confirmed, and what the playbooks for later do."""

from __future__ import annotations

import time

import pytest
from support.guarded_upgrade import CHANGE, FAIL, SLEEP, outcomes
from support.real_upgrades import RealUpgrades, kill_group

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


def wait_for_change(real: RealUpgrades, host: str) -> None:
    real.wait_for_state(host, "upgrading")
    real.wait_until(lambda: "new" in real.ssh(host, "cat /etc/changed || true"), "the change")


def test_the_process_group_is_killed(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    running = real.start("web1", tasks=real.tasks("long", CHANGE, SLEEP))
    wait_for_change(real, "web1")
    kill_group(running.process.pid)
    running.process.communicate()
    real.wait_until(lambda: not real.guards(), "the guard to finish")
    real.assert_restored("web1", before)


def test_ctrl_c_on_a_terminal(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    terminal = real.start_on_terminal("web1", tasks=real.tasks("long", CHANGE, SLEEP))
    wait_for_change(real, "web1")
    terminal.press_ctrl_c()
    status, shown = terminal.finish()
    assert status != 0, shown
    real.wait_until(lambda: not real.guards(), "the guard to finish")
    real.assert_restored("web1", before)


def test_run_and_guard_are_killed_and_recover_rolls_back(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    running = real.start("web1", tasks=real.tasks("long", CHANGE, SLEEP))
    wait_for_change(real, "web1")
    real.kill_guards()
    running.kill()
    run = real.run("web1", playbook="rewind.vps.recover")
    assert run.status == 2, run.output
    real.assert_restored("web1", before)


def test_rollback_after_a_confirmed_upgrade(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good")
    before = real.inspect("web1")
    assert real.run("web1").status == 0
    run = real.run("web1", "-e", "rollback_confirm=yes", playbook="rewind.vps.rollback")
    assert run.status == 0, run.output
    real.wait_for_ssh("web1")
    after = real.inspect("web1")
    assert (after.packages, after.tree) == (before.packages, before.tree)
    assert real.count_requests("web1", "snapshots.restore") == 1


def test_prune_keeps_the_newest(real: RealUpgrades) -> None:
    for _attempt in range(2):
        assert real.run("web1", tasks=real.tasks("change", CHANGE), keep_snapshots=5).status == 0
        time.sleep(1)
    assert len(real.snapshots("web1")) == 2
    run = real.run("web1", playbook="rewind.vps.prune", keep_snapshots=1)
    assert run.status == 0, run.output
    assert len(real.snapshots("web1")) == 1


def test_a_batch_of_two_in_which_one_fails(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    fail = {**FAIL, "when": "inventory_hostname == 'web1'"}
    run = real.run("web1,app1", "-e", "batch=2", tasks=real.tasks("upgrade", CHANGE, fail))
    assert run.status == 2, run.output
    assert outcomes(run) == {"web1": "rolled_back", "app1": "upgraded"}
    real.assert_restored("web1", before)
    assert real.ssh("app1", "cat /etc/changed") == "new"
    assert real.count_requests("app1", "snapshots.restore") == 0
