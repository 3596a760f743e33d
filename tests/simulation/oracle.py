# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges one task by what the sandbox's request log says was really asked and done. Knows nothing of the product's code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ground_truth import LIMIT, TrueServer, TrueSnapshot
from task_spec import Wish, beyond, is_fresh, schedule_of

Row = dict[str, Any]
ERROR_KEYS = {"kind", "outcome", "operation", "server", "snapshot", "http_status", "provider_message", "hint"}
SURE_NOT_TO_HAVE_HAPPENED = (429,)  # and a connection that was refused, of which the request log knows nothing


@dataclass(frozen=True)
class Case:
    """One task with all that is known of it.

    ``before`` and ``after`` are the truth about its server at its start and end, None where there is no such server. ``rows`` are the
    request log's from its start on. ``now`` is the cloud's time at its start.
    """

    wish: Wish
    result: Row
    before: TrueServer | None
    after: TrueServer | None
    rows: list[Row]
    now: Any

    @property
    def requests(self) -> list[Row]:
        return [row for row in self.rows if row["kind"] == "request"]

    @property
    def changing(self) -> list[Row]:
        return [row for row in self.requests if row["changing"]]

    @property
    def mine(self) -> list[Row]:
        """The effects of this task's requests."""
        numbers = {row["n"] for row in self.changing}
        return [row for row in self.rows if row["kind"] == "event" and row.get("request") in numbers and row["actor"] == "client"]

    @property
    def is_disturbed(self) -> bool:
        """Whether somebody else did something meanwhile."""
        events = [row for row in self.rows if row["kind"] == "event"]
        return len(events) != len(self.mine)

    @property
    def is_spoilt(self) -> bool:
        """Whether any answer or operation went wrong, or did not come in time."""
        return any(row["fault"] or row["http_status"] is None for row in self.requests)

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def outcome(self) -> str | None:
        return self.result["error"]["outcome"] if self.failed else None

    def events(self, *names: str) -> list[Row]:
        return [row for row in self.mine if row["event"] in names]


def complaints(case: Case) -> list[str]:
    """Every promise that this task has broken."""
    rules = (_shape, _sent_once, _only_own_kind, _deletes_only_its_own, _restores_only_what_was_asked, _changed_is_true, _outcome_is_right,
             _success_is_true, _server_not_left_off)
    return [f"{rule.__name__[1:]}: {complaint}" for rule in rules for complaint in rule(case)]


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
    """A change is asked for again only where it provably did not happen. A start may be repeated: a running server can't be started."""
    seen: dict[str, Row] = {}
    for row in case.changing:
        key = repr((row["operation"], row["path"], row["query"], row["body"]))
        earlier = seen.get(key)
        again = earlier is not None and not _is_start(row) and earlier["http_status"] not in SURE_NOT_TO_HAVE_HAPPENED
        if again and not _put_back(case, row):
            yield f"sent twice: {row['operation']} {row['path']} {row['query']} (first {earlier['http_status']}, {earlier['fault']})"
        seen[key] = row
    begun = case.events("snapshot_started")
    if begun and not case.is_disturbed and case.wish.module == "snapshot" and not case.wish.option("max_age") and _is_there_or_coming(case):
        yield f"made another {case.wish.name} beside {case.before.named(case.wish.name)}"
    if len(begun) > 1:
        yield f"{len(begun)} snapshots made by one task"
    if len(case.events("restore_started")) > 1:
        yield "two restores begun by one task"


def _is_there_or_coming(case: Case) -> bool:
    named = case.before.named(case.wish.name) if case.before else []
    return any(item.status in ("ready", "pending") for item in named)


def _is_start(row: Row) -> bool:
    body = row["body"] if isinstance(row["body"], dict) else {}
    return row["operation"] == "servers.power" and "start" in (body.get("action"), row["query"].get("set"))


def _put_back(case: Case, row: Row) -> bool:
    """The old schedule may be as the wished one would be sent only by chance; each is a decision of its own."""
    return row["operation"] == "cron.add" and case.outcome in ("not_applied", "failed")


