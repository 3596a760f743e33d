# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot_cron: Ilkbyte's schedules of a snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from support.cases import RESET_CALLS, TaskFactory, add_snapshot, fault, unscheduled_hour
from support.playbook_runner import Call, PlaybookRunner

pytestmark = pytest.mark.playbook


def scheduled_snapshot(**schedule: int) -> Call:
    return add_snapshot("ilkbyte", "one", is_cron=True, **{"day": 1, "hour": unscheduled_hour(), "min": 3, **schedule})


def sentence(text: str) -> Call:
    """Replace the provider's description of the schedule."""
    return ("update_snapshot", {"cloud": "ilkbyte", "server": "app1", "snapshot": "one", "cron_time": text})


def scheduled(runner: PlaybookRunner) -> str | None:
    """The provider's description of snapshot one's schedule."""
    (snapshot,) = [row for row in runner.sandbox.admin.server("app1")["snapshots"] if row["name"] == "one"]
    return snapshot["params"]["cron_time"]


def test_set_changed_removed(runner: PlaybookRunner, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    hour = unscheduled_hour()
    desired = {"name": "one", "day": 3, "hour": hour, "minute": 7}
    run = runner.run(
        ilkbyte("snapshot_cron", *RESET_CALLS, add_snapshot("ilkbyte", "one"), step="set", **desired),
        ilkbyte("snapshot_info", step="shown", name="one"),
        ilkbyte("snapshot_cron", step="unchanged", name="one", day="3", hour=str(hour), min="07"),
        ilkbyte("snapshot_cron", step="changed", **{**desired, "minute": 8}),
        ilkbyte("snapshot_cron", step="removed", name="one", state="absent"),
        ilkbyte("snapshot_cron", step="nothing to remove", name="one", state="absent"),
        ilkbyte("snapshot_cron", step="no snapshot", name="two", state="absent"),
    )
    with subtests.test("set"):
        (request,) = [request for request in run["set"].requests if request["changing"]]
        assert (request["method"], request["path"]) == ("GET", "/server/manage/app1/snapshot/cron/add")
        assert request["query"] == {"access": "***", "secret": "***", "name": "one", "day": "3", "hour": str(hour),
                                    "min": "7"}
        assert run["set"].result["changed"] is True
        assert run["set"].result["schedule"] == {"day": 3, "hour": hour, "minute": 7, "last_run": None, "next_run": None}
    with subtests.test("shown"):
        shown = run["shown"].result["snapshots"][0]["schedule"]
        assert (shown["day"], shown["hour"], shown["minute"]) == (3, hour, 7)
        # The schedule is in Turkish time, three hours ahead of UTC.
        assert shown["next_run"][11:] == f"{(hour - 3) % 24:02}:07:00Z" and shown["last_run"] is None
    with subtests.test("unchanged"):
        assert run["unchanged"].changing == [] and run["unchanged"].result["changed"] is False
    with subtests.test("changed"):
        assert run["changed"].changing == ["cron.delete", "cron.add"] and run["changed"].result["changed"] is True
    with subtests.test("removed"):
        assert run["removed"].changing == ["cron.delete"] and run["removed"].result["schedule"] is None
    for name in ("nothing to remove", "no snapshot"):
        with subtests.test(name):
            assert run[name].changing == [] and run[name].result["changed"] is False
    assert scheduled(runner) is None


def test_an_unreadable_schedule(runner: PlaybookRunner, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    """The time of the next run decides, and a warning says that the number of days was not compared."""
    hour = unscheduled_hour()
    odd = (scheduled_snapshot(day=2), sentence("Haftada bir"))
    same = {"name": "one", "day": 5, "hour": hour, "minute": 3}
    run = runner.run(
        ilkbyte("snapshot_cron", *RESET_CALLS, *odd, step="same time", **same),
        ilkbyte("snapshot_cron", *RESET_CALLS, *odd, step="another time", **{**same, "minute": 4}),
    )
    with subtests.test("same time"):
        assert run["same time"].changing == [] and run["same time"].result["changed"] is False
        (warning,) = run["same time"].result["warnings"]
        assert "cannot be parsed" in warning and f"{hour:02}:03" in warning and "app1" in warning
    with subtests.test("another time"):
        assert run["another time"].changing == ["cron.delete", "cron.add"]


def test_the_new_schedule_is_refused(runner: PlaybookRunner, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    """The old schedule is restored, or the error says that it is gone."""
    hour = unscheduled_hour()
    desired = {"name": "one", "day": 9, "hour": hour, "minute": 3}
    refused = fault("raw", operation="cron.add", apply=False, body={"status": False, "message": "", "error": "Kota dolu!", "data": None})
    forbidden = fault("status", operation="cron.add", status=403, times=None)
    run = runner.run(
        ilkbyte("snapshot_cron", *RESET_CALLS, scheduled_snapshot(), refused, step="restored", **desired),
        ilkbyte("snapshot_info", step="after: restored", name="one"),
        ilkbyte("snapshot_cron", *RESET_CALLS, scheduled_snapshot(), forbidden, step="gone", **desired),
        ilkbyte("snapshot_info", step="after: gone", name="one"),
    )
    schedules = {name: run[f"after: {name}"].result["snapshots"][0]["schedule"] for name in ("restored", "gone")}
    for name in schedules:
        assert run[name].changing == ["cron.delete", "cron.add", "cron.add"]
    with subtests.test("restored"):
        outcome = run["restored"]
        assert outcome.error["outcome"] == "not_applied" and outcome.result["changed"] is False
        assert f"(every 1 day(s) at {hour:02}:03)" in outcome.msg and "Kota dolu!" in outcome.msg
        assert (schedules["restored"]["day"], schedules["restored"]["hour"], schedules["restored"]["minute"]) == (1, hour, 3)
    with subtests.test("gone"):
        outcome = run["gone"]
        assert outcome.error["outcome"] == "failed" and outcome.result["changed"] is True
        assert "was deleted" in outcome.msg and "every 1 day(s)" in outcome.msg
        assert schedules["gone"] is None


@pytest.mark.slow
def test_a_schedule_runs(runner: PlaybookRunner, ilkbyte: TaskFactory) -> None:
    """After its schedule recreated a snapshot, `last_run` is set and the schedule is unchanged."""
    hour = unscheduled_hour()
    desired = {"name": "one", "day": 1, "hour": hour, "minute": 3}
    run = runner.run(
        ilkbyte("snapshot_cron", add_snapshot("ilkbyte", "one"), **desired),
        ilkbyte("snapshot_info", ("settings", {"seconds": {"ilkbyte.snapshots.update": 0}}), ("advance", {"seconds": 24 * 3600}),
                step="info", name="one", keywords={"register": "found", "until": "found.snapshots | length == 1", "retries": 60, "delay": 0.5}),
        ilkbyte("snapshot_cron", step="again", **desired),
    )
    (snapshot,) = run["info"].result["snapshots"]
    last_run = datetime.fromisoformat(snapshot["schedule"]["last_run"].replace("Z", "+00:00"))
    taken = datetime.fromisoformat(snapshot["created_at"].replace("Z", "+00:00"))
    assert last_run.astimezone(timezone(timedelta(hours=3))).hour == hour and taken >= last_run
    assert run["again"].changing == [] and run["again"].result["changed"] is False
