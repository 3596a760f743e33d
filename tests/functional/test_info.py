# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules snapshot_info and server_info, at both providers."""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, SERVER_ID, TaskFactory, add_snapshot, ago
from support.playbook_runner import Call, PlaybookRunner, TaskResult

pytestmark = pytest.mark.playbook

OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
BUSY = {"vpsorg": "restoring", "ilkbyte": "paused"}


def names(outcome: TaskResult) -> list[str]:
    assert not outcome.failed, outcome.result
    assert outcome.changing == [] and outcome.result["changed"] is False
    return [item["name"] for item in outcome.result["snapshots"]]


def test_filters(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    cases = {
        "all of a server": ({}, ["Night1", "night2", "night10", "hand"]),
        "all of the account": ({"server": None}, ["Night1", "night2", "theirs", "night10", "hand"]),
        "by name": ({"name": "hand"}, ["hand"]),
        "by an unknown name": ({"name": "other"}, []),
        "by pattern": ({"match": "night*"}, ["night2", "night10"]),
        "by a class": ({"match": "[Nn]ight?"}, ["Night1", "night2"]),
        "old ones": ({"older_than": "7d"}, ["night10", "hand"]),
        "new ones": ({"newer_than": "1w"}, ["Night1", "night2"]),
        "between": ({"older_than": "36h", "newer_than": "30d"}, ["night2", "night10"]),
        "ready": ({"status": "ready"}, ["Night1", "night2", "night10", "hand"]),
        "failed": ({"status": ["failed", "pending"]}, []),
    }
    steps = []
    for tasks in clouds:
        cloud = tasks.cloud
        setup = (
            *RESET_CALLS, add_snapshot(cloud, "night2", created_at=ago(days=2)), add_snapshot(cloud, "night10", created_at=ago(days=10)),
            add_snapshot(cloud, "Night1", created_at=ago(days=1)), add_snapshot(cloud, "hand", created_at=ago(days=400)),
            ("add_snapshot", {"cloud": cloud, "server": SECOND[cloud], "name": "theirs", "created_at": ago(days=5)}),
        )
        steps += [tasks("snapshot_info", *(setup if number == 0 else ()), step=f"{cloud} {name}", **options)
                  for number, (name, (options, dummy)) in enumerate(cases.items())]
        steps.append(tasks("snapshot_info", step=f"{cloud} of another server", server=SECOND[cloud]))
    run = runner.run(*steps)
    for cloud, server in SERVER.items():
        for name, (options, expected) in cases.items():
            with subtests.test(f"{cloud} {name}"):
                found = run[f"{cloud} {name}"]
                assert names(found) == expected
                for item in found.result["snapshots"]:
                    assert item["created_at"].endswith("Z") and item["age_seconds"] >= 86400
                    assert item["server"]["name"] == (SECOND[cloud] if item["name"] == "theirs" else server)
                assert (found.result["server"] is None) is ("server" in options)
        assert names(run[f"{cloud} of another server"]) == ["theirs"]


def test_servers(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    def second_is(cloud: str, status: str) -> Call:
        return ("update_server", {"cloud": cloud, "server": SECOND[cloud], "status": status})

    steps = []
    for tasks in clouds:
        cloud = tasks.cloud
        steps += [
            tasks("server_info", *RESET_CALLS, second_is(cloud, OFF[cloud]), step=f"{cloud} all", server=None),
            tasks("server_info", step=f"{cloud} one"),
            tasks("account_info", step=f"{cloud} account", server=None),
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
            account = run[f"{cloud} account"].result["account"]
            assert account["name"].lower() in account["identity"] and account["permissions"] == (["*:*"] if cloud == "vpsorg" else ["Full"])
            assert run[f"{cloud} no servers"].result["servers"] == [] and run[f"{cloud} no snapshots"].result["snapshots"] == []
            error = run[f"{cloud} snapshot"]
            assert error.error["kind"] == "not_found" and "no servers" in error.msg
            assert len(run[f"{cloud} two again"].result["servers"]) == 2
    assert all(outcome.changing == [] and outcome.result["changed"] is False for outcome in run.results)
