# SPDX-License-Identifier: GPL-3.0-or-later
"""The table "what goes wrong" of the role's README, on real machines; `test_interruptions` has the runs that are killed while armed."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, FAIL, SLEEP
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


def test_the_rate_limit_is_reached(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    for operation in ("snapshots.create", "snapshots.restore"):
        real.sandbox.admin.fault("status", status=429, cloud="vpsorg", operation=operation, server="web1", apply=False)
    run = real.run("web1", tasks=real.tasks("fail", CHANGE, FAIL))
    assert run.status == 2, run.output
    assert real.record("web1")["outcome"] == "rolled_back"
    assert len(real.sandbox.admin.events("snapshot_started", server="web1")) == 1
    assert len(real.sandbox.admin.events("restore_started", server="web1")) == 1
    real.wait_for_ssh("web1")
    assert real.inspect("web1").tree == before.tree


def test_the_run_is_killed_during_the_snapshot(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    running = real.start("web1", tasks=real.tasks("change", CHANGE), stop_server=True)
    real.wait_until(lambda: real.sandbox.admin.events("power_stopped", server="web1"), "the server to be stopped")
    running.kill()
    real.wait_until(lambda: not real.guards(), "the guard to finish")
    real.wait_for_ssh("web1")
    assert real.inspect("web1").tree == before.tree
    assert real.count_requests("web1", "snapshots.restore") == 0


def test_the_run_hangs(real: RealUpgrades) -> None:
    """The whole run is stopped, not only its task: only the guard can act."""
    before = real.inspect("web1")
    running = real.start("web1", tasks=real.tasks("long", CHANGE, SLEEP), timeout=60, grace_period=10)
    real.wait_for_state("web1", "upgrading")
    real.wait_until(lambda: "new" in real.ssh("web1", "cat /etc/changed || true"), "the change")
    real.stop_processes(running.process.pid)
    real.wait_until(lambda: real.record("web1").get("outcome") == "rolled_back", "the rollback by the guard")
    running.kill()
    real.assert_restored("web1", before)


def test_the_provider_is_unreachable_during_the_rollback(real: RealUpgrades) -> None:
    before = real.inspect("app1")
    real.sandbox.admin.fault("drop_before", cloud="ilkbyte", operation="snapshots.restore", server="app1", times=1)
    run = real.run("app1", tasks=real.tasks("fail", CHANGE, FAIL))
    assert run.status == 2, run.output
    assert real.record("app1")["outcome"] == "rolled_back"
    assert len(real.sandbox.admin.events("restore_started", server="app1")) == 1
    real.wait_for_ssh("app1")
    assert real.inspect("app1").tree == before.tree


def test_a_second_run_is_rejected(real: RealUpgrades) -> None:
    running = real.start("web1", tasks=real.tasks("long", CHANGE, {**SLEEP, "ansible.builtin.command": "sleep 60"}))
    real.wait_for_state("web1", "upgrading")
    second = real.run("web1", tasks=real.tasks("change", CHANGE))
    assert second.status == 2, second.output
    assert running.finish(real.run_seconds).status == 0
    assert real.count_requests("web1", "snapshots.create") == 1
    assert real.count_requests("web1", "snapshots.restore") == 0
