# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of faults, and the fault table: which requests have which fault.

There are three groups of kinds, and a request can have one fault of each group.

A rule names the requests it matches (cloud, operation, server; omitted: any), how many to skip (`skip`), how many it affects (`times`; None:
all), and the fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..request_log import OTHER_CLIENT, actor, current_request
from . import connection, content, lists, values
from .kind import FaultKind


def _by_name(*kinds: FaultKind) -> dict[str, FaultKind]:
    return {kind.name: kind for kind in kinds}


# Change the HTTP response or the connection.
RESPONSE_FAULTS = _by_name(*connection.KINDS, *content.KINDS, *values.KINDS, *lists.KINDS)
# Make the operation fail that the provider has accepted.
OUTCOME_FAULTS = _by_name(
    FaultKind("snapshot_fails", "the snapshot is accepted, runs for a while and fails", operations=("snapshots.create", "snapshots.update")),
    FaultKind("restore_fails", "the restore is accepted, fails half way and leaves the server off", operations=("snapshots.restore",)),
    FaultKind("restore_ignored", "the server restarts and the restore is reported as done, but its disk is not restored",
              operations=("snapshots.restore",)),
    FaultKind("restore_stuck", "the restore is accepted and never finishes; with `seconds` it finishes after that many sandbox seconds",
              {"seconds": None}, operations=("snapshots.restore",)),
    FaultKind("power_stuck", "the power action is accepted and never finishes; with `seconds` it finishes after that many sandbox seconds; "
                             "for the operation snapshots.restore the disk is restored and the server is left off",
              {"seconds": None}, operations=("servers.power", "snapshots.restore")),
)
# Change the server from another client, before or after the request.
CONCURRENT_FAULTS = _by_name(FaultKind(
    "concurrent_change",
    "another client performs `action` on the request's server, or on the server `on`; `when` is before or after the request is executed; "
    "`snapshot` is newest, oldest, an id or a name; `name` is for a new snapshot; `day`, `hour` and `min` are for a new schedule",
    {"action": None, "when": "before", "on": None, "snapshot": "newest", "name": "byhand", "day": 1, "hour": 0, "min": 0}))
ALL_FAULTS = {**RESPONSE_FAULTS, **OUTCOME_FAULTS, **CONCURRENT_FAULTS}

SCHEDULE_ACTIONS = ("add_schedule", "remove_schedule")  # Ilkbyte only
CONCURRENT_ACTIONS = ("delete_server", "stop_server", "start_server", "restore", "create_snapshot", "delete_snapshot", *SCHEDULE_ACTIONS)
DEFAULT_OPERATION = {"power_stuck": "servers.power"}  # if the rule names none
OPERATIONS = (
    "servers.list", "servers.show", "servers.power", "snapshots.list", "snapshots.create", "snapshots.restore",
    "snapshots.delete", "snapshots.update", "cron.add", "cron.delete", "account",
)
# Operations that change something, whether they are executed or rejected.
CHANGING = frozenset(("servers.power", "snapshots.create", "snapshots.restore", "snapshots.delete", "snapshots.update", "cron.add", "cron.delete"))


@dataclass(frozen=True)
class RestoreFaults:
    """The faults of one restore. `stuck` is the fault, or None."""

    fails: bool
    stays_off: bool
    stuck: dict[str, Any] | None
    ignored: bool = False

    def end_time(self, started: float, planned: float) -> float | None:
        """Return when the restore ends, in the clock's elapsed seconds like the arguments; None for never."""
        if self.stuck is not None:
            return started + float(self.stuck["seconds"]) if self.stuck.get("seconds") is not None else None
        return (started + planned) / 2 if self.fails else planned


@dataclass
class Rule:
    """One rule of the fault table."""

    fault: dict[str, Any]
    cloud: str | None
    operation: str | None
    server: str | None
    times: int | None
    skip: int

    def matches(self, cloud: str, operation: str | None, servers: frozenset[str]) -> bool:
        """Match a request. `servers` are all aliases of its server; empty without a server."""
        return (self.cloud in (None, cloud) and self.operation in (None, operation) and (self.server is None or self.server in servers))


