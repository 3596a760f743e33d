# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps around the rescue of data: when it takes place, what is recorded, and that it never prevents a restore."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from guard_builders import FakeServer, fill_the_disk, record_data, record_in
from test_upgrade_steps import StepRunner

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import outcomes, planning, rescue
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ServerUnavailable

FAILED_TASK = {"failed_task": {"name": "Upgrade", "action": "command"}, "failed_result": {"msg": "it broke"}}
FAILED_RESCUE = {"failed_task": {"name": "Dump", "action": "command"}, "failed_result": {"msg": "No space left on device"}}


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepRunner:
    runner = StepRunner(tmp_path, monkeypatch)
    runner.run_fields = {"rescue_dir": str(tmp_path / "rescue")}
    return runner


def start(steps: StepRunner, **fields: Any) -> dict[str, Any]:
    return steps.run("start_rescue", rescue_timeout=50, probe="begin\nend\n", **{**FAILED_TASK, **fields})


def test_a_rescue_that_fails_is_followed_by_the_restore_with_the_reason_of_the_upgrade(steps: StepRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.set_state(states.UPGRADING)
    result = start(steps)
    directory = Path(steps.run_fields["rescue_dir"])
    assert result["needed"] and directory.stat().st_mode & 0o777 == 0o700
    (directory / "dump").touch()
    # It has filled the controller's disk, which is otherwise a reason not to restore.
    steps.context_fields = {"server": FakeServer(observe_controller=lambda: {"full_directory": "/", "observed_at": 0})}
    result = steps.run("end_rescue", **FAILED_RESCUE)
    field = {"result": "failed", "detail": "Dump: No space left on device", "directory": str(directory)}
    assert steps.record.data["rescue"] == field
    assert result["warnings"][0] == "web1: rescue tasks failed: Dump: No space left on device"
    steps.run("roll_back", **FAILED_RESCUE)
    assert steps.record.state == states.RESTORING and steps.record.data["reason"] == "Upgrade: it broke"
    assert f"Rescue tasks failed: Dump: No space left on device. The rescued data is in {directory}." in str(
        outcomes.failure_message(steps.record, {}))


@pytest.mark.parametrize("state", [states.PLANNED, states.READY, states.CONFIRMED, states.ENDED])
def test_nothing_to_restore(steps: StepRunner, state: str) -> None:
    steps.set_state(state, outcome=states.UPGRADED if state == states.ENDED else None)
    assert not start(steps)["needed"]
    assert "rescue" not in steps.record.data and not Path(steps.run_fields["rescue_dir"]).exists()


@pytest.mark.parametrize("state", [states.RESTORING, states.RESTORED])
def test_the_guard_was_first(steps: StepRunner, state: str) -> None:
    steps.set_state(state)
    result = start(steps)
    assert not result["needed"] and result["warnings"] == ["web1: rescue tasks did not run: the guard had started the restore"]
    assert steps.record.data["rescue"]["result"] == "not_run"


def test_a_server_that_does_not_answer(steps: StepRunner) -> None:
    def run(*arguments: Any, **how: Any) -> str:
        raise ServerUnavailable("Connection timed out")

    steps.set_state(states.CHECKING)
    steps.context_fields = {"shell": SimpleNamespace(run=run)}
    assert not start(steps)["needed"]
    assert steps.record.data["rescue"] == {"result": "not_run", "detail": "the server does not answer (Connection timed out)"}
    steps.run("roll_back", **FAILED_TASK)
    assert steps.record.state == states.RESTORING


def test_a_directory_that_can_not_be_created_prevents_no_restore(steps: StepRunner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    steps.run_fields = {"rescue_dir": str(tmp_path / "file" / "rescue")}
    steps.set_state(states.CHECKING)
    result = start(steps)
    assert not result["needed"] and "can't be created" in result["warnings"][0]


def test_on_a_full_disk_no_step_fails(steps: StepRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.set_state(states.CHECKING)
    assert start(steps)["needed"]
    guard = steps.guards[0]

    def send(record: Any, request: dict[str, Any], *arguments: Any) -> Any:
        if request["command"] == "update":
            raise RewindError("The guard can't write the run record (No space left on device)", kind="internal")
        return StepRunner._send(steps, record, request)

    steps.send = send
    result = steps.run("end_rescue", **FAILED_RESCUE)
    assert "This is not in the run record" in result["warnings"][-1]
    fill_the_disk(monkeypatch)
    steps.run("roll_back", **FAILED_RESCUE)
    assert guard.record.state == states.RESTORING


def test_a_manual_rollback_rescues_too(steps: StepRunner) -> None:
    steps.set_state(states.ENDED, outcome=states.UPGRADED, message="confirmed")
    steps.run_fields["manual"] = True
    assert start(steps, reason="requested manually")["needed"]
    assert not start(steps)["needed"], "only once"


def test_the_tasks_on_the_restored_server_run_once(steps: StepRunner) -> None:
    steps.set_state(states.RESTORED, restore_message="restored", rescue={"result": "passed", "detail": "", "directory": "/run/rescue"})
    steps.run("start_restored", outcome=states.ROLLED_BACK, message="the restore is verified", verification=[])
    record = steps.record
    assert (record.state, record.outcome, record.needs_verification) == (states.ENDED, states.ROLLED_BACK, False)
    assert rescue.messages(record.data) == ["restored tasks were interrupted, and do not run again", "the rescued data is in /run/rescue"]
    steps.run("end_restored", **FAILED_RESCUE)
    steps.run("finish", outcome=states.UPGRADED, message="not this one")
    assert steps.record.outcome == states.ROLLED_BACK
    assert rescue.messages(steps.record.data)[0] == "restored tasks failed: Dump: No space left on device"
    steps.run("end_restored")
    assert rescue.messages(steps.record.data) == ["the rescued data is in /run/rescue"]


def test_a_second_rescue_does_not_overwrite_the_first_one(tmp_path: Path) -> None:
    assert rescue.free_directory(tmp_path) == tmp_path / "rescue"
    (tmp_path / "rescue").mkdir()
    assert rescue.free_directory(tmp_path) == tmp_path / "rescue"
    (tmp_path / "rescue" / "dump").touch()
    assert rescue.free_directory(tmp_path) == tmp_path / "rescue-2"
    rescue.remove_if_empty(str(tmp_path / "rescue"))
    assert (tmp_path / "rescue" / "dump").exists()
    (tmp_path / "rescue" / "dump").unlink()
    rescue.remove_if_empty(str(tmp_path / "rescue"))
    assert not (tmp_path / "rescue").exists()


def test_the_directory_of_a_run(steps: StepRunner, tmp_path: Path) -> None:
    """A restore that is only verified has the directory of the earlier rescue."""
    earlier = tmp_path / "earlier"
    for state, expected in ((states.RESTORED, earlier), (states.UPGRADING, None)):
        steps.set_state(state, guard={"pid": 1}, rescue={"result": "running", "detail": "", "directory": str(earlier)})
        steps.run_fields = {"resumed": True, "next": planning.ROLL_BACK, "rescue_tasks": ["a"]}
        found = steps.run("start_guard", rescue_tasks=["a"])["run"]["rescue_dir"]
        assert found == str(expected or steps.record.path.parent / "rescue")
    assert steps.record.data["rescue"] is None, "it starts over"


def test_the_plan_lists_them() -> None:
    run = {"rescue_tasks": ["/p/dump.yml"], "restored_tasks": ["/p/load.yml"]}
    assert planning.rescue_lines(run, {"rescue_timeout": 90}) == [
        "Before a restore, if the server answers: /p/dump.yml, within 90 s", "After a verified restore: /p/load.yml",
    ]


def test_a_run_record_with_these_fields_is_valid(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    assert record.accepts({"rescue": {"result": "not_run", "detail": "x"}, "restored": {"result": "passed", "detail": ""}})
    assert not record.accepts({"rescue": {"result": "passed"}}) and not record.accepts({"restored": "passed"})
    assert record_data()["run_id"] == record.run_id
