# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are cut off: the guard undoes what is not confirmed, and the next run takes up, stops, or tells. Never twice."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from support.cases import SPEED
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

PLUGINS = str(Path(__file__).resolve().parents[2] / "support" / "callback_plugins")


def killed_at(task: str) -> dict[str, str]:
    return {"KILL_AT": task, "ANSIBLE_CALLBACKS_ENABLED": "kill_at", "ANSIBLE_CALLBACK_PLUGINS": PLUGINS}


def slow(*tasks: str) -> list:
    return [pytest.param(task, marks=pytest.mark.slow) for task in tasks]


FINISH = "Record the outcome, and delete expired snapshots"
REPORT = "Report the outcome of all servers"
CLOSE = "Close the run, and fail unless it has the requested outcome"
UNARMED = [
    "Wait for the snapshot",
    *slow("Start the guard", "Use the guarded SSH connection", "Request the snapshot", "Write the rollback marker", "Arm the guard"),
]
GUARDED = [
    "Log in again, and compare the server with its state before the upgrade",
    *slow("Run the upgrade's tasks", "Run the handlers that the upgrade has notified", "Find out whether a reboot is needed", "Reboot if needed",
          "Run the checks", "Confirm the upgrade"),
]
CONFIRMED = [FINISH, *slow("Remove the rollback marker", "Use the original connection again", "Run the user's hooks", REPORT, CLOSE)]
ROLLING_BACK = [
    "Wait for the restore",
    *slow("Fetch the server's logs before the restore", "Save diagnostics", "Request the restore", "Wait for the restored server",
          "Verify the restored server", FINISH, REPORT, CLOSE),
]


def cut_off(upgrades: UpgradeRunner, task: str, upgrade: str) -> None:
    run = upgrades.run("web1", tasks=upgrade, environment=killed_at(task))
    assert run.status == -signal.SIGKILL, run.output
    assert f"[{'rewind.vps.guarded_upgrade'} : {task}]" not in run.stdout


@pytest.mark.parametrize("task", UNARMED)
def test_cut_off_before_the_guard_was_armed(upgrades: UpgradeRunner, task: str) -> None:
    upgrade = upgrades.tasks("upgrade", CHANGE)
    cut_off(upgrades, task, upgrade)
    run = upgrades.run("web1", tasks=upgrade)
    assert run.status == 0, run.output
    assert upgrades.count_requests("web1", "snapshots.create") == 1
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    assert upgrades.record("web1")["outcome"] == "upgraded"
    assert upgrades.no_guard_left()


@pytest.mark.parametrize("task", GUARDED)
def test_interrupted_while_armed(upgrades: UpgradeRunner, task: str) -> None:
    upgrade = upgrades.tasks("upgrade", CHANGE)
    cut_off(upgrades, task, upgrade)
    run = upgrades.run("web1", tasks=upgrade)  # at once: the guard may be at work still
    assert run.status == 2, run.output
    assert "ROLLED_BACK: web1" in run.stdout
    assert "ended unexpectedly" in upgrades.record("web1")["reason"]
    upgrades.assert_rolled_back("web1")


@pytest.mark.parametrize("task", CONFIRMED)
def test_cut_off_after_the_upgrade_was_confirmed(upgrades: UpgradeRunner, task: str) -> None:
    upgrade = upgrades.tasks("upgrade", CHANGE)
    cut_off(upgrades, task, upgrade)
    run = upgrades.run("web1", tasks=upgrade)
    assert run.status == 0, run.output
    assert upgrades.count_requests("web1", "snapshots.create") == 1
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    assert upgrades.record("web1")["outcome"] == "upgraded"
    assert not list(upgrades.disk("web1").glob("var/tmp/rewind-*"))
    assert upgrades.no_guard_left()


@pytest.mark.parametrize("task", ROLLING_BACK)
def test_cut_off_while_it_was_undone(upgrades: UpgradeRunner, task: str) -> None:
    upgrade = upgrades.tasks("upgrade", CHANGE, FAIL)
    cut_off(upgrades, task, upgrade)
    run = upgrades.run("web1", tasks=upgrade)
    assert run.status == 2, run.output
    assert "ROLLED_BACK: web1" in run.stdout
    upgrades.assert_rolled_back("web1")


def guard_rolls_back_alone(upgrades: UpgradeRunner) -> None:
    record = upgrades.wait_for_state("web1", "ended")
    assert record["outcome"] == "rolled_back"
    assert proven(record) == {"cloud"}
    assert "was not probed" in record["message"]
    upgrades.assert_rolled_back("web1")


def test_kill_9(upgrades: UpgradeRunner) -> None:
    upgrades.start_long_upgrade().kill()
    guard_rolls_back_alone(upgrades)


