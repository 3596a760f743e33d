# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario: tasks under faults, changes by other clients, and time that passes, run against the sandbox and judged step by step.

A scenario is plain data, so one that broke a promise can become a regression test.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ground_truth import ActualServer, servers
from oracle import Case, violations
from task_spec import Expected, TaskSpec, predict
from virtual_time import VirtualTime

if TYPE_CHECKING:
    from sandbox import AdminClient

LATE_FAULTS = {"late_execution", "delay", "hang_then_reset", "refuse_next", "slow_body"}  # these continue in real time after the client has given up
LATE_FAULT_SECONDS = 0.85
IDLE_SECONDS = 5000.0  # sandbox seconds after which everything has finished
SECONDS_BETWEEN_TASKS = 2.0  # a provider's dates have no fractions, so in the same second nothing is older than anything else
SNAPSHOT_SECONDS = 700.0  # a snapshot is ready after them, and less than an hour old


@dataclass(frozen=True)
class Fault:
    """A rule of the sandbox's fault table."""

    kind: str
    operation: str | None = None
    skip: int = 0
    times: int | None = 1
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunTask:
    """A task under faults. With `rerun` it is then run again without faults, until nothing is left to do."""

    spec: TaskSpec
    faults: tuple[Fault, ...] = ()
    rerun: bool = False


@dataclass(frozen=True)
class Interfere:
    """A change by another client: `add` (name, status, hours), `remove` (name), `status` (name, status), `power`."""

    what: str
    name: str = ""
    status: str = "completed"
    hours: int = 0
    first: bool = True


@dataclass(frozen=True)
class Advance:
    """Time passes: sandbox seconds."""

    seconds: float


Step = RunTask | Interfere | Advance


