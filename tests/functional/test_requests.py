# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact requests of each operation."""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SERVER_ID, TaskFactory, add_snapshot
from support.playbook_runner import PlaybookRunner, TaskCase

pytestmark = pytest.mark.playbook


def test_requests(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    steps: list[TaskCase] = []
    expected: dict[str, list[str]] = {}

    def add(step: TaskCase, *operations: str) -> None:
        steps.append(step)
        expected[step.name] = list(operations)

    for tasks in clouds:
        cloud, server = tasks.cloud, SERVER_ID[tasks.cloud]
        there = (*RESET_CALLS, add_snapshot(cloud, "one"))
        # A deletion that takes no time: the first poll after it shows it.
        at_once = ("settings", {"seconds": {"ilkbyte.snapshots.delete": 0}})
        add(tasks("snapshot", *there, server=server, name="one"), "snapshots.list")
        add(tasks("snapshot_info", server=server), "snapshots.list")
        # At VPS.org paths contain the UUID, which the list has.
        one = ["servers.list"] * (cloud == "vpsorg") + ["servers.show"]
        add(tasks("server_info", server=server), *one)
        add(tasks("snapshot", *there, server=server, name="two", wait=False), "snapshots.list", *one, "snapshots.create")
        # An empty list does not prove that the server exists, so it is read, once.
        add(tasks("snapshot", *RESET_CALLS, server=server, name="one", wait=False), "snapshots.list", *one, "snapshots.create")
        add(tasks("snapshot", *there, at_once, server=server, name="one", state="absent"),
            "snapshots.list", "snapshots.delete", *["snapshots.list"] * (cloud == "ilkbyte"))
        add(tasks("snapshot_restore", *there, server=server, name="one", wait=False), *one, "snapshots.list", "snapshots.restore")
    # At VPS.org a name costs two requests more: only the answer for one server shows whether it is still being created.
    vpsorg, ilkbyte = clouds
    there = (*RESET_CALLS, add_snapshot("vpsorg", "one"))
    one_by_name = ("servers.list", "servers.show")
    add(vpsorg("snapshot", *there, name="one"), *one_by_name, "snapshots.list")
    add(vpsorg("snapshot", *there, name="two", wait=False), *one_by_name, "snapshots.list", "snapshots.create")
    add(vpsorg("snapshot_info", *there, server=None), "snapshots.list")
    add(vpsorg("server_info", *there, server=None), "servers.list")
    names = [f"s{n}" for n in range(5)]
    add(vpsorg("snapshot_info", *RESET_CALLS, ("settings", {"vpsorg_page_size": 2}), *(add_snapshot("vpsorg", name) for name in names),
               step="pages of snapshots"), *one_by_name, "snapshots.list", "snapshots.list", "snapshots.list")
    add(ilkbyte("server_info", *RESET_CALLS, ("settings", {"ilkbyte_page_size": 1}), step="pages of servers", server=None),
        "servers.list", "servers.list")
    run = runner.run(*steps)
    for name, operations in expected.items():
        with subtests.test(name):
            assert not run[name].failed, run[name].result
            assert run[name].operations == operations
    assert sorted(item["name"] for item in run["pages of snapshots"].result["snapshots"]) == names
    assert [item["name"] for item in run["pages of servers"].result["servers"]] == ["app1", "app2"]
