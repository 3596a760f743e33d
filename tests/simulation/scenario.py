# SPDX-License-Identifier: GPL-3.0-or-later
"""A history: tasks under faults, other people's doings, and time that passes, played against the sandbox and judged step by step.

A history is plain data, so that one that broke a promise can stand as a test of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ground_truth import TrueServer, servers
from oracle import Case, complaints
from task_spec import Expected, Wish, foretell
from virtual_time import Room

if TYPE_CHECKING:
    from sandbox import AdminClient

LATE = {"late_execution", "delay", "hang_then_reset", "refuse_next", "slow_body"}  # what goes on in real time although the client has given up
LATE_SECONDS = 0.35
LONG = 5000.0  # sandbox seconds after which everything that was begun is over
MADE_SECONDS = 700.0  # after which a snapshot is ready, and is not an hour old


@dataclass(frozen=True)
class Fault:
    """A rule of the sandbox's fault table."""

    kind: str
    operation: str | None = None
    skip: int = 0
    times: int | None = 1
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Do:
    """A task under faults. ``rerun``: it is then run again at a quiet cloud, until it is as wished."""

    wish: Wish
    faults: tuple[Fault, ...] = ()
    rerun: bool = False


@dataclass(frozen=True)
class Meddle:
    """Somebody else has done something: ``plant`` (name, status, hours), ``remove`` (name), ``word`` (name, status), ``power``."""

    what: str
    name: str = ""
    status: str = "completed"
    hours: int = 0
    first: bool = True


@dataclass(frozen=True)
class Pass:
    """Time passes: sandbox seconds."""

    seconds: float


Step = Do | Meddle | Pass


