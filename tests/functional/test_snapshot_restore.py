# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot_restore: asked for once, joined when under way, and never called done when it is not.

What takes long waits to see is here for test-all, and in virtual time in simulation/test_restores_that_go_wrong.py.
"""

from __future__ import annotations

import time

import pytest
from support.cases import RESET_CALLS, SPEED, TaskFactory, add_snapshot, ago, fault, set_durations
from support.playbook_runner import Call, PlaybookRunner, RunningPlaybook

pytestmark = pytest.mark.playbook

OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
ON = {"vpsorg": "active", "ilkbyte": "running"}
WHEN_DONE = ("settings", {"ilkbyte_responds": "on_finish"})


def restores(runner: PlaybookRunner) -> int:
    return len(runner.sandbox.admin.requests(operation="snapshots.restore"))


def until_restoring(runner: PlaybookRunner, running: RunningPlaybook) -> None:
    """Wait until a play has asked for a restore and the cloud has begun it."""
    for _dummy in range(600):
        if runner.sandbox.admin.events("restore_started"):
            return
        assert running.process.poll() is None, running.finish().output
        time.sleep(0.05)
    raise AssertionError("no restore began in 30 s")


def test_exact_requests(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory) -> None:
    run = runner.run(
        vpsorg("snapshot_restore", add_snapshot("vpsorg", "other"), add_snapshot("vpsorg", "one"), step="vpsorg", id="802"),
        ilkbyte("snapshot_restore", add_snapshot("ilkbyte", "one"), step="ilkbyte", name="one"),
    )
    (request,) = [request for request in run["vpsorg"].requests if request["changing"]]
    assert (request["method"], request["path"], request["body"]) == ("POST", "/api/v1/snapshots/802/restore/", None)
    (request,) = [request for request in run["ilkbyte"].requests if request["changing"]]
    assert (request["method"], request["path"]) == ("GET", "/server/manage/app1/snapshot/revert")
    assert request["query"] == {"access": "***", "secret": "***", "name": "one"}


def test_restored(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    there = add_snapshot(tasks.cloud, "one", created_at=ago(days=3))
    run = runner.run(
        tasks("snapshot_restore", *RESET_CALLS, there, add_snapshot(tasks.cloud, "two"), step="restored", name="one"),
        # Taken last, so Ilkbyte calls it current. That says nothing about the disk.
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


def test_power_afterwards(runner: PlaybookRunner, ilkbyte: TaskFactory, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    """Ilkbyte brings back the power that the snapshot holds; the server is started unless that is not wished."""
    held_off = add_snapshot("ilkbyte", "one", state="shut off")
    off = ("update_server", {"cloud": "vpsorg", "server": "web1", "status": "stopped"})
    run = runner.run(
        ilkbyte("snapshot_restore", *RESET_CALLS, held_off, step="started", name="one"),
        ilkbyte("snapshot_restore", *RESET_CALLS, held_off, step="left off", name="one", start_server=False),
        vpsorg("snapshot_restore", *RESET_CALLS, off, add_snapshot("vpsorg", "one"), step="off before", name="one"),
    )
    with subtests.test("started"):
        assert run["started"].changing == ["snapshots.restore", "servers.power"]
        assert run["started"].result["server"]["power_state"] == "running"
    with subtests.test("left off"):
        assert run["left off"].changing == ["snapshots.restore"]
        assert run["left off"].result["server"]["power_state"] == "stopped"
    with subtests.test("off before"):
        assert run["off before"].changing == ["snapshots.restore"]
        assert run["off before"].result["server"]["power_state"] == "running"


def test_ilkbyte_that_answers_when_done(runner: PlaybookRunner, ilkbyte: TaskFactory) -> None:
    run = runner.run(
        ilkbyte("snapshot_restore", *RESET_CALLS, WHEN_DONE, add_snapshot("ilkbyte", "one"), add_snapshot("ilkbyte", "two"),
                step="restored", name="one"),
        ilkbyte("snapshot", step="taken", name="three"),
        # The answer comes later than the task is willing to wait for one: nobody knows, so it is looked at.
        ilkbyte("snapshot_restore", set_durations(3, "ilkbyte.snapshots.restore"), step="answer comes too late",
                name="one", api_timeout=1),
    )
    assert run["restored"].changing == ["snapshots.restore"] and run["restored"].result["changed"] is True
    assert run["taken"].changing == ["snapshots.create"] and run["taken"].result["snapshot"]["parent"] == "one"
    late = run["answer comes too late"]
    assert not late.failed, late.result
    assert late.changing == ["snapshots.restore"] and late.result["changed"] is True
    assert [event["event"] for event in late.events] == ["restore_started", "restore_done"]


@pytest.mark.slow
@pytest.mark.duration(40)
@pytest.mark.parametrize(("cloud", "name", "setup", "outcome"), [
    # VPS.org says nothing of a failure, only that the server is stopped, where it should run.
    pytest.param("vpsorg", "one", (), "unknown", id="vpsorg"),
    pytest.param("ilkbyte", "two", (), "failed", id="ilkbyte, to its current one"),
    pytest.param("ilkbyte", "one", (WHEN_DONE,), "failed", id="ilkbyte, answering when done"),
])
def test_failing_half_way(runner: PlaybookRunner, cloud: str, name: str, setup: tuple[Call, ...], outcome: str) -> None:
    """The server is left off with its old disk. That must never pass for restored, nor be started unasked."""
    tasks = TaskFactory(runner.sandbox, cloud)
    there = (add_snapshot(cloud, "one"), add_snapshot(cloud, "two"))
    restored = runner.run(tasks("snapshot_restore", *there, *setup, fault("restore_fails"), name=name)).only
    assert restored.failed, restored.result
    assert restored.error["outcome"] == outcome and "Nothing was changed" not in restored.msg
    assert tasks.server in restored.msg and "Next:" in restored.msg
    assert restored.changing == ["snapshots.restore"] and restored.result["changed"] is True
    assert restored.events[-1]["event"] == "restore_failed"
    assert runner.sandbox.admin.server(tasks.server)["status"] == OFF[cloud]


@pytest.mark.duration(10)
def test_joined_by_another_run(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Two plays that want the same at the same time: one restore."""
    slow = (add_snapshot(tasks.cloud, "other"), add_snapshot(tasks.cloud, "one"), add_snapshot(tasks.cloud, "newer"),
            set_durations(20, f"{tasks.cloud}.snapshots.restore"))
    first = runner.start(tasks("snapshot_restore", *slow, step="first", name="one"))
    until_restoring(runner, first)
    second = runner.start(tasks("snapshot_restore", step="second", name="one"))
    for _dummy in range(600):  # until the second has looked at the server twice: then it waits
        looks = runner.sandbox.admin.requests(operation="snapshots.list")
        if len(looks) >= 2 or second.process.poll() is not None:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    runner.sandbox.admin.advance(30 * SPEED)
    first_run, second_run = first.finish(), second.finish()
    assert restores(runner) == 1
    assert first_run.only.result["changed"] is True and first_run.only.result["already_in_progress"] is False
    joined = second_run.only
    assert not joined.failed, joined.result
    assert joined.result["already_in_progress"] is True and joined.result["changed"] is False and joined.changing == []
    (warning,) = joined.result["warnings"]
    assert "asked for nothing and joined" in warning and tasks.server in warning
    if tasks.cloud == "vpsorg":  # it does not say which snapshot is being restored
        assert "if it was not one (802), run again" in warning
    assert joined.result["server"]["power_state"] == "running"


