# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots may be deleted, and above all which may not."""

from __future__ import annotations

import fnmatch
from collections import Counter

from builders import snapshot, snapshots
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._module.snapshot_plan import newest_first, select_expired, select_for_eviction
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Schedule

PATTERNS = st.sampled_from(["night*", "nightly", "*", "week*", "none*", "[nw]*"])


def kept_ids(data, listed):
    """Ids to keep, mostly of existing snapshots."""
    return data.draw(st.sets(st.sampled_from([item.id for item in listed]))) if listed else set()


def must_stay(item, match, keep):
    return (item.name is None or not fnmatch.fnmatchcase(item.name, match) or item.status in ("pending", "unknown") or item.schedule is not None
            or item.created_at is None or item.id in keep)


@given(st.data(), snapshots(), PATTERNS, st.integers(1, 6))
def test_select_expired_takes_only_deletable_ones_and_the_oldest_first(data, listed, match, count):
    keep = kept_ids(data, listed)
    expired = select_expired(listed, match, count, keep)
    assert not any(must_stay(item, match, keep) or item.status != "ready" for item in expired)
    assert len({item.id for item in expired}) == len(expired)
    assert expired == newest_first(expired)[::-1]
    ready = [item for item in newest_first(listed) if fnmatch.fnmatchcase(item.name or "", match) and item.status == "ready"
             and (item.id in keep or not item.missing)]
    gone = {item.id for item in expired}
    left = [item for item in ready if item.id not in gone]
    assert len(left) >= min(count, len(ready))
    # What goes is never newer than something that stays and could have gone in its place.
    for item in left:
        if not must_stay(item, match, keep):
            assert all(newest_first([item, other])[0] is item for other in expired)
    # Nothing is spared beyond the count but what must stay.
    assert len([item for item in left if not must_stay(item, match, keep)]) <= count


@given(st.data(), snapshots(), PATTERNS, st.integers(0, 6))
def test_select_for_eviction_takes_only_deletable_ones_and_no_more_than_requested(data, listed, match, count):
    keep = kept_ids(data, listed)
    expired = select_for_eviction(listed, match, count, keep)
    assert not any(must_stay(item, match, keep) for item in expired)
    assert len(expired) <= count and len({item.id for item in expired}) == len(expired)
    could = [item for item in listed if not must_stay(item, match, keep)]
    assert len(expired) == min(count, len(could))
    # Failed ones before ready ones, and within each the oldest first.
    states = [item.status for item in expired]
    assert states == sorted(states)  # "failed" before "ready"
    for status in ("failed", "ready"):
        same = [item for item in expired if item.status == status]
        oldest = newest_first(item for item in could if item.status == status)[::-1]
        assert same == oldest[:len(same)]


@given(snapshots())
def test_newest_first_is_an_order(listed):
    ordered = newest_first(listed)
    assert Counter(item.id for item in ordered) == Counter(item.id for item in listed)
    times = [item.created_at or "" for item in ordered]
    assert times == sorted(times, reverse=True)
    assert newest_first(listed[::-1]) == ordered


def test_equal_times_are_ordered_by_number():
    nine, ten = snapshot(id="9"), snapshot(id="10")
    assert newest_first([nine, ten]) == [ten, nine]
    foreseen = snapshot(id=None, created_at="2026-01-02T00:00:00Z")
    assert newest_first([nine, foreseen])[0] is foreseen
    assert [item.id for item in newest_first([snapshot("a", id="a"), snapshot("b", id="b")])] == ["b", "a"]


def dated(day, **fields):
    return snapshot(id=str(800 + day), created_at=f"2026-01-{day:02}T00:00:00Z", **fields)


def test_the_tasks_own_snapshot_counts_even_when_a_clock_dates_it_late():
    listed = [dated(1), dated(2), dated(3)]
    assert [item.id for item in select_expired(listed, "*", 2, {"801"})] == ["802"]
    assert select_expired(listed, "*", 3, {"801"}) == []
    assert [item.id for item in select_expired(listed, "*", 1, {"801"})] == ["802", "803"]


def test_scheduled_ones_stay_but_count_and_those_that_lack_anything_do_neither():
    odd = [snapshot(id="7", created_at=None), dated(9, name=None), dated(10, status="unknown"), dated(11, names_server=False)]
    listed = [dated(1, schedule=Schedule(1, 2, 3)), dated(2), dated(3), *odd, dated(12)]
    assert [item.id for item in select_expired(listed, "*", 1, {"812"})] == ["802", "803"]
    assert [item.id for item in select_expired(listed, "*", 2, {"812"})] == ["802"]
    assert select_expired([*odd, dated(12)], "*", 1, {"812"}) == [] == select_for_eviction(odd, "*", 9, set())
    listed = [dated(1, schedule=Schedule(1, 2, 3)), dated(2), dated(3), snapshot(id="7", created_at=None)]
    assert [item.id for item in select_expired(listed, "*", 1, set())] == ["802"]
    assert [item.id for item in select_for_eviction(listed, "*", 9, set())] == ["802", "803"]


def test_failed_ones_are_evicted_first():
    failed = {"status": "failed"}
    listed = [dated(1), dated(2, **failed), dated(3, **failed), dated(4, status="pending")]
    assert [item.id for item in select_for_eviction(listed, "*", 2, set())] == ["802", "803"]
    assert [item.id for item in select_for_eviction(listed, "*", 9, set())] == ["802", "803", "801"]
