# SPDX-License-Identifier: GPL-3.0-or-later
"""Which door a task takes. (That both do the same: test_parity.py.)"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.cases import Tasks
from support.playbook_runner import MODULE, QUICK, Stage, Step, door_of, other_python

pytestmark = pytest.mark.playbook


def delegated(step: Step, **variables: str) -> Step:
    return Step(step.name, {**step.task, "delegate_to": "localhost", "vars": variables}, step.world)


def test_quick_where_the_task_runs_on_the_controller_anyway(stage: Stage, vpsorg: Tasks) -> None:
    run = stage.play(vpsorg("server_info"), delegated(vpsorg("server_info")), arguments=("-vvv",))
    assert door_of(run) == QUICK
    assert not any(outcome.failed for outcome in run.outcomes)


def test_quick_for_another_host_delegated_to_the_controller(stage: Stage, vpsorg: Tasks, tmp_path: Path) -> None:
    """The host that the play is about may ask for its own Python and connection: the task does not run there."""
    inventory = tmp_path / "hosts"
    inventory.write_text("web1 ansible_host=192.0.2.1 ansible_python_interpreter=/opt/its/python\n", encoding="utf-8")
    run = stage.play(delegated(vpsorg("server_info", server="{{ inventory_hostname }}")),
                     arguments=("-vvv", "-i", str(inventory)), hosts="web1", connection="ssh")
    assert door_of(run) == QUICK
    assert run.only.result["servers"][0]["name"] == "web1"


@pytest.mark.parametrize(("interpreter", "door"), [
    (sys.executable, QUICK), ("auto_silent", QUICK), (other_python(), MODULE), ("{{ wished }}", MODULE),
])
def test_by_the_interpreter_that_is_asked_for(stage: Stage, vpsorg: Tasks, interpreter: str, door: str) -> None:
    run = stage.play(vpsorg("server_info"), arguments=("-vvv",),
                     vars={"ansible_python_interpreter": interpreter, "wished": other_python()})
    assert door_of(run) == door
    assert not run.only.failed, run.only.result


def test_a_failed_task_leaves_the_process_as_it_was(stage: Stage, vpsorg: Tasks) -> None:
    """The quick door lends the task's environment to itself; the next task must not see it."""
    step = vpsorg("server_info", step="wrong", api_token=None)
    wrong = Step(step.name, {**step.task, "environment": {"VPS_API_TOKEN": "not-the-token"}})
    right = vpsorg("server_info", step="right", api_token=None)
    run = stage.play(wrong, right, environment={"VPS_API_TOKEN": stage.sandbox.vpsorg_token})
    assert run["wrong"].error["kind"] == "unauthorized"
    assert not run["right"].failed, run["right"].result
