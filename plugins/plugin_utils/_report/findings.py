# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person should look at first. Pure functions over what was gathered.

Nothing is judged that is not known: a server whose snapshots could not be listed is not called one without snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils._provider import base
from . import formatting, upgrade_history

BAD, WARN, NOTE, OK = "bad", "warn", "note", "ok"
LEVELS = (BAD, WARN, NOTE, OK)  # what comes first, first

OVERDUE_SECONDS = 3_600  # a schedule may run late

_AFTER_UPGRADE = {
    upgrade_history.states.ROLLBACK_FAILED: "last upgrade: rollback failed",
    upgrade_history.states.UNKNOWN: "last upgrade: outcome unknown",
    upgrade_history.CUT_OFF: "last upgrade: cut off, not over",
}


@dataclass(frozen=True)
class Finding:
    """Something about a server.

    :ivar kind: C(upgrade), C(failed), C(none), C(full), C(nearly_full), C(pending), C(schedule) or C(unlisted).
    """

    level: str
    kind: str
    text: str


def findings(snapshots: list[dict[str, Any]] | None, account: dict[str, Any], last_upgrade: dict[str, Any] | None, now: datetime) -> list[Finding]:
    """Of one server, the worst first.

    :arg snapshots: all that it has, or None where they could not be listed.
    :arg last_upgrade: its last guarded upgrade from this controller, or None.
    """
    found = []
    if last_upgrade and last_upgrade["outcome"] in _AFTER_UPGRADE:
        found.append(Finding(BAD, "upgrade", _AFTER_UPGRADE[last_upgrade["outcome"]]))
    if snapshots is None:
        found.append(Finding(WARN, "unlisted", "its snapshots could not be listed"))
    else:
        found += _of_snapshots(snapshots, account, now)
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def severity(found: list[Finding]) -> str:
    """The worst of them."""
    return min((one.level for one in found), key=LEVELS.index, default=OK)


def _of_snapshots(snapshots: list[dict[str, Any]], account: dict[str, Any], now: datetime) -> list[Finding]:
    failed = [item for item in snapshots if item["status"] == base.FAILED]
    late = [item for item in snapshots if item["status"] == base.PENDING and (item["age_seconds"] or 0) > 2 * account["usual_seconds"]]
    found = []
    if failed:
        found.append(Finding(BAD, "failed", formatting.pluralize(len(failed), "snapshot has failed", "snapshots have failed")))
    if not snapshots:
        found.append(Finding(WARN, "none", "no snapshot"))
    elif not any(item["status"] == base.READY for item in snapshots):
        found.append(Finding(WARN, "none", "no snapshot that is ready"))
    if late:
        age = formatting.duration(late[0]["age_seconds"])
        found.append(Finding(WARN, "pending", f"{formatting.pluralize(len(late), 'snapshot')} not ready after {age}"))
    found += _of_schedules(snapshots, now)
    limit = account["limit"]
    if limit and len(snapshots) >= limit:
        found.append(Finding(WARN, "full", f"full: {len(snapshots)} of {limit}"))
    elif limit and len(snapshots) == limit - 1:
        found.append(Finding(NOTE, "nearly_full", f"room for one more: {len(snapshots)} of {limit}"))
    return found


def _of_schedules(snapshots: list[dict[str, Any]], now: datetime) -> list[Finding]:
    found = []
    for item in snapshots:
        late = formatting.seconds_since((item["schedule"] or {}).get("next_run"), now)
        if late is not None and late > OVERDUE_SECONDS:
            found.append(Finding(WARN, "schedule", f"schedule of {formatting.truncate(item['name'], 40)} overdue by {formatting.duration(late)}"))
    return found
