# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers' own public clients work with the sandbox, unchanged."""

from __future__ import annotations

import asyncio

import pytest
from api_calls import IlkbyteCalls
from ilkbyte.client import Ilkbyte
from ilkbyte.utils import PowerAction
from vps_mcp.client import VPSClient, format_paginated, format_server

from sandbox import SandboxHandle


@pytest.fixture
def client(sandbox: SandboxHandle) -> Ilkbyte:
    return Ilkbyte(host=sandbox.ilkbyte_url, secret_key=sandbox.ilkbyte_secret_key, access_key=sandbox.ilkbyte_access_key)


def test_ilkbyte_server_lists_and_pages(sandbox: SandboxHandle, client: Ilkbyte) -> None:
    sandbox.admin.settings(ilkbyte_page_size=1)
    sandbox.admin.update_server("ilkbyte", "app2", service="suspended")
    pages = [client.get_all_servers(page)["data"] for page in (1, 2)]
    assert [row["name"] for page in pages for row in page["server_list"]] == ["app1", "app2"]
    assert [page["pagination"] for page in pages] == [{"current_page": n, "total_page": 2} for n in (1, 2)]
    active = client.get_active_servers()["data"]
    assert [row["name"] for row in active["server_list"]] == ["app1"]
    assert set(active["server_list"][0]) == {"name", "ipv4", "ipv6", "osapp", "service", "status", "created_time",
                                             "bandwidth_limit", "bandwidth_usage"}


def test_ilkbyte_snapshots(sandbox: SandboxHandle, client: Ilkbyte, ilkbyte: IlkbyteCalls) -> None:
    assert client.get_snapshots("app1")["data"] == {"snapshots": []}
    # This client's create_snapshot sends no name, and the cloud wants one.
    assert client.create_snapshot("app1")["status"] is False
    sandbox.admin.add_snapshot("ilkbyte", "app1", "before")
    sandbox.admin.add_snapshot("ilkbyte", "app1", "after")

    assert client.restore_snapshot("app1", "before")["message"] == "Snapshot reverted!"
    assert client.get_server("app1")["data"]["status"] == "paused"
    ilkbyte.until(lambda: sandbox.admin.events("restore_done"))
    assert {row["name"]: row["current"] for row in client.get_snapshots("app1")["data"]["snapshots"]} == {
        "before": True, "after": False}

    assert client.update_snapshot("app1", "before")["message"] == "Snapshot recreated!"
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_recreated"))
    assert client.delete_snapshot("app1", "after")["message"] == "Snapshot deleted!"
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_deleted"))
    (left,) = client.get_snapshots("app1")["data"]["snapshots"]
    assert (left["name"], left["current"], left["parent"], left["children"]) == ("before", True, "-", 0)

    for refused in (client.restore_snapshot("app1", "after"), client.update_snapshot("app1", "after"),
                    client.delete_snapshot("app1", "after"), client.get_snapshots("unknown")):
        assert refused["status"] is False and refused["message"] == "" and refused["data"] is None
        assert refused["error"].endswith("not found!")


def test_ilkbyte_account_power_and_schedules(sandbox: SandboxHandle, client: Ilkbyte, ilkbyte: IlkbyteCalls) -> None:
    assert {"balance", "created_at", "group", "name", "status"} <= set(client.get_account()["data"])
    (user,) = client.get_users()["data"]["user_list"]
    assert {"email", "firstname", "lastname", "last_login", "level", "status", "verify"} <= set(user)
    assert client.set_power("app1", PowerAction.shutdown)["data"]["Status"]
    ilkbyte.until(lambda: sandbox.admin.events("power_stopped"))
    assert client.get_server("app1")["data"]["status"] == "shut off"
    sandbox.admin.add_snapshot("ilkbyte", "app1", "nightly")
    assert client.set_cron("app1", "nightly", 0, 12, 0)["status"] is True
    (row,) = client.get_snapshots("app1")["data"]["snapshots"]
    assert row["params"]["is_cron"] is True and {"last_run", "next_run", "cron_time"} <= set(row["params"])
    assert client.delete_cron("app1", "nightly")["status"] is True
    sandbox.admin.add_rows("ilkbyte", servers=[{"name": "app1", "service": "cancel", "deleted_time": "01.01.2019 10:00:00"}])
    assert [row["name"] for row in client.get_all_servers()["data"]["server_list"]] == ["app1", "app2", "app1"]
    assert [row["name"] for row in client.get_active_servers()["data"]["server_list"]] == ["app1", "app2"]


# VPS.org. This client's methods take paths, so its formats are what can differ.


def test_vpsorg_servers_and_account(sandbox: SandboxHandle) -> None:
    async def talk(client: VPSClient) -> None:
        page = await client._get("/servers/", params={"page": 1, "page_size": 1})
        assert page["count"] == 2 and page["previous"] is None and page["next"].startswith(sandbox.vpsorg_url)
        assert "Page 1 of 2 (2 total)" in format_paginated(page, format_server)
        rest = await client._get(page["next"])
        assert rest["next"] is None and [row["name"] for row in rest["results"]] == ["web2"]
        by_uuid = await client._get(f"/servers/{page['results'][0]['uuid']}/")
        assert by_uuid == await client._get(f"/servers/{by_uuid['id']}/")
        assert by_uuid["deployed"] is True and {key: by_uuid[key] for key in ("id", "name", "status")} == {
            key: page["results"][0][key] for key in ("id", "name", "status")}
        assert "Server: web1.example.com" in format_server(by_uuid) and "IPv4: 127.0.0.1" in format_server(by_uuid)
        assert "Deployed: True" in format_server(by_uuid) and "OS: Sandbox" in format_server(by_uuid) and "Plan: 1 GB" in format_server(by_uuid)
        path = f"/servers/{by_uuid['uuid']}"
        for body, name in ((None, None), ({"label": "byhand"}, "byhand")):
            made = await client._post(f"{path}/snapshot/", json=body)
            assert (made["name"], made["status"], made["server"]["id"]) == (name, "in_progress", 12345)
        assert (await client._post(f"/servers/{rest['results'][0]['uuid']}/power/", json={"action": "stop"}))["status"] == "success"
        me = await client._get("/account/me/")
        assert "@" in me["account"]["email"] and me["token"]["permissions"] == ["*:*"]
        assert await client._get("/servers/1/") == "Error (404): Server not found."

    async def run() -> None:
        client = VPSClient(sandbox.vpsorg_token, sandbox.vpsorg_url)
        try:
            await talk(client)
        finally:
            await client.close()

    asyncio.run(run())
