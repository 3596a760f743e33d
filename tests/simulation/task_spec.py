# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's options, and its expected result without faults. Uses no product code: a second implementation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ground_truth import LIMIT, ActualServer, ActualSnapshot

SERVERS = {"vpsorg": ("web1", "web2"), "ilkbyte": ("app1", "app2")}


@dataclass(frozen=True)
class TaskSpec:
    """One task.

    `options` are the module's, without server and credentials. With `first` it is about the provider's first server. `by_id`
    replaces the name by the newest snapshot's id, of the "own" or of the other ("foreign") server.
    """

    cloud: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    first: bool = True
    by_id: str = ""

    @property
    def other_server(self) -> str:
        return SERVERS[self.cloud][1 if self.first else 0]

    @property
    def server(self) -> str:
        return SERVERS[self.cloud][0 if self.first else 1]

    @property
    def is_absent(self) -> bool:
        return self.options.get("state") == "absent"

    @property
    def name(self) -> str | None:
        return self.options.get("name")

    @property
    def id(self) -> str | None:
        return self.options.get("id")

    def matches(self, item: ActualSnapshot) -> bool:
        """Whether the task names this snapshot."""
        return item.id == self.id if self.id else item.name == self.name

    def option(self, name: str, default: Any = None) -> Any:
        value = self.options.get(name)
        return default if value is None else value


@dataclass(frozen=True)
class Expected:
    """The result without faults: `kind` of the error or None, and whether the task changes something."""

    kind: str | None = None
    changes: bool = False


def predict(spec: TaskSpec, server: ActualServer | None, now: datetime) -> Expected:
    """Predict the result if nothing is in progress and nothing fails."""
    if server is None:
        return Expected("not_found")
    return {"snapshot": _snapshot, "snapshot_restore": _restore, "snapshot_cron": _cron}[spec.module](spec, server, now)


def _snapshot(spec: TaskSpec, server: ActualServer, now: datetime) -> Expected:
    named = [item for item in server.snapshots if spec.matches(item)]
    if spec.is_absent:
        return Expected("ambiguous") if len(named) > 1 else Expected(changes=bool(named))
    ready = [item for item in named if item.status == "ready"]
    if any(is_fresh(item, spec, now) for item in ready):
        return Expected(changes=bool(expired(spec, server, ready[-1])))
    if any(item.status == "odd" for item in named):
        return Expected("not_ready")
    limit, failed = LIMIT[spec.cloud], [item for item in named if item.status == "failed"]
    missing = 0 if limit is None else len(server.snapshots) - len(failed) + 1 - limit
    if missing > 0:
        if spec.option("when_full") != "prune":
            return Expected("limit_reached")
        deletable = [item for item in server.matching(spec.option("retain")["match"]) if item.status in ("ready", "failed") and item not in failed]
        if len(deletable) < missing:
            return Expected("limit_reached")
    if spec.option("stop_server") and server.power_state not in ("running", "stopped"):
        return Expected("not_ready")
    return Expected(changes=True)


def is_fresh(item: ActualSnapshot, spec: TaskSpec, now: datetime) -> bool:
    """Whether it is young enough for the task. Ages are whole hours, so seconds don't matter."""
    hours = spec.option("max_age")
    return hours is None or now - item.at <= timedelta(hours=int(hours[:-1]))


def expired(spec: TaskSpec, server: ActualServer, own: ActualSnapshot) -> list[ActualSnapshot]:
    """What retention must delete: matching ready snapshots beyond the newest, never the task's own or a scheduled one."""
    retain = spec.option("retain")
    if not retain:
        return []
    ready = [item for item in server.matching(retain["match"]) if item.status == "ready"]
    others = [item for item in ready if item != own]
    keep = max(0, retain["count"] - (own in ready))
    return [item for item in others[:max(0, len(others) - keep)] if item.schedule is None]


def _restore(spec: TaskSpec, server: ActualServer, now: datetime) -> Expected:
    named = [item for item in server.snapshots if spec.matches(item)]
    if not named:
        return Expected("not_found")
    if len(named) > 1:
        return Expected("ambiguous")
    return Expected(changes=True) if named[0].status == "ready" else Expected("not_ready")


def _cron(spec: TaskSpec, server: ActualServer, now: datetime) -> Expected:
    if spec.cloud == "vpsorg":
        return Expected("unsupported")
    named = server.named(spec.name)
    desired = None if spec.is_absent else schedule_of(spec)
    if not named:
        return Expected() if spec.is_absent else Expected("not_found")
    return Expected(changes=named[0].schedule != desired)


def schedule_of(spec: TaskSpec) -> tuple[int, int, int]:
    return tuple(spec.options[part] for part in ("day", "hour", "minute"))
