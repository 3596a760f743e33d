# SPDX-License-Identifier: GPL-3.0-or-later
"""An account with many servers in memory, used by many connections at the same time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from fakes.provider import CAPABILITIES

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module.context import OperationContext
from ansible_collections.rewind.vps.plugins.module_utils._provider import base
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import PENDING, READY, RUNNING, Server, Snapshot

TEST_TIMEOUT = 5.0  # real seconds after which a test gives up


class FakeAccount:
    """What all connections see."""

    def __init__(self, kind: str, *names: str) -> None:
        self.kind = kind
        self.servers = {str(number): Server(str(number), name, RUNNING) for number, name in enumerate(names, 1)}
        if kind == "ilkbyte":
            self.servers = {name: Server(name, name, RUNNING) for name in names}
        self.snapshots: dict[str, list[Snapshot]] = {id_: [] for id_ in self.servers}
        self.requests: list[tuple[str, str]] = []  # each call and the server it is about (`*` for all)
        self.errors: dict[tuple[str, str], Exception] = {}  # what a call about a server raises
        self.on_request: Callable[[str, str], None] = lambda call, server: None  # may block
        self.max_concurrent = self.max_stopped = 0  # requests; servers
        self._running = 0
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def call(self, name: str, server: str) -> Iterator[None]:
        with self._lock:
            self.requests.append((name, server))
            self._running += 1
            self.max_concurrent = max(self.max_concurrent, self._running)
        try:
            self.on_request(name, server)
            if (name, server) in self.errors:
                raise self.errors[name, server]
            with self._lock:
                yield
        finally:
            with self._lock:
                self._running -= 1

    def servers_of(self, call: str) -> list[str]:
        """The servers of all requests of a kind, in order."""
        return [server for name, server in self.requests if name == call]

    def poll_snapshots(self, server: Server) -> list[Snapshot]:
        return [self._poll(item) for item in self.snapshots[server.id]]

    def _poll(self, item: Snapshot) -> Snapshot:
        if item.status != PENDING:
            return item
        ready = replace(item, status=READY)
        self.snapshots[item.server.id] = [ready if other is item else other for other in self.snapshots[item.server.id]]
        return ready


class FakeConnection(base.Provider):
    """One connection to the account."""

    def __init__(self, account: FakeAccount) -> None:
        self.account, self.display_name, self.capabilities = account, account.kind, CAPABILITIES[account.kind]

    def server_time(self) -> datetime:
        return datetime(2026, 6, 1, tzinfo=timezone.utc)

    def server_from_reference(self, reference: str) -> Server | None:
        return Server(reference) if reference.isdecimal() or self.account.kind == "ilkbyte" else None

    def get_server(self, reference: str) -> Server:
        with self.account.call("get_server", reference):
            return self.resolve_server(reference, list(self.account.servers.values()))

    def list_servers(self) -> list[Server]:
        with self.account.call("list_servers", "*"):
            return list(self.account.servers.values())

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        with self.account.call("list_snapshots", server.id if server else "*"):
            if server is not None and server.id not in self.account.servers:
                raise RewindError("no such server", kind="not_found")
            servers = [server] if server else list(self.account.servers.values())
            return [item for each in servers for item in self.account.poll_snapshots(each)]

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        with self.account.call("create", server.id):
            made = Snapshot(f"s{server.id}", name, self.account.servers[server.id], PENDING, created_at="2026-06-01T00:00:00Z")
            self.account.snapshots[server.id].append(made)
            return made

    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        with self.account.call("delete", snapshot.server.id):
            self.account.snapshots[snapshot.server.id] = [item for item in self.account.snapshots[snapshot.server.id] if item.id != snapshot.id]
            return True

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        with self.account.call("restore", snapshot.server.id):
            pass

    def set_power(self, server: Server, action: str) -> None:
        with self.account.call(action, server.id):
            self.account.servers[server.id] = replace(self.account.servers[server.id], power_state={"start": "running", "stop": "stopped"}[action])
            stopped = sum(1 for item in self.account.servers.values() if item.power_state == "stopped")
            self.account.max_stopped = max(self.account.max_stopped, stopped)

    def whoami(self) -> base.Account:
        return base.Account("someone@example.com")


def bulk_task(account: FakeAccount, references: list[str] | None, check_mode: bool = False, **options: Any) -> OperationContext:
    """The context of a task for many servers."""
    defaults = {
        "server": None, "servers": references,
        "name": "nightly", "id": None, "description": None, "state": "present", "max_age": None, "retain": None,
        "when_full": "fail", "stop_server": False, "start_server": True, "wait": True, "wait_timeout": 60, "concurrency": 8,
        "provider": account.kind, "api_url": "https://cloud.example",
    }
    ctx = OperationContext(FakeConnection(account), {**defaults, **options}, check_mode, diff_mode=True)
    ctx.connect = lambda: FakeConnection(account)
    return ctx


def start_thread(work: Callable[[], Any]) -> threading.Thread:
    """Run something in another thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait for something that happens soon, or fail."""
    deadline = time.monotonic() + TEST_TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)