_OPERATIONS = {
    "snapshot": {"snapshots.create", "snapshots.update", "snapshots.delete", "servers.power"},
    "snapshot_restore": {"snapshots.restore", "servers.power"},
    "snapshot_cron": {"cron.add", "cron.delete"},
}


def _only_own_kind(case: Case) -> Iterator[str]:
    """A task sends only what it is for, and only about its server."""
    wish, allowed = case.wish, _OPERATIONS[case.wish.module]
    if wish.is_absent:
        allowed = allowed & {"snapshots.delete", "cron.delete"}
    for row in case.requests:
        if row["operation"] is None:
            yield f"a path that no cloud has: {row['method']} {row['path']}"
        if row["changing"] and row["operation"] not in allowed:
            yield f"{wish.module} sent {row['operation']}"
        if row["changing"] and row["server"] not in (wish.server, None):
            yield f"a change to {row['server']} instead of {wish.server}"
        if row["changing"] and row["operation"] == "servers.power" and wish.module == "snapshot" and not wish.option("stop_server"):
            yield "the server's power was changed without stop_server"


def _deletes_only_its_own(case: Case) -> Iterator[str]:
    wish, before = case.wish, case.before
    for row in case.changing:
        if row["operation"] != "snapshots.delete" or row["http_status"] == 404 or before is None:
            continue
        target = _target(case, row)
        if target is None:
            continue  # somebody else has made it meanwhile, or it is not there: nothing can be lost by it
        if wish.is_absent:
            if not wish.means(target):
                yield f"deleted {target} when told to delete {wish.id or wish.name}"
        elif reason := _why_not(case, row, target):
            yield f"deleted {target}: {reason}"


def _why_not(case: Case, row: Row, target: TrueSnapshot) -> str | None:
    """Why a task that makes a snapshot must not delete this one; None where it may."""
    wish, before = case.wish, case.before
    own = target.name == wish.name
    if own and target.status == "failed":
        return None
    if target.status in ("odd", "pending"):
        return f"its status is {target.status}"
    new_is_ready = _new_is_ready(case, row, target)
    if own and wish.option("max_age") and not is_fresh(target, wish, case.now):
        return None if new_is_ready else "the new one is not ready yet"
    retain = wish.option("retain")
    if not retain or target not in before.matching(retain["match"]):
        return "it is not this task's"
    if target.schedule is not None:
        return "a schedule hangs on it"
    limit = LIMIT[wish.cloud]
    if wish.option("when_full") == "prune" and not _made_yet(case, row) and limit is not None and len(before.snapshots) >= limit:
        return None
    if not new_is_ready:
        return "the new one is not ready yet"
    return None if _is_beyond(case, target) else "it is among the newest that are kept"


def _is_beyond(case: Case, target: TrueSnapshot) -> bool:
    """Counted as at the task's start, with one more place for the one that it makes."""
    wish, before = case.wish, case.before
    named = [item for item in before.named(wish.name) if item.status == "ready"]
    if named and target in beyond(wish, before, named[-1]):
        return True
    ready = [item for item in before.matching(wish.option("retain")["match"]) if item.status in ("ready", "pending")]
    return ready.index(target) < len(ready) + 1 - wish.option("retain")["count"]


def _made_yet(case: Case, row: Row) -> bool:
    return any(event["n"] < row["n"] for event in case.events("snapshot_started"))


def _new_is_ready(case: Case, row: Row, target: TrueSnapshot) -> bool:
    """Whether, when the deletion was asked for, a ready snapshot of the wished name was there beside the one that goes."""
    done = [event for event in case.rows if event["kind"] == "event" and event["n"] < row["n"]
            and event["event"] in ("snapshot_ready", "snapshot_recreated") and event["snapshot"] == case.wish.name]
    there = [item for item in case.before.named(case.wish.name) if item.status == "ready" and item.id != target.id]
    return bool(done or there)


