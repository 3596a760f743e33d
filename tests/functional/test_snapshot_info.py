# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot_info: every filter, at both providers."""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, TaskFactory, add_snapshot, ago
from support.playbook_runner import PlaybookRunner, TaskResult

pytestmark = pytest.mark.playbook


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


def test_states(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory) -> None:
    statuses = {"completed": "ready", "in_progress": "pending", "failed": "failed", "deleting": "failed"}
    run = runner.run(
        vpsorg("snapshot_info", *(add_snapshot("vpsorg", word, status=word, size_mb=1234, description="") for word in statuses),
               step="vpsorg"),
        vpsorg("snapshot_info", step="not ready", status=["pending", "failed"]),
        ilkbyte("snapshot_info", add_snapshot("ilkbyte", "s1"), add_snapshot("ilkbyte", "s2", state="shut off"), step="ilkbyte"),
    )
    shown = {item["name"]: item for item in run["vpsorg"].result["snapshots"]}
    assert {word: shown[word]["status"] for word in statuses} == statuses
    assert {word: shown[word]["provider_status"] for word in statuses} == {word: word for word in statuses}
    assert shown["completed"]["size_mb"] == 1234 and shown["completed"]["description"] is None
    assert sorted(names(run["not ready"])) == ["deleting", "failed", "in_progress"]
    tree = {item["name"]: item for item in run["ilkbyte"].result["snapshots"]}
    assert (tree["s1"]["current"], tree["s1"]["parent"], tree["s1"]["power_state"]) == (False, None, "running")
    assert (tree["s2"]["current"], tree["s2"]["parent"], tree["s2"]["power_state"]) == (True, "s1", "stopped")
