# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else does something to a server around a request: what its client sees, and whose the effects are."""

from __future__ import annotations

import pytest
import requests

from sandbox import ControlError

THEIRS = "somebody else"


def told(box):
    """Every effect so far with who has caused it, and whether it is a request's."""
    return [(row["effect"], row["by"], row["request"] is not None) for row in box.control.effects()]


def meanwhile(box, do, **more):
    box.control.fault("meanwhile", do=do, **more)


@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_the_server_is_deleted_before_or_after(box, vpsorg, ilkbyte, cloud):
    def show():
        return vpsorg.call("GET", "/servers/12345/").status_code if cloud == "vpsorg" else ilkbyte.manage("/show")["error"]

    name, fine, gone = {"vpsorg": ("web1", 200, 404), "ilkbyte": ("app1", None, "Server not found!")}[cloud]
    meanwhile(box, "delete_server", when="after", cloud=cloud, operation="servers.show")
    assert show() == fine and show() == gone
    assert told(box) == [("server_removed", THEIRS, False)]
    box.control.reset()
    meanwhile(box, "delete_server", cloud=cloud)
    assert show() == gone
    assert [row["server"] for row in box.control.effects("server_removed")] == [name]
    (entry,) = box.control.requests()
    assert (entry["fault"], entry["meanwhile"]) == ("meanwhile", "delete_server")


def test_what_is_begun_before_makes_the_server_busy(box, vpsorg):
    planted = box.control.plant_snapshot("vpsorg", "web1", "good")
    meanwhile(box, "stop_server")
    answer = vpsorg.call("POST", f"/snapshots/{planted['id']}/restore/")
    assert answer.status_code == 400 and "valid state" in answer.json()["detail"]
    vpsorg.until(lambda: vpsorg.status() == "stopped")
    assert told(box) == [("power_stopped", THEIRS, False)]  # which came later, in the background
    meanwhile(box, "start_server", when="after")
    assert vpsorg.status() == "stopped"
    vpsorg.until(lambda: vpsorg.status() == "active")
    assert told(box)[1:] == [("power_started", THEIRS, False)]


def test_whose_snapshot_is_whose(box, vpsorg):
    meanwhile(box, "create_snapshot", name="s", when="after")
    box.control.fault("snapshot_fails", skip=1)  # for the client's second one, not for somebody else's
    mine = vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"}).json()
    number = box.control.requests(operation="snapshots.create")[0]["n"]
    vpsorg.until(lambda: len(box.control.effects("snapshot_ready")) == 2)
    assert sorted((row["effect"], row["snapshot_id"] == mine["id"], row["by"], row["request"]) for row in box.control.effects()) == [
        ("snapshot_ready", False, THEIRS, None), ("snapshot_ready", True, "client", number),
        ("snapshot_started", False, THEIRS, None), ("snapshot_started", True, "client", number)]
    assert len(box.control.effects(by=THEIRS)) == len(box.control.effects(request=number)) == 2
    vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "t"})
    assert vpsorg.until(lambda: box.control.effects("snapshot_failed"))[0]["by"] == "client"


def test_whose_snapshot_is_whose_at_ilkbyte(box, ilkbyte):
    box.control.settings(seconds={"ilkbyte.snapshots.create": 30})
    meanwhile(box, "create_snapshot", name="theirs", when="after")
    assert ilkbyte.manage("/snapshot/create", name="mine")["status"] is True
    ilkbyte.until(lambda: len(box.control.effects("snapshot_ready")) == 2)
    assert [(row["effect"], row["snapshot"], row["by"]) for row in box.control.effects()] == [
        ("snapshot_started", "mine", "client"), ("snapshot_ready", "mine", "client"),
        ("snapshot_started", "theirs", THEIRS), ("snapshot_ready", "theirs", THEIRS)]


@pytest.mark.parametrize(("which", "left"), [("newest", ["b", "a"]), ("oldest", ["c", "b"]), ("b", ["c", "a"]), (802, ["c", "a"])])
def test_which_snapshot_is_deleted_at_vpsorg(box, vpsorg, which, left):
    for number, name in enumerate("abc"):
        box.control.plant_snapshot("vpsorg", "web1", name, created_at=f"2026-01-0{number + 1}T00:00:00Z")
    meanwhile(box, "delete_snapshot", snapshot=which, operation="snapshots.list", server="web1")
    rows = vpsorg.call("GET", "/snapshots/?server_id=12345").json()["results"]
    assert [row["name"] for row in rows] == left and told(box) == [("snapshot_deleted", THEIRS, False)]


@pytest.mark.parametrize(("which", "left"), [("newest", {"a", "b"}), ("oldest", {"b", "c"}), ("b", {"a", "c"})])
def test_which_snapshot_is_deleted_at_ilkbyte(box, ilkbyte, which, left):
    box.control.settings(ilkbyte_responds="on_finish", seconds={"ilkbyte.snapshots.delete": 0})
    for number, name in enumerate("abc"):
        box.control.plant_snapshot("ilkbyte", "app1", name, created_at=f"2026-01-0{number + 1}T00:00:00Z")
    meanwhile(box, "delete_snapshot", snapshot=which)
    assert set(ilkbyte.snapshots()) == left and told(box) == [("snapshot_deleted", THEIRS, False)]


