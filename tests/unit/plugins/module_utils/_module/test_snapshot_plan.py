# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that makes a snapshot present: every combination of existing snapshots."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from builders import SERVER, snapshot

from ansible_collections.rewind.vps.plugins.module_utils._errors import NOT_APPLIED, NOT_FOUND, NOT_READY, RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module.snapshot_plan import (
    ADOPT,
    CREATE,
    KEEP,
    RECREATE,
    Plan,
    is_fresh,
    plan_by_id,
    plan_present,
)

NOW = datetime(2026, 1, 10, tzinfo=timezone.utc)


def aged(seconds, **fields):
    made = NOW - timedelta(seconds=seconds)
    return snapshot(created_at=made.strftime("%Y-%m-%dT%H:%M:%SZ"), **fields)


FRESH = aged(100, id="1")
OLD = aged(9000, id="2")
UNDATED = snapshot(id="3", created_at=None)
PENDING = aged(10, id="4", status="pending")
FAILED = aged(50, id="5", status="failed", provider_status="failed")
UNRECOGNIZED = aged(40, id="9", status="unknown", provider_status="archived")
NO_ID = aged(5, id=None)
OTHER = aged(1, id="6", name="weekly")
OTHER_PENDING = aged(1, id="7", name="weekly", status="pending")
EVERYTHING = [FRESH, OLD, UNDATED, PENDING, FAILED, UNRECOGNIZED, NO_ID, OTHER, OTHER_PENDING]
SUBSETS = [subset for size in range(len(EVERYTHING) + 1) for subset in itertools.combinations(EVERYTHING, size)]


@pytest.mark.parametrize("max_age", [None, 3600])
def test_every_combination(max_age):
    for existing in SUBSETS:
        plan = error = None
        try:
            plan = plan_present(list(existing), "nightly", max_age, NOW)
        except RewindError as caught:
            error = caught
        old = OLD if OLD in existing else UNDATED if UNDATED in existing else None
        if FRESH in existing:
            assert plan == Plan(KEEP, FRESH)
        elif max_age is None and old is not None:
            assert plan == Plan(KEEP, old)
        elif PENDING in existing:
            assert plan == Plan(ADOPT, PENDING, replaces=None if UNDATED in existing else old)
        elif UNRECOGNIZED in existing or NO_ID in existing or UNDATED in existing:
            assert (error.kind, error.outcome) == (NOT_READY, NOT_APPLIED) and error.hint
            first = next(item for item in (NO_ID, UNRECOGNIZED, UNDATED) if item in existing)
            text = {id(NO_ID): "without an id", id(UNRECOGNIZED): "'archived'", id(UNDATED): "max_age"}[id(first)]
            assert text in error.message and error.snapshot == first.id
        elif old is not None:
            assert plan == Plan(RECREATE, OLD, replaces=OLD, failed=[FAILED] if FAILED in existing else [])
        else:
            assert plan == Plan(CREATE, failed=[FAILED] if FAILED in existing else [])
        assert (plan is None) != (error is None)


def test_a_snapshot_that_is_listed_without_its_server_is_not_replaced():
    foreign = replace(OLD, names_server=False)
    with pytest.raises(RewindError, match="without its server") as caught:
        plan_present([foreign], "nightly", 3600, NOW)
    assert (caught.value.kind, caught.value.outcome, caught.value.snapshot) == (NOT_READY, NOT_APPLIED, "2")
    assert plan_present([foreign, PENDING], "nightly", 3600, NOW) == Plan(ADOPT, PENDING)
    assert plan_present([foreign], "nightly", None, NOW) == Plan(KEEP, foreign)


def test_of_two_ready_ones_of_one_name_the_newest_counts():
    assert plan_present([OLD, FRESH], "nightly", 3600, NOW).snapshot is FRESH
    older = aged(20_000, id="8")
    assert plan_present([older, OLD], "nightly", 3600, NOW).snapshot is OLD


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (3599, True), (3600, True), (3601, False), (-500, True)])
def test_where_freshness_ends(age, fresh):
    assert is_fresh(aged(age), 3600, NOW) is fresh
    assert is_fresh(aged(age), None, NOW)


@pytest.mark.parametrize(("existing", "max_age", "action"), [
    (FRESH, None, KEEP), (FRESH, 3600, KEEP), (OLD, None, KEEP), (UNDATED, None, KEEP), (PENDING, None, ADOPT),
    (PENDING, 3600, ADOPT),
])
def test_one_named_by_its_id_is_kept_or_adopted(existing, max_age, action):
    assert plan_by_id(existing, SERVER, existing.id, max_age, NOW) == Plan(action, existing)


@pytest.mark.parametrize(("existing", "max_age", "kind"), [
    (None, None, NOT_FOUND), (OLD, 3600, NOT_READY), (UNDATED, 3600, NOT_READY), (FAILED, None, NOT_READY),
    (UNRECOGNIZED, None, NOT_READY),
])
def test_one_named_by_its_id_is_never_made(existing, max_age, kind):
    with pytest.raises(RewindError) as caught:
        plan_by_id(existing, SERVER, "77", max_age, NOW)
    error = caught.value
    assert (error.kind, error.outcome, error.snapshot) == (kind, NOT_APPLIED, "77")
    assert "77" in error.message and SERVER.label in error.message and "omit id" in error.hint
