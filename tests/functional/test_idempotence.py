# SPDX-License-Identifier: GPL-3.0-or-later
"""The second run of the same task sends nothing that changes. (Restores: test_snapshot_restore.py.)"""

from __future__ import annotations

from typing import Any

import pytest
from support.cases import RESET_CALLS, TaskFactory, add_snapshot, ago, fault, set_durations, unscheduled_hour
from support.playbook_runner import Call, PlaybookRunner, Run, TaskCase

pytestmark = pytest.mark.playbook


class RepeatedCases:
    """The same task twice, in a world made for the two."""

    def __init__(self, tasks: TaskFactory) -> None:
        self._tasks = tasks
        self.steps: list[TaskCase] = []
        self._expected: dict[str, list[str]] = {}

    def add(self, case: str, module: str, *setup: Call, expected: list[str], **options: Any) -> None:
        """:param expected: the changing requests of the first run."""
        self._expected[case] = expected
        self.steps.append(self._tasks(module, *RESET_CALLS, *setup, step=f"{case} 1", **options))
        self.steps.append(self._tasks(module, step=f"{case} 2", **options))

    def check(self, run: Run, subtests: pytest.Subtests) -> None:
        for name, expected in self._expected.items():
            with subtests.test(name):
                first, second = run[f"{name} 1"], run[f"{name} 2"]
                assert not first.failed and not second.failed, (first.result, second.result)
                assert first.changing == expected
                assert first.result["changed"] is bool(expected)
                assert second.changing == []
                assert second.result["changed"] is False


def test_snapshots(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    cloud = tasks.cloud
    cases = RepeatedCases(tasks)
    old = {"created_at": ago(days=3)}
    cases.add("present", "snapshot", name="one", expected=["snapshots.create"])
    cases.add("absent", "snapshot", add_snapshot(cloud, "one"), name="one", state="absent", expected=["snapshots.delete"])
    cases.add("absent and never there", "snapshot", name="one", state="absent", expected=[])
    retaken = ["snapshots.create", "snapshots.delete"] if cloud == "vpsorg" else ["snapshots.update"]
    cases.add("expired", "snapshot", add_snapshot(cloud, "one", **old), name="one", max_age="1d", expected=retaken)
    night = [add_snapshot(cloud, f"night{n}", created_at=ago(days=n)) for n in (3, 2, 1)]
    cases.add("retain", "snapshot", *night, name="night9", retain={"count": 2, "match": "night*"},
              expected=["snapshots.create", "snapshots.delete", "snapshots.delete"])
    cases.add("retain where the snapshot is there", "snapshot", *night, name="night1",
              retain={"count": 1, "match": "night*"}, expected=["snapshots.delete", "snapshots.delete"])
    cases.check(runner.run(*cases.steps), subtests)


def test_pending(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Asked for without waiting and then again: the one that is being made is waited for."""
    run = runner.run(
        tasks("snapshot", set_durations(2.5, f"{tasks.cloud}.snapshots.create"), step="asked for", name="one", wait=False),
        tasks("snapshot", step="waited for", name="one"),
        tasks("snapshot", step="there", name="one"),
    )
    assert run["asked for"].changing == ["snapshots.create"]
    assert run["asked for"].result["snapshot"]["status"] == "pending"
    assert run["waited for"].changing == [] and run["waited for"].result["changed"] is False
    assert run["waited for"].result["snapshot"]["status"] == "ready"
    assert [event["event"] for event in run["waited for"].events] == ["snapshot_ready"]
    assert run["there"].changing == [] and len(run["there"].result["snapshots"]) == 1


def test_failed(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    cases = RepeatedCases(vpsorg)
    cases.add("failed", "snapshot", add_snapshot("vpsorg", "one", status="failed"), name="one",
              expected=["snapshots.delete", "snapshots.create"])
    cases.add("failed by another word", "snapshot", add_snapshot("vpsorg", "one", status="error"), name="one",
              expected=["snapshots.delete", "snapshots.create"])
    fails = (("settings", {"ilkbyte_responds": "on_finish"}), fault("snapshot_fails", cloud="ilkbyte"))
    run = runner.run(
        *cases.steps,
        ilkbyte("snapshot", *fails, step="fails", name="one"),
        ilkbyte("snapshot", step="made", name="one"),
        ilkbyte("snapshot", step="there", name="one"),
    )
    cases.check(run, subtests)
    with subtests.test("ilkbyte"):
        assert run["fails"].failed
        assert run["made"].changing == ["snapshots.create"] and run["made"].result["changed"] is True
        assert run["there"].changing == [] and run["there"].result["changed"] is False


def test_schedules(runner: PlaybookRunner, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    cases = RepeatedCases(ilkbyte)
    hour = unscheduled_hour()
    desired = {"name": "one", "day": 2, "hour": hour, "minute": 3}
    scheduled = add_snapshot("ilkbyte", "one", is_cron=True, day=2, hour=hour, min=3)
    another = add_snapshot("ilkbyte", "one", is_cron=True, day=1, hour=hour, min=3)
    cases.add("present", "snapshot_cron", add_snapshot("ilkbyte", "one"), **desired, expected=["cron.add"])
    cases.add("present and there", "snapshot_cron", scheduled, **desired, expected=[])
    cases.add("changed", "snapshot_cron", another, **desired, expected=["cron.delete", "cron.add"])
    cases.add("absent", "snapshot_cron", scheduled, name="one", state="absent", expected=["cron.delete"])
    cases.add("absent and no snapshot", "snapshot_cron", name="one", state="absent", expected=[])
    cases.check(runner.run(*cases.steps), subtests)