class FaultTable:
    """All rules, in the order in which they were added. Rules may be for these clouds."""

    def __init__(self, clouds: Sequence[str]) -> None:
        self._clouds = clouds
        self._rules: list[Rule] = []

    def add(self, spec: dict[str, Any]) -> None:
        """Add a rule as posted to the admin API. Raises ValueError for an unknown key, kind, cloud or operation."""
        unknown = set(spec) - {"cloud", "operation", "server", "times", "skip", "fault"}
        if unknown:
            raise ValueError(f"unknown keys in a fault rule: {', '.join(sorted(unknown))}")
        fault = spec.get("fault")
        if not isinstance(fault, dict) or fault.get("kind") not in ALL_FAULTS:
            raise ValueError(f"a fault needs a kind, one of: {', '.join(sorted(ALL_FAULTS))}")
        kind = ALL_FAULTS[fault["kind"]]
        if unknown_keys := set(fault) - {"kind", *kind.keys}:
            raise ValueError(f"{kind.name} has no {', '.join(sorted(unknown_keys))}; it has: {', '.join(kind.keys) or 'no keys'}")
        if spec.get("cloud") not in (None, *self._clouds):
            raise ValueError(f"unknown cloud {spec['cloud']!r}")
        if spec.get("operation") not in (None, *OPERATIONS):
            raise ValueError(f"unknown operation {spec['operation']!r}; known: {', '.join(OPERATIONS)}")
        if kind.operations and spec.get("operation") not in (None, *kind.operations):
            raise ValueError(f"{kind.name} does not apply to {spec['operation']}, only to {', '.join(kind.operations)}")
        if kind.name in CONCURRENT_FAULTS:
            _check_concurrent_change(fault, spec.get("cloud"))
        times, skip = spec.get("times", 1), spec.get("skip", 0)
        if not isinstance(skip, int) or skip < 0 or not (times is None or (isinstance(times, int) and times > 0)):
            raise ValueError("times is an integer from 1 up, or null for always; skip an integer from 0 up")
        server = spec.get("server")
        self._rules.append(Rule(dict(fault), spec.get("cloud"), spec.get("operation") or DEFAULT_OPERATION.get(kind.name),
                                None if server is None else str(server), times, skip))

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules as posted, with the remaining `times` and `skip`."""
        return [dict(vars(rule)) for rule in self._rules]

    def clear(self) -> None:
        self._rules.clear()

    def take_response_fault(self, cloud: str, operation: str | None, servers: frozenset[str]) -> dict[str, Any] | None:
        """Take one use of this request's response fault; None if there is none."""
        return self._take(frozenset(RESPONSE_FAULTS), cloud, operation, servers)

    def take_concurrent_change(self, cloud: str, operation: str | None, servers: frozenset[str]) -> dict[str, Any] | None:
        """Take one use of this request's concurrent change, with all its keys; None if there is none."""
        fault = self._take(frozenset(CONCURRENT_FAULTS), cloud, operation, servers)
        return None if fault is None else {**CONCURRENT_FAULTS[fault["kind"]].keys, **fault}

    def take_outcome_fault(self, kind: str, cloud: str, operation: str, servers: frozenset[str]) -> dict[str, Any] | None:
        """Take one use of a fault of this kind for an operation that starts now. Other clients have none: rules are for the client."""
        if actor.get() == OTHER_CLIENT:
            return None
        fault = self._take(frozenset({kind}), cloud, operation, servers)
        entry = current_request.get()
        if fault is not None and entry is not None and entry["fault"] is None:
            entry["fault"] = kind
        return fault

    def take_restore_faults(self, cloud: str, servers: frozenset[str]) -> RestoreFaults:
        """Take one use of every fault of a restore that starts now."""
        def take(kind: str) -> dict[str, Any] | None:
            return self.take_outcome_fault(kind, cloud, "snapshots.restore", servers)

        return RestoreFaults(
            take("restore_fails") is not None, take("power_stuck") is not None, take("restore_stuck"), take("restore_ignored") is not None,
        )

    def _take(self, kinds: frozenset[str], cloud: str, operation: str | None, servers: frozenset[str]) -> dict[str, Any] | None:
        chosen: Rule | None = None
        for rule in self._rules:
            if rule.fault["kind"] not in kinds or not rule.matches(cloud, operation, servers):
                continue
            if rule.skip:
                rule.skip -= 1
            elif chosen is None:
                chosen = rule
        if chosen is None:
            return None
        if chosen.times is not None:
            chosen.times -= 1
            if not chosen.times:
                self._rules.remove(chosen)
        return chosen.fault


def _check_concurrent_change(fault: dict[str, Any], cloud: str | None) -> None:
    if fault.get("action") not in CONCURRENT_ACTIONS:
        raise ValueError(f"action is one of: {', '.join(CONCURRENT_ACTIONS)}")
    if fault["action"] in SCHEDULE_ACTIONS and cloud != "ilkbyte":
        raise ValueError(f"{fault['action']} is only for Ilkbyte: the rule needs cloud ilkbyte")
    if fault.get("when", "before") not in ("before", "after"):
        raise ValueError("when is before or after")
