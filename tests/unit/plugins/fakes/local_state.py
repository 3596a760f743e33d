# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine on which several tasks run: one folder for what they note, and time that passes only while one of them waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import SERVER, FakeClock
from fakes.provider import FakeProvider

from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._state import server_lock
from ansible_collections.rewind.vps.plugins.module_utils._wait import polling


class LocalStateFixture:
    """Tasks of L(operation_worlds.make_context) find their places here.

    :ivar clock: passes while a task waits.
    :ivar on_sleep: called in each pause of a task.
    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        directory.mkdir()
        self.directory = directory
        self.clock = FakeClock()
        self.on_sleep: Callable[[], Any] = lambda: None
        patch.setattr(server_lock, "state_directory", lambda create: str(directory))
        patch.setattr(polling.Clock.__init__, "__defaults__", (lambda: self.clock.now, self._sleep, lambda low, high: 1.0))

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.on_sleep()

    @property
    def total_wait(self) -> float:
        """Seconds that tasks have waited in all."""
        return sum(self.clock.sleeps)

    def open_state(self, provider: FakeProvider) -> server_lock.LocalState:
        """Where tasks meet that are about this cloud's server."""
        return server_lock.LocalState(str(self.directory), provider.display_name, "https://cloud.example", SERVER.id)

    def open_locked(self, provider: FakeProvider) -> server_lock.LocalState:
        """The same, held by a task of another's."""
        state = self.open_state(provider)
        assert state.try_acquire()
        return state

    def is_free(self, provider: FakeProvider) -> bool:
        """Whether another task could take its turn now."""
        state = self.open_state(provider)
        free = state.try_acquire()
        state.release(False)
        return free

    def write(self, provider: FakeProvider, key: str, ago: float = 0.0, **fields: Any) -> None:
        """A note that an earlier task has left, some seconds ago."""
        self.open_state(provider).put(key, at=time.time() - ago, **fields)

    def notes(self, provider: FakeProvider) -> set[str]:
        return set(self.open_state(provider).all())


class SlowProvider(FakeProvider):
    """What it is asked to make is pending for a while.

    :ivar reads: the reads that were asked for, in order.
    :ivar lag: how many of the next lists still are as they were before the last change.
    """

    def __init__(self, kind: str, *snapshots: Snapshot, lag: int = 0) -> None:
        super().__init__(kind, *snapshots)
        self.reads: list[str] = []
        self.lag = lag
        self.stale = list(snapshots)

    def _request(self, change: str) -> None:
        super()._request(change)
        self.stale = list(self.snapshots)

    def get_server(self, reference: str) -> Server:
        self.reads.append("server")
        return super().get_server(reference)

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        self.reads.append("snapshots")
        if self.lag > 0:
            self.lag -= 1
            return list(self.stale)
        return super().list_snapshots(server)

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        self._request(f"create {name}")
        made = Snapshot(str(900 + len(self.requests)), name, SERVER, "pending", created_at="2026-06-01T00:00:00Z")
        self.snapshots.append(made)
        return made
