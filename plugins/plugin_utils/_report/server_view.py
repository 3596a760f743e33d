# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the page says, line by line, out of what was gathered: plain data for the template. Pure functions.

What is foreign is cut and made plain here (formatting.shown); that it can't be taken for HTML is the template's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils._provider import base
from . import findings, formatting
from .formatting import duration, pluralize, truncate
from .time_axis import Axis

_STATUS = {base.READY: "ready", base.PENDING: "being made", base.FAILED: "failed"}


@dataclass(frozen=True)
class ServerReport:
    """One server with all that is known of it.

    :ivar account: as gathered.
    :ivar server: as C(server_info) returns it; C(power_state) is None for one that only its snapshots tell of.
    :ivar snapshots: newest first, or None where they could not be listed.
    :ivar last_upgrade: its last guarded upgrade, or None.
    :ivar anchor: its place on the page.
    """

    account: dict[str, Any]
    server: dict[str, Any]
    snapshots: list[dict[str, Any]] | None
    last_upgrade: dict[str, Any] | None
    found: list[findings.Finding]
    anchor: str

    @property
    def level(self) -> str:
        return findings.severity(self.found)

    @property
    def name(self) -> str:
        return truncate(self.server["name"] or self.server["id"])

    def has(self, *kinds: str) -> bool:
        """Whether something of these kinds was found."""
        return any(one.kind in kinds for one in self.found)


def server_lines(report: ServerReport, axis: Axis, now: datetime) -> dict[str, Any]:
    """One server's row and what opens below it."""
    snapshots, limit = report.snapshots, report.account["limit"]
    ages = [item["age_seconds"] for item in snapshots or [] if item["age_seconds"] is not None]
    ready = [item["age_seconds"] for item in snapshots or [] if item["age_seconds"] is not None and item["status"] == base.READY]
    return {
        "anchor": report.anchor, "level": report.level, "name": report.name, "found": report.found,
        "kinds": sorted({one.kind for one in report.found}),
        "state": _state(report.server), "facts": _facts(report, now),
        "count": "?" if snapshots is None else len(snapshots), "limit": limit,
        "pips": limit if limit and limit <= 10 and snapshots is not None else 0,
        "newest": duration(min(ready)) if ready else None,
        "summary": _timeline_summary(report, ages), "from": axis.position(max(ages)) if ages else None,
        "markers": [marker for item in _draw_order(snapshots or []) for marker in _markers(item, axis, now)],
        "snapshots": [_snapshot_line(item, now) for item in snapshots or []], "listed": snapshots is not None,
    }


def _draw_order(snapshots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order in which they are drawn: nothing may hide a failed one."""
    return sorted(reversed(snapshots), key=lambda item: (base.READY, base.PENDING, base.FAILED).index(item["status"]))


def _state(server: dict[str, Any]) -> str:
    """What it is in the middle of, else its power."""
    return truncate(server.get("task_state") or server.get("power_state") or "not among the account's servers", 40)


def _facts(report: ServerReport, now: datetime) -> list[tuple[str, str]]:
    server, upgrade = report.server, report.last_upgrade
    facts = [("Server", truncate(server["id"])), ("State", _state(server))]
    if server.get("address"):
        facts.append(("Address", truncate(server["address"], 60)))
    if upgrade:
        ago = formatting.seconds_since(upgrade["began_at"], now)
        when = f", {duration(ago)} ago" if ago is not None else ""
        facts.append(("Last guarded upgrade", f"{upgrade['outcome'].replace('_', ' ')}{when}"))
    return facts


def _timeline_summary(report: ServerReport, ages: list[float]) -> str:
    """The row's time line for those who can't see it."""
    if report.snapshots is None:
        return "its snapshots could not be listed"
    if not ages:
        return pluralize(len(report.snapshots), "snapshot") + (" without a date" if report.snapshots else "")
    return f"{pluralize(len(report.snapshots), 'snapshot')}, the newest {duration(min(ages))} old, the oldest {duration(max(ages))}"


def _markers(item: dict[str, Any], axis: Axis, now: datetime) -> list[dict[str, Any]]:
    """Its dot, and where it is taken anew the place of the next run."""
    markers, name = [], truncate(item["name"], 60)
    if item["age_seconds"] is not None:
        created = formatting.format_timestamp(item["created_at"])
        label_parts = [f"{name}: {duration(item['age_seconds'])} old, {created} UTC, {_STATUS[item['status']]}"]
        label_parts += [word for word, is_so in (("on a schedule", item["schedule"]), ("current", item["current"])) if is_so]
        markers.append({
            "shape": item["status"], "position": axis.position(item["age_seconds"]), "scheduled": bool(item["schedule"]),
            "current": bool(item["current"]), "label": ", ".join(label_parts),
        })
    next_run = (item["schedule"] or {}).get("next_run")
    left, age = formatting.seconds_until(next_run, now), formatting.seconds_since(next_run, now)
    if left is not None and left > 0:
        markers.append({
            "shape": "next", "position": axis.position(age), "scheduled": False, "current": False, "label": f"{name}: taken anew in {duration(left)}",
        })
    return markers


def _snapshot_line(item: dict[str, Any], now: datetime) -> dict[str, Any]:
    status, provider_status = _STATUS[item["status"]], item["provider_status"]
    if item["status"] == base.FAILED and provider_status:
        status += f" ({truncate(provider_status, 40)})"
    return {
        "name": truncate(item["name"]), "id": None if item["id"] in (None, item["name"]) else truncate(item["id"], 60),
        "age": duration(item["age_seconds"]) if item["age_seconds"] is not None else None, "made": formatting.format_timestamp(item["created_at"]),
        "size": formatting.size(item["size_mb"]) if item["size_mb"] is not None else None,
        "status": item["status"], "status_text": status,
        "current": bool(item["current"]), "parent": truncate(item["parent"]) if item["parent"] else None,
        "schedule": _schedule_text(item["schedule"], now), "description": truncate(item["description"], 400) if item["description"] else None,
    }


def _schedule_text(schedule: dict[str, Any] | None, now: datetime) -> str | None:
    """When it is taken anew; hour and minute are the cloud's time of day, the next run is UTC."""
    if not schedule:
        return None
    day, hour, minute = schedule["day"], schedule["hour"], schedule["minute"]
    every = "on a schedule" if day is None else "every day" if day == 1 else f"every {day} days"
    at = f" at {hour:02}:{minute:02} (the cloud's time)" if None not in (hour, minute) else ""
    left = formatting.seconds_until(schedule["next_run"], now)
    if left is None:
        return f"{every}{at}; next run not told"
    when = f"in {duration(left)}" if left >= 0 else f"due {duration(formatting.seconds_since(schedule['next_run'], now))} ago"
    return f"{every}{at}; next {formatting.format_timestamp(schedule['next_run'])} UTC, {when}"
