# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of lists are cached, which keeps thousands of servers fast, and are never outdated."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sandbox.machines import StubMachinePool
from sandbox.state import SandboxState

TIMESTAMP = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
LATER = datetime(2026, 6, 7, 8, 9, 10, tzinfo=timezone.utc)


def rebuilt_rows(cloud: Any) -> Any:
    """The provider's rows without the cache."""
    for item in (*cloud.servers, *getattr(cloud, "snapshots", ())):
        item.cached = None
    return cloud.rows()


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
    async def change_everything() -> None:
        sandbox = SandboxState(StubMachinePool(Path("/nowhere")), speed=1.0, vpsorg_servers=3, ilkbyte_servers=3, seed=0)
        await sandbox.create_servers()
        cloud = getattr(sandbox, name)
        await cloud.add_snapshot(cloud.servers[0], "one")
        for change in CHANGES[name](cloud, cloud.servers[0]):
            before = cloud.rows()
            change()
            await asyncio.sleep(0)  # a schedule starts to wait
            rows = cloud.rows()
            assert rows != before and rows == rebuilt_rows(cloud)
        await sandbox.stop()

    asyncio.run(change_everything())
