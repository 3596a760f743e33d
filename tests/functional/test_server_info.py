# SPDX-License-Identifier: GPL-3.0-or-later
"""The module server_info: which servers there are, their power, and what they are busy with."""

from __future__ import annotations

import pytest
from support.cases import SECOND, TaskFactory
from support.playbook_runner import Call, PlaybookRunner

pytestmark = pytest.mark.playbook


def test_servers(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    off = {"vpsorg": "stopped", "ilkbyte": "shut off"}[tasks.cloud]
    busy = {"vpsorg": "restoring", "ilkbyte": "paused"}[tasks.cloud]

    def is_now(word: str) -> Call:
        return ("update_server", {"cloud": tasks.cloud, "server": SECOND[tasks.cloud], "status": word})

    run = runner.run(
        tasks("server_info", is_now(off), step="all", server=None),
        tasks("server_info", step="one"),
        tasks("server_info", is_now(busy), step="busy", server=SECOND[tasks.cloud]),
    )
    for outcome in run.results:
        assert outcome.changing == [] and outcome.result["changed"] is False
    first, second = run["all"].result["servers"]
    assert (first["name"], first["power_state"], first["task_state"]) == (tasks.server, "running", None)
    assert (second["name"], second["power_state"], second["task_state"]) == (SECOND[tasks.cloud], "stopped", None)
    assert first["address"] == "127.0.0.1" and first["id"] == {"vpsorg": "12345", "ilkbyte": "app1"}[tasks.cloud]
    assert run["one"].result["servers"] == [first]
    with subtests.test("busy"):
        (now,) = run["busy"].result["servers"]
        assert now["task_state"] == busy


def test_an_account_without_servers(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    run = runner.run(
        tasks("server_info", ("reset", {"servers": 0}), step="servers", server=None),
        tasks("snapshot_info", step="snapshots", server=None),
        tasks("snapshot", step="snapshot", name="one"),
        tasks("server_info", ("reset", {"servers": 2}), step="two again", server=None),
    )
    assert run["servers"].result["servers"] == [] and run["snapshots"].result["snapshots"] == []
    assert run["snapshot"].error["kind"] == "not_found" and "no servers" in run["snapshot"].msg
    assert len(run["two again"].result["servers"]) == 2
