# SPDX-License-Identifier: GPL-3.0-or-later
"""In which mode a task is executed. (Both modes do the same: test_parity.py.)"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.cases import TaskFactory
from support.playbook_runner import IN_PROCESS, MODULE, PlaybookRunner, TaskCase, execution_mode, other_python

pytestmark = pytest.mark.playbook


def delegated(step: TaskCase, **variables: str) -> TaskCase:
    return TaskCase(step.name, {**step.task, "delegate_to": "localhost", "vars": variables}, step.setup)


def test_in_process_on_the_controller(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    run = runner.run(vpsorg("server_info"), delegated(vpsorg("server_info")), arguments=("-vvv",))
    assert execution_mode(run) == IN_PROCESS
    assert not any(outcome.failed for outcome in run.results)


def test_in_process_for_another_host_delegated_to_the_controller(runner: PlaybookRunner, vpsorg: TaskFactory, tmp_path: Path) -> None:
    """The play's host may set its own Python and connection, which do not matter for the delegated task."""
    inventory = tmp_path / "hosts"
    inventory.write_text("web1 ansible_host=192.0.2.1 ansible_python_interpreter=/opt/its/python\n", encoding="utf-8")
    run = runner.run(delegated(vpsorg("server_info", server="{{ inventory_hostname }}")),
                     arguments=("-vvv", "-i", str(inventory)), hosts="web1", connection="ssh")
    assert execution_mode(run) == IN_PROCESS
    assert run.only.result["servers"][0]["name"] == "web1"


@pytest.mark.parametrize(("interpreters", "mode"), [((sys.executable, "auto_silent"), IN_PROCESS), ((other_python(), "{{ configured }}"), MODULE)])
def test_by_the_configured_interpreter(runner: PlaybookRunner, vpsorg: TaskFactory, interpreters: tuple[str, ...], mode: str) -> None:
    steps = [vpsorg("server_info", keywords={"vars": {"ansible_python_interpreter": interpreter}}) for interpreter in interpreters]
    run = runner.run(*steps, arguments=("-vvv",), vars={"configured": other_python()})
    assert execution_mode(run) == mode
    assert not any(outcome.failed for outcome in run.results)


def test_a_failed_task_leaves_the_process_as_it_was(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    """The action sets the task's environment in its own process; the next task must not see it."""
    step = vpsorg("server_info", step="wrong", api_token=None)
    wrong = TaskCase(step.name, {**step.task, "environment": {"VPS_API_TOKEN": "not-the-token"}})
    right = vpsorg("server_info", step="right", api_token=None)
    run = runner.run(wrong, right, environment={"VPS_API_TOKEN": runner.sandbox.vpsorg_token})
    assert run["wrong"].error["kind"] == "unauthorized"
    assert not run["right"].failed, run["right"].result
