# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done so that a snapshot is present: decided from a list, before anything is asked. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.rewind.vps.plugins.module_utils import retention
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import (
    FAILED,
    PENDING,
    READY,
    Snapshot,
    age_seconds,
)

KEEP = "keep"  # it is there, ready and fresh
ADOPT = "adopt"  # it is being made already: wait for that one
CREATE = "create"  # there is none, or what there is failed
RETAKE = "retake"  # there is one, older than max_age


@dataclass(frozen=True)
class Plan:
    """What to do.

    :ivar action: one of the words above.
    :ivar snapshot: the one to keep or adopt; for a retake the newest old one, deleted once the new one is ready.
    :ivar failed: failed snapshots of that name, deleted before a new one is made.
    """

    action: str
    snapshot: Snapshot | None = None
    failed: list[Snapshot] = field(default_factory=list)


def plan_present(snapshots: list[Snapshot], name: str, max_age: int | None, now: datetime) -> Plan:
    """Decide for the snapshots of one server.

    :arg max_age: seconds, or None where any age will do.
    :arg now: the cloud's time.
    """
    named = retention.newest_first(snapshot for snapshot in snapshots if snapshot.name == name)
    ready = [snapshot for snapshot in named if snapshot.status == READY]
    pending = [snapshot for snapshot in named if snapshot.status == PENDING]
    failed = [snapshot for snapshot in named if snapshot.status == FAILED]
    if ready and is_fresh(ready[0], max_age, now):
        return Plan(KEEP, ready[0])
    if pending:
        return Plan(ADOPT, pending[0])
    if ready:
        return Plan(RETAKE, ready[0], failed=failed)
    return Plan(CREATE, failed=failed)


def is_fresh(snapshot: Snapshot, max_age: int | None, now: datetime) -> bool:
    """Whether it is young enough; one without a date is not, as nobody knows."""
    if max_age is None:
        return True
    age = age_seconds(snapshot.created_at, now)
    return age is not None and age <= max_age
