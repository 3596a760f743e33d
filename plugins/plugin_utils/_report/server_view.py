# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what needs attention, and builds the data of the server rows for the template. Pure functions.

Unknown is not the same as bad: a server whose snapshots could not be listed is not reported as a server without snapshots.
External text is truncated and sanitized here; the template escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils._provider import base
from ...module_utils._provider.values import parse_timestamp
from . import formatting, upgrade_history
from .formatting import Axis, duration, duration_or_none, pluralize, truncate, truncate_or_none

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


def server_findings(
    snapshots: list[dict[str, Any]] | None, account: dict[str, Any], last_upgrade: dict[str, Any] | None, now: datetime,
) -> list[Finding]:
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


def _snapshot_findings(snapshots: list[dict[str, Any]], account: dict[str, Any], now: datetime) -> list[Finding]:
    failed = [item for item in snapshots if item["status"] == base.FAILED]
    late = [item for item in snapshots if item["status"] == base.PENDING and (item["age_seconds"] or 0) > 2 * account["expected_seconds"]]
    found = []
    if failed:
        found.append(Finding(BAD, "failed", f"{pluralize(len(failed), 'snapshot')} failed"))
    if not snapshots:
        found.append(Finding(WARN, "none", "no snapshot"))
    elif not any(item["status"] == base.READY for item in snapshots):
        found.append(Finding(WARN, "none", "no ready snapshot"))
    if late:
        age = duration(late[0]["age_seconds"])
        found.append(Finding(WARN, "pending", f"{pluralize(len(late), 'snapshot')} still pending after {age}"))
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
            found.append(Finding(WARN, "schedule", f"schedule of {truncate(_name_of(item), 40)} overdue by {duration(late)}"))
    return found


@dataclass(frozen=True)
class ServerReport:
    """One server with its snapshots, its last guarded upgrade and the findings about it.

    `server` is a result of `server_info`; if only its snapshots mention it, it has no `power_state`. `snapshots` are sorted newest first, and None
    if they could not be listed. `anchor` is the ID of its row on the page.
    """

    account: dict[str, Any]
    server: dict[str, Any]
    snapshots: list[dict[str, Any]] | None
    last_upgrade: dict[str, Any] | None
    found: list[Finding]
    anchor: str

    @property
    def level(self) -> str:
        """The level of the most severe finding."""
        return self.found[0].level if self.found else OK

    @property
    def needs_attention(self) -> bool:
        """Whether a person should check this server."""
        return self.level in (BAD, WARN)

    @property
    def name(self) -> str:
        """The server's name, else its ID."""
        return truncate(self.server["name"] or self.server["id"] or "unnamed server")

    def has(self, *kinds: str) -> bool:
        """Return whether there is a finding of one of these kinds."""
        return any(finding.kind in kinds for finding in self.found)


def build_server_reports(gathered: dict[str, Any]) -> list[ServerReport]:
    """Return the servers of all accounts, most severe first."""
    now = parse_timestamp(gathered["made_at"])
    last = {server_key(run, run["server"]): run for run in gathered["upgrades"]["runs"] if run["last"] and run["server"]}
    reports = []
    for account_number, account in enumerate(gathered["accounts"], 1):
        for number, (server, snapshots) in enumerate(_servers_of(account), 1):
            upgrade = last.get(server_key(account, server))
            found = server_findings(snapshots, account, upgrade, now)
            reports.append(ServerReport(account, server, snapshots, upgrade, found, f"s{account_number}-{number}"))
    return sorted(reports, key=lambda report: LEVELS.index(report.level))  # stable: the account's order within a level


def server_key(account_or_run: dict[str, Any], server: dict[str, Any]) -> tuple[str, str | None, str]:
    """Return what identifies a server among all accounts."""
    return account_or_run["provider"], account_or_run["api_url"], server["id"]


def _servers_of(account: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]] | None]]:
    """Return each server with its snapshots, including servers that only their snapshots mention.

    Servers and snapshots may lack anything. A snapshot whose server's id is not listed belongs to the only server with that name.
    """
    servers = list(account["servers"] or [])
    if account["snapshots"] is None:
        return [(server, None) for server in servers]
    found = [(server, None if server["id"] is None or server["id"] in account["unlisted"] else []) for server in servers]
    positions = {server["id"]: position for position, server in enumerate(servers) if server["id"] is not None}
    names = [server["name"] for server in servers]
    for item in account["snapshots"]:
        owner = item["server"]
        position = positions.get(owner["id"])
        if position is None and owner["name"] is not None and names.count(owner["name"]) == 1:
            position = names.index(owner["name"])
        if position is None:
            position = positions[owner["id"]] = len(found)
            found.append((owner, []))
        server, snapshots = found[position]
        found[position] = (server, [*(snapshots or []), item])
    return found


