# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: which requests go wrong, and how.

A rule names the requests it hits (cloud, operation, server; left out: any), how many of them pass first (``skip``),
how many it then hits (``times``; None: all), and the fault. There are three groups of kinds: *answer* faults spoil the
HTTP exchange (``registry.py`` has the table), *outcome* faults spoil the operation behind it, which the cloud has
accepted, and *interference* (``concurrent_client.py``) comes from somebody else. A request can have one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..request_log import OTHER_CLIENT, actor, current_request
from .registry import ALL_FAULTS, CONCURRENT_FAULTS, RESPONSE_FAULTS

SCHEDULE_ACTIONS = ("add_schedule", "remove_schedule")  # Ilkbyte only
CONCURRENT_ACTIONS = ("delete_server", "stop_server", "start_server", "restore", "create_snapshot", "delete_snapshot", *SCHEDULE_ACTIONS)
DEFAULT_OPERATION = {"power_stuck": "servers.power"}  # where the rule names none
OPERATIONS = (
    "servers.list", "servers.show", "servers.power", "snapshots.list", "snapshots.create", "snapshots.restore",
    "snapshots.delete", "snapshots.update", "cron.add", "cron.delete", "account",
)
# Operations that change something, whether the cloud then carries them out or refuses them.
CHANGING = frozenset(
    ("servers.power", "snapshots.create", "snapshots.restore", "snapshots.delete", "snapshots.update", "cron.add",
     "cron.delete")
)


@dataclass(frozen=True)
class RestoreFaults:
    """What goes wrong with one restore. ``stuck``: the fault, or None."""

    fails: bool
    stays_off: bool
    stuck: dict[str, Any] | None

    def end_time(self, started: float, planned: float) -> float | None:
        """When the restore ends, in the clock's elapsed seconds like the arguments; None for never."""
        if self.stuck is not None:
            return started + float(self.stuck["seconds"]) if self.stuck.get("seconds") is not None else None
        return (started + planned) / 2 if self.fails else planned


@dataclass
class Rule:
    """One line of the fault table."""

    fault: dict[str, Any]
    cloud: str | None
    operation: str | None
    server: str | None
    times: int | None
    skip: int

    def matches(self, cloud: str, operation: str | None, servers: frozenset[str]) -> bool:
        """:param servers: all names by which the request's server is known; empty when there is none."""
        return (
            self.cloud in (None, cloud)
            and self.operation in (None, operation)
            and (self.server is None or self.server in servers)
        )

    def to_dict(self) -> dict[str, Any]:
        """As it was posted, with what is left of ``times`` and ``skip``."""
        return dict(self.__dict__)


class FaultTable:
    """All rules, in the order in which they were added.

    :param clouds: the names of the clouds that rules may be for.
    """

    def __init__(self, clouds: Sequence[str]) -> None:
        self._clouds = clouds
        self._rules: list[Rule] = []

    def add(self, spec: dict[str, Any]) -> None:
        """Add one rule as the admin API takes it.

        :raises ValueError: an unknown key, kind, cloud or operation.
        """
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
            raise ValueError(f"{kind.name} has no meaning for {spec['operation']}, only for {', '.join(kind.operations)}")
        if kind.name in CONCURRENT_FAULTS:
            _check_concurrent_change(fault, spec.get("cloud"))
        times, skip = spec.get("times", 1), spec.get("skip", 0)
        if not isinstance(skip, int) or skip < 0 or not (times is None or (isinstance(times, int) and times > 0)):
            raise ValueError("times is an integer from 1 up, or null for always; skip an integer from 0 up")
        server = spec.get("server")
        self._rules.append(Rule(dict(fault), spec.get("cloud"), spec.get("operation") or DEFAULT_OPERATION.get(kind.name),
                                None if server is None else str(server), times, skip))

    def rules(self) -> list[dict[str, Any]]:
        """The rules that can still hit."""
        return [rule.to_dict() for rule in self._rules]

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def take_response_fault(self, cloud: str, operation: str | None, servers: frozenset[str]) -> dict[str, Any] | None:
        """The fault for this request's HTTP exchange, used up by one; None for none."""
        return self._take(frozenset(RESPONSE_FAULTS), cloud, operation, servers)

    def take_concurrent_change(self, cloud: str, operation: str | None, servers: frozenset[str]) -> dict[str, Any] | None:
        """What somebody else does around this request, with all its keys, used up by one; None for nothing."""
        fault = self._take(frozenset(CONCURRENT_FAULTS), cloud, operation, servers)
        return None if fault is None else {**CONCURRENT_FAULTS[fault["kind"]].keys, **fault}

    def take_outcome_fault(self, kind: str, cloud: str, operation: str,
                           servers: frozenset[str]) -> dict[str, Any] | None:
        """The fault of this kind for an operation that begins now, used up by one; None for none. What somebody else does
        has none: the rules are for the client."""
        if actor.get() == OTHER_CLIENT:
            return None
        fault = self._take(frozenset({kind}), cloud, operation, servers)
        entry = current_request.get()
        if fault is not None and entry is not None and entry["fault"] is None:
            entry["fault"] = kind
        return fault

    def take_restore_faults(self, cloud: str, servers: frozenset[str]) -> RestoreFaults:
        """All faults of a restore that begins now, each used up by one."""
        def take(kind: str) -> dict[str, Any] | None:
            return self.take_outcome_fault(kind, cloud, "snapshots.restore", servers)

        return RestoreFaults(take("restore_fails") is not None, take("power_stuck") is not None, take("restore_stuck"))

    def _take(self, kinds: frozenset[str], cloud: str, operation: str | None,
              servers: frozenset[str]) -> dict[str, Any] | None:
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
        raise ValueError(f"{fault['action']} is for Ilkbyte only, and the rule has to say so (cloud: ilkbyte)")
    if fault.get("when", "before") not in ("before", "after"):
        raise ValueError("when is before or after")
