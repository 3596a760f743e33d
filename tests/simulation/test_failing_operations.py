# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that fail or whose response is lost, and a server that never stops for its snapshot, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from task_spec import SERVERS

if TYPE_CHECKING:
    from virtual_time import VirtualTime

CLOUDS = ("vpsorg", "ilkbyte")
OFF = {"vpsorg": "stopped", "ilkbyte": "shut off"}
ON_FINISH = {"ilkbyte_responds": "on_finish"}


@dataclass
class RestoreResult:
    """One restore: the task's result, the changing requests and the events."""

    result: dict[str, Any]
    changing: list[str]
    events: list[str]


def restore(virtual_time: VirtualTime, cloud: str, name: str, *faults: dict[str, Any], snapshots: tuple[str, ...] = ("one", "newer"),
            **settings: Any) -> RestoreResult:
    """Restore the provider's first server to one of these snapshots (oldest first) under these faults."""
    admin = virtual_time.sandbox.admin
    admin.reset()
    virtual_time.clear_local_state()
    for number, snapshot_name in enumerate(snapshots):
        at = datetime.now(timezone.utc) - timedelta(hours=9 - number)
        admin.add_snapshot(cloud, SERVERS[cloud][0], snapshot_name, created_at=at.isoformat(timespec="seconds"))
    admin.settings(**settings)
    admin.clear_request_log()
    for fault in faults:
        admin.fault(**{"cloud": cloud, "operation": "snapshots.restore", **fault})
    result = virtual_time.task(cloud, "snapshot_restore", server=SERVERS[cloud][0], name=name)
    return RestoreResult(result, [row["operation"] for row in admin.requests(changing=True)], [row["event"] for row in admin.events()])


@pytest.mark.parametrize(("cloud", "name", "settings", "outcome"), [
    # VPS.org says nothing of a failure, only that the server is stopped, where it should run.
    pytest.param("vpsorg", "one", {}, "unknown", id="vpsorg"),
    pytest.param("ilkbyte", "two", {}, "failed", id="ilkbyte, to its current one"),
    pytest.param("ilkbyte", "one", ON_FINISH, "failed", id="ilkbyte, answering when done"),
])
def test_failing_half_way(virtual_time: VirtualTime, cloud: str, name: str, settings: dict[str, Any], outcome: str) -> None:
    """The server is left off with its old disk: it must neither count as restored nor be started."""
    server = SERVERS[cloud][0]
    failed = restore(virtual_time, cloud, name, {"kind": "restore_fails"}, snapshots=("one", "two"), **settings)
    error, msg = failed.result["error"], failed.result["msg"]
    assert failed.result["failed"] and error["outcome"] == outcome and "Nothing was changed" not in msg
    assert server in msg and "Next:" in msg
    assert failed.changing == ["snapshots.restore"] and failed.result["changed"] is True
    assert failed.events[-1] == "restore_failed"
    assert virtual_time.sandbox.admin.server(server)["status"] == OFF[cloud]


@pytest.mark.parametrize("fault", [{"kind": "drop_after"}, {"kind": "html", "status": 502, "apply": True}], ids=["connection", "502"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_restore_whose_response_is_lost_is_found(virtual_time: VirtualTime, cloud: str, fault: dict[str, Any]) -> None:
    found = restore(virtual_time, cloud, "one", fault)
    assert not found.result.get("failed"), found.result
    assert found.changing == ["snapshots.restore"] and found.result["changed"] is True
    assert found.events[-1] == "restore_done"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_server_that_never_stops_is_not_forced(virtual_time: VirtualTime, cloud: str) -> None:
    admin, server = virtual_time.sandbox.admin, SERVERS[cloud][0]
    admin.reset()
    virtual_time.clear_local_state()
    admin.clear_request_log()
    admin.fault("power_stuck", cloud=cloud, operation="servers.power", seconds=300)
    result = virtual_time.task(cloud, "snapshot", server=server, name="one", stop_server=True, wait_timeout=60)
    assert result["error"]["kind"] == "wait_timeout" and server in result["msg"] and "start it in the" in result["msg"]
    actions = [(row["body"] or {}).get("action") or row["query"].get("set") for row in admin.requests(changing=True)]
    assert actions == [{"vpsorg": "stop", "ilkbyte": "shutdown"}[cloud]], "one graceful stop, and no snapshot"
    assert admin.server(server)["status"] == {"vpsorg": "active", "ilkbyte": "running"}[cloud]
