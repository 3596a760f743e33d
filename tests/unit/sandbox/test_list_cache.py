# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of lists are cached while nothing changes, which keeps thousands of servers fast, and are never outdated."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sandbox import AdminError
from sandbox.machines import StubMachinePool
from sandbox.state import SandboxState

TIMESTAMP = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
LATER = datetime(2026, 6, 7, 8, 9, 10, tzinfo=timezone.utc)


def in_a_sandbox(work: Any) -> None:
    """Run `work(sandbox)` in a sandbox with three servers at each provider."""
    async def run() -> None:
        sandbox = SandboxState(StubMachinePool(Path("/nowhere")), speed=1.0, vpsorg_servers=3, ilkbyte_servers=3, seed=0)
        await sandbox.create_servers()
        await work(sandbox)
        await sandbox.stop()

    asyncio.run(run())


def rebuilt_rows(cloud: Any) -> Any:
    """The provider's rows without the cache."""
    for item in (*cloud.servers, *getattr(cloud, "snapshots", ())):
        item.cached = None
    return cloud.rows()


def test_unchanged_rows_are_not_created_again():
    async def work(sandbox: SandboxState) -> None:
        for cloud in sandbox.clouds:
            before = cloud.rows()
            await cloud.add_snapshot(cloud.servers[0], "one")
            after = cloud.rows()
            assert all(old is new for old, new in zip(before["servers"][1:], after["servers"][1:], strict=True))
            assert after["snapshots"] != before["snapshots"]
        item = sandbox.ilkbyte.rows()["snapshots"]
        assert item["app2"] is sandbox.ilkbyte.rows()["snapshots"]["app2"]

    in_a_sandbox(work)


CHANGES = {
    "vpsorg": lambda cloud, server: (
        lambda: setattr(server, "name", "renamed"), lambda: setattr(server, "hostname", "renamed.example.com"),
        lambda: cloud.set_status(server, "stopped"), lambda: setattr(cloud.snapshots[0], "status", "failed"),
        lambda: setattr(cloud.snapshots[0], "size_mb", 1), lambda: setattr(cloud.snapshots[0], "created_at", TIMESTAMP),
        lambda: cloud.snapshots.pop(0),
    ),
    "ilkbyte": lambda cloud, server: (
        lambda: setattr(server, "service", "suspended"), lambda: setattr(server, "power", "shutoff"),
        lambda: setattr(server, "active_operation", "revert"), lambda: server.tree.create("two", "running", TIMESTAMP),
        lambda: server.tree.revert("one"), lambda: server.tree.change("one", taken_at=LATER),
        lambda: server.tree.change("one", state="shutoff"), lambda: cloud.add_schedule(server, "one", 1, 2, 3),
        lambda: setattr(server.schedules["one"], "sentence", "each day"), lambda: cloud.delete_schedule(server, "one"),
        lambda: server.tree.delete("one"), lambda: setattr(server, "name", "renamed"),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_shows(name: str):
    async def work(sandbox: SandboxState) -> None:
        cloud = getattr(sandbox, name)
        await cloud.add_snapshot(cloud.servers[0], "one")
        for change in CHANGES[name](cloud, cloud.servers[0]):
            before = cloud.rows()
            change()
            await asyncio.sleep(0)  # a schedule starts to wait
            rows = cloud.rows()
            assert rows != before and rows == rebuilt_rows(cloud)

    in_a_sandbox(work)


def test_many_snapshots_are_added_in_one_change(sandbox, vpsorg):
    with pytest.raises(AdminError, match="colour"):
        sandbox.admin.add_snapshots("vpsorg", [{"server": "web1", "name": "one", "colour": "red"}])
    sandbox.admin.add_snapshots("vpsorg", [{"server": "web1", "name": f"s{number}"} for number in range(3)])
    sandbox.admin.fault("stale", cloud="vpsorg", operation="snapshots.list")
    assert vpsorg.call("GET", "/snapshots/").json()["count"] == 0
    assert [row["name"] for row in vpsorg.call("GET", "/snapshots/").json()["results"]] == ["s2", "s1", "s0"]
