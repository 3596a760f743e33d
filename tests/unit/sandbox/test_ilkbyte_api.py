# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's side: as strict as the cloud, its operations over time, its schedules."""

from __future__ import annotations

import threading
from pathlib import Path


def test_answer_looks_as_recorded(ilkbyte):
    response = ilkbyte.call("/server/manage/app1/snapshot")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Server"] == "Netinternet WAF"
    assert response.text == '{"status":true,"message":"Snapshot list created","error":null,"data":{"snapshots":[]}}'


def test_what_is_refused_has_status_200(sandbox, ilkbyte):
    sandbox.admin.add_snapshot("ilkbyte", "app1", "s1")
    response = ilkbyte.call("/server/manage/app1/snapshot/delete", name="none")
    assert response.status_code == 200
    assert response.json() == {"status": False, "message": "", "error": "Snapshot not found!", "data": None}
    for name in ("", "a-b", "a b", "ş", "../x"):
        assert ilkbyte.manage("/snapshot/create", name=name)["status"] is False
    for day, hour, minute in (("x", 1, 1), (-1, 1, 1), (1, 24, 1), (1, 1, 60), (1, 1, None), ("1.5", 1, 1)):
        assert ilkbyte.manage("/snapshot/cron/add", name="s1", day=day, hour=hour, min=minute)["status"] is False
    assert sandbox.admin.events() == []
    assert ilkbyte.manage("/snapshot/cron/add", name="s1", day=0, hour=12, min=0)["status"] is True  # day 0 is accepted
    assert ilkbyte.snapshots()["s1"]["params"]["cron_time"] == "Her 0 günde bir 12:00 saatinde"


def test_create_is_not_listed_until_done_and_server_is_paused_until_then(sandbox, ilkbyte):
    assert ilkbyte.manage("/snapshot/create", name="s1") == {"status": True, "message": "Snapshot created!", "error": None, "data": None}
    assert ilkbyte.snapshots() == {} and ilkbyte.status() == "paused"
    ilkbyte.until(lambda: "s1" in ilkbyte.snapshots())
    assert ilkbyte.status() == "running"
    assert ilkbyte.snapshots()["s1"]["current"] is True
    assert ilkbyte.manage("/snapshot/create", name="s1")["error"] == "Snapshot already exists!"


def test_on_finish_responds_when_the_operation_is_finished(sandbox, ilkbyte):
    sandbox.admin.settings(ilkbyte_responds="on_finish", seconds={"ilkbyte.snapshots.create": 1})
    assert ilkbyte.manage("/snapshot/create", name="s1")["status"] is True
    assert "s1" in ilkbyte.snapshots()
    sandbox.admin.fault("snapshot_fails", operation="snapshots.create")
    assert ilkbyte.manage("/snapshot/create", name="s2")["error"] == "Snapshot could not be created!"


def test_second_operation_waits_for_the_first(sandbox, ilkbyte):
    ilkbyte.manage("/snapshot/create", name="s1")
    responses = []
    second = threading.Thread(target=lambda: responses.append(ilkbyte.manage("/snapshot/revert", name="s1")))
    second.start()
    second.join(0.3)
    assert second.is_alive() and not sandbox.admin.events("restore_started")
    sandbox.admin.advance(60)
    second.join(5)
    assert responses[0]["message"] == "Snapshot reverted!"
    assert [entry["event"] for entry in sandbox.admin.events()] == ["snapshot_started", "snapshot_ready", "restore_started"]


def test_revert_brings_disk_and_power_state_back(sandbox, ilkbyte):
    disk = Path(sandbox.admin.server("app1")["disk"])
    (disk / "srv" / "data").write_text("1")
    before = sandbox.admin.server("app1")["digest"]
    ilkbyte.manage("/snapshot/create", name="s1")
    (disk / "srv" / "data").write_text("2")
    ilkbyte.until(lambda: "s1" in ilkbyte.snapshots())
    sandbox.admin.update_server("ilkbyte", "app1", status="shut off")
    ilkbyte.manage("/snapshot/revert", name="s1")
    assert ilkbyte.status() == "paused" and not sandbox.admin.server("app1")["powered_on"]
    (done,) = ilkbyte.until(lambda: sandbox.admin.events("restore_done"))
    server = sandbox.admin.server("app1")
    assert server["digest"] == before == done["digest"]
    assert (server["status"], server["powered_on"]) == ("running", True)


def test_recreate_that_fails_loses_the_snapshot(sandbox, ilkbyte):
    sandbox.admin.add_snapshot("ilkbyte", "app1", "s1")
    sandbox.admin.fault("snapshot_fails", operation="snapshots.update")
    ilkbyte.manage("/snapshot/update", name="s1")
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_failed"))
    assert ilkbyte.snapshots() == {}


def test_schedule_recreates_the_snapshot(sandbox, ilkbyte):
    added = sandbox.admin.add_snapshot("ilkbyte", "app1", "nightly", created_at="2020-01-01T00:00:00Z")
    assert added["date"] == "2020-01-01T03:00:00+03:00"
    assert ilkbyte.manage("/snapshot/cron/add", name="nightly", day=1, hour=2, min=3)["status"] is True
    params = ilkbyte.snapshots()["nightly"]["params"]
    assert params["last_run"] is None and params["cron_time"] == "Her 1 günde bir 02:03 saatinde"
    assert ilkbyte.manage("/snapshot/cron/add", name="nightly", day=1, hour=2, min=3)["status"] is False
    (disk := Path(sandbox.admin.server("app1")["disk"]) / "srv" / "new").write_text("since then")

    due = params["next_run"]
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_recreated"), step=3600)
    row = ilkbyte.snapshots()["nightly"]
    assert row["params"]["last_run"] == due and row["params"]["next_run"][11:19] == "02:03:00"
    assert row["params"]["next_run"] > due <= row["date"]
    assert sandbox.admin.events("snapshot_recreated")[0]["digest"] == sandbox.admin.server("app1")["digest"]
    assert disk.exists()

    assert ilkbyte.manage("/snapshot/cron/delete", name="nightly")["message"] == ("Scheduled snapshot task deleted!!")
    assert ilkbyte.snapshots()["nightly"]["params"]["is_cron"] is False
    before = len(sandbox.admin.events("snapshot_recreated"))
    sandbox.admin.advance(3 * 86400)
    assert len(sandbox.admin.events("snapshot_recreated")) == before
