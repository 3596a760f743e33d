# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that fail, or of which nobody knows whether they began: what only long waits can tell, in virtual time.

Through the real doors, and in real time, in functional/test_snapshot_restore.py (most of it by make test-all only).
"""

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
    """What became of one restore: the task's result, and what the cloud was asked for and did."""

    result: dict[str, Any]
    changing: list[str]
    events: list[str]


def restore(virtual_time: VirtualTime, cloud: str, name: str, *faults: dict[str, Any], snapshots: tuple[str, ...] = ("one", "newer"),
            **settings: Any) -> RestoreResult:
    """Restore the cloud's first server to one of these snapshots, the oldest first, under these faults."""
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
    """The server is left off with its old disk. That must never pass for restored, nor be started unasked."""
    server = SERVERS[cloud][0]
    failed = restore(virtual_time, cloud, name, {"kind": "restore_fails"}, snapshots=("one", "two"), **settings)
    error, msg = failed.result["error"], failed.result["msg"]
    assert failed.result["failed"] and error["outcome"] == outcome and "Nothing was changed" not in msg
    assert server in msg and "Next:" in msg
    assert failed.changing == ["snapshots.restore"] and failed.result["changed"] is True
    assert failed.events[-1] == "restore_failed"
    assert virtual_time.sandbox.admin.server(server)["status"] == OFF[cloud]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_unknown_and_not_begun(virtual_time: VirtualTime, cloud: str) -> None:
    """The connection broke before anything was done: unknown, said so, and not sent again."""
    unknown = restore(virtual_time, cloud, "one", {"kind": "drop_before"})
    assert unknown.result["failed"] and unknown.result["error"]["outcome"] == "unknown"
    assert unknown.changing == ["snapshots.restore"] and unknown.events == []
    assert "unknown whether" in unknown.result["msg"] and SERVERS[cloud][0] in unknown.result["msg"] and "run again" in unknown.result["msg"]
    assert unknown.result["changed"] is False


@pytest.mark.parametrize("fault", [{"kind": "drop_after"}, {"kind": "html", "status": 502, "apply": True}], ids=["it began", "502"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_answer_is_lost(virtual_time: VirtualTime, cloud: str, fault: dict[str, Any]) -> None:
    """A restore of which nobody knows whether it began is looked for, and never asked for again."""
    found = restore(virtual_time, cloud, "one", fault)
    assert not found.result.get("failed"), found.result
    assert found.changing == ["snapshots.restore"] and found.result["changed"] is True
    assert found.events[-1] == "restore_done"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_too_many_requests(virtual_time: VirtualTime, cloud: str) -> None:
    """Provably not begun, so asked again."""
    again = restore(virtual_time, cloud, "one", {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}})
    assert not again.result.get("failed"), again.result
    assert again.changing == ["snapshots.restore"] * 2 and again.events == ["restore_started", "restore_done"]