def test_ctrl_c(upgrades: UpgradeRunner) -> None:
    running = upgrades.start_long_upgrade()
    os.killpg(running.process.pid, signal.SIGINT)
    run = running.finish()
    assert run.status != 0
    assert "even if this run is killed (guard PID" in run.output
    guard_rolls_back_alone(upgrades)


def test_a_second_run_refuses_and_spoils_nothing(upgrades: UpgradeRunner) -> None:
    running = upgrades.start_long_upgrade()
    second = upgrades.run("web1", tasks=upgrades.tasks("other", CHANGE))
    assert second.status == 2, second.output
    assert "guards server web1 (12345) already" in second.stdout
    assert upgrades.record("web1")["state"] == "upgrading"
    assert upgrades.count_requests("web1", "snapshots.create") == 1
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    running.kill()
    guard_rolls_back_alone(upgrades)


@pytest.mark.slow
def test_the_guard_is_killed_and_another_takes_its_place(upgrades: UpgradeRunner) -> None:
    running = upgrades.start("web1", tasks=upgrades.tasks("upgrade", CHANGE, {"name": "Wait", "ansible.builtin.command": "sleep 4"}, FAIL))
    upgrades.wait_for_state("web1", "upgrading")
    upgrades.kill_guards()
    run = running.finish()
    assert run.status == 2, run.output
    assert "ROLLED_BACK: web1" in run.stdout
    upgrades.assert_rolled_back("web1")


@pytest.mark.slow
def test_run_and_guard_are_killed_and_the_next_run_restores(upgrades: UpgradeRunner) -> None:
    upgrades.leave_upgrade_cut_off()
    time.sleep(1)
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 2, run.output
    assert "ROLLED_BACK: web1" in run.stdout
    upgrades.assert_rolled_back("web1")


def long_durations(upgrades: UpgradeRunner) -> None:
    """The operation takes longer than killing a guard and running again."""
    upgrades.sandbox.admin.settings(seconds={"vpsorg.snapshots.create": 12 * SPEED, "vpsorg.snapshots.restore": 12 * SPEED})


@pytest.mark.slow
def test_run_and_guard_are_killed_while_the_snapshot_is_made_and_the_next_run_goes_on_with_it(upgrades: UpgradeRunner) -> None:
    long_durations(upgrades)
    upgrade = upgrades.tasks("upgrade", CHANGE)
    cut_off(upgrades, "Wait for the snapshot", upgrade)
    upgrades.wait_until(lambda: upgrades.count_requests("web1", "snapshots.create"), "the snapshot to start")
    upgrades.kill_guards()
    assert upgrades.record("web1")["state"] == "snapshotting"
    run = upgrades.run("web1", tasks=upgrade)
    assert run.status == 0, run.output
    assert [upgrades.count_requests("web1", operation) for operation in ("snapshots.create", "snapshots.restore")] == [1, 0]
    assert upgrades.record("web1")["outcome"] == "upgraded"


@pytest.mark.slow
def test_run_and_guard_are_killed_while_it_is_restored_and_the_next_run_joins(upgrades: UpgradeRunner) -> None:
    long_durations(upgrades)
    upgrade = upgrades.tasks("upgrade", CHANGE, FAIL)
    cut_off(upgrades, "Wait for the restore", upgrade)
    upgrades.wait_until(lambda: upgrades.count_requests("web1", "snapshots.restore"), "the restore to start")
    upgrades.kill_guards()
    assert upgrades.record("web1")["state"] == "restoring"
    run = upgrades.run("web1", tasks=upgrade)
    assert run.status == 2, run.output
    assert "ROLLED_BACK: web1" in run.stdout
    upgrades.assert_rolled_back("web1")


@pytest.mark.slow
def test_what_was_cut_off_long_ago_is_left_to_a_person(upgrades: UpgradeRunner) -> None:
    upgrades.leave_upgrade_cut_off()
    record = upgrades.record("web1")
    run_id = record["run_id"]
    record["history"][-1]["at"] = "2026-01-01T00:00:00.000Z"
    (upgrades.record_directory("web1") / "run.json").write_text(json.dumps(record), encoding="utf-8")
    for playbook in ("rewind.vps.recover", "rewind.vps.guarded_upgrade"):
        run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE))
        assert run.status == 2, run.output
        assert f"guarded_upgrade_accept_run={run_id}" in run.stdout
        assert upgrades.count_requests("web1", "snapshots.restore") == 0
    accepted = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), accept_run=run_id)
    assert accepted.status == 0, accepted.output
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    assert upgrades.record("web1")["outcome"] == "upgraded"
