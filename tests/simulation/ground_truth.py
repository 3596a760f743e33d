# SPDX-License-Identifier: GPL-3.0-or-later
"""The actual state of a provider, read from the sandbox's admin API, in one form for both providers. Uses no product code."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

LIMIT = {"vpsorg": 5, "ilkbyte": None}
READY_STATUSES, PENDING_STATUSES, FAILED_STATUSES = {"completed"}, {"in_progress"}, {"failed"}


@dataclass(frozen=True)
class ActualSnapshot:
    """A listed snapshot. `status` is ready, pending, failed or odd (an undocumented status)."""

    id: str
    name: str
    status: str
    at: datetime
    schedule: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class ActualServer:
    """A server with its snapshots, oldest first. `power_state` is running, stopped, or the provider's own status."""

    name: str
    references: frozenset[str]
    power_state: str
    digest: str
    snapshots: tuple[ActualSnapshot, ...]

    def named(self, name: str) -> list[ActualSnapshot]:
        return [item for item in self.snapshots if item.name == name]

    def matching(self, pattern: str) -> list[ActualSnapshot]:
        return [item for item in self.snapshots if fnmatch.fnmatchcase(item.name, pattern)]

    def with_id(self, id_: str) -> ActualSnapshot | None:
        return next((item for item in self.snapshots if item.id == id_), None)


def servers(rows: list[dict[str, Any]], cloud: str) -> dict[str, ActualServer]:
    """A provider's servers by name, from `sandbox.AdminClient.servers`."""
    return {row["name"]: _server(cloud, row) for row in rows if row["cloud"] == cloud}


def _server(cloud: str, row: dict[str, Any]) -> ActualServer:
    power = {"active": "running", "shut off": "stopped"}.get(row["status"], row["status"])
    read = _vpsorg if cloud == "vpsorg" else _ilkbyte
    snapshots = sorted((read(item) for item in row["snapshots"]), key=lambda item: (item.at, item.id))
    return ActualServer(row["name"], frozenset((str(row["id"]), row["uuid"], row["name"])), power, row["digest"], tuple(snapshots))


def _vpsorg(item: dict[str, Any]) -> ActualSnapshot:
    provider_status = item["status"]
    known = (("ready", READY_STATUSES), ("pending", PENDING_STATUSES), ("failed", FAILED_STATUSES))
    status = next((name for name, statuses in known if provider_status in statuses), "odd")
    return ActualSnapshot(str(item["id"]), item["name"], status, _parse_timestamp(item["created_at"]))


def _ilkbyte(item: dict[str, Any]) -> ActualSnapshot:
    params = item["params"]
    numbers = re.findall("[0-9]+", params["cron_time"] or "") if params["is_cron"] else []
    schedule = tuple(int(number) for number in numbers) if numbers else None
    return ActualSnapshot(item["name"], item["name"], "ready", _parse_timestamp(item["date"]), schedule)


def _parse_timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