def _target(case: Case, row: Row) -> TrueSnapshot | None:
    id_ = row["query"].get("name") if case.wish.cloud == "ilkbyte" else row["path"].rstrip("/").rpartition("/")[2]
    return case.before.with_id(str(id_)) if case.before else None


def _restores_only_what_was_asked(case: Case) -> Iterator[str]:
    wish, before = case.wish, case.before
    for row in case.changing:
        if row["operation"] != "snapshots.restore":
            continue
        id_ = row["query"].get("name") if wish.cloud == "ilkbyte" else row["path"].rstrip("/").split("/")[-2]
        asked = before.with_id(str(id_)) if before else None
        if asked is None and not case.is_disturbed:
            yield f"restored {id_}, which the server does not have"
        if asked is not None and not wish.means(asked):
            yield f"restored {asked} when told to restore {wish.id or wish.name}"


def _changed_is_true(case: Case) -> Iterator[str]:
    """Where the outcome is unknown it can't be known, so it is not judged."""
    if case.outcome == "unknown":
        return
    really = bool(case.mine)
    if case.wish.module == "snapshot_cron" and case.before is not None and case.after is not None and not case.is_disturbed:
        really = _schedule(case.before, case.wish) != _schedule(case.after, case.wish)
    if case.result["changed"] and not really:
        yield f"changed is true and nothing was done ({case.result['msg']})"
    if not case.result["changed"] and really:
        yield f"changed is false and this was done: {[row['event'] for row in case.mine]} ({case.result['msg']})"


def _schedule(server: TrueServer, wish: Wish) -> Any:
    named = server.named(wish.name)
    return named[0].schedule if named else None


def _outcome_is_right(case: Case) -> Iterator[str]:
    if not case.failed:
        return
    error = case.result["error"]
    if case.outcome == "not_applied" and case.mine and not case.result["changed"]:
        yield f"not_applied, and this was done: {[row['event'] for row in case.mine]} ({case.result['msg']})"
    if case.outcome == "failed" and not case.mine and not case.is_disturbed and not any(row["fault"] for row in case.changing):
        yield f"failed, and nothing was begun ({case.result['msg']})"
    if case.outcome == "unknown" and not case.is_spoilt and not case.is_disturbed and error["kind"] != "wait_timeout":
        yield f"unknown, though the cloud has answered all that was asked ({case.result['msg']})"


def _success_is_true(case: Case) -> Iterator[str]:
    wish, after = case.wish, case.after
    if case.failed or after is None or case.is_disturbed or not wish.option("wait", True):
        return
    named = [item for item in after.snapshots if wish.means(item)]
    if wish.module == "snapshot" and wish.is_absent and named:
        yield f"said to be gone, and there is {named}"
    if wish.module == "snapshot" and not wish.is_absent:
        if not any(item.status == "ready" and is_fresh(item, wish, case.now) for item in named):
            yield f"said to be there and ready, and there is {named} ({case.result['msg']})"
        if case.result["snapshot"]["id"] not in {item.id for item in named if item.status == "ready"}:
            yield f"the result speaks of {case.result['snapshot']}, and there is {named}"
    if wish.module == "snapshot_restore" and case.result["verified"] and not case.result["already_in_progress"] and not case.events("restore_done"):
        yield f"said to be restored, and no restore came to its end ({case.result['msg']})"
    if wish.module == "snapshot_cron" and _schedule(after, wish) != (None if wish.is_absent else schedule_of(wish)):
        yield f"said to be as wished, and it is {_schedule(after, wish)}"


def _server_not_left_off(case: Case) -> Iterator[str]:
    """A server that ran runs afterwards, or the message says what to do at once."""
    wish, before, after = case.wish, case.before, case.after
    if wish.module != "snapshot" or not before or not after or before.power_state != "running" or case.is_disturbed:
        return
    if after.power_state == "stopped" and "START IT NOW" not in case.result["msg"]:
        yield f"the server was left off ({case.result['msg']})"