def server_row(report: ServerReport, axis: Axis, now: datetime) -> dict[str, Any]:
    snapshots, limit = report.snapshots, report.account["limit"]
    ages = [item["age_seconds"] for item in snapshots or [] if item["age_seconds"] is not None]
    ready = [item["age_seconds"] for item in snapshots or [] if item["age_seconds"] is not None and item["status"] == base.READY]
    # No other marker may cover a failed one.
    in_draw_order = sorted(reversed(snapshots or []), key=lambda item: (base.READY, base.PENDING, base.UNKNOWN, base.FAILED).index(item["status"]))
    return {
        "anchor": report.anchor, "level": report.level, "name": report.name, "found": report.found,
        "kinds": sorted({finding.kind for finding in report.found}),
        "state": _state(report.server), "facts": _facts(report, now),
        "count": "?" if snapshots is None else len(snapshots), "limit": limit,
        "pips": limit if limit and limit <= 10 and snapshots is not None else 0,
        "newest": duration(min(ready)) if ready else None,
        "summary": _timeline_summary(snapshots, ages), "from": axis.position(max(ages)) if ages else None,
        "markers": [marker for item in in_draw_order for marker in _markers(item, axis, now)],
        "snapshots": [_snapshot_row(item, now) for item in snapshots or []], "listed": snapshots is not None,
    }


def _state(server: dict[str, Any]) -> str:
    """Return the task state of a busy server, else its power state."""
    return truncate(server.get("task_state") or server.get("power_state") or "not listed by the account", 40)


def _facts(report: ServerReport, now: datetime) -> list[tuple[str, str]]:
    server, upgrade = report.server, report.last_upgrade
    facts = [("Server", truncate(server["id"])), ("State", _state(server))]
    if server.get("address"):
        facts.append(("Address", truncate(server["address"], 60)))
    if upgrade:
        ago = formatting.seconds_since(upgrade["started_at"], now)
        when = f", {duration(ago)} ago" if ago is not None else ""
        facts.append(("Last guarded upgrade", f"{upgrade['outcome'].replace('_', ' ')}{when}"))
    return facts


def _timeline_summary(snapshots: list[dict[str, Any]] | None, ages: list[float]) -> str:
    """Return the time line as text, for screen readers."""
    if snapshots is None:
        return "snapshots could not be listed"
    if not ages:
        return pluralize(len(snapshots), "snapshot") + (" without a date" if snapshots else "")
    return f"{pluralize(len(snapshots), 'snapshot')}, the newest {duration(min(ages))} old, the oldest {duration(max(ages))}"


def _markers(item: dict[str, Any], axis: Axis, now: datetime) -> list[dict[str, Any]]:
    """Return the marker of a snapshot, and one for the next run of its schedule."""
    markers, name = [], truncate(_name_of(item), 60)
    if item["age_seconds"] is not None:
        created = formatting.format_timestamp(item["created_at"])
        label_parts = [f"{name}: {duration(item['age_seconds'])} old, {created} UTC, {item['status']}"]
        label_parts += [text for text, applies in (("on a schedule", item["schedule"]), ("current", item["current"])) if applies]
        markers.append({
            "shape": item["status"], "position": axis.position(item["age_seconds"]), "scheduled": bool(item["schedule"]),
            "current": bool(item["current"]), "label": ", ".join(label_parts),
        })
    age = formatting.seconds_since((item["schedule"] or {}).get("next_run"), now)
    if age is not None and age < 0:
        markers.append({
            "shape": "next", "position": axis.position(age), "scheduled": False, "current": False, "label": f"{name}: re-created in {duration(-age)}",
        })
    return markers


def _snapshot_row(item: dict[str, Any], now: datetime) -> dict[str, Any]:
    status = item["status"]
    if status in (base.FAILED, base.UNKNOWN) and item["provider_status"]:
        status += f" ({truncate(item['provider_status'], 40)})"
    return {
        "name": truncate(_name_of(item)), "id": None if item["id"] in (None, item["name"]) else truncate(item["id"], 60),
        "age": duration_or_none(item["age_seconds"]), "created": formatting.format_timestamp(item["created_at"]),
        "size": formatting.size(item["size_mb"]) if item["size_mb"] is not None else None,
        "status": item["status"], "status_text": status, "current": bool(item["current"]),
        "schedule": _schedule_text(item["schedule"], now), "description": truncate_or_none(item["description"], 400),
    }


def _name_of(item: dict[str, Any]) -> str:
    return item["name"] or "unnamed snapshot"


def _schedule_text(schedule: dict[str, Any] | None, now: datetime) -> str | None:
    """Describe a schedule. Hour and minute are the provider's local time; the next run is UTC."""
    if not schedule:
        return None
    day, hour, minute = schedule["day"], schedule["hour"], schedule["minute"]
    every = "on a schedule" if day is None else "every day" if day == 1 else f"every {day} days"
    at = f" at {hour:02}:{minute:02} (provider's time)" if None not in (hour, minute) else ""
    late = formatting.seconds_since(schedule["next_run"], now)
    if late is None:
        return f"{every}{at}; next run unknown"
    when = f"in {duration(-late)}" if late <= 0 else f"due {duration(late)} ago"
    return f"{every}{at}; next {formatting.format_timestamp(schedule['next_run'])} UTC, {when}"
