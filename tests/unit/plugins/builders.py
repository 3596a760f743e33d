# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of snapshots and clocks for tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._module import (
    account_info,
    server_info,
    snapshot_cron,
    snapshot_info,
    snapshot_restore,
)
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import READY, Schedule, Server, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Clock

SERVER = Server("12345", "web1")
OPERATIONS = {
    "account_info": account_info, "server_info": server_info, "snapshot": snapshot_operation, "snapshot_cron": snapshot_cron,
    "snapshot_info": snapshot_info, "snapshot_restore": snapshot_restore,
}


def snapshot(name: str = "nightly", **fields: Any) -> Snapshot:
    """A ready snapshot of one server, made on 1 January 2026, unless the fields say otherwise."""
    return Snapshot(**{"id": "801", "name": name, "server": SERVER, "status": READY,
                       "created_at": "2026-01-01T00:00:00Z", **fields})


def timestamps() -> st.SearchStrategy[str | None]:
    """Creation times, close enough together that some are equal, and sometimes None."""
    return st.none() | st.integers(0, 9).map(lambda minute: f"2026-01-01T00:0{minute}:00Z")


def snapshots() -> st.SearchStrategy[list[Snapshot]]:
    """A server's snapshots in any order: few names, all states, some scheduled, some undated."""
    one = st.builds(
        snapshot,
        status=st.sampled_from(["ready", "ready", "ready", "pending", "failed", "unknown"]),
        name=st.sampled_from(["nightly", "nightly1", "weekly", "Nightly", "by-hand", None]),
        id=st.integers(1, 2000).map(str),
        created_at=timestamps(),
        schedule=st.none() | st.just(Schedule(1, 2, 3)),
    )
    return st.lists(one, max_size=8, unique_by=lambda item: item.id)


class FakeClock(Clock):
    """A clock that advances only during a sleep.

    :param jitter: what every pause is multiplied with.
    """

    def __init__(self, jitter: float = 1.0) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        super().__init__(monotonic=lambda: self.now, sleep=self._pass, jitter=lambda low, high: jitter)

    def _pass(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += max(seconds, 1e-6)  # no sleep takes no time at all
