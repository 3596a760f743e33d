# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin API: reset, servers, request log, inventory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from sandbox import AdminError


def test_reset_restores_the_initial_state(sandbox, vpsorg, ilkbyte):
    fresh = sandbox.admin.servers()
    url, disk = sandbox.vpsorg_url, Path(sandbox.admin.server("web1")["disk"])
    (disk / "srv" / "junk").write_text("x")
    vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"})
    vpsorg.call("POST", "/servers/12346/power/", json={"action": "stop"})
    sandbox.admin.add_snapshot("ilkbyte", "app1", "s1", is_cron=True, hour=3)
    sandbox.admin.update_server("ilkbyte", "app2", name="renamed")
    sandbox.admin.add_server("vpsorg", "extra")
    sandbox.admin.fault("empty", times=None)
    sandbox.admin.settings(ilkbyte_responds="on_finish", vpsorg_page_size=1)
    sandbox.admin.add_credentials(vpsorg_token={"token": "vps_extra"})
    sandbox.admin.advance(10_000)
    sandbox.admin.reset()
    assert sandbox.admin.servers() == fresh
    assert sandbox.admin.request_log() == [] and sandbox.admin.faults() == []
    assert sandbox.admin.settings()["ilkbyte_responds"] == "on_start" and sandbox.admin.clock()["elapsed"] < 10
    assert vpsorg.call("GET", "/servers/", token="vps_extra").status_code == 401
    assert vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"}).json()["id"] == 801
    assert ilkbyte.snapshots() == {} and url == sandbox.vpsorg_url


def test_servers_come_go_and_change(sandbox, vpsorg):
    added = sandbox.admin.add_server("vpsorg", "db1", hostname="db.example.com", status="stopped")
    assert (added["id"], added["status"], added["powered_on"]) == (12347, "stopped", False)
    sandbox.admin.update_server("vpsorg", "db1", status="active", name="db2")
    assert vpsorg.call("GET", f"/servers/{added['uuid']}/").json()["name"] == "db2"
    assert "db2:" in Path(sandbox.inventory).read_text()
    sandbox.admin.remove_server("vpsorg", 12347)
    assert vpsorg.call("GET", "/servers/12347/").status_code == 404
    for wrong in ("ab", "a-b-c", "x" * 17):
        with pytest.raises(AdminError):
            sandbox.admin.add_server("ilkbyte", wrong)


def test_request_log_never_holds_credentials(sandbox, vpsorg, ilkbyte):
    vpsorg.call("GET", f"/servers/?leak={sandbox.vpsorg_token}")
    vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "a", "description": sandbox.vpsorg_token})
    ilkbyte.call(f"/server/manage/{sandbox.ilkbyte_secret_key}/show", name=sandbox.ilkbyte_access_key)
    requests.post(f"{sandbox.ilkbyte_url}/account", timeout=10,
                  data=json.dumps({"access": sandbox.ilkbyte_access_key, "list": [sandbox.ilkbyte_secret_key]}))
    text = json.dumps(sandbox.admin.request_log())
    assert len(sandbox.admin.requests()) == 4
    for secret in (sandbox.vpsorg_token, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key):
        assert secret not in text


def test_inventory_names_servers_and_holds_no_credentials(sandbox):
    text = Path(sandbox.inventory).read_text()
    for word in ("web1:", "web2:", "app1:", "app2:", 'rewind_provider: "vpsorg"', "rewind_server_id: 12345",
                 'rewind_server_id: "app1"', "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"):
        assert word in text
    for secret in (sandbox.vpsorg_token, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key):
        assert secret not in text


def test_rows_with_any_content(sandbox, vpsorg, ilkbyte):
    admin = sandbox.admin
    admin.update_server("vpsorg", "web1", row={"ip_address": None, "status": 5}, without=["uuid"], show={"deployed": False})
    admin.add_snapshot("vpsorg", "web1", "one")
    admin.update_snapshot("vpsorg", "web1", "one", row={"created_at": "soon"}, without=["server"])
    admin.add_rows("vpsorg", servers=[None], snapshots=[{"id": "x"}])
    row, other, extra = vpsorg.call("GET", "/servers/").json()["results"]
    assert (row["ip_address"], row["status"], "uuid" in row, "deployed" in row, other["status"], extra) == (None, 5, False, False, "active", None)
    shown = vpsorg.call("GET", "/servers/12345/").json()
    assert (shown["deployed"], shown["status"], "uuid" in shown) == (False, 5, False)
    for query in ("?server_id=12345", ""):
        listed = vpsorg.call("GET", f"/snapshots/{query}").json()["results"]
        assert listed[0]["created_at"] == "soon" and "server" not in listed[0] and len(listed) == (1 if query else 2)
    admin.update_server("ilkbyte", "app1", row={"service": "InProgress", "status": "nil"})
    admin.add_snapshot("ilkbyte", "app1", "one")
    admin.update_snapshot("ilkbyte", "app1", "one", row={"date": None})
    admin.add_rows("ilkbyte", servers=[{"name": "app1", "service": "cancel"}], server="app1", snapshots=[{}])
    first, dummy, dead = ilkbyte.call("/server/list/all").json()["data"]["server_list"]
    assert (first["service"], first["status"], dead["service"]) == ("InProgress", "nil", "cancel")
    assert [item["date"] if item else None for item in ilkbyte.manage("/snapshot")["data"]["snapshots"]] == [None, None]
    admin.reset()
    assert len(vpsorg.call("GET", "/servers/").json()["results"]) == 2 == len(ilkbyte.call("/server/list/all").json()["data"]["server_list"])
    assert vpsorg.call("GET", "/servers/12345/").json()["deployed"] is True


def test_vpsorgs_other_snapshot_route_needs_no_name(sandbox, vpsorg):
    uuid = sandbox.admin.server("web1")["uuid"]
    for body, name in (({}, None), ({"label": "byhand"}, "byhand")):
        answer = vpsorg.call("POST", f"/servers/{uuid}/snapshot/", json=body)
        assert (answer.status_code, answer.json()["name"], answer.json()["status"]) == (201, name, "in_progress")
    assert [request["operation"] for request in sandbox.admin.requests(changing=True)] == ["snapshots.create"] * 2
