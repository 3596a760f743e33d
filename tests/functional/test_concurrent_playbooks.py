# SPDX-License-Identifier: GPL-3.0-or-later
"""Concurrent playbooks for the same servers: nothing is done twice, nothing is lost, and every error says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from support.cases import DURATIONS, SECOND, TaskFactory, add_snapshot, ago, apply_calls, set_durations
from support.playbook_runner import PlaybookRunner, Run, TaskCase, TaskResult

pytestmark = pytest.mark.playbook

PLAYBOOKS = 8  # at once


def was_pruned(outcome: TaskResult) -> bool:
    """Whether another task's retention deleted the snapshot before this task saw it ready."""
    return outcome.failed and (outcome.error["kind"], outcome.error["outcome"], outcome.result["changed"]) == ("not_found", "unknown", True)


def run_all(runner: PlaybookRunner, plays: Iterable[list[TaskCase]], may_be_pruned: bool = False) -> list[Run]:
    """Start them all, then wait for all."""
    started = [runner.start(*steps) for steps in plays]
    runs = [running.finish() for running in started]
    for run in runs:
        assert "Traceback" not in run.output
        for outcome in run.results:
            if outcome.failed and not (may_be_pruned and was_pruned(outcome)):
                assert outcome.error["outcome"] == "not_applied", outcome.msg
                assert "Next:" in outcome.msg and not outcome.result["changed"], outcome.msg
    return runs


def created(runner: PlaybookRunner) -> Counter[tuple[str, str]]:
    """The number of snapshots started, by server and name."""
    return Counter((row["server"], row["snapshot"]) for row in runner.sandbox.admin.events("snapshot_started"))


@pytest.mark.duration(8)
@pytest.mark.parametrize("playbooks", [2, pytest.param(PLAYBOOKS, marks=pytest.mark.slow)])
def test_one_task_for_each_of_several_servers(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory, playbooks: int) -> None:
    """For each server one playbook creates the snapshot; the others adopt it, or find it."""
    apply_calls(runner.sandbox.admin, set_durations(2, *DURATIONS))

    def play() -> list[TaskCase]:
        return [tasks("snapshot", step=f"{server}", server=server, name="one")
                for tasks in (vpsorg, ilkbyte) for server in (tasks.server, SECOND[tasks.cloud])]

    runs = run_all(runner, [play() for _number in range(playbooks)])
    assert created(runner) == {(server, "one"): 1 for server in ("web1", "web2", "app1", "app2")}
    for server in ("web1", "web2", "app1", "app2"):
        assert [run[server].status for run in runs] == ["ok"] * playbooks, [run[server].result for run in runs]
        assert sum(run[server].result["changed"] for run in runs) == 1, [run[server].result for run in runs]
        assert {run[server].result["snapshot"]["status"] for run in runs} == {"ready"}


@pytest.mark.slow
def test_tasks_that_conflict(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Two playbooks for each of: create one, create two, delete the old one, restore the base."""
    restore, create = f"{tasks.cloud}.snapshots.restore", f"{tasks.cloud}.snapshots.create"
    base, old = (add_snapshot(tasks.cloud, name, created_at=ago(days=days)) for name, days in (("base", 2), ("old", 1)))
    apply_calls(runner.sandbox.admin, base, old, set_durations(4, restore), set_durations(2, create))
    tasks_options = [
        lambda: tasks("snapshot", step="one", name="one"), lambda: tasks("snapshot", step="two", name="two"),
        lambda: tasks("snapshot", step="old", name="old", state="absent"), lambda: tasks("snapshot_restore", step="base", name="base"),
    ]
    runs = run_all(runner, [[options()] for options in tasks_options * 2])
    outcomes = [run.only for run in runs]
    admin = runner.sandbox.admin
    for name in ("one", "two"):
        changed = sum(outcome.result["changed"] for outcome in outcomes if outcome.name == name)
        assert created(runner)[(tasks.server, name)] == changed <= 1
    gone = [outcome for outcome in outcomes if outcome.name == "old"]
    assert len(admin.events("snapshot_deleted")) == sum(outcome.result["changed"] for outcome in gone) <= 1
    assert {row["snapshot"] for row in admin.events("snapshot_deleted")} <= {"old"}
    restored = [outcome for outcome in outcomes if outcome.name == "base"]
    assert len(admin.events("restore_started")) == sum(outcome.result["changed"] for outcome in restored)
    assert {row["snapshot"] for row in admin.events("restore_started")} <= {"base"}
    assert admin.server(tasks.server)["powered_on"]


@pytest.mark.slow
def test_retention(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    """Each creates its own snapshot and keeps two: the newest stay, and those that do not match."""
    existing = (add_snapshot("vpsorg", name, created_at=ago(days=days)) for name, days in (("byhand", 9), ("nightly0", 8)))
    apply_calls(runner.sandbox.admin, *existing, set_durations(1, "vpsorg.snapshots.create"))
    keep = {"retain": {"count": 2, "match": "nightly*"}, "when_full": "prune"}
    tasks_options = [[vpsorg("snapshot", step=f"nightly{number}", name=f"nightly{number}", **keep)] for number in range(1, PLAYBOOKS + 1)]
    runs = run_all(runner, tasks_options, may_be_pruned=True)
    succeeded = [run.only for run in runs if not run.only.failed or was_pruned(run.only)]
    assert succeeded and all(count == 1 for count in created(runner).values())
    assert sum(created(runner).values()) == len(succeeded)
    names = [row["name"] for row in runner.sandbox.admin.server("web1")["snapshots"]]
    assert "byhand" in names and len(names) <= 5
    assert len([name for name in names if name.startswith("nightly")]) >= 2
    asked = runner.sandbox.admin.requests(operation="snapshots.create")
    assert {row["http_status"] for row in asked} == {201}, "the limit was exceeded"
