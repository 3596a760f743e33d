# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot_restore. (Failing restores, in virtual time: simulation/test_failing_restores.py.)"""

from __future__ import annotations

import time

import pytest
from support.cases import RESET_CALLS, SPEED, TaskFactory, add_snapshot, ago, set_durations
from support.playbook_runner import PlaybookRunner, RunningPlaybook

pytestmark = pytest.mark.playbook

MAX_POLLS = 1200  # of the tests themselves, 0.05 s apart


def until_restoring(runner: PlaybookRunner, running: RunningPlaybook) -> None:
    for _dummy in range(MAX_POLLS):
        if runner.sandbox.admin.events("restore_started"):
            return
        assert running.process.poll() is None, running.finish().output
        time.sleep(0.05)
    raise AssertionError("no restore started")


def test_restored(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    there = add_snapshot(tasks.cloud, "one", created_at=ago(days=3))
    run = runner.run(
        tasks("snapshot_restore", *RESET_CALLS, there, add_snapshot(tasks.cloud, "two"), step="restored", name="one"),
        # Created last, so it is the current one at Ilkbyte, which says nothing about the disk.
        tasks("snapshot_restore", *RESET_CALLS, there, step="the current one", name="one"),
        tasks("snapshot_restore", step="and once more", name="one"),
        tasks("snapshot_restore", *RESET_CALLS, there, step="not waited for", name="one", wait=False),
    )
    for name in ("restored", "the current one", "and once more"):
        with subtests.test(name):
            done = run[name]
            assert done.changing == ["snapshots.restore"] and done.result["changed"] is True
            assert [event["event"] for event in done.events] == ["restore_started", "restore_done"]
            assert done.events[-1]["snapshot"] == "one"
            assert done.result["server"]["power_state"] == "running" and done.result["server"]["task_state"] is None
            assert done.result["already_in_progress"] is False and done.result["snapshot"]["name"] == "one"
    with subtests.test("not waited for"):
        starts = run["not waited for"]
        assert starts.changing == ["snapshots.restore"] and starts.result["changed"] is True
        assert "is being restored" in starts.msg and starts.operations[-1] == "snapshots.restore"


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


@pytest.mark.duration(10)
@pytest.mark.parametrize("cloud", ["vpsorg", pytest.param("ilkbyte", marks=pytest.mark.slow)])
def test_joined_by_another_run(runner: PlaybookRunner, cloud: str) -> None:
    """Two concurrent plays with the same task: one restore."""
    tasks = TaskFactory(runner.sandbox, cloud)
    slow = (add_snapshot(tasks.cloud, "other"), add_snapshot(tasks.cloud, "one"), add_snapshot(tasks.cloud, "newer"),
            set_durations(120, f"{tasks.cloud}.snapshots.restore"))
    first = runner.start(tasks("snapshot_restore", *slow, step="first", name="one"))
    until_restoring(runner, first)
    second = runner.start(tasks("snapshot_restore", step="second", name="one"))
    for _dummy in range(MAX_POLLS):  # until the second waits
        polls = runner.sandbox.admin.requests(operation="snapshots.list")
        if len(polls) >= 2 or second.process.poll() is not None:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    runner.sandbox.admin.advance(150 * SPEED)
    first_run, second_run = first.finish(), second.finish()
    assert len(runner.sandbox.admin.requests(operation="snapshots.restore")) == 1
    assert first_run.only.result["changed"] is True and first_run.only.result["already_in_progress"] is False
    joined = second_run.only
    assert not joined.failed, joined.result
    assert joined.result["already_in_progress"] is True and joined.result["changed"] is False and joined.changing == []
    (warning,) = joined.result["warnings"]
    assert "joined that restore and requested none" in warning and tasks.server in warning
    if tasks.cloud == "vpsorg":  # it does not report which snapshot is being restored
        assert "if it was not one (802), run again" in warning
    assert joined.result["server"]["power_state"] == "running"


def test_busy_with_something_else(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """While a snapshot is created, the server is not restored, and nothing is joined."""
    run = runner.run(
        tasks("snapshot", add_snapshot(tasks.cloud, "one"), set_durations(30, f"{tasks.cloud}.snapshots.create"), step="started",
              name="two", wait=False),
        tasks("snapshot_restore", step="refused", name="one"),
    )
    refused = run["refused"]
    assert refused.failed and refused.result["changed"] is False, refused.result
    assert refused.error["outcome"] == "not_applied" and refused.error["kind"] in ("busy", "provider_rejected")
    assert not any(event["event"].startswith("restore") for event in runner.sandbox.admin.events())
