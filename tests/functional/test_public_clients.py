# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers' own public clients work with the sandbox, unchanged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ilkbyte.client import Ilkbyte
from ilkbyte.utils import PowerAction
from vps_mcp.client import VPSClient, format_paginated, format_server

from sandbox import SandboxHandle, launch

# Slow enough that nothing ends by itself between two calls; waits move the clock.
SPEED = 2.0


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxHandle]:
    with launch(servers=3, speed=SPEED, ssh=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    shared_sandbox.admin.reset()
    return shared_sandbox


@pytest.fixture
def ilkbyte(sandbox: SandboxHandle) -> Ilkbyte:
    return Ilkbyte(host=sandbox.ilkbyte_url, secret_key=sandbox.ilkbyte_secret_key, access_key=sandbox.ilkbyte_access_key)


def until(sandbox: SandboxHandle, condition: Callable[[], Any]) -> Any:
    """The condition's first true value, while sandbox time passes."""
    for _attempt in range(200):
        if value := condition():
            return value
        sandbox.admin.advance(30)
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")


# Ilkbyte


def test_ilkbyte_account(ilkbyte: Ilkbyte) -> None:
    account = ilkbyte.get_account()
    assert account["status"] is True and account["error"] is None
    assert set(account["data"]) == {"name", "group", "balance", "status"}
    assert ilkbyte.get_users()["data"]["pagination"] == {"current_page": 1, "total_page": 1}


def test_ilkbyte_server_lists_and_pages(sandbox: SandboxHandle, ilkbyte: Ilkbyte) -> None:
    sandbox.admin.settings(ilkbyte_page_size=2)
    sandbox.admin.update_server("ilkbyte", "app3", service="suspended")
    pages = [ilkbyte.get_all_servers(page)["data"] for page in (1, 2)]
    assert [row["name"] for page in pages for row in page["server_list"]] == ["app1", "app2", "app3"]
    assert [page["pagination"] for page in pages] == [{"current_page": n, "total_page": 2} for n in (1, 2)]
    active = ilkbyte.get_active_servers()["data"]
    assert [row["name"] for row in active["server_list"]] == ["app1", "app2"]
    assert set(active["server_list"][0]) == {"name", "ipv4", "ipv6", "osapp", "service", "status", "created_time",
                                             "bandwidth_limit", "bandwidth_usage"}


def test_ilkbyte_power(sandbox: SandboxHandle, ilkbyte: Ilkbyte) -> None:
    def status() -> str:
        return ilkbyte.get_server("app1")["data"]["status"]

    assert status() == "running"
    refused = ilkbyte.set_power("app1", PowerAction.start)
    assert refused == {"status": False, "message": "", "error": "Server is already running!", "data": None}
    for action, event, reached in ((PowerAction.shutdown, "power_stopped", "shut off"),
                                   (PowerAction.start, "power_started", "running"),
                                   (PowerAction.reboot, "power_started", "running"),
                                   (PowerAction.destroy, "power_stopped", "shut off")):
        done = ilkbyte.set_power("app1", action)
        assert done["status"] is True and done["data"] == {"Status": "Çalışıyor"}
        until(sandbox, lambda: sandbox.admin.events(server="app1", event=event))  # noqa: B023
        assert status() == reached
        sandbox.admin.clear_request_log()


def test_ilkbyte_snapshots(sandbox: SandboxHandle, ilkbyte: Ilkbyte) -> None:
    assert ilkbyte.get_snapshots("app1")["data"] == {"snapshots": []}
    # This client's create_snapshot sends no name, and the cloud wants one.
    assert ilkbyte.create_snapshot("app1")["status"] is False
    sandbox.admin.add_snapshot("ilkbyte", "app1", "before")
    sandbox.admin.add_snapshot("ilkbyte", "app1", "after")

    assert ilkbyte.restore_snapshot("app1", "before")["message"] == "Snapshot reverted!"
    assert ilkbyte.get_server("app1")["data"]["status"] == "paused"
    until(sandbox, lambda: sandbox.admin.events("restore_done"))
    assert {row["name"]: row["current"] for row in ilkbyte.get_snapshots("app1")["data"]["snapshots"]} == {
        "before": True, "after": False}

    assert ilkbyte.update_snapshot("app1", "before")["message"] == "Snapshot recreated!"
    until(sandbox, lambda: sandbox.admin.events("snapshot_recreated"))
    assert ilkbyte.delete_snapshot("app1", "after")["message"] == "Snapshot deleted!"
    until(sandbox, lambda: sandbox.admin.events("snapshot_deleted"))
    (left,) = ilkbyte.get_snapshots("app1")["data"]["snapshots"]
    assert (left["name"], left["current"], left["parent"], left["children"]) == ("before", True, "-", 0)

    for refused in (ilkbyte.restore_snapshot("app1", "after"), ilkbyte.update_snapshot("app1", "after"),
                    ilkbyte.delete_snapshot("app1", "after"), ilkbyte.get_snapshots("unknown")):
        assert refused["status"] is False and refused["message"] == "" and refused["data"] is None
        assert refused["error"].endswith("not found!")


def test_ilkbyte_schedules(sandbox: SandboxHandle, ilkbyte: Ilkbyte) -> None:
    sandbox.admin.add_snapshot("ilkbyte", "app1", "nightly")
    assert ilkbyte.set_cron("app1", "nightly", 1, 24, 0)["status"] is False
    assert ilkbyte.set_cron("app1", "other", 1, 2, 3)["error"] == "Snapshot not found!"
    assert ilkbyte.set_cron("app1", "nightly", 1, 2, 3)["message"] == "Scheduled snapshot task created!"
    (row,) = ilkbyte.get_snapshots("app1")["data"]["snapshots"]
    assert row["params"]["cron_time"] == "Her 1 günde bir 02:03 saatinde"
    assert row["params"]["next_run"].endswith("T02:03:00+03:00")
    assert ilkbyte.delete_cron("app1", "nightly")["message"] == "Scheduled snapshot task deleted!!"
    assert ilkbyte.delete_cron("app1", "nightly")["status"] is False


# VPS.org. This client's methods take paths, so its formats are what can differ.


def test_vpsorg_servers_and_account(sandbox: SandboxHandle) -> None:
    async def talk(client: VPSClient) -> None:
        page = await client._get("/servers/", params={"page": 1, "page_size": 2})
        assert page["count"] == 3 and page["previous"] is None and page["next"].startswith(sandbox.vpsorg_url)
        assert "Page 1 of 2 (3 total)" in format_paginated(page, format_server)
        rest = await client._get(page["next"])
        assert rest["next"] is None and [row["name"] for row in rest["results"]] == ["web3"]
        by_uuid = await client._get(f"/servers/{page['results'][0]['uuid']}/")
        assert by_uuid == await client._get(f"/servers/{by_uuid['id']}/") == page["results"][0]
        assert "Server: web1.example.com" in format_server(by_uuid) and "IPv4: 127.0.0.1" in format_server(by_uuid)
        me = await client._get("/account/me/")
        assert "@" in me["account"]["email"] and me["token"]["permissions"] == ["read", "write"]
        assert await client._get("/servers/1/") == "Error (404): Server not found."

    async def run() -> None:
        client = VPSClient(sandbox.vpsorg_token, sandbox.vpsorg_url)
        try:
            await talk(client)
        finally:
            await client.close()

    asyncio.run(run())
