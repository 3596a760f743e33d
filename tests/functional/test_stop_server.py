# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot with stop_server. (Servers that stop late or never, in virtual time: simulation/test_failing_power.py.)"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, SPEED, TaskFactory, add_snapshot, fault
from support.playbook_runner import RUN_SECONDS, Call, PlaybookRunner, TaskCase, TaskResult

pytestmark = pytest.mark.playbook

STOP = {"vpsorg": "stop", "ilkbyte": "shutdown"}
OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
ON = {"vpsorg": "active", "ilkbyte": "running"}


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


@pytest.mark.duration(15)
@pytest.mark.parametrize("cloud", ["vpsorg", pytest.param("ilkbyte", marks=pytest.mark.slow)])
def test_a_signal_ends_a_loop_with_the_server_running(runner: PlaybookRunner, cloud: str) -> None:
    """Ctrl-C while the first server of a loop is off: it is started, and the second one is not touched."""
    tasks = TaskFactory(runner.sandbox, cloud)
    first, second = SERVER[tasks.cloud], SECOND[tasks.cloud]
    slow = ("settings", {"seconds": {f"{tasks.cloud}.snapshots.create": 4 * SPEED}})
    step = tasks("snapshot", slow, step="loop", name="one", stop_server=True, server="{{ item }}",
                 keywords={"loop": [first, second]})
    running = runner.start(step)
    wait_for(lambda: runner.sandbox.admin.events("snapshot_started"))
    os.killpg(running.process.pid, signal.SIGINT)
    running.process.wait(RUN_SECONDS)
    admin = runner.sandbox.admin
    wait_for(lambda: admin.server(first)["status"] == ON[tasks.cloud])
    time.sleep(1)  # an orphaned worker would have gone on by now
    assert {request["server"] for request in admin.requests(changing=True)} == {first}
    assert admin.server(second)["status"] == ON[tasks.cloud]


def wait_for(happened: Callable[[], Any]) -> None:
    until = time.monotonic() + RUN_SECONDS
    while not happened():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)
