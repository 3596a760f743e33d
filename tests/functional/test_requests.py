# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests each operation costs, and which."""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SERVER_ID, TaskFactory, add_snapshot
from support.playbook_runner import PlaybookRunner

pytestmark = pytest.mark.playbook


def test_where_the_server_is_given_by_its_identity(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    there = (*RESET_CALLS, add_snapshot(tasks.cloud, "one"))
    server = SERVER_ID[tasks.cloud]
    expected = {
        "unchanged": ["snapshots.list"],
        "info": ["snapshots.list"],
        "server": ["servers.show"],
        "created, not waited for": ["snapshots.list", "servers.show", "snapshots.create"],
        "deleted": ["snapshots.list", "snapshots.delete"] + ["snapshots.list"] * (tasks.cloud == "ilkbyte"),
        "restored, not waited for": ["servers.show", "snapshots.list", "snapshots.restore"],
    }
    run = runner.run(
        tasks("snapshot", *there, step="unchanged", server=server, name="one"),
        tasks("snapshot_info", step="info", server=server),
        tasks("server_info", step="server", server=server),
        tasks("snapshot", *there, step="created, not waited for", server=server, name="two", wait=False),
        # A deletion that takes no time: the first look afterwards already sees it.
        tasks("snapshot", *there, ("settings", {"seconds": {"ilkbyte.snapshots.delete": 0}}), step="deleted",
              server=server, name="one", state="absent"),
        tasks("snapshot_restore", *there, step="restored, not waited for", server=server, name="one", wait=False),
    )
    for name, operations in expected.items():
        with subtests.test(name):
            assert not run[name].failed, run[name].result
            assert run[name].operations == operations


def test_where_a_server_must_be_found_first(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    """At VPS.org a name costs one request more, and finding the server tells its power too."""
    there = (*RESET_CALLS, add_snapshot("vpsorg", "one"))
    run = runner.run(
        vpsorg("snapshot", *there, step="unchanged", name="one"),
        vpsorg("snapshot", *there, step="created, not waited for", name="two", wait=False),
        vpsorg("snapshot_info", *there, step="info of all", server=None),
        vpsorg("server_info", *there, step="all servers", server=None),
    )
    expected = {
        "unchanged": ["servers.list", "snapshots.list"],
        "created, not waited for": ["servers.list", "snapshots.list", "snapshots.create"],
        "info of all": ["snapshots.list"],
        "all servers": ["servers.list"],
    }
    for name, operations in expected.items():
        with subtests.test(name):
            assert run[name].operations == operations


def test_first_snapshot_of_a_server(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """An empty list does not prove that the server exists, so it is asked for: once, for its power as well."""
    made = runner.run(tasks("snapshot", server=SERVER_ID[tasks.cloud], name="one", wait=False)).only
    assert made.operations == ["snapshots.list", "servers.show", "snapshots.create"]


def test_pages_are_followed(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory) -> None:
    names = [f"s{n}" for n in range(5)]
    run = runner.run(
        vpsorg("snapshot_info", *RESET_CALLS, ("settings", {"vpsorg_page_size": 2}),
               *(add_snapshot("vpsorg", name) for name in names), step="snapshots"),
        ilkbyte("server_info", *RESET_CALLS, ("settings", {"ilkbyte_page_size": 1}), step="servers", server=None),
    )
    assert run["snapshots"].operations == ["servers.list", "snapshots.list", "snapshots.list", "snapshots.list"]
    assert sorted(item["name"] for item in run["snapshots"].result["snapshots"]) == names
    assert run["servers"].operations == ["servers.list", "servers.list"]
    assert [item["name"] for item in run["servers"].result["servers"]] == ["app1", "app2"]
