# SPDX-License-Identifier: GPL-3.0-or-later
"""Both execution modes return the same results and send the same requests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from parity_cases import parity_cases
from support.cases import TaskFactory, credentials_environment
from support.playbook_runner import IN_PROCESS, MODULE, PlaybookRunner, Run, TaskCase, TaskResult, execution_mode

pytestmark = pytest.mark.playbook

# The two runs differ in their times only.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# A task in a process of its own costs a second, so the other cases are slow.
REPRESENTATIVE = {"two servers, diff", "unknown suboption", "answer is lost", "wrong in the task's environment", "from the provider's own client",
                  "no_log and a failure"}


@pytest.mark.duration(10)
def test_representative_cases(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    steps = [step for step in parity_cases(runner, vpsorg) if step.name in REPRESENTATIVE]
    assert len(steps) == len(REPRESENTATIVE)
    run = compare_modes(runner, vpsorg, steps, subtests)
    assert run["from the provider's own client"].operations == ["servers.list", "servers.show"]


@pytest.mark.slow
def test_all_cases(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    compare_modes(runner, tasks, parity_cases(runner, tasks), subtests)


def compare_modes(runner: PlaybookRunner, tasks: TaskFactory, steps: list[TaskCase], subtests: pytest.Subtests) -> Run:
    """Run the steps in both modes and compare the results and requests. Return the run in process."""
    prefix = {"vpsorg": "VPS_", "ilkbyte": "ILKBYTE_"}[tasks.cloud]
    environment = {name: value for name, value in credentials_environment(runner.sandbox).items() if name.startswith(prefix)}
    environment["ANSIBLE_PIPELINING"] = "true"
    environment["ANSIBLE_INJECT_INVOCATION"] = "true"  # else newer versions of Ansible leave it out
    runs = {mode: runner.run(*steps, mode=mode, arguments=("-vvv",), environment=environment) for mode in (IN_PROCESS, MODULE)}
    for mode, run in runs.items():
        assert execution_mode(run) == mode
    failed = [outcome.name for outcome in runs[IN_PROCESS].results if outcome.failed]
    assert 0.2 * len(steps) < len(failed) < 0.7 * len(steps), failed  # else most cases would test the same failure
    for in_process, module in zip(runs[IN_PROCESS].results, runs[MODULE].results, strict=True):
        with subtests.test(in_process.name):
            assert in_process.status == module.status
            assert timeless(in_process.result) == timeless(module.result)
            assert changes(in_process) == changes(module)
            assert kinds_of_reads(in_process) == kinds_of_reads(module)
            assert [event["event"] for event in in_process.events] == [event["event"] for event in module.events]
    return runs[IN_PROCESS]


@pytest.mark.slow
def test_what_a_play_registers(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Later tasks see the same keys and values."""
    seen = []
    for mode in (IN_PROCESS, MODULE):
        run = runner.run(
            tasks("snapshot", ("reset", {}), step="fails", name="a b", keywords={"register": "failing"}),
            tasks("server_info", step="works", keywords={"register": "working"}),
            tasks("snapshot_info", step="hidden", keywords={"register": "hidden", "no_log": True}),
            *(_shown(name) for name in ("failing", "working", "hidden")), mode=mode,
        )
        seen.append([timeless(run[f"show {name}"].result[name]) for name in ("failing", "working", "hidden")])
    assert seen[0] == seen[1]
    failing, working, hidden = seen[0]
    assert failing["failed"] is True and failing["error"]["kind"] == "invalid_argument"
    assert working["servers"][0]["name"] == tasks.server
    assert hidden["snapshots"] == []


def _shown(variable: str) -> TaskCase:
    return TaskCase(f"show {variable}", {"ansible.builtin.debug": {"var": variable}})


def test_in_process_for_another_host_delegated_to_the_controller(runner: PlaybookRunner, vpsorg: TaskFactory, tmp_path: Path) -> None:
    """The play's host may set its own Python and connection, which do not matter for the delegated task."""
    inventory = tmp_path / "hosts"
    inventory.write_text("web1 ansible_host=192.0.2.1 ansible_python_interpreter=/opt/its/python\n", encoding="utf-8")
    task = vpsorg("server_info", server="{{ inventory_hostname }}", keywords={"delegate_to": "localhost"})
    run = runner.run(task, arguments=("-vvv", "-i", str(inventory)), hosts="web1", connection="ssh")
    assert execution_mode(run) == IN_PROCESS
    assert run.only.result["servers"][0]["name"] == "web1"


def changes(outcome: TaskResult) -> list[dict[str, Any]]:
    """Every request that changes something, as sent."""
    keys = ("operation", "server", "method", "path", "query", "body", "http_status", "fault")
    return [{key: request[key] for key in keys} for request in outcome.requests if request["changing"]]


def kinds_of_reads(outcome: TaskResult) -> list[tuple[str, str]]:
    """The reads, without their number: polls depend on the speed of the machine."""
    reads = [(request["operation"], request["path"]) for request in outcome.requests if not request["changing"]]
    return sorted(set(reads))


def timeless(value: Any) -> Any:
    """The value with every time replaced by a placeholder."""
    if isinstance(value, dict):
        return {key: "<age>" if key == "age_seconds" else timeless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return TIME.sub("<time>", value) if isinstance(value, str) else value
