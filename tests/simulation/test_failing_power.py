# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are stopped for a snapshot and stop late, never, or are not started, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from task_spec import SERVERS

if TYPE_CHECKING:
    from virtual_time import VirtualTime

STOP = {"vpsorg": "stop", "ilkbyte": "shutdown"}
ON = {"vpsorg": "active", "ilkbyte": "running"}


def take_snapshot(virtual_time: VirtualTime, cloud: str, *faults: dict[str, Any], stop_seconds: float = 20, wait_timeout: int = 60,
                  ) -> tuple[dict[str, Any], list[str], list[str]]:
    """Take a snapshot with the server stopped; its result, the operations, and the power actions."""
    admin = virtual_time.sandbox.admin
    admin.reset()
    virtual_time.clear_local_state()
    admin.settings(seconds={f"{cloud}.servers.power.{STOP[cloud]}": stop_seconds})
    admin.clear_request_log()
    for fault in faults:
        admin.fault(**{"cloud": cloud, "operation": "servers.power", **fault})
    result = virtual_time.task(cloud, "snapshot", server=SERVERS[cloud][0], name="one", stop_server=True, wait_timeout=wait_timeout)
    requests = admin.requests()
    actions = [(row["body"] or {}).get("action") or row["query"].get("set") for row in requests if row["operation"] == "servers.power"]
    assert admin.server(SERVERS[cloud][0])["status"] == ON[cloud]
    return result, [row["operation"] for row in requests], actions


@pytest.mark.parametrize("cloud", STOP)
def test_a_server_that_never_stops_is_not_forced(virtual_time: VirtualTime, cloud: str) -> None:
    result, operations, actions = take_snapshot(virtual_time, cloud, {"kind": "power_stuck", "seconds": 300})
    assert result["error"]["kind"] == "wait_timeout" and SERVERS[cloud][0] in result["msg"] and "start it in the" in result["msg"]
    assert actions == [STOP[cloud]] and "snapshots.create" not in operations


@pytest.mark.parametrize("cloud", STOP)
def test_a_server_that_stops_after_the_timeout_is_started_again(virtual_time: VirtualTime, cloud: str) -> None:
    result, operations, actions = take_snapshot(virtual_time, cloud, stop_seconds=90)
    assert result["error"]["kind"] == "wait_timeout" and "snapshots.create" not in operations
    assert actions == [STOP[cloud], "start"]


@pytest.mark.parametrize("cloud", STOP)
def test_a_lost_start_is_sent_again(virtual_time: VirtualTime, cloud: str) -> None:
    """A server that is seen off and idle for a minute was not started."""
    result, dummy, actions = take_snapshot(virtual_time, cloud, {"kind": "drop_before", "skip": 1}, wait_timeout=1200)
    assert not result.get("failed"), result
    assert actions == [STOP[cloud], "start", "start"]
