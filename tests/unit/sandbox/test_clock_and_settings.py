# SPDX-License-Identifier: GPL-3.0-or-later
"""Clock, settings and schedules by themselves."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import datetime, timedelta, timezone

import pytest

from sandbox.clock import SandboxClock, format_utc, parse_time
from sandbox.ilkbyte.schedule import Schedule, format_turkish_time
from sandbox.settings import DEFAULT_DURATIONS, Settings


def test_clock_runs_at_its_speed_and_can_be_advanced():
    clock = SandboxClock(speed=1000)
    time.sleep(0.05)
    assert 50 <= clock.elapsed() < 10_000
    clock.advance(1_000_000)
    assert clock.now() - clock.started_at > timedelta(seconds=1_000_000)
    clock.reset()
    assert clock.elapsed() < 10_000
    with pytest.raises(ValueError):
        clock.advance(-1)
    with pytest.raises(ValueError):
        SandboxClock(speed=0)


def test_sleepers_wake_when_the_clock_is_advanced():
    async def run() -> list[str]:
        clock, woken = SandboxClock(speed=1), []

        async def sleeper(name: str, until: float) -> None:
            await clock.sleep_until(until)
            woken.append(name)

        tasks = [asyncio.create_task(sleeper(name, until)) for name, until in (("late", 5000), ("soon", 500))]
        await asyncio.sleep(0)
        clock.advance(600)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=2)
        assert woken == ["soon"]
        clock.advance(5000)
        await asyncio.wait_for(asyncio.gather(*tasks), 2)
        return woken

    assert asyncio.run(run()) == ["soon", "late"]


def test_times_as_text():
    timestamp = datetime(2020, 11, 23, 12, 31, 7, tzinfo=timezone.utc)
    assert format_utc(timestamp) == "2020-11-23T12:31:07Z"
    assert format_turkish_time(timestamp) == "2020-11-23T15:31:07+03:00"
    assert parse_time("2020-11-23T15:31:07+03:00") == parse_time("2020-11-23T12:31:07") == timestamp


@pytest.mark.parametrize(("now", "first"), [
    ("2020-11-23T15:31:07+03:00", "2020-11-24T02:03:00+03:00"),
    ("2020-11-24T02:02:59+03:00", "2020-11-24T02:03:00+03:00"),
    ("2020-11-24T02:03:00+03:00", "2020-11-25T02:03:00+03:00"),
    ("2020-11-23T23:30:00+00:00", "2020-11-25T02:03:00+03:00"),
])
def test_first_run_is_the_next_time_of_day(now, first):
    schedule = Schedule.starting(3, 2, 3, parse_time(now))
    assert schedule.params() == {"is_cron": True, "last_run": None, "next_run": first, "cron_time": "Her 3 günde bir 02:03 saatinde"}


def test_runs_that_were_slept_through_are_not_made_up_for():
    schedule = Schedule.starting(2, 2, 3, parse_time("2020-11-23T15:31:07+03:00"))
    schedule.run(parse_time("2020-11-24T02:03:00+03:00"))
    assert (schedule.params()["last_run"], schedule.params()["next_run"]) == ("2020-11-24T02:03:00+03:00", "2020-11-26T02:03:00+03:00")
    schedule.run(parse_time("2020-12-01T00:00:00+03:00"))
    assert (schedule.params()["last_run"], schedule.params()["next_run"]) == ("2020-11-30T02:03:00+03:00", "2020-12-02T02:03:00+03:00")


def test_settings_change_all_or_nothing():
    settings = Settings()
    with pytest.raises(ValueError):
        settings.update({"ilkbyte_responds": "on_finish", "seconds": {"nonsense": 1}})
    assert settings.ilkbyte_responds == "on_start"
    settings.update({"seconds": {"vpsorg.snapshots.create": 7}})
    assert settings.duration("vpsorg.snapshots.create", random.Random(1)) == 7
    assert DEFAULT_DURATIONS["vpsorg.snapshots.create"] == (180, 600)
    assert 300 <= settings.duration("vpsorg.snapshots.restore", random.Random(1)) <= 900