@pytest.mark.slow
@pytest.mark.duration(20)
def test_run_again_after_a_crash(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Killed in the middle of the wait, with its workers: the next run joins and asks for nothing.

    Killed at the request itself: test_crash.py.
    """
    step = tasks("snapshot_restore", add_snapshot(tasks.cloud, "one"), add_snapshot(tasks.cloud, "newer"),
                 set_durations(15, f"{tasks.cloud}.snapshots.restore"), step="killed", name="one")
    killed = runner.start(step)
    until_restoring(runner, killed)
    killed.kill()
    again = runner.run(tasks("snapshot_restore", step="again", name="one")).only
    assert not again.failed, again.result
    assert again.changing == [] and again.result["already_in_progress"] is True and again.result["changed"] is False
    assert restores(runner) == 1
    assert [event["event"] for event in runner.sandbox.admin.events()] == ["restore_started", "restore_done"]
    assert runner.sandbox.admin.server(tasks.server)["status"] == ON[tasks.cloud]


def test_busy_with_something_else(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """A server of which a snapshot is being made is not restored, and nothing is joined."""
    run = runner.run(
        tasks("snapshot", add_snapshot(tasks.cloud, "one"), set_durations(3, f"{tasks.cloud}.snapshots.create"), step="begun",
              name="two", wait=False),
        tasks("snapshot_restore", step="refused", name="one"),
    )
    refused = run["refused"]
    assert refused.failed and refused.result["changed"] is False, refused.result
    assert refused.error["outcome"] == "not_applied" and refused.error["kind"] in ("busy", "provider_rejected")
    assert not any(event["event"].startswith("restore") for event in runner.sandbox.admin.events())


@pytest.mark.slow
@pytest.mark.duration(15)
def test_answer_is_lost(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    """A restore of which nobody knows whether it began is looked for, and never asked for again."""
    there = (add_snapshot(tasks.cloud, "one"), add_snapshot(tasks.cloud, "newer"), set_durations(2, f"{tasks.cloud}.snapshots.restore"))
    lost = {"cloud": tasks.cloud, "operation": "snapshots.restore"}
    run = runner.run(
        tasks("snapshot_restore", *RESET_CALLS, *there, fault("drop_after", **lost), step="it began", name="one"),
        tasks("snapshot_restore", *RESET_CALLS, *there, fault("html", status=502, apply=True, **lost), step="502", name="one"),
        tasks("snapshot_restore", *RESET_CALLS, *there, fault("status", status=429, headers={"Retry-After": "0"}, **lost),
              step="too many requests", name="one"),
    )
    for name in ("it began", "502"):
        with subtests.test(name):
            assert not run[name].failed, run[name].result
            assert run[name].changing == ["snapshots.restore"] and run[name].result["changed"] is True
            assert run[name].events[-1]["event"] == "restore_done"
    with subtests.test("too many requests: provably not begun, so asked again"):
        again = run["too many requests"]
        assert not again.failed and again.changing == ["snapshots.restore"] * 2
        assert [event["event"] for event in again.events] == ["restore_started", "restore_done"]


@pytest.mark.slow
@pytest.mark.duration(25)
def test_unknown_and_not_begun(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """The connection broke before anything was done: unknown, said so, and not sent again."""
    lost = fault("drop_before", cloud=tasks.cloud, operation="snapshots.restore")
    outcome = runner.run(tasks("snapshot_restore", add_snapshot(tasks.cloud, "one"), add_snapshot(tasks.cloud, "newer"), lost,
                               name="one")).only
    assert outcome.error["outcome"] == "unknown" and outcome.changing == ["snapshots.restore"]
    assert "unknown whether" in outcome.msg and tasks.server in outcome.msg and "run again" in outcome.msg
    assert outcome.result["changed"] is False
