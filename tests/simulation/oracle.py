# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges one task by the sandbox's request log: what was requested and what happened. Uses no product code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ground_truth import LIMIT, ActualServer, ActualSnapshot
from task_spec import TaskSpec, expired, is_fresh, schedule_of

Row = dict[str, Any]
ERROR_KEYS = {"kind", "outcome", "operation", "server", "snapshot", "http_status", "provider_message", "hint"}
NOT_APPLIED_STATUSES = (429,)  # and a connection that was refused, of which the request log knows nothing


@dataclass(frozen=True)
class Case:
    """One task and everything that is known about it.

    `before` and `after` are the server's actual state at its start and end, None if there is no such server. `rows` is the
    request log from its start on. `now` is the provider's time at its start.
    """

    spec: TaskSpec
    result: Row
    before: ActualServer | None
    after: ActualServer | None
    rows: list[Row]
    now: Any

    @property
    def requests(self) -> list[Row]:
        return [row for row in self.rows if row["kind"] == "request"]

    @property
    def changing(self) -> list[Row]:
        return [row for row in self.requests if row["changing"]]

    @property
    def own_effects(self) -> list[Row]:
        """The effects of this task's requests."""
        numbers = {row["n"] for row in self.changing}
        return [row for row in self.rows if row["kind"] == "event" and row.get("request") in numbers and row["actor"] == "client"]

    @property
    def had_interference(self) -> bool:
        """Whether another client changed something concurrently."""
        events = [row for row in self.rows if row["kind"] == "event"]
        return len(events) != len(self.own_effects)

    @property
    def had_faults(self) -> bool:
        """Whether a response or an operation failed, or came too late."""
        return any(row["fault"] or row["http_status"] is None for row in self.requests)

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def outcome(self) -> str | None:
        return self.result["error"]["outcome"] if self.failed else None

    def events(self, *names: str) -> list[Row]:
        return [row for row in self.own_effects if row["event"] in names]


def violations(case: Case) -> list[str]:
    """Every promise that this task broke."""
    rules = (_shape, _sent_once, _only_own_kind, _deletes_only_its_own, _restores_only_what_was_asked, _changed_is_true, _outcome_is_right,
             _success_is_true, _server_not_left_off)
    return [f"{rule.__name__[1:]}: {violation}" for rule in rules for violation in rule(case)]


def _shape(case: Case) -> Iterator[str]:
    result = case.result
    if not result.get("msg") or not isinstance(result.get("changed"), bool):
        yield f"no msg or changed in {result}"
    if case.failed and set(result.get("error", ())) != ERROR_KEYS:
        yield f"the error's keys are {sorted(result.get('error', ()))}"
    if case.failed and result["error"]["kind"] == "internal":
        yield f"a mistake of its own: {result['msg']}"
    if case.failed and result["error"]["outcome"] not in ("not_applied", "failed", "unknown"):
        yield f"outcome {result['error']['outcome']}"


def _sent_once(case: Case) -> Iterator[str]:
    """A change is sent again only if it provably was not applied. A start may be repeated: it does not affect a running server."""
    seen: dict[str, Row] = {}
    for row in case.changing:
        key = repr((row["operation"], row["path"], row["query"], row["body"]))
        earlier = seen.get(key)
        again = earlier is not None and not _is_start(row) and earlier["http_status"] not in NOT_APPLIED_STATUSES
        if again and not _is_schedule_rollback(case, row):
            yield f"sent twice: {row['operation']} {row['path']} {row['query']} (first {earlier['http_status']}, {earlier['fault']})"
        seen[key] = row
    starts = case.events("snapshot_started")
    if starts and not case.had_interference and case.spec.module == "snapshot" and not case.spec.option("max_age") and _exists_or_pending(case):
        yield f"made another {case.spec.name} beside {case.before.named(case.spec.name)}"
    if len(starts) > 1:
        yield f"{len(starts)} snapshots made by one task"
    if len(case.events("restore_started")) > 1:
        yield "two restores started by one task"


def _exists_or_pending(case: Case) -> bool:
    named = case.before.named(case.spec.name) if case.before else []
    return any(item.status in ("ready", "pending") for item in named)


