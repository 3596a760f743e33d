# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation of both clouds as one call that the cloud carries out at once, for faults that any call may have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests
from api_calls import IlkbyteCalls, VpsOrgCalls

from sandbox import SandboxHandle

NO_DURATIONS = {f"{cloud}.{operation}": 0 for cloud, kinds in {
    "vpsorg": ("snapshots.create", "snapshots.restore", "servers.power.hard_stop"),
    "ilkbyte": ("snapshots.create", "snapshots.update", "snapshots.restore", "snapshots.delete", "servers.power.destroy"),
}.items() for operation in kinds}
EVENT = {  # the event that shows that a change was executed; reads have none
    "servers.power": "power_stopped", "snapshots.create": "snapshot_ready", "snapshots.restore": "restore_done",
    "snapshots.delete": "snapshot_deleted", "snapshots.update": "snapshot_recreated", "cron.add": "cron_added",
    "cron.delete": "cron_deleted",
}
VPSORG = {
    "servers.list": ("GET", "/servers/", None), "servers.show": ("GET", "/servers/12345/", None),
    "servers.power": ("POST", "/servers/12345/power/", {"action": "hard_stop"}), "snapshots.list": ("GET", "/snapshots/", None),
    "snapshots.create": ("POST", "/snapshots/", {"server_id": 12345, "name": "new"}),
    "snapshots.restore": ("POST", "/snapshots/801/restore/", None), "snapshots.delete": ("DELETE", "/snapshots/801/", None),
    "account": ("GET", "/account/me/", None),
}
ILKBYTE = {
    "servers.list": ("/server/list", {}), "servers.show": ("/server/manage/app1/show", {}),
    "servers.power": ("/server/manage/app1/power", {"set": "destroy"}), "snapshots.list": ("/server/manage/app1/snapshot", {}),
    "snapshots.create": ("/server/manage/app1/snapshot/create", {"name": "new"}),
    "snapshots.restore": ("/server/manage/app1/snapshot/revert", {"name": "good"}),
    "snapshots.delete": ("/server/manage/app1/snapshot/delete", {"name": "good"}),
    "snapshots.update": ("/server/manage/app1/snapshot/update", {"name": "good"}),
    "cron.add": ("/server/manage/app1/snapshot/cron/add", {"name": "good", "day": 1, "hour": 2, "min": 3}),
    "cron.delete": ("/server/manage/app1/snapshot/cron/delete", {"name": "timed"}), "account": ("/account", {}),
}


@dataclass(frozen=True)
class Call:
    """One operation at one provider. `send` sends it, with an optional `timeout` for the response."""

    sandbox: SandboxHandle
    cloud: str
    operation: str
    send: Callable[..., requests.Response]

    def fault(self, kind: str, **details: Any) -> None:
        """Let the next such call go wrong."""
        self.sandbox.admin.fault(kind, cloud=self.cloud, operation=self.operation, **details)

    def entry(self) -> dict[str, Any]:
        """The first such request in the request log, which may come a little after its client has given up."""
        return soon(lambda: self.sandbox.admin.requests(cloud=self.cloud, operation=self.operation))[0]

    def caused(self) -> list[str]:
        """The effects that its first request has had."""
        return [row["event"] for row in self.sandbox.admin.events(request=self.entry()["n"])]

    def is_executed(self) -> bool:
        """Whether the change takes effect at once; always so for a read."""
        return self.operation not in EVENT or soon(lambda: EVENT[self.operation] in self.caused())


def all_operations(sandbox: SandboxHandle, vpsorg: VpsOrgCalls, ilkbyte: IlkbyteCalls, only: frozenset[str] | None = None) -> Iterator[Call]:
    """Each operation (or `only` these) of each cloud, each after a reset: with a snapshot `good`, at Ilkbyte also one with a schedule."""
    def vpsorg_send(method: str, path: str, body: Any) -> Callable[..., requests.Response]:
        return lambda timeout=10: vpsorg.call(method, path, json=body, timeout=(10, timeout))

    def ilkbyte_send(path: str, parameters: dict[str, Any]) -> Callable[..., requests.Response]:
        return lambda timeout=10: ilkbyte.call(path, timeout=(10, timeout), **parameters)

    calls = [Call(sandbox, "vpsorg", operation, vpsorg_send(*arguments)) for operation, arguments in VPSORG.items()]
    calls += [Call(sandbox, "ilkbyte", operation, ilkbyte_send(*arguments)) for operation, arguments in ILKBYTE.items()]
    for call in calls:
        if only is not None and call.operation not in only:
            continue
        sandbox.admin.reset()
        sandbox.admin.settings(seconds=NO_DURATIONS)
        if call.cloud == "vpsorg":
            sandbox.admin.add_snapshot("vpsorg", "web1", "good")
        else:
            sandbox.admin.add_snapshot("ilkbyte", "app1", "good")
            sandbox.admin.add_snapshot("ilkbyte", "app1", "timed", is_cron=True)
        sandbox.admin.clear_request_log()
        yield call


def soon(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """The condition's first true value, or its last when time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return value
