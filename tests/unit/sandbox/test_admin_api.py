# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin API: reset, servers, planted snapshots, clock, request log, settings, inventory."""

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


def test_added_snapshots_can_be_changed(sandbox, vpsorg, ilkbyte):
    added = sandbox.admin.add_snapshot("vpsorg", 12345, "old", created_at="2020-01-01T00:00:00Z", size_mb=7)
    sandbox.admin.update_snapshot("vpsorg", "web1", added["id"], status="quarantined")
    (row,) = vpsorg.call("GET", "/snapshots/").json()["results"]
    assert (row["status"], row["created_at"], row["size_mb"]) == ("quarantined", "2020-01-01T00:00:00Z", 7)
    sandbox.admin.add_snapshot("ilkbyte", "app1", "s1", is_cron=True, day=2, hour=4, min=5)
    sandbox.admin.update_snapshot("ilkbyte", "app1", "s1", cron_time="her gece", next_run="2099-01-01T00:00:00+03:00")
    params = ilkbyte.snapshots()["s1"]["params"]
    assert (params["cron_time"], params["next_run"]) == ("her gece", "2099-01-01T00:00:00+03:00")
    sandbox.admin.remove_snapshot("ilkbyte", "app1", "s1")
    assert ilkbyte.snapshots() == {}
    with pytest.raises(AdminError):
        sandbox.admin.update_snapshot("ilkbyte", "app1", "s1", state="running")
    with pytest.raises(AdminError):
        sandbox.admin.add_snapshot("ilkbyte", "app1", "s2", status="failed")


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


@pytest.mark.parametrize(("cloud", "first"), [("vpsorg", "web1"), ("ilkbyte", "app1")])
def test_a_server_that_was_removed_is_back_after_a_reset(sandbox, cloud, first):
    def ids():
        return [(row["id"], row["uuid"], row["name"]) for row in sandbox.admin.servers(cloud)]

    before = ids()
    sandbox.admin.remove_server(cloud, first)
    sandbox.admin.add_server(cloud, "later")
    sandbox.admin.reset()
    assert ids() == before
    sandbox.admin.remove_server(cloud, first)
    sandbox.admin.reset(servers=1)
    assert ids() == before[:1]
    sandbox.admin.reset(servers=2)
    assert ids() == before and sandbox.admin.server(first)["powered_on"]
