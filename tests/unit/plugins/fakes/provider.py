# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider in memory, for states of the operations that a test of a whole task cannot produce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from builders import SERVER

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module.context import OperationContext
from ansible_collections.rewind.vps.plugins.module_utils._provider import ilkbyte, vpsorg
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import RUNNING, Account, Provider, Schedule, Server, Snapshot

CAPABILITIES = {"vpsorg": vpsorg.VpsOrg.capabilities, "ilkbyte": ilkbyte.Ilkbyte.capabilities}


def rejection(kind: str = errors.PROVIDER_REJECTED, outcome: str = errors.NOT_APPLIED) -> RewindError:
    return RewindError("The cloud said no", kind=kind, outcome=outcome)


class FakeProvider(Provider):
    """Of one server; everything is done at once.

    :ivar power_state: of the server.
    :ivar task_state: what the server is in the middle of.
    :ivar address: of the server.
    :ivar account: whose the credentials are.
    :ivar snapshots: it has.
    :ivar requests: the changes that were asked for, in order.
    :ivar before: called with each change before it is carried out; may raise the provider's error or change the provider's state.
    """

    def __init__(self, kind: str, *snapshots: Snapshot) -> None:
        self.display_name = kind
        self.capabilities = CAPABILITIES[kind]
        self.power_state = RUNNING
        self.task_state: str | None = None
        self.address = "192.0.2.1"
        self.account = Account("someone@example.com")
        self.snapshots = list(snapshots)
        self.requests: list[str] = []
        self.before: Callable[[str], None] = lambda change: None

    def refuse(self, *changes: str, error: BaseException | None = None, once: bool = False) -> FakeProvider:
        """Reject changes that start with one of these texts; all changes, if there is none. Returns the provider itself."""
        left = list(changes or [""])

        def before(change: str) -> None:
            found = next((prefix for prefix in left if change.startswith(prefix)), None)
            if found is not None:
                if once:
                    left.remove(found)
                raise error or rejection()

        self.before = before
        return self

    def _request(self, change: str) -> None:
        self.requests.append(change)
        self.before(change)

    def server_time(self) -> datetime:
        return datetime(2026, 6, 1, tzinfo=timezone.utc)

    def server_from_reference(self, reference: str) -> Server | None:
        return None

    def get_server(self, reference: str) -> Server:
        return Server(SERVER.id, SERVER.name, self.power_state, self.task_state, (self.address,) if self.address else ())

    def list_servers(self) -> list[Server]:
        return [self.get_server(SERVER.id), Server("2", "web2", RUNNING, None, ("198.51.100.2",))]

    def whoami(self) -> Account:
        return self.account

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        return list(self.snapshots)

    def create_snapshot(self, server: Server, name: str, description: str | None) -> Snapshot:
        self._request(f"create {name}")
        made = Snapshot("999", name, SERVER, "ready", created_at="2026-06-01T00:00:00Z")
        self.snapshots.append(made)
        return made

    def delete_snapshot(self, snapshot: Snapshot) -> bool:
        self._request(f"delete {snapshot.id}")
        self.snapshots = [item for item in self.snapshots if item.id != snapshot.id]
        return True

    def restore_snapshot(self, snapshot: Snapshot) -> None:
        self._request(f"restore {snapshot.id}")
        self.power_state = snapshot.power_state or self.power_state
        self.snapshots = [replace(item, current=item.id == snapshot.id) for item in self.snapshots]

    def set_power(self, server: Server, action: str) -> None:
        self._request(action)
        self.power_state = {"start": "running", "stop": "stopped"}[action]

    def add_schedule(self, snapshot: Snapshot, schedule: Schedule) -> None:
        self._request(f"add {schedule.day} {schedule.hour}:{schedule.minute}")

    def remove_schedule(self, snapshot: Snapshot) -> None:
        self._request("remove")


def make_context(provider: FakeProvider, check_mode: bool = False, **options: Any) -> OperationContext:
    """A task of the modules that change something, with a diff."""
    defaults = {
        "server": "web1", "servers": None, "name": "nightly", "id": None, "description": None, "state": "present", "max_age": None, "retain": None,
        "when_full": "fail", "stop_server": False, "start_server": True, "wait": True, "wait_timeout": 60,
    }
    parameters = {"provider": provider.display_name, "api_url": "https://cloud.example", **defaults, **options}
    return OperationContext(provider, parameters, check_mode, diff_mode=True)