class History:
    """One cloud, as new, and all that is done to it."""

    def __init__(self, room: Room, cloud: str) -> None:
        self._room = room
        self._admin: AdminClient = room.sandbox.admin
        self._cloud = cloud
        self.steps: list[Step] = []
        self.cases: list[Case] = []
        self._ways = ""
        self.tried: list[str] = []  # the kinds of faults that have hit
        self._room.forget()
        self._admin.reset()

    def begin(self, small_pages: bool, late_answers: bool) -> None:
        """Choose the cloud's ways: lists come in pages of two rows, and Ilkbyte answers when it is done, or begun."""
        if small_pages:
            self._admin.settings(vpsorg_page_size=2, ilkbyte_page_size=1)
        if late_answers and self._cloud == "ilkbyte":
            self._admin.settings(ilkbyte_responds="on_finish")
        self._ways = f"small_pages={small_pages}, late_answers={late_answers}"

    def play(self, step: Step) -> None:
        """Play one more step.

        :raises AssertionError: a promise is broken; the text is the whole history, ready to be pasted into a test.
        """
        self.steps.append(step)
        if isinstance(step, Pass):
            self._admin.advance(step.seconds)
        elif isinstance(step, Meddle):
            self._meddle(step)
        else:
            self._do(step)

    def _do(self, step: Do) -> None:
        wish = self._with_id(step.wish) if step.wish.by_id else step.wish
        for fault in step.faults:
            self._admin.fault(fault.kind, cloud=self._cloud, operation=fault.operation, skip=fault.skip, times=fault.times, **fault.details)
        case = self._case(wish)
        if any(row["fault"] in LATE for row in case.requests):
            time.sleep(LATE_SECONDS)
            case = replace(case, rows=self._admin.request_log(), after=self._server(wish))
        self.tried += [row["fault"] for row in case.requests if row["fault"]]
        self._must(complaints(case), case)
        if step.rerun:
            self._rerun(wish)

    def asked(self, operation: str) -> list[int]:
        """How often each task, reruns among them, has asked for this."""
        return [sum(row["operation"] == operation for row in case.requests) for case in self.cases]

    def _case(self, wish: Wish) -> Case:
        before, now = self._server(wish), self._now()
        self._admin.clear_request_log()
        result = self._room.task(wish.cloud, wish.module, server=wish.server, **wish.options)
        self.cases.append(Case(wish, result, before, self._server(wish), self._admin.request_log(), now))
        return self.cases[-1]

    def _with_id(self, wish: Wish) -> Wish:
        """The wish with the id of the newest snapshot of its name, of its server or of the other one, in the name's place."""
        server = self._truth().get(wish.elsewhere if wish.by_id == "foreign" else wish.server)
        found = server.named(wish.name) if server else []
        id_ = found[-1].id if found else "99999"
        return replace(wish, by_id="", options={**{key: value for key, value in wish.options.items() if key != "name"}, "id": id_})

    def _rerun(self, wish: Wish) -> None:
        """At a quiet cloud the task does what it is for, and then finds nothing more to do."""
        self._admin.clear_faults()
        for _dummy in range(3):
            self._admin.advance(LONG)
        expected = foretell(wish, self._server(wish), self._now())
        case = self._case(wish)
        self._must(complaints(case) + list(_differs(case, expected)), case)
        if expected.kind is None and wish.module != "snapshot_restore":
            if not wish.option("wait", True):
                self._admin.advance(MADE_SECONDS)  # it is being made still, and nobody has waited for it
            again = self._case(wish)
            self._must(complaints(again) + list(_differs(again, Expected(changes=False))), again)

    def _must(self, found: list[str], case: Case) -> None:
        if found:
            rows = "\n".join(f"  {_brief(row)}" for row in case.rows)
            steps = "".join(f"\n    {step}," for step in self.steps)
            raise AssertionError(
                f"{'; '.join(found)}\n{case.wish}\n{case.result['msg']}\nbefore: {case.before}\nafter: {case.after}\n{rows}\n"
                f"history({self._cloud!r}, [{steps}\n], {self._ways})"
            )

    def _meddle(self, step: Meddle) -> None:
        server = Wish(self._cloud, "", first=step.first).server
        truth = self._truth().get(server)
        if truth is None:
            return
        if step.what == "plant" and not (self._cloud == "ilkbyte" and truth.named(step.name)):
            at = (self._now() - timedelta(hours=step.hours)).isoformat()
            more = {"status": step.status} if self._cloud == "vpsorg" else {}
            self._admin.add_snapshot(self._cloud, server, step.name, created_at=at, **more)
        for item in truth.named(step.name):
            if step.what == "remove":
                self._admin.remove_snapshot(self._cloud, server, item.id)
            elif step.what == "word" and self._cloud == "vpsorg":
                self._admin.update_snapshot(self._cloud, server, item.id, status=step.status)
        if step.what == "power" and truth.power_state in ("running", "stopped"):
            words = {"vpsorg": ("active", "stopped"), "ilkbyte": ("running", "shut off")}[self._cloud]
            self._admin.update_server(self._cloud, server, status=words[truth.power_state == "running"])

    def _server(self, wish: Wish) -> TrueServer | None:
        return self._truth().get(wish.server)

    def _truth(self) -> dict[str, TrueServer]:
        return servers(self._admin.servers(self._cloud), self._cloud)

    def _now(self) -> datetime:
        return datetime.fromisoformat(self._admin.clock()["now"].replace("Z", "+00:00"))


def _differs(case: Case, expected: Expected) -> list[str]:
    if expected.kind is not None:
        if case.failed and (case.result["error"]["kind"], case.outcome) == (expected.kind, "not_applied") and not case.changing:
            return []
        return [f"must be refused as {expected.kind}, and: {case.result['msg']}"]
    if case.failed:
        return [f"must succeed at a quiet cloud, and: {case.result['msg']}"]
    if case.result["changed"] != expected.changes:
        return [f"changed must be {expected.changes} at a quiet cloud, and: {case.result['msg']}"]
    return [] if expected.changes or not case.changing else ["asked for changes that nothing needs"]


def _brief(row: dict[str, Any]) -> str:
    if row["kind"] == "request":
        return f"{row['n']} {row['method']} {row['path']} {row['query']} {row['body'] or ''} -> {row['http_status']} {row['fault'] or ''}"
    return f"{row['n']}     {row['event']} {row['server']} {row['snapshot']} for {row.get('request')} {row.get('actor') or ''}"
