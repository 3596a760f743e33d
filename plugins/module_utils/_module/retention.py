# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots may go. Pure functions: nothing is asked, nothing is deleted here.

Only what the user's pattern names is ever considered, so that a snapshot made by hand stays.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from .._provider.base import READY, Snapshot

MAX_NUMERIC_ID_DIGITS = 100  # of an id that is taken for a number


def select_expired(snapshots: Iterable[Snapshot], match: str, count: int, keep_ids: set[str]) -> list[Snapshot]:
    """The oldest ready snapshots beyond the newest C(count) among those whose name matches.

    :arg match: a shell-style pattern, case-sensitive.
    :arg keep_ids: never offered, but counted: the snapshot that the task is about.
    """
    ready = [snapshot for snapshot in newest_first(_named(snapshots, match)) if snapshot.status == READY]
    # The task's own snapshot holds one of the places even where an older clock dates it late.
    own = [snapshot for snapshot in ready if snapshot.id in keep_ids]
    others = [snapshot for snapshot in ready if snapshot.id not in keep_ids]
    return [snapshot for snapshot in others[max(0, count - len(own)):] if _is_deletable(snapshot)][::-1]


def select_for_eviction(snapshots: Iterable[Snapshot], match: str, count: int, keep_ids: set[str]) -> list[Snapshot]:
    """The snapshots to delete so that C(count) become free: failed ones first, then the oldest; maybe too few."""
    candidates = [
        snapshot
        for snapshot in _named(snapshots, match)
        if snapshot.id not in keep_ids and (snapshot.status == READY or snapshot.failure_confirmed) and _is_deletable(snapshot)
    ]
    oldest_first = newest_first(candidates)[::-1]
    oldest_first.sort(key=lambda snapshot: not snapshot.failure_confirmed)
    return oldest_first[:count]


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Sorted by time of creation; of equal times the one made later (a greater id) first."""
    return sorted(snapshots, key=lambda snapshot: (snapshot.created_at or "", _id_order(snapshot.id)), reverse=True)


def _id_order(snapshot_id: str | None) -> tuple[int, str]:
    text = snapshot_id or ""  # one that is only foreseen has no id yet
    # A cloud whose ids are names may have one of any length; Python refuses to read a number of thousands of digits.
    return (int(text) if text.isdecimal() and len(text) <= MAX_NUMERIC_ID_DIGITS else 0, text)


def _named(snapshots: Iterable[Snapshot], match: str) -> list[Snapshot]:
    return [snapshot for snapshot in snapshots if fnmatch.fnmatchcase(snapshot.name, match)]


def _is_deletable(snapshot: Snapshot) -> bool:
    # Deleting a snapshot that a schedule hangs on would end the schedule with it; one without a date has no age.
    return snapshot.schedule is None and snapshot.created_at is not None
