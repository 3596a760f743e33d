# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides what to do with a server's snapshots: keep, adopt, create, delete. Pure functions, without any request.

Retention considers only names that match the user's pattern, so a snapshot with another name is never deleted.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import FAILED, PENDING, READY, UNKNOWN, Server, Snapshot, age_seconds

KEEP = "keep"  # it exists, ready and not too old
ADOPT = "adopt"  # it is in progress already: wait for it
CREATE = "create"  # there is none, or only failed ones
RECREATE = "recreate"  # there is one, older than max_age

MAX_NUMERIC_ID_DIGITS = 100  # of an id that is sorted as a number


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        action: One of the constants above.
        snapshot: To keep, adopt or recreate.
        replaces: The old snapshot, which is deleted once the new one is ready.
        failed: Failed snapshots of that name that lack nothing, which are deleted before a new one is created.
    """

    action: str
    snapshot: Snapshot | None = None
    replaces: Snapshot | None = None
    failed: list[Snapshot] = field(default_factory=list)


def plan_present(snapshots: list[Snapshot], name: str, max_age: int | None, now: datetime) -> Plan:
    """Decide for a snapshot that is selected by its name.

    Args:
        snapshots: Of one server.
        max_age: Seconds, or None for any age.
        now: The provider's time.

    Raises:
        RewindError: `not_ready`: there is a snapshot of that name with an unknown status or without an id. Or one that
            is to be replaced lacks its server or the date that `max_age` needs.
    """
    named = newest_first(snapshot for snapshot in snapshots if snapshot.name == name)
    identified = [snapshot for snapshot in named if snapshot.id is not None]
    ready = [snapshot for snapshot in identified if snapshot.status == READY]
    pending = [snapshot for snapshot in identified if snapshot.status == PENDING]
    failed = [snapshot for snapshot in named if snapshot.status == FAILED and not snapshot.missing]
    if ready and is_fresh(ready[0], max_age, now):
        return Plan(KEEP, ready[0])
    undated = [snapshot for snapshot in ready if snapshot.created_at is None]
    old = ready[0] if ready and not undated and not ready[0].missing else None
    if pending:
        return Plan(ADOPT, pending[0], replaces=old)
    for snapshot in named:
        if snapshot.status == UNKNOWN:
            raise _undecidable(snapshot, f"has an unknown status ({snapshot.provider_status!r})")
        if snapshot.id is None:
            raise _undecidable(snapshot, "is listed without an id")
    if undated:
        raise _undecidable(undated[0], "has no readable date, so it is unknown whether it is older than max_age")
    if old is not None:
        return Plan(RECREATE, old, replaces=old, failed=failed)
    if ready:
        raise _undecidable(ready[0], "is listed without its server")
    return Plan(CREATE, failed=failed)


def plan_by_id(snapshot: Snapshot | None, server: Server, id_: str, max_age: int | None, now: datetime) -> Plan:
    """Decide for a snapshot that is selected by its id. It can be kept or adopted, but not created.

    Raises:
        RewindError: It is missing, failed or too old. The provider assigns the id of a new one.
    """
    if snapshot is not None and snapshot.status == READY and is_fresh(snapshot, max_age, now):
        return Plan(KEEP, snapshot)
    if snapshot is not None and snapshot.status == PENDING:
        return Plan(ADOPT, snapshot)
    problem = "does not exist"
    if snapshot is not None:
        too_old = "is older than max_age" if snapshot.created_at else "has no readable date, so it is unknown whether it is older than max_age"
        problem = too_old if snapshot.status == READY else f"is {snapshot.status} ({snapshot.provider_status!r})"
    raise RewindError(
        f"Snapshot {id_} of server {server.label} {problem}",
        kind=errors.NOT_FOUND if snapshot is None else errors.NOT_READY, server=server.label, snapshot=id_,
        hint="omit id to create a new one: the provider assigns its id",
    )


def _undecidable(snapshot: Snapshot, problem: str) -> RewindError:
    """Return the error for a snapshot that may be valid: it is neither used nor deleted."""
    return RewindError(
        f"Snapshot {snapshot.label} of server {snapshot.server.label} {problem}, so it is kept and no other is created",
        kind=errors.NOT_READY, server=snapshot.server.label, snapshot=snapshot.id,
        hint="check it in the provider's panel; choose another name, or delete it with state: absent and its id",
    )


def is_fresh(snapshot: Snapshot, max_age: int | None, now: datetime) -> bool:
    """Return whether the snapshot is not older than `max_age`. If its date cannot be read, it is not known to be."""
    if max_age is None:
        return True
    age = age_seconds(snapshot.created_at, now)
    return age is not None and age <= max_age


def require_ages(snapshots: Iterable[Snapshot], match: str, option: str) -> None:
    """Check that the ages of all ready snapshots that match are known: otherwise retention would never delete any.

    Raises:
        RewindError: `not_ready`, with one of those without a readable date.
    """
    for snapshot in _named(snapshots, match):
        if snapshot.status == READY and snapshot.created_at is None:
            raise unknown_age(snapshot, option)


def unknown_age(snapshot: Snapshot, option: str) -> RewindError:
    """Return the error for an option that needs the age of a snapshot whose date cannot be read."""
    return RewindError(
        f"Snapshot {snapshot.label} of server {snapshot.server.label} has no readable date, so its age is unknown, and {option} needs it",
        kind=errors.NOT_READY, server=snapshot.server.label, snapshot=snapshot.id or snapshot.name,
        hint=f"check it in the provider's panel; delete it with state: absent and its id, or omit {option}",
    )


def select_expired(snapshots: Iterable[Snapshot], match: str, count: int, keep_ids: set[str]) -> list[Snapshot]:
    """Return the ready snapshots that match, without the newest `count`, oldest first. One that lacks anything does not count.

    Args:
        match: A shell-style pattern, case-sensitive.
        keep_ids: Never returned, but counted: the task's own snapshot.
    """
    ready = [
        snapshot for snapshot in newest_first(_named(snapshots, match))
        if snapshot.status == READY and (snapshot.id in keep_ids or not snapshot.missing)
    ]
    # The task's own snapshot counts as one of the newest, even if its date is older.
    own = [snapshot for snapshot in ready if snapshot.id in keep_ids]
    others = [snapshot for snapshot in ready if snapshot.id not in keep_ids]
    return [snapshot for snapshot in others[max(0, count - len(own)):] if _is_deletable(snapshot)][::-1]


def select_for_eviction(snapshots: Iterable[Snapshot], match: str, count: int, keep_ids: set[str]) -> list[Snapshot]:
    """Return up to `count` snapshots to delete to make room: failed ones first, then the oldest."""
    candidates = [
        snapshot
        for snapshot in _named(snapshots, match)
        if snapshot.id not in keep_ids and snapshot.status in (READY, FAILED) and _is_deletable(snapshot)
    ]
    oldest_first = newest_first(candidates)[::-1]
    oldest_first.sort(key=lambda snapshot: snapshot.status != FAILED)
    return oldest_first[:count]


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return the snapshots sorted by creation time. With equal times, the greater id comes first."""
    return sorted(snapshots, key=lambda snapshot: (snapshot.created_at or "", _id_order(snapshot.id)), reverse=True)


def _id_order(snapshot_id: str | None) -> tuple[int, str]:
    text = snapshot_id or ""  # a predicted snapshot has no id
    # An id may be a name of any length; Python does not parse numbers with thousands of digits.
    return (int(text) if text.isdecimal() and len(text) <= MAX_NUMERIC_ID_DIGITS else 0, text)


def _named(snapshots: Iterable[Snapshot], match: str) -> list[Snapshot]:
    return [snapshot for snapshot in snapshots if snapshot.name is not None and fnmatch.fnmatchcase(snapshot.name, match)]


def _is_deletable(snapshot: Snapshot) -> bool:
    # Deleting a snapshot with a schedule would delete the schedule; one that lacks anything is deleted only by its id.
    return snapshot.schedule is None and not snapshot.missing
