# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what needs attention. Pure functions.

Unknown is not the same as bad: a server whose snapshots could not be listed is not reported as a server without snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils._provider import base
from . import formatting, upgrade_history

BAD, WARN, NOTE, OK = "bad", "warn", "note", "ok"
LEVELS = (BAD, WARN, NOTE, OK)  # most severe first

OVERDUE_SECONDS = 3_600  # a schedule may run late

_UPGRADE_TEXT = {
    upgrade_history.states.ROLLBACK_FAILED: "last upgrade: rollback failed",
    upgrade_history.states.UNKNOWN: "last upgrade: outcome unknown",
    upgrade_history.INTERRUPTED: "last upgrade: interrupted",
}


@dataclass(frozen=True)
class Finding:
    """One finding about a server.

    `kind` is `upgrade`, `failed`, `none`, `full`, `nearly_full`, `pending`, `schedule` or `unlisted`.
    """

    level: str
    kind: str
    text: str


def findings(snapshots: list[dict[str, Any]] | None, account: dict[str, Any], last_upgrade: dict[str, Any] | None, now: datetime) -> list[Finding]:
    """Return the findings about one server, most severe first.

    Args:
        snapshots: All its snapshots, or None if they could not be listed.
        account: Its account, for the limits of the provider.
        last_upgrade: Its last guarded upgrade from this controller, or None.
        now: The time of the report.
    """
    found = []
    if last_upgrade and last_upgrade["outcome"] in _UPGRADE_TEXT:
        found.append(Finding(BAD, "upgrade", _UPGRADE_TEXT[last_upgrade["outcome"]]))
    if snapshots is None:
        found.append(Finding(WARN, "unlisted", "snapshots could not be listed"))
    else:
        found += _snapshot_findings(snapshots, account, now)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def severity(found: list[Finding]) -> str:
    """Return the level of the most severe finding."""
    return min((finding.level for finding in found), key=LEVELS.index, default=OK)


def _snapshot_findings(snapshots: list[dict[str, Any]], account: dict[str, Any], now: datetime) -> list[Finding]:
    failed = [item for item in snapshots if item["status"] == base.FAILED]
    late = [item for item in snapshots if item["status"] == base.PENDING and (item["age_seconds"] or 0) > 2 * account["expected_seconds"]]
    found = []
    if failed:
        found.append(Finding(BAD, "failed", f"{formatting.pluralize(len(failed), 'snapshot')} failed"))
    if not snapshots:
        found.append(Finding(WARN, "none", "no snapshot"))
    elif not any(item["status"] == base.READY for item in snapshots):
        found.append(Finding(WARN, "none", "no ready snapshot"))
    if late:
        age = formatting.duration(late[0]["age_seconds"])
        found.append(Finding(WARN, "pending", f"{formatting.pluralize(len(late), 'snapshot')} still pending after {age}"))
    found += _schedule_findings(snapshots, now)
    limit = account["limit"]
    if limit and len(snapshots) >= limit:
        found.append(Finding(WARN, "full", f"snapshot limit reached: {len(snapshots)} of {limit}"))
    elif limit and len(snapshots) == limit - 1:
        found.append(Finding(NOTE, "nearly_full", f"one snapshot below the limit: {len(snapshots)} of {limit}"))
    return found


def _schedule_findings(snapshots: list[dict[str, Any]], now: datetime) -> list[Finding]:
    found = []
    for item in snapshots:
        late = formatting.seconds_since((item["schedule"] or {}).get("next_run"), now)
        if late is not None and late > OVERDUE_SECONDS:
            found.append(Finding(WARN, "schedule", f"schedule of {formatting.truncate(item['name'], 40)} overdue by {formatting.duration(late)}"))
    return found
