# SPDX-License-Identifier: GPL-3.0-or-later
"""Random tasks, faults and changes by other clients."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st
from scenario import Advance, Fault, Interfere, RunTask, Step
from task_spec import TaskSpec

NAMES = ("one", "two", "nightly1", "nightly2")
READS = ("snapshots.list", "servers.list", "servers.show")
CHANGES = {
    "snapshot": ("snapshots.create", "snapshots.update", "snapshots.delete", "servers.power"),
    "snapshot_restore": ("snapshots.restore", "servers.power"),
    "snapshot_cron": ("cron.add", "cron.delete"),
}
LATE = 0.75  # real seconds, more than the client waits
OTHER_URL = "https://elsewhere.example/api/v1/"

# Each kind with its parameters; of a list one value is chosen.
ANSWER_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before", {}), ("drop_after", {}), ("truncate", {"apply": [True, False]}), ("empty", {"apply": [True, False]}),
    ("delay", {"seconds": LATE, "apply": [True, False]}), ("late_execution", {"seconds": LATE}),
    ("hang_then_reset", {"seconds": LATE, "apply": [True, False]}),
    ("slow_body", {"seconds": 0.01}), ("refuse_next", {"seconds": [0.01, LATE]}),
    ("status", {"status": [408, 500, 502, 503, 504], "apply": [True, False]}), ("status", {"status": [400, 401, 403, 404, 409]}),
    ("throttle", {"retry_after": [0, 7, "date", "absurd", "missing"]}),
    ("html", {"status": [200, 403, 503], "apply": [True, False]}), ("redirect", {"location": [None, OTHER_URL], "apply": [True, False]}),
    ("raw", {"body": ["", "null", "[]", "{}", '{"status": "yes"}', '{"results": [{"id": 1}]}'], "apply": [True, False]}),
    ("malformed_value", {"seed": list(range(12))}), ("unknown_status", {"value": ["hibernating", "failed", "in_progress", "restoring"]}),
    ("shuffle", {"seed": [1, 2, 3]}), ("shift", {"rows": [1, -1]}), ("repeat_page", {}),
    ("wrong_date", {"seconds": [-7200, 7200, 86400]}), ("wrong_date", {"date": ["missing", "garbage"]}),
)
OPERATION_FAULTS: dict[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {
    "snapshot": (("snapshot_fails", "snapshots.create", {}), ("snapshot_fails", "snapshots.update", {}),
                 ("power_stuck", "servers.power", {"seconds": 2000})),
    "snapshot_restore": (("restore_fails", "snapshots.restore", {}), ("restore_stuck", "snapshots.restore", {"seconds": 3000}),
                         ("power_stuck", "snapshots.restore", {})),
    "snapshot_cron": (),
}
OTHER_CLIENT_CHANGES: tuple[dict[str, Any], ...] = (
    {"action": "stop_server"}, {"action": "start_server"}, {"action": "restore", "snapshot": "one"}, {"action": "create_snapshot", "name": "one"},
    {"action": "create_snapshot", "name": "other"}, {"action": "delete_snapshot", "snapshot": "newest"},
    {"action": "delete_snapshot", "snapshot": "one"},
    {"action": "delete_server"},
)


def steps(cloud: str) -> st.SearchStrategy[Step]:
    """Mostly tasks."""
    task = tasks(cloud)
    return st.one_of(task, task, task, interference(cloud), st.builds(Advance, st.sampled_from([5.0, 60.0, 400.0, 4000.0, 100000.0])))


def tasks(cloud: str) -> st.SearchStrategy[RunTask]:
    return task_specs(cloud).flatmap(lambda spec: st.builds(RunTask, st.just(spec), two_faults(spec.module), st.booleans()))


def interference(cloud: str) -> st.SearchStrategy[Interfere]:
    statuses = st.sampled_from(["completed", "completed", "completed", "failed", "quarantined"])
    return st.builds(Interfere, st.sampled_from(["add", "add", "add", "remove", "status", "power"]), st.sampled_from(NAMES), statuses,
                     st.sampled_from([0, 3, 50]), st.sampled_from([True, True, False]))


def task_specs(cloud: str) -> st.SearchStrategy[TaskSpec]:
    """Mostly for the first server, mostly by name."""
    kinds = [_present(), _present(), _absent(), _restore()] + ([_cron(), _cron()] if cloud == "ilkbyte" else [])
    first = st.sampled_from([True, True, True, False])

    def ids(module: str, options: dict[str, Any]) -> st.SearchStrategy[str]:
        can = module == "snapshot_restore" or options.get("state") == "absent" and module == "snapshot"
        return st.sampled_from(["", "", "", "own", "foreign"] if can else [""])

    def spec(module: str, options: dict[str, Any]) -> st.SearchStrategy[TaskSpec]:
        return st.builds(TaskSpec, st.just(cloud), st.just(module), st.just(options), first, ids(module, options))

    return st.one_of(*(strategy.flatmap(lambda options, module=module: spec(module, options)) for module, strategy in kinds))


@functools.cache  # building it for each task would cost as much as the rest of a scenario
def two_faults(module: str) -> st.SearchStrategy[tuple[Fault, ...]]:
    """At most two."""
    return st.lists(faults(module), max_size=2).map(tuple)


def faults(module: str) -> st.SearchStrategy[Fault]:
    operations = st.one_of(st.none(), st.sampled_from(READS), st.sampled_from(CHANGES[module]))
    # One or two faulty responses in a row find more than a provider that always fails.
    times = st.sampled_from([1, 1, 1, 2, 6])
    skip = st.integers(0, 3)

    def answer(kind: str, keys: dict[str, Any]) -> st.SearchStrategy[Fault]:
        return st.builds(Fault, st.just(kind), operations, skip, times, _details(keys))

    faulty_answers = [answer(kind, keys) for kind, keys in ANSWER_FAULTS]
    operation_faults = [st.builds(Fault, st.just(kind), st.just(operation), details=st.just(details)) for kind, operation,
                        details in OPERATION_FAULTS[module]]
    concurrent_changes = [
        st.builds(Fault, st.just("concurrent_change"), operations, skip, st.just(1), _details({**other, "when": ["before", "after"]}))
        for other in OTHER_CLIENT_CHANGES
    ]
    more = [*operation_faults, *concurrent_changes]
    return st.one_of(st.one_of(*faulty_answers), st.one_of(*faulty_answers), st.one_of(*(more or faulty_answers)))


def _details(keys: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fixed = {name: st.sampled_from(value) if isinstance(value, list) else st.just(value) for name, value in keys.items()}
    return st.fixed_dictionaries(fixed)


def _present() -> tuple[str, st.SearchStrategy[dict[str, Any]]]:
    retain = st.none() | st.builds(lambda count, match: {"count": count, "match": match}, st.integers(1, 3), st.sampled_from(["nightly*", "o*", "*"]))

    def snapshot_options(name: str, max_age: str | None, keep: dict | None, full: bool, stop: bool, wait: bool) -> dict[str, Any]:
        options: dict[str, Any] = {"name": name, "wait": wait or keep is not None or stop}
        options.update({"max_age": max_age} if max_age else {})
        options.update({"retain": keep, "when_full": "prune" if full else "fail"} if keep else {})
        options.update({"stop_server": True} if stop else {})
        return options

    rarely = st.sampled_from([False, False, False, True])
    return "snapshot", st.builds(snapshot_options, st.sampled_from(NAMES), st.sampled_from([None, None, "1h", "24h"]), retain, st.booleans(), rarely,
                                 st.sampled_from([True, True, True, False]))


def _absent() -> tuple[str, st.SearchStrategy[dict[str, Any]]]:
    return "snapshot", st.builds(lambda name, wait: {"name": name, "state": "absent", "wait": wait}, st.sampled_from(NAMES), st.booleans())


def _restore() -> tuple[str, st.SearchStrategy[dict[str, Any]]]:
    wait = st.sampled_from([True, True, False])
    return "snapshot_restore", st.builds(lambda name, wait: {"name": name, "wait": wait}, st.sampled_from(NAMES), wait)


def _cron() -> tuple[str, st.SearchStrategy[dict[str, Any]]]:
    times = (st.integers(1, 3), st.sampled_from([2, 14]), st.sampled_from([0, 30]))
    when = st.builds(lambda day, hour, minute: {"day": day, "hour": hour, "minute": minute}, *times)
    return "snapshot_cron", st.builds(lambda name, at: {"name": name, **(at or {"state": "absent"})}, st.sampled_from(NAMES), st.none() | when)