@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_a_restore_by_somebody_else(box, vpsorg, ilkbyte, cloud):
    name = {"vpsorg": "web1", "ilkbyte": "app1"}[cloud]
    box.control.plant_snapshot(cloud, name, "good")
    box.control.fault("restore_fails", cloud=cloud)  # the client's, not theirs
    meanwhile(box, "restore", snapshot="good", cloud=cloud)
    seen = vpsorg.status() if cloud == "vpsorg" else ilkbyte.status()
    assert seen == {"vpsorg": "restoring", "ilkbyte": "paused"}[cloud]
    vpsorg.until(lambda: box.control.effects("restore_done"))
    assert told(box) == [("restore_started", THEIRS, False), ("restore_done", THEIRS, False)] and len(box.control.faults()) == 1


def test_schedules_of_somebody_else(box, ilkbyte):
    box.control.plant_snapshot("ilkbyte", "app1", "s1")
    box.control.clear_ledger()
    meanwhile(box, "add_schedule", cloud="ilkbyte", hour=5, snapshot="s1")
    assert ilkbyte.snapshots()["s1"]["params"]["is_cron"] is True
    meanwhile(box, "remove_schedule", cloud="ilkbyte")
    assert ilkbyte.snapshots()["s1"]["params"]["is_cron"] is False
    assert told(box) == [("cron_added", THEIRS, False), ("cron_deleted", THEIRS, False)]


def test_a_run_of_a_schedule_is_nobodys_request(box, ilkbyte):
    box.control.plant_snapshot("ilkbyte", "app1", "s1")
    ilkbyte.manage("/snapshot/cron/add", name="s1", day=1, hour=5, min=0)
    ilkbyte.until(lambda: box.control.effects("snapshot_recreated"), step=3600)
    assert told(box) == [("cron_added", "client", True), ("snapshot_started", "schedule", False), ("snapshot_recreated", "schedule", False)]


@pytest.mark.parametrize(("cloud", "do"), [
    ("vpsorg", "start_server"), ("vpsorg", "restore"), ("vpsorg", "delete_snapshot"), ("ilkbyte", "start_server"), ("ilkbyte", "restore"),
    ("ilkbyte", "remove_schedule"), ("ilkbyte", "add_schedule"),
])
def test_what_the_cloud_refuses_somebody_else_is_noted(box, vpsorg, ilkbyte, cloud, do):
    meanwhile(box, do, cloud=cloud, snapshot="nothing")
    assert (vpsorg.status() if cloud == "vpsorg" else ilkbyte.status()) in ("active", "running")
    (row,) = box.control.effects()
    assert (row["effect"], row["do"], row["by"]) == ("interference_refused", do, THEIRS) and row["why"]


def test_a_request_without_a_server(box, vpsorg):
    meanwhile(box, "delete_server", operation="servers.list", times=2)
    assert len(vpsorg.call("GET", "/servers/").json()["results"]) == 2
    assert [(row["effect"], row["why"]) for row in box.control.effects()] == [("interference_refused", "no such server")]
    box.control.clear_faults()
    meanwhile(box, "delete_server", operation="servers.list", on="web2")
    assert [row["name"] for row in vpsorg.call("GET", "/servers/").json()["results"]] == ["web1"]


def test_together_with_a_lost_answer(box, vpsorg):
    meanwhile(box, "create_snapshot", name="s", when="after")
    box.control.fault("drop_after")
    with pytest.raises(requests.ConnectionError):
        vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"})
    assert told(box) == [("snapshot_started", "client", True), ("snapshot_started", THEIRS, False)]
    (entry,) = box.control.requests()
    assert (entry["fault"], entry["meanwhile"]) == ("drop_after", "create_snapshot")


@pytest.mark.patient
def test_every_call_can_have_somebody_elses_work_around_it(all_calls):
    for call in all_calls():
        call.box.control.fault("meanwhile", do="create_snapshot", name="theirs", when="after", cloud=call.cloud, operation=call.operation,
                               on={"vpsorg": "web2", "ilkbyte": "app2"}[call.cloud])
        assert call.send().ok and call.is_carried_out(), call
        begun = call.box.control.effects("snapshot_started", by=THEIRS)
        assert [row["server"] for row in begun] == [{"vpsorg": "web2", "ilkbyte": "app2"}[call.cloud]], call


@pytest.mark.parametrize("fault", [
    {"do": "earthquake"}, {}, {"do": "restore", "when": "during"}, {"do": "add_schedule"}, {"do": "restore", "snapshots": "x"},
])
def test_interference_that_makes_no_sense_is_refused(box, fault):
    with pytest.raises(ControlError):
        box.control._call("POST", "faults", {"fault": {"kind": "meanwhile", **fault}})
