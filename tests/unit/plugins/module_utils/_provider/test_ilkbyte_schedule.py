# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's Turkish sentence about a schedule, and the fallback where it cannot be parsed."""

from __future__ import annotations

import unicodedata

import pytest
from fakes.malformed import ANYTHING
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Schedule
from ansible_collections.rewind.vps.plugins.module_utils._provider.ilkbyte_rows import parse_schedule

NEXT = "2020-11-24T02:03:00+03:00"
LAST = "2020-11-23T02:03:07+03:00"


def params(sentence, next_run=NEXT, last_run=LAST):
    return {"is_cron": True, "last_run": last_run, "next_run": next_run, "cron_time": sentence}


@given(st.integers(1, 999), st.integers(0, 23), st.integers(0, 59))
def test_every_schedule_is_read(day, hour, minute):
    found = parse_schedule(params(f"Her {day} günde bir {hour:02}:{minute:02} saatinde"))
    assert found == Schedule(day, hour, minute, "2020-11-22T23:03:07Z", "2020-11-23T23:03:00Z")
    assert found.is_complete


@pytest.mark.parametrize("sentence", [
    "Her 1 günde bir 14:05 saatinde", " Her  1 günde\tbir 14:05 saatinde\n", "her 1 günde bir 14:05 saatinde.",
    "HER 1 GÜNDE BIR 14:05 SAATINDE", "HER 1 GÜNDE BİR 14:05 SAATİNDE", "Her\u00a01 günde bir 14:05 saatinde",
    unicodedata.normalize("NFD", "Her 1 günde bir 14:05 saatinde"),
])
def test_variants_of_the_same_sentence(sentence):
    found = parse_schedule(params(sentence))
    assert (found.day, found.hour, found.minute) == (1, 14, 5)


@pytest.mark.parametrize("sentence", [
    "", "   ", None, 5, ["Her 1 günde bir 14:05 saatinde"], "Her gün 14:05 saatinde", "Every 1 day at 14:05",
    "Her 1 saatte bir 14:05 saatinde", "Her -1 günde bir 14:05 saatinde", "Her 0 günde bir 14:05 saatinde",
    "Her 1 günde bir 24:05 saatinde", "Her 1 günde bir 14:60 saatinde", "Her 1 günde bir 14:5 saatinde",
    "Her 1.5 günde bir 14:05 saatinde", "Her 1 günde bir 14:05 saatinde ve 15:05 saatinde",
    "Eskiden: Her 1 günde bir 14:05 saatinde", "Her 1 günde iki 14:05 saatinde", "Her 1234 günde bir 14:05 saatinde",
])
def test_what_can_not_be_read_leaves_the_next_run_to_decide(sentence):
    found = parse_schedule(params(sentence))
    assert (found.day, found.hour, found.minute) == (None, 2, 3)
    assert not found.is_complete
    assert (found.last_run, found.next_run) == ("2020-11-22T23:03:07Z", "2020-11-23T23:03:00Z")


@pytest.mark.parametrize("next_run", [None, "", "soon", 5, [], "2020-13-01T00:00:00+03:00", "32.11.2020 02:03:00"])
def test_nothing_can_be_read(next_run):
    found = parse_schedule(params("?", next_run=next_run))
    assert found == Schedule(None, None, None, "2020-11-22T23:03:07Z", None)


def test_time_of_day_is_the_clouds_own_not_utc():
    assert parse_schedule(params("?", "2020-11-24T00:30:00+03:00")).hour == 0
    assert parse_schedule(params("?", "2020-11-24T21:30:00Z")).hour == 0
    assert parse_schedule(params("?", "24.11.2020 02:03:00")).hour == 2


@pytest.mark.parametrize("value", [
    None, "-", [], {}, {"is_cron": False}, {"is_cron": None}, {"cron_time": "Her 1 günde bir 14:05 saatinde"},
    {**params("Her 1 günde bir 14:05 saatinde"), "is_cron": False},
])
def test_no_schedule(value):
    assert parse_schedule(value) is None


@given(ANYTHING | st.text(alphabet="Her 0123456789günde bir:satinGÜNDE.", max_size=40), ANYTHING, ANYTHING)
def test_garbage_is_never_more_than_an_unread_schedule(sentence, next_run, last_run):
    found = parse_schedule({"is_cron": True, "cron_time": sentence, "next_run": next_run, "last_run": last_run})
    assert found.day is None or 1 <= found.day <= 999
    assert found.hour is None or (0 <= found.hour <= 23 and 0 <= found.minute <= 59)
