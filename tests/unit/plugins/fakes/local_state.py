# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with several tasks: one state directory, and a clock that advances only while a task waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import SERVER, FakeClock
from fakes.provider import FakeProvider

from ansible_collections.rewind.vps.plugins.module_utils._files import server_key
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state
from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import LocalState
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import ServerLock
from ansible_collections.rewind.vps.plugins.module_utils._wait import polling


class LocalStateFixture:
    """The state directory and the clock of the tasks that `make_context` creates.

    :ivar clock: advances while a task waits.
    :ivar on_sleep: called in each pause of a task.
    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        directory.mkdir()
        self.directory = directory
        self.clock = FakeClock()
        self.on_sleep: Callable[[], Any] = lambda: None
        patch.setattr(local_state, "state_directory", lambda create: str(directory))
        patch.setattr(polling.Clock.__init__, "__defaults__", (lambda: self.clock.now, self._sleep, lambda low, high: 1.0))

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.on_sleep()

    @property
    def total_wait(self) -> float:
        """Seconds that tasks have waited in all."""
        return sum(self.clock.sleeps)

    def open_state(self, provider: FakeProvider) -> LocalState:
        """Return the notes about this provider's server."""
        return LocalState(str(self.directory), self._key(provider))

    def open_lock(self, provider: FakeProvider) -> ServerLock:
        """Return the lock of this provider's server."""
        return ServerLock(str(self.directory), self._key(provider))

    def open_locked(self, provider: FakeProvider) -> ServerLock:
        """Return the lock, held by another task."""
        lock = self.open_lock(provider)
        assert lock.try_acquire()
        return lock

    def is_free(self, provider: FakeProvider) -> bool:
        """Return whether another task could take the lock now."""
        lock = self.open_lock(provider)
        free = lock.try_acquire()
        lock.release(False)
        return free

    def write(self, provider: FakeProvider, key: str, ago: float = 0.0, **fields: Any) -> None:
        """A note that an earlier task has left, some seconds ago."""
        self.open_state(provider).put(key, at=time.time() - ago, **fields)

    def notes(self, provider: FakeProvider) -> set[str]:
        return set(self.open_state(provider).all())

    @staticmethod
    def _key(provider: FakeProvider) -> str:
        return server_key(provider.display_name, "https://cloud.example", SERVER.id)


class SlowProvider(FakeProvider):
    """What it is asked to make is pending for a while.

    :ivar reads: the reads that were asked for, in order.
    """

    def __init__(self, kind: str, *snapshots: Snapshot) -> None:
        super().__init__(kind, *snapshots)
        self.reads: list[str] = []

    def get_server(self, reference: str) -> Server:
        self.reads.append("server")
        return super().get_server(reference)

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        self.reads.append("snapshots")
        return super().list_snapshots(server)

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        self._request(f"create {name}")
        made = Snapshot(str(900 + len(self.requests)), name, SERVER, "pending", created_at="2026-06-01T00:00:00Z")
        self.snapshots.append(made)
        return made

    def finish(self) -> None:
        """Make the pending snapshots ready."""
        self.snapshots = [replace(item, status="ready") for item in self.snapshots]
