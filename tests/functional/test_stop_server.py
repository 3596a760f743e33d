# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot with stop_server. (Servers that stop late or never, in virtual time: simulation/test_failing_operations.py.)"""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, TaskFactory, add_snapshot, fault
from support.playbook_runner import Call, PlaybookRunner, TaskCase, TaskResult

pytestmark = pytest.mark.playbook

STOP = {"vpsorg": "stop", "ilkbyte": "shutdown"}
OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}


def power_actions(outcome: TaskResult) -> list[str]:
    """The requested power actions, in order."""
    return [(request["body"] or {}).get("action") or request["query"].get("set")
            for request in outcome.requests if request["operation"] == "servers.power"]


def test_the_server_is_as_before_afterwards(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    cloud = tasks.cloud
    power = {"operation": "servers.power", "cloud": cloud}

    def step(name: str, *setup: Call) -> list[TaskCase]:
        return [tasks("snapshot", *RESET_CALLS, *setup, step=name, name="one", stop_server=True), tasks("server_info", step=f"after: {name}")]

    run = runner.run(
        *step("taken"),
        *step("there", add_snapshot(cloud, "one")),
        *step("off before", ("update_server", {"cloud": cloud, "server": tasks.server, "status": OFF[cloud]})),
        *step("refused", fault("status", status=400, body={"detail": "No."}, operation="snapshots.create", cloud=cloud)),
        *step("fails", ("settings", {"ilkbyte_responds": "on_finish"}), fault("snapshot_fails")),
        *step("response to the stop is lost", fault("drop_after", **power)),
        *step("start is refused", fault("status", status=403, skip=1, times=None, **power)),
    )
    states = {name: run[f"after: {name}"].result["servers"][0]["power_state"] for name in (each.name for each in run.results[::2])}
    assert states == {**dict.fromkeys(states, "running"), "off before": "stopped", "start is refused": "stopped"}
    with subtests.test("taken"):
        taken = run["taken"]
        assert power_actions(taken) == [STOP[cloud], "start"]
        assert taken.changing == ["servers.power", "snapshots.create", "servers.power"]
        assert [event["event"] for event in taken.events] == ["power_stopped", "snapshot_started", "snapshot_ready", "power_started"]
        assert taken.result["snapshot"]["status"] == "ready" and taken.result["changed"] is True
        assert taken.result["snapshot"]["power_state"] == ("stopped" if cloud == "ilkbyte" else None)
    with subtests.test("no need to stop it"):
        assert run["there"].changing == []
        assert run["off before"].changing == ["snapshots.create"] and run["off before"].result["changed"] is True
    with subtests.test("no snapshot"):
        assert run["refused"].error["outcome"] == "not_applied" and run["refused"].result["changed"] is True
        assert run["fails"].failed and "NOT be started" not in run["fails"].msg
        assert power_actions(run["refused"]) == power_actions(run["fails"]) == [STOP[cloud], "start"]
    with subtests.test("response to the stop is lost: the task polls, and does not repeat it"):
        assert power_actions(run["response to the stop is lost"]) == [STOP[cloud], "start"]
    with subtests.test("start is refused: the message begins with it"):
        outcome = run["start is refused"]
        assert power_actions(outcome) == [STOP[cloud], "start"]
        assert outcome.msg.startswith(f"Server {tasks.server}") and "could NOT be started again" in outcome.msg
        assert "START IT NOW" in outcome.msg and outcome.result["changed"] is True
        assert outcome.error["outcome"] == "failed" and outcome.error["server"].startswith(tasks.server)
