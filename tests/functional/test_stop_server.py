# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot with stop_server: off while the snapshot is begun, and as before afterwards, whatever happens."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, SPEED, TaskFactory, add_snapshot, fault
from support.playbook_runner import RUN_SECONDS, PlaybookRunner, TaskResult

pytestmark = pytest.mark.playbook

STOP = {"vpsorg": "stop", "ilkbyte": "shutdown"}
OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
ON = {"vpsorg": "active", "ilkbyte": "running"}


def power_actions(outcome: TaskResult) -> list[str]:
    """What was asked of the server's power, in order."""
    return [(request["body"] or {}).get("action") or request["query"].get("set")
            for request in outcome.requests if request["operation"] == "servers.power"]


def status(runner: PlaybookRunner, tasks: TaskFactory) -> str:
    return runner.sandbox.admin.server(tasks.server)["status"]


def test_stopped_and_started(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    made = runner.run(tasks("snapshot", name="one", stop_server=True)).only
    assert power_actions(made) == [STOP[tasks.cloud], "start"]
    assert made.changing == ["servers.power", "snapshots.create", "servers.power"]
    assert [event["event"] for event in made.events] == [
        "power_stopped", "snapshot_started", "snapshot_ready", "power_started"]
    assert made.result["snapshot"]["status"] == "ready" and made.result["changed"] is True
    assert status(runner, tasks) == ON[tasks.cloud]
    if tasks.cloud == "ilkbyte":
        assert made.result["snapshot"]["power_state"] == "stopped"


def test_left_alone(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """A server that is off stays off; one whose snapshot is there is not touched."""
    off = ("update_server", {"cloud": tasks.cloud, "server": tasks.server, "status": OFF[tasks.cloud]})
    run = runner.run(
        tasks("snapshot", *RESET_CALLS, add_snapshot(tasks.cloud, "one"), step="there", name="one", stop_server=True),
        tasks("snapshot", *RESET_CALLS, off, step="off before", name="one", stop_server=True),
    )
    assert run["there"].changing == []
    assert run["off before"].changing == ["snapshots.create"] and run["off before"].result["changed"] is True
    assert status(runner, tasks) == OFF[tasks.cloud]


def test_snapshot_fails(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Refused by the cloud, or taken up and not made: the server runs again."""
    refused = fault("status", status=400, body={"detail": "No."}, operation="snapshots.create", cloud=tasks.cloud)
    answers = ("settings", {"ilkbyte_responds": "on_finish"})
    run = runner.run(
        tasks("snapshot", *RESET_CALLS, refused, step="refused", name="one", stop_server=True),
        tasks("server_info", step="after refusal"),
        tasks("snapshot", *RESET_CALLS, answers, fault("snapshot_fails"), step="fails", name="one", stop_server=True),
        tasks("server_info", step="after failure"),
    )
    assert run["refused"].error["outcome"] == "not_applied" and run["refused"].result["changed"] is True
    assert run["fails"].failed and "NOT be started" not in run["fails"].msg
    for name in ("refused", "fails"):
        assert power_actions(run[name]) == [STOP[tasks.cloud], "start"]
    for name in ("after refusal", "after failure"):
        assert run[name].result["servers"][0]["power_state"] == "running"


@pytest.mark.slow
def test_stop_never_ends(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """It is not switched off hard, no snapshot is taken, and the message says that it was asked to stop."""
    # VPS.org shows a server that does not stop as stopping, until it gives up; Ilkbyte's just goes on running.
    stuck = fault("power_stuck", seconds=3 * SPEED)
    outcome = runner.run(tasks("snapshot", stuck, name="one", stop_server=True, wait_timeout=1)).only
    assert outcome.error["kind"] == "wait_timeout"
    assert tasks.server in outcome.msg and "stopped" in outcome.msg and "start it in the cloud's panel" in outcome.msg
    assert power_actions(outcome) == [STOP[tasks.cloud]] and "snapshots.create" not in outcome.operations
    assert status(runner, tasks) == ON[tasks.cloud]


def test_stop_ends_late(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """The task's time is up before the server is off; it is started again all the same."""
    action = f"{tasks.cloud}.servers.power.{STOP[tasks.cloud]}"
    late = ("settings", {"seconds": {action: 3 * SPEED}})
    outcome = runner.run(tasks("snapshot", late, name="one", stop_server=True, wait_timeout=2)).only
    assert outcome.error["kind"] == "wait_timeout" and "snapshots.create" not in outcome.operations
    runner.sandbox.admin.advance(10 * SPEED)
    assert status(runner, tasks) == ON[tasks.cloud], (power_actions(outcome), outcome.msg)


def test_start_is_refused(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """The worst: the server is off because of us. That is what the message begins with."""
    refused = fault("status", status=403, operation="servers.power", cloud=tasks.cloud, skip=1, times=None)
    outcome = runner.run(tasks("snapshot", refused, name="one", stop_server=True)).only
    assert power_actions(outcome) == [STOP[tasks.cloud], "start"]
    assert outcome.msg.startswith(f"Server {tasks.server}") and "could NOT be started again" in outcome.msg
    assert "START IT NOW" in outcome.msg and outcome.result["changed"] is True
    assert outcome.error["outcome"] == "failed" and outcome.error["server"].startswith(tasks.server)
    assert status(runner, tasks) == OFF[tasks.cloud]


def test_answer_to_stop_is_lost(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Nobody knows whether the stop arrived: it is looked at, not asked for again."""
    lost = fault("drop_after", operation="servers.power", cloud=tasks.cloud)
    outcome = runner.run(tasks("snapshot", lost, name="one", stop_server=True)).only
    assert not outcome.failed, outcome.result
    assert power_actions(outcome) == [STOP[tasks.cloud], "start"]
    assert status(runner, tasks) == ON[tasks.cloud]


@pytest.mark.duration(15)
def test_a_signal_ends_a_loop_with_the_server_running(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Ctrl-C while the first server of a loop is off: it runs again, and the second one is not touched."""
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


@pytest.mark.slow
def test_a_lost_start_is_asked_for_again(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """A server that is seen off and idle for a minute has not been started, whatever became of the request."""
    lost = fault("drop_before", operation="servers.power", cloud=tasks.cloud, skip=1)
    outcome = runner.run(tasks("snapshot", lost, name="one", stop_server=True)).only
    assert not outcome.failed, outcome.result
    assert power_actions(outcome) == [STOP[tasks.cloud], "start", "start"]
    assert status(runner, tasks) == ON[tasks.cloud]
