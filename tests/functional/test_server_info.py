# SPDX-License-Identifier: GPL-3.0-or-later
"""The module server_info: servers, their power state, and what they are busy with."""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, SERVER_ID, TaskFactory
from support.playbook_runner import Call, PlaybookRunner

pytestmark = pytest.mark.playbook

OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
BUSY = {"vpsorg": "restoring", "ilkbyte": "paused"}


def test_servers(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    def second_is(cloud: str, status: str) -> Call:
        return ("update_server", {"cloud": cloud, "server": SECOND[cloud], "status": status})

    steps = []
    for tasks in clouds:
        cloud = tasks.cloud
        steps += [
            tasks("server_info", *RESET_CALLS, second_is(cloud, OFF[cloud]), step=f"{cloud} all", server=None),
            tasks("server_info", step=f"{cloud} one"),
            tasks("server_info", second_is(cloud, BUSY[cloud]), step=f"{cloud} busy", server=SECOND[cloud]),
            tasks("server_info", ("reset", {"servers": 0}), step=f"{cloud} no servers", server=None),
            tasks("snapshot_info", step=f"{cloud} no snapshots", server=None),
            tasks("snapshot", step=f"{cloud} snapshot", name="one"),
            tasks("server_info", ("reset", {"servers": 2}), step=f"{cloud} two again", server=None),
        ]
    run = runner.run(*steps)
    for cloud, name in SERVER.items():
        with subtests.test(cloud):
            first, second = run[f"{cloud} all"].result["servers"]
            assert (first["name"], first["power_state"], first["task_state"]) == (name, "running", None)
            assert (second["name"], second["power_state"], second["task_state"]) == (SECOND[cloud], "stopped", None)
            assert first["address"] == "127.0.0.1" and first["id"] == SERVER_ID[cloud]
            assert run[f"{cloud} one"].result["servers"] == [first]
            assert [server["task_state"] for server in run[f"{cloud} busy"].result["servers"]] == [BUSY[cloud]]
            assert run[f"{cloud} no servers"].result["servers"] == [] and run[f"{cloud} no snapshots"].result["snapshots"] == []
            error = run[f"{cloud} snapshot"]
            assert error.error["kind"] == "not_found" and "no servers" in error.msg
            assert len(run[f"{cloud} two again"].result["servers"]) == 2
    assert all(outcome.changing == [] and outcome.result["changed"] is False for outcome in run.results)
