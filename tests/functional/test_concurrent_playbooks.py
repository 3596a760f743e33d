# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight playbooks at the same moment, on one server and on many: nothing twice, nothing lost, and clear words for whoever has to wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from support.cases import DURATIONS, SECOND, TaskFactory, add_snapshot, ago, set_durations
from support.playbook_runner import PlaybookRunner, Run, TaskCase, TaskResult

pytestmark = pytest.mark.playbook

EIGHT = 8


def was_pruned(outcome: TaskResult) -> bool:
    """Whether the task has made its snapshot and lost it to the retention of another, before it saw it ready."""
    return outcome.failed and (outcome.error["kind"], outcome.error["outcome"], outcome.result["changed"]) == ("not_found", "unknown", True)


def at_once(runner: PlaybookRunner, plays: Iterable[list[TaskCase]], may_be_pruned: bool = False) -> list[Run]:
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


def arrange(runner: PlaybookRunner, *setup: tuple) -> None:
    for call, arguments in setup:
        getattr(runner.sandbox.admin, call)(**arguments)


def made(runner: PlaybookRunner) -> Counter[tuple[str, str]]:
    """How many snapshots were begun, by server and name."""
    return Counter((row["server"], row["snapshot"]) for row in runner.sandbox.admin.events("snapshot_started"))


@pytest.mark.slow
@pytest.mark.duration(15)
def test_one_wish(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """One of them makes the snapshot; the others adopt it, or find it there. (The next test: the same at each server.)"""
    arrange(runner, set_durations(2, *DURATIONS))
    runs = at_once(runner, [[tasks("snapshot", name="one")] for _number in range(EIGHT)])
    assert made(runner) == {(tasks.server, "one"): 1}
    assert [run.only.status for run in runs] == ["ok"] * EIGHT, [run.only.result for run in runs]
    assert sorted(run.only.result["changed"] for run in runs) == [False] * (EIGHT - 1) + [True]
    assert {run.only.result["snapshot"]["status"] for run in runs} == {"ready"}


@pytest.mark.duration(30)
def test_a_wish_for_each_of_several_servers(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory) -> None:
    """At each, one of them makes the snapshot; the others adopt it, or find it there."""
    arrange(runner, set_durations(2, *DURATIONS))

    def play() -> list[TaskCase]:
        return [tasks("snapshot", step=f"{server}", server=server, name="one")
                for tasks in (vpsorg, ilkbyte) for server in (tasks.server, SECOND[tasks.cloud])]

    runs = at_once(runner, [play() for _number in range(EIGHT)])
    assert made(runner) == {(server, "one"): 1 for server in ("web1", "web2", "app1", "app2")}
    for server in ("web1", "web2", "app1", "app2"):
        assert [run[server].status for run in runs] == ["ok"] * EIGHT, [run[server].result for run in runs]
        assert sum(run[server].result["changed"] for run in runs) == 1, [run[server].result for run in runs]
        assert {run[server].result["snapshot"]["status"] for run in runs} == {"ready"}


@pytest.mark.duration(15)
@pytest.mark.parametrize("cloud", ["vpsorg", pytest.param("ilkbyte", marks=pytest.mark.slow)])
def test_wishes_that_get_in_each_others_way(runner: PlaybookRunner, cloud: str) -> None:
    """Two each of: make one, make two, delete the old one, go back to the base."""
    tasks = TaskFactory(runner.sandbox, cloud)
    restore, create = f"{tasks.cloud}.snapshots.restore", f"{tasks.cloud}.snapshots.create"
    arrange(runner, add_snapshot(tasks.cloud, "base", created_at=ago(days=2)), add_snapshot(tasks.cloud, "old", created_at=ago(days=1)),
            set_durations(4, restore), set_durations(2, create))
    tasks_options = [
        lambda: tasks("snapshot", step="one", name="one"), lambda: tasks("snapshot", step="two", name="two"),
        lambda: tasks("snapshot", step="old", name="old", state="absent"), lambda: tasks("snapshot_restore", step="base", name="base"),
    ]
    runs = at_once(runner, [[options()] for options in tasks_options * 2])
    outcomes = [run.only for run in runs]
    admin = runner.sandbox.admin
    for name in ("one", "two"):
        changed = sum(outcome.result["changed"] for outcome in outcomes if outcome.name == name)
        assert made(runner)[(tasks.server, name)] == changed <= 1
    gone = [outcome for outcome in outcomes if outcome.name == "old"]
    assert len(admin.events("snapshot_deleted")) == sum(outcome.result["changed"] for outcome in gone) <= 1
    assert {row["snapshot"] for row in admin.events("snapshot_deleted")} <= {"old"}
    restored = [outcome for outcome in outcomes if outcome.name == "base"]
    assert len(admin.events("restore_started")) == sum(outcome.result["changed"] for outcome in restored)
    assert {row["snapshot"] for row in admin.events("restore_started")} <= {"base"}
    assert admin.server(tasks.server)["powered_on"]


@pytest.mark.duration(40)
def test_retention(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    """Each wants a snapshot of its own and keeps two: what was made by hand stays, and so do the newest."""
    arrange(runner, add_snapshot("vpsorg", "byhand", created_at=ago(days=9)), add_snapshot("vpsorg", "nightly0", created_at=ago(days=8)),
            set_durations(1, "vpsorg.snapshots.create"))
    keep = {"retain": {"count": 2, "match": "nightly*"}, "when_full": "prune"}
    tasks_options = [[vpsorg("snapshot", step=f"nightly{number}", name=f"nightly{number}", **keep)] for number in range(1, EIGHT + 1)]
    runs = at_once(runner, tasks_options, may_be_pruned=True)
    well = [run.only for run in runs if not run.only.failed or was_pruned(run.only)]
    assert well and all(count == 1 for count in made(runner).values())
    assert sum(made(runner).values()) == len(well)
    names = [row["name"] for row in runner.sandbox.admin.server("web1")["snapshots"]]
    assert "byhand" in names and len(names) <= 5
    assert len([name for name in names if name.startswith("nightly")]) >= 2
    asked = runner.sandbox.admin.requests(operation="snapshots.create")
    assert {row["http_status"] for row in asked} == {201}, "the limit was found out by asking"


@pytest.mark.duration(10)
def test_schedules(runner: PlaybookRunner, ilkbyte: TaskFactory) -> None:
    """The last one wins; none is lost between another's deletion and addition."""
    arrange(runner, add_snapshot("ilkbyte", "nightly", is_cron=True, day=1, hour=1, min=1))
    desired = [(number, 3 * number % 24, number) for number in range(1, EIGHT + 1)]
    runs = at_once(runner, [[ilkbyte("snapshot_cron", name="nightly", day=day, hour=hour, minute=minute)] for day, hour, minute in desired])
    assert [run.only.status for run in runs] == ["ok"] * EIGHT, [run.only.result for run in runs]
    (row,) = runner.sandbox.admin.server("app1")["snapshots"]
    assert row["params"]["cron_time"] in {f"Her {day} günde bir {hour:02}:{minute:02} saatinde" for day, hour, minute in desired}
    operations = [entry["operation"] for entry in runner.sandbox.admin.requests(changing=True)]
    assert operations == ["cron.delete", "cron.add"] * EIGHT
    assert {entry["http_status"] for entry in runner.sandbox.admin.requests(changing=True)} == {200}