def _is_start(row: Row) -> bool:
    body = row["body"] if isinstance(row["body"], dict) else {}
    return row["operation"] == "servers.power" and "start" in (body.get("action"), row["query"].get("set"))


def _is_schedule_rollback(case: Case, row: Row) -> bool:
    """The old schedule may equal the new one by chance; restoring it is a decision of its own."""
    return row["operation"] == "cron.add" and case.outcome in ("not_applied", "failed")


_OPERATIONS = {
    "snapshot": {"snapshots.create", "snapshots.update", "snapshots.delete", "servers.power"},
    "snapshot_restore": {"snapshots.restore", "servers.power"},
    "snapshot_cron": {"cron.add", "cron.delete"},
}


def _only_own_kind(case: Case) -> Iterator[str]:
    """A task sends only its own operations, and only for its server."""
    spec, allowed = case.spec, _OPERATIONS[case.spec.module]
    if spec.is_absent:
        allowed = allowed & {"snapshots.delete", "cron.delete"}
    for row in case.requests:
        if row["operation"] is None:
            yield f"a path that no provider has: {row['method']} {row['path']}"
        if row["changing"] and row["operation"] not in allowed:
            yield f"{spec.module} sent {row['operation']}"
        if row["changing"] and row["server"] not in (spec.server, None):
            yield f"a change to {row['server']} instead of {spec.server}"
        if row["changing"] and row["operation"] == "servers.power" and spec.module == "snapshot" and not spec.option("stop_server"):
            yield "the server's power was changed without stop_server"


def _deletes_only_its_own(case: Case) -> Iterator[str]:
    spec, before = case.spec, case.before
    for row in case.changing:
        if row["operation"] != "snapshots.delete" or row["http_status"] == 404 or before is None:
            continue
        target = _target(case, row)
        if target is None:
            continue  # created concurrently by another client, or not there: nothing can be lost
        if spec.is_absent:
            if not spec.matches(target):
                yield f"deleted {target} instead of {spec.id or spec.name}"
        elif reason := _deletion_blocker(case, row, target):
            yield f"deleted {target}: {reason}"


def _deletion_blocker(case: Case, row: Row, target: ActualSnapshot) -> str | None:
    """Why a task that makes a snapshot must not delete this one; None where it may."""
    spec, before = case.spec, case.before
    own = target.name == spec.name
    if own and target.status == "failed":
        return None
    if target.status in ("odd", "pending"):
        return f"its status is {target.status}"
    new_is_ready = _new_is_ready(case, row, target)
    if own and spec.option("max_age") and not is_fresh(target, spec, case.now):
        return None if new_is_ready else "the new one is not ready yet"
    retain = spec.option("retain")
    if not retain or target not in before.matching(retain["match"]):
        return "it is not this task's"
    if target.schedule is not None:
        return "it has a schedule"
    limit = LIMIT[spec.cloud]
    if spec.option("when_full") == "prune" and not _was_created(case, row) and limit is not None and len(before.snapshots) >= limit:
        return None
    if not new_is_ready:
        return "the new one is not ready yet"
    return None if _is_expired(case, target) else "it is among the newest that are kept"


def _is_expired(case: Case, target: ActualSnapshot) -> bool:
    """Counted at the task's start, plus the snapshot that it creates."""
    spec, before = case.spec, case.before
    named = [item for item in before.named(spec.name) if item.status == "ready"]
    if named and target in expired(spec, before, named[-1]):
        return True
    ready = [item for item in before.matching(spec.option("retain")["match"]) if item.status in ("ready", "pending")]
    return ready.index(target) < len(ready) + 1 - spec.option("retain")["count"]


def _was_created(case: Case, row: Row) -> bool:
    return any(event["n"] < row["n"] for event in case.events("snapshot_started"))


def _new_is_ready(case: Case, row: Row, target: ActualSnapshot) -> bool:
    """Whether another ready snapshot of the name existed when the deletion was requested."""
    done = [event for event in case.rows if event["kind"] == "event" and event["n"] < row["n"]
            and event["event"] in ("snapshot_ready", "snapshot_recreated") and event["snapshot"] == case.spec.name]
    existing = [item for item in case.before.named(case.spec.name) if item.status == "ready" and item.id != target.id]
    return bool(done or existing)


