# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done so that a snapshot is present: decided from a list, before anything is asked. Pure functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import FAILED, PENDING, READY, Server, Snapshot, age_seconds

KEEP = "keep"  # it is there, ready and fresh
ADOPT = "adopt"  # it is being made already: wait for that one
CREATE = "create"  # there is none, or what there is failed
RECREATE = "recreate"  # there is one, older than max_age

MAX_NUMERIC_ID_DIGITS = 100  # of an id that is taken for a number


@dataclass(frozen=True)
class Plan:
    """What to do.

    :ivar action: one of the words above.
    :ivar snapshot: the one to keep, adopt or recreate.
    :ivar replaces: the old one that goes once the new one is ready.
    :ivar failed: failed snapshots of that name, deleted before a new one is made.
    """

    action: str
    snapshot: Snapshot | None = None
    replaces: Snapshot | None = None
    failed: list[Snapshot] = field(default_factory=list)


def plan_present(snapshots: list[Snapshot], name: str, max_age: int | None, now: datetime) -> Plan:
    """Decide for the snapshots of one server.

    :arg max_age: seconds, or None where any age will do.
    :arg now: the cloud's time.
    :raises RewindError: C(not_ready), where there is one of that name of which nobody can tell what it is.
    """
    named = newest_first(snapshot for snapshot in snapshots if snapshot.name == name)
    ready = [snapshot for snapshot in named if snapshot.status == READY]
    pending = [snapshot for snapshot in named if snapshot.status == PENDING]
    failed = [snapshot for snapshot in named if snapshot.status == FAILED]
    if ready and is_fresh(ready[0], max_age, now):
        return Plan(KEEP, ready[0])
    old = ready[0] if ready else None
    if pending:
        return Plan(ADOPT, pending[0], replaces=old)
    for snapshot in failed:
        if not snapshot.failure_confirmed:
            raise _undecidable(snapshot, f"has an unknown status ({snapshot.provider_status!r})")
    if old is not None and old.created_at is None:
        raise _undecidable(old, "has no readable date, so it is unknown whether it is older than max_age")
    if old is not None:
        return Plan(RECREATE, old, replaces=old, failed=failed)
    return Plan(CREATE, failed=failed)


def plan_by_id(snapshot: Snapshot | None, server: Server, id_: str, max_age: int | None, now: datetime) -> Plan:
    """Decide where the snapshot is named by its id: it is there or being made, or it can't be made so.

    :raises RewindError: it is missing, failed or too old; the id of a new one can't be chosen.
    """
    if snapshot is not None and snapshot.status == READY and is_fresh(snapshot, max_age, now):
        return Plan(KEEP, snapshot)
    if snapshot is not None and snapshot.status == PENDING:
        return Plan(ADOPT, snapshot)
    problem = "does not exist"
    if snapshot is not None:
        problem = "is older than max_age" if snapshot.status == READY else f"is {snapshot.status} ({snapshot.provider_status!r})"
    raise RewindError(
        f"Snapshot {id_} of server {server.label} {problem}",
        kind=errors.NOT_FOUND if snapshot is None else errors.NOT_READY, server=server.label, snapshot=id_,
        hint="omit id to create a new one: the provider assigns its id",
    )


def _undecidable(snapshot: Snapshot, problem: str) -> RewindError:
    """It may be a good snapshot: it is neither taken for one nor deleted."""
    return RewindError(
        f"Snapshot {snapshot.name} of server {snapshot.server.label} {problem}, so it is kept and no other is created",
        kind=errors.NOT_READY, server=snapshot.server.label, snapshot=snapshot.id,
        hint="check it in the provider's panel; choose another name, or delete it with state: absent and its id",
    )


def is_fresh(snapshot: Snapshot, max_age: int | None, now: datetime) -> bool:
    """Whether it is young enough; one without a date is not, as nobody knows."""
    if max_age is None:
        return True
    age = age_seconds(snapshot.created_at, now)
    return age is not None and age <= max_age


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
