# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot_restore. (Failing restores, in virtual time: simulation/test_failing_operations.py.)"""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, TaskFactory, add_snapshot, ago, set_durations
from support.playbook_runner import PlaybookRunner

pytestmark = pytest.mark.playbook


def test_restored(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    steps = []
    for tasks in clouds:
        cloud, there = tasks.cloud, add_snapshot(tasks.cloud, "one", created_at=ago(days=3))
        steps += [
            tasks("snapshot_restore", *RESET_CALLS, there, add_snapshot(cloud, "two"), step=f"{cloud} restored", name="one"),
            # Created last, so it is the current one at Ilkbyte, which says nothing about the disk.
            tasks("snapshot_restore", *RESET_CALLS, there, step=f"{cloud} the current one", name="one"),
            tasks("snapshot_restore", step=f"{cloud} and once more", name="one"),
            tasks("snapshot_restore", *RESET_CALLS, there, step=f"{cloud} not waited for", name="one", wait=False),
            # While a snapshot is created, the server is not restored, and nothing is joined.
            tasks("snapshot", *RESET_CALLS, there, set_durations(30, f"{cloud}.snapshots.create"), step=f"{cloud} creates", name="two", wait=False),
            tasks("snapshot_restore", step=f"{cloud} busy", name="one"),
        ]
    run = runner.run(*steps)
    for outcome in run.results:
        with subtests.test(outcome.name):
            if outcome.name.endswith("busy"):
                assert outcome.failed and outcome.result["changed"] is False, outcome.result
                assert outcome.error["outcome"] == "not_applied" and outcome.error["kind"] in ("busy", "provider_rejected")
                assert not any(event["event"].startswith("restore") for event in outcome.events)
            elif outcome.name.endswith("not waited for"):
                assert outcome.changing == ["snapshots.restore"] and outcome.result["changed"] is True
                assert "is being restored" in outcome.msg and outcome.operations[-1] == "snapshots.restore"
            elif not outcome.name.endswith("creates"):
                assert outcome.changing == ["snapshots.restore"] and outcome.result["changed"] is True
                assert [event["event"] for event in outcome.events] == ["restore_started", "restore_done"]
                assert outcome.events[-1]["snapshot"] == "one"
                assert outcome.result["server"]["power_state"] == "running" and outcome.result["server"]["task_state"] is None
                assert outcome.result["already_in_progress"] is False and outcome.result["snapshot"]["name"] == "one"


def test_requests_and_power_afterwards(runner: PlaybookRunner, ilkbyte: TaskFactory, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    """Ilkbyte restores the power state in the snapshot. The server is then started, unless `start_server` is false."""
    stopped = add_snapshot("ilkbyte", "one", state="shut off")
    off = ("update_server", {"cloud": "vpsorg", "server": "web1", "status": "stopped"})
    on_finish = ("settings", {"ilkbyte_responds": "on_finish"})
    run = runner.run(
        ilkbyte("snapshot_restore", *RESET_CALLS, stopped, step="started", name="one"),
        ilkbyte("snapshot_restore", *RESET_CALLS, stopped, step="left off", name="one", start_server=False),
        vpsorg("snapshot_restore", *RESET_CALLS, off, add_snapshot("vpsorg", "other"), add_snapshot("vpsorg", "one"), step="off before", id="802"),
        ilkbyte("snapshot_restore", *RESET_CALLS, on_finish, add_snapshot("ilkbyte", "one"), add_snapshot("ilkbyte", "two"),
                step="on finish", name="one"),
        # The response comes after the request's time limit, so the task polls.
        ilkbyte("snapshot_restore", set_durations(3, "ilkbyte.snapshots.restore"), step="late response", name="one", api_timeout=1),
    )
    for name, power_state in (("started", "running"), ("left off", "stopped"), ("off before", "running"), ("on finish", "running")):
        with subtests.test(name):
            assert run[name].changing == ["snapshots.restore"] + ["servers.power"] * (name == "started")
            assert run[name].result["changed"] is True and run[name].result["server"]["power_state"] == power_state
    with subtests.test("requests"):
        (request,) = [request for request in run["off before"].requests if request["changing"]]
        assert (request["method"], request["path"], request["body"]) == ("POST", "/api/v1/snapshots/802/restore/", None)
        (request,) = [request for request in run["left off"].requests if request["changing"]]
        assert (request["method"], request["path"]) == ("GET", "/server/manage/app1/snapshot/revert")
        assert request["query"] == {"access": "***", "secret": "***", "name": "one"}
    with subtests.test("late response"):
        late = run["late response"]
        assert not late.failed, late.result
        assert late.changing == ["snapshots.restore"] and late.result["changed"] is True
        assert [event["event"] for event in late.events] == ["restore_started", "restore_done"]
