# SPDX-License-Identifier: GPL-3.0-or-later
"""Clock, settings and schedules by themselves."""

from __future__ import annotations

import random

import pytest

from sandbox.clock import parse_time
from sandbox.ilkbyte.model import Schedule
from sandbox.settings import DEFAULT_DURATIONS, Settings


def test_runs_that_were_slept_through_are_not_made_up_for():
    schedule = Schedule.starting(2, 2, 3, parse_time("2020-11-23T15:31:07+03:00"))
    schedule.run(parse_time("2020-11-24T02:03:00+03:00"))
    assert (schedule.params()["last_run"], schedule.params()["next_run"]) == ("2020-11-24T02:03:00+03:00", "2020-11-26T02:03:00+03:00")
    schedule.run(parse_time("2020-12-01T00:00:00+03:00"))
    assert (schedule.params()["last_run"], schedule.params()["next_run"]) == ("2020-11-30T02:03:00+03:00", "2020-12-02T02:03:00+03:00")


def test_settings_change_all_or_nothing():
    settings = Settings()
    for wrong in ({"ilkbyte_responds": "never"}, {"vpsorg_page_size": 0}, {"seconds": {"vpsorg.coffee": 1}}, {"colour": "red"},
                  {"seconds": {"vpsorg.snapshots.create": [5, 1]}}, {"date_offset_seconds": {"azure": 1}}):
        with pytest.raises(ValueError):
            settings.update({"ilkbyte_responds": "on_finish", **wrong})
        assert settings == Settings()
    settings.update({"seconds": {"vpsorg.snapshots.create": 7}})
    assert settings.duration("vpsorg.snapshots.create", random.Random(1)) == 7
    assert DEFAULT_DURATIONS["vpsorg.snapshots.create"] == (180, 600)
    assert 300 <= settings.duration("vpsorg.snapshots.restore", random.Random(1)) <= 900