def _target(case: Case, row: Row) -> ActualSnapshot | None:
    id_ = row["query"].get("name") if case.spec.cloud == "ilkbyte" else row["path"].rstrip("/").rpartition("/")[2]
    return case.before.with_id(str(id_)) if case.before else None


def _restores_only_what_was_asked(case: Case) -> Iterator[str]:
    spec, before = case.spec, case.before
    for row in case.changing:
        if row["operation"] != "snapshots.restore":
            continue
        id_ = row["query"].get("name") if spec.cloud == "ilkbyte" else row["path"].rstrip("/").split("/")[-2]
        requested = before.with_id(str(id_)) if before else None
        if requested is None and not case.had_interference:
            yield f"restored {id_}, which the server does not have"
        if requested is not None and not spec.matches(requested):
            yield f"restored {requested} instead of {spec.id or spec.name}"


def _changed_is_true(case: Case) -> Iterator[str]:
    """Not judged: an unknown outcome, and a wrong clock of the provider, by which a task recognizes its own snapshot."""
    if case.outcome == "unknown" or any(row["fault"] == "wrong_date" for row in case.requests):
        return
    really = bool(case.own_effects)
    if case.spec.module == "snapshot_cron" and case.before is not None and case.after is not None and not case.had_interference:
        really = _schedule(case.before, case.spec) != _schedule(case.after, case.spec)
    if case.result["changed"] and not really:
        yield f"changed is true, but nothing happened ({case.result['msg']})"
    if not case.result["changed"] and really:
        yield f"changed is false, but this happened: {[row['event'] for row in case.own_effects]} ({case.result['msg']})"


def _schedule(server: ActualServer, spec: TaskSpec) -> Any:
    named = server.named(spec.name)
    return named[0].schedule if named else None


def _outcome_is_right(case: Case) -> Iterator[str]:
    if not case.failed:
        return
    error = case.result["error"]
    if case.outcome == "not_applied" and case.own_effects and not case.result["changed"]:
        yield f"not_applied, but this happened: {[row['event'] for row in case.own_effects]} ({case.result['msg']})"
    if case.outcome == "failed" and not case.own_effects and not case.had_interference and not any(row["fault"] for row in case.changing):
        yield f"failed, but nothing was started ({case.result['msg']})"
    if case.outcome == "unknown" and not case.had_faults and not case.had_interference and error["kind"] != "wait_timeout":
        yield f"unknown, although the provider answered every request ({case.result['msg']})"


def _success_is_true(case: Case) -> Iterator[str]:
    spec, after = case.spec, case.after
    if case.failed or after is None or case.had_interference or not spec.option("wait", True):
        return
    named = [item for item in after.snapshots if spec.matches(item)]
    if spec.module == "snapshot" and spec.is_absent and named:
        yield f"reported as deleted, but there is {named}"
    if spec.module == "snapshot" and not spec.is_absent:
        if not any(item.status == "ready" and is_fresh(item, spec, case.now) for item in named):
            yield f"reported as ready, but there is {named} ({case.result['msg']})"
        if case.result["snapshot"]["id"] not in {item.id for item in named if item.status == "ready"}:
            yield f"the result has {case.result['snapshot']}, and there is {named}"
    if spec.module == "snapshot_restore" and case.result["verified"] and not case.result["already_in_progress"] and not case.events("restore_done"):
        yield f"reported as restored, but no restore finished ({case.result['msg']})"
    if spec.module == "snapshot_cron" and _schedule(after, spec) != (None if spec.is_absent else schedule_of(spec)):
        yield f"reported as set, but it is {_schedule(after, spec)}"


def _server_not_left_off(case: Case) -> Iterator[str]:
    """A server that was running is running afterwards, or the message says what to do at once."""
    spec, before, after = case.spec, case.before, case.after
    if spec.module != "snapshot" or not before or not after or before.power_state != "running" or case.had_interference:
        return
    if after.power_state == "stopped" and "START IT NOW" not in case.result["msg"]:
        yield f"the server was left off ({case.result['msg']})"