class Scenario:
    """One provider in its initial state, and everything that is done to it."""

    def __init__(self, virtual_time: VirtualTime, cloud: str) -> None:
        self._virtual_time = virtual_time
        self._admin: AdminClient = virtual_time.sandbox.admin
        self._cloud = cloud
        self.steps: list[Step] = []
        self.cases: list[Case] = []
        self._configuration = ""
        self.hit_faults: list[str] = []  # the kinds of faults that were triggered
        self._virtual_time.clear_local_state()
        self._admin.reset()

    def configure(self, small_pages: bool, late_answers: bool) -> None:
        """Configure the provider: lists in pages of two rows; Ilkbyte responds when an operation is finished instead of started."""
        if small_pages:
            self._admin.settings(vpsorg_page_size=2, ilkbyte_page_size=1)
        if late_answers and self._cloud == "ilkbyte":
            self._admin.settings(ilkbyte_responds="on_finish")
        self._configuration = f"small_pages={small_pages}, late_answers={late_answers}"

    def run_step(self, step: Step) -> None:
        """Run one more step.

        Raises:
            AssertionError: A promise is broken. The text is the whole scenario, ready to be pasted into a test.
        """
        self.steps.append(step)
        if isinstance(step, Advance):
            self._admin.advance(step.seconds)
        elif isinstance(step, Interfere):
            self._interfere(step)
        else:
            self._run_task(step)

    def _run_task(self, step: RunTask) -> None:
        self._admin.advance(SECONDS_BETWEEN_TASKS)
        spec = self._with_id(step.spec) if step.spec.by_id else step.spec
        for fault in step.faults:
            self._admin.fault(fault.kind, cloud=self._cloud, operation=fault.operation, skip=fault.skip, times=fault.times, **fault.details)
        case = self._case(spec)
        if any(row["fault"] in LATE_FAULTS for row in case.requests):
            time.sleep(LATE_FAULT_SECONDS)
            case = replace(case, rows=self._admin.request_log(), after=self._server(spec))
        self.hit_faults += [row["fault"] for row in case.requests if row["fault"]]
        self._require(violations(case), case)
        if step.rerun:
            self._rerun(spec)

    def count_requests(self, operation: str) -> list[int]:
        """How often each task, reruns included, requested this operation."""
        return [sum(row["operation"] == operation for row in case.requests) for case in self.cases]

    def _case(self, spec: TaskSpec) -> Case:
        before, now = self._server(spec), self._now()
        self._admin.clear_request_log()
        result = self._virtual_time.task(spec.cloud, spec.module, server=spec.server, **spec.options)
        self.cases.append(Case(spec, result, before, self._server(spec), self._admin.request_log(), now))
        return self.cases[-1]

    def _with_id(self, spec: TaskSpec) -> TaskSpec:
        """The task with the id of the newest snapshot of its name in place of the name."""
        server = self._actual_servers().get(spec.other_server if spec.by_id == "foreign" else spec.server)
        found = server.named(spec.name) if server else []
        id_ = found[-1].id if found else "99999"
        return replace(spec, by_id="", options={**{key: value for key, value in spec.options.items() if key != "name"}, "id": id_})

    def _rerun(self, spec: TaskSpec) -> None:
        """Without faults the task succeeds, and a further run changes nothing."""
        self._admin.clear_faults()
        for _dummy in range(3):
            self._admin.advance(IDLE_SECONDS)
        expected = predict(spec, self._server(spec), self._now())
        case = self._case(spec)
        self._require(violations(case) + list(_differs(case, expected)), case)
        if expected.kind is None and spec.module != "snapshot_restore":
            if not spec.option("wait", True):
                self._admin.advance(SNAPSHOT_SECONDS)  # the task did not wait for its snapshot
            again = self._case(spec)
            self._require(violations(again) + list(_differs(again, Expected(changes=False))), again)

    def _require(self, found: list[str], case: Case) -> None:
        if found:
            rows = "\n".join(f"  {_brief(row)}" for row in case.rows)
            steps = "".join(f"\n    {step}," for step in self.steps)
            raise AssertionError(
                f"{'; '.join(found)}\n{case.spec}\n{case.result['msg']}\nbefore: {case.before}\nafter: {case.after}\n{rows}\n"
                f"run_scenario({self._cloud!r}, [{steps}\n], {self._configuration})"
            )

    def _interfere(self, step: Interfere) -> None:
        server = TaskSpec(self._cloud, "", first=step.first).server
        actual = self._actual_servers().get(server)
        if actual is None:
            return
        if step.what == "add" and not (self._cloud == "ilkbyte" and actual.named(step.name)):
            at = (self._now() - timedelta(hours=step.hours)).isoformat()
            more = {"status": step.status} if self._cloud == "vpsorg" else {}
            self._admin.add_snapshot(self._cloud, server, step.name, created_at=at, **more)
        for item in actual.named(step.name):
            if step.what == "remove":
                self._admin.remove_snapshot(self._cloud, server, item.id)
            elif step.what == "status" and self._cloud == "vpsorg":
                self._admin.update_snapshot(self._cloud, server, item.id, status=step.status)
        if step.what == "power" and actual.power_state in ("running", "stopped"):
            power_statuses = {"vpsorg": ("active", "stopped"), "ilkbyte": ("running", "shut off")}[self._cloud]
            self._admin.update_server(self._cloud, server, status=power_statuses[actual.power_state == "running"])

    def _server(self, spec: TaskSpec) -> ActualServer | None:
        return self._actual_servers().get(spec.server)

    def _actual_servers(self) -> dict[str, ActualServer]:
        return servers(self._admin.servers(self._cloud), self._cloud)

    def _now(self) -> datetime:
        return datetime.fromisoformat(self._admin.clock()["now"].replace("Z", "+00:00"))


def _differs(case: Case, expected: Expected) -> list[str]:
    if expected.kind is not None:
        if case.failed and (case.result["error"]["kind"], case.outcome) == (expected.kind, "not_applied") and not case.changing:
            return []
        return [f"must be refused as {expected.kind}, but: {case.result['msg']}"]
    if case.failed:
        return [f"must succeed without faults, but: {case.result['msg']}"]
    if case.result["changed"] != expected.changes:
        return [f"changed must be {expected.changes} without faults, but: {case.result['msg']}"]
    return [] if expected.changes or not case.changing else ["requested unnecessary changes"]


def _brief(row: dict[str, Any]) -> str:
    if row["kind"] == "request":
        return f"{row['n']} {row['method']} {row['path']} {row['query']} {row['body'] or ''} -> {row['http_status']} {row['fault'] or ''}"
    return f"{row['n']}     {row['event']} {row['server']} {row['snapshot']} for {row.get('request')} {row.get('actor') or ''}"
