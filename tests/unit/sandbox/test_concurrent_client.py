# SPDX-License-Identifier: GPL-3.0-or-later
"""Another client changes a server around a request: what the client sees, and which effects belong to which client."""

from __future__ import annotations

import pytest

OTHER_CLIENT = "other_client"


def actors(sandbox):
    """Every effect so far with who has caused it, and whether it is a request's."""
    return [(row["event"], row["actor"], row["request"] is not None) for row in sandbox.admin.events()]


def change_concurrently(sandbox, action, **more):
    sandbox.admin.fault("concurrent_change", action=action, **more)


@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_the_server_is_deleted_before_or_after(sandbox, vpsorg, ilkbyte, cloud):
    def show():
        return vpsorg.call("GET", "/servers/12345/").status_code if cloud == "vpsorg" else ilkbyte.manage("/show")["error"]

    name, fine, gone = {"vpsorg": ("web1", 200, 404), "ilkbyte": ("app1", None, "Server not found!")}[cloud]
    change_concurrently(sandbox, "delete_server", when="after", cloud=cloud, operation="servers.show")
    assert show() == fine and show() == gone
    assert actors(sandbox) == [("server_removed", OTHER_CLIENT, False)]
    sandbox.admin.reset()
    change_concurrently(sandbox, "delete_server", cloud=cloud)
    assert show() == gone
    assert [row["server"] for row in sandbox.admin.events("server_removed")] == [name]
    (entry,) = sandbox.admin.requests()
    assert (entry["fault"], entry["concurrent_change"]) == ("concurrent_change", "delete_server")


def test_what_is_started_before_makes_the_server_busy(sandbox, vpsorg):
    added = sandbox.admin.add_snapshot("vpsorg", "web1", "good")
    change_concurrently(sandbox, "stop_server")
    response = vpsorg.call("POST", f"/snapshots/{added['id']}/restore/")
    assert response.status_code == 400 and "valid state" in response.json()["detail"]
    vpsorg.until(lambda: vpsorg.status() == "stopped")
    assert actors(sandbox) == [("power_stopped", OTHER_CLIENT, False)]  # which came later, in the background
    change_concurrently(sandbox, "start_server", when="after")
    assert vpsorg.status() == "stopped"
    vpsorg.until(lambda: vpsorg.status() == "active")
    assert actors(sandbox)[1:] == [("power_started", OTHER_CLIENT, False)]


def test_each_snapshot_has_its_actor(sandbox, vpsorg):
    change_concurrently(sandbox, "create_snapshot", name="s", when="after")
    sandbox.admin.fault("snapshot_fails", skip=1)  # for the client's second one, not for the other client's
    mine = vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"}).json()
    number = sandbox.admin.requests(operation="snapshots.create")[0]["n"]
    vpsorg.until(lambda: len(sandbox.admin.events("snapshot_ready")) == 2)
    assert sorted((row["event"], row["snapshot_id"] == mine["id"], row["actor"], row["request"]) for row in sandbox.admin.events()) == [
        ("snapshot_ready", False, OTHER_CLIENT, None), ("snapshot_ready", True, "client", number),
        ("snapshot_started", False, OTHER_CLIENT, None), ("snapshot_started", True, "client", number)]
    assert len(sandbox.admin.events(actor=OTHER_CLIENT)) == len(sandbox.admin.events(request=number)) == 2
    vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "t"})
    assert vpsorg.until(lambda: sandbox.admin.events("snapshot_failed"))[0]["actor"] == "client"


@pytest.mark.parametrize(("which", "deleted"), [("newest", "c"), ("oldest", "a"), ("b", "b"), (802, "b")])
@pytest.mark.parametrize("server", ["web1", "app1"])
def test_which_snapshot_is_deleted(sandbox, vpsorg, ilkbyte, server, which, deleted):
    cloud = {"web1": "vpsorg", "app1": "ilkbyte"}[server]
    sandbox.admin.settings(ilkbyte_responds="on_finish", seconds={"ilkbyte.snapshots.delete": 0})
    for number, name in enumerate("abc"):
        sandbox.admin.add_snapshot(cloud, server, name, created_at=f"2026-01-0{number + 1}T00:00:00Z")
    change_concurrently(sandbox, "delete_snapshot", snapshot="b" if cloud == "ilkbyte" and which == 802 else which, server=server)
    rows = vpsorg.call("GET", "/snapshots/?server_id=12345").json()["results"] if cloud == "vpsorg" else ilkbyte.snapshots().values()
    assert sorted(row["name"] for row in rows) == sorted(set("abc") - {deleted}) and actors(sandbox) == [("snapshot_deleted", OTHER_CLIENT, False)]


@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_a_restore_by_another_client(sandbox, vpsorg, ilkbyte, cloud):
    name = {"vpsorg": "web1", "ilkbyte": "app1"}[cloud]
    sandbox.admin.add_snapshot(cloud, name, "good")
    sandbox.admin.fault("restore_fails", cloud=cloud)  # the client's, not theirs
    change_concurrently(sandbox, "restore", snapshot="good", cloud=cloud)
    statuses = vpsorg.status() if cloud == "vpsorg" else ilkbyte.status()
    assert statuses == {"vpsorg": "restoring", "ilkbyte": "paused"}[cloud]
    vpsorg.until(lambda: sandbox.admin.events("restore_done"))
    assert actors(sandbox) == [("restore_started", OTHER_CLIENT, False), ("restore_done", OTHER_CLIENT, False)] and len(sandbox.admin.faults()) == 1


def test_schedules_of_another_client(sandbox, ilkbyte):
    sandbox.admin.add_snapshot("ilkbyte", "app1", "s1")
    sandbox.admin.clear_request_log()
    change_concurrently(sandbox, "add_schedule", cloud="ilkbyte", hour=5, snapshot="s1")
    assert ilkbyte.snapshots()["s1"]["params"]["is_cron"] is True
    change_concurrently(sandbox, "remove_schedule", cloud="ilkbyte")
    assert ilkbyte.snapshots()["s1"]["params"]["is_cron"] is False
    assert actors(sandbox) == [("cron_added", OTHER_CLIENT, False), ("cron_deleted", OTHER_CLIENT, False)]
    ilkbyte.manage("/snapshot/cron/add", name="s1", day=1, hour=5, min=0)
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_recreated"), step=3600)
    assert actors(sandbox)[2:] == [("cron_added", "client", True), ("snapshot_started", "schedule", False), ("snapshot_recreated", "schedule", False)]


@pytest.mark.parametrize(("cloud", "action"), [
    ("vpsorg", "start_server"), ("vpsorg", "restore"), ("vpsorg", "delete_snapshot"), ("ilkbyte", "start_server"), ("ilkbyte", "restore"),
    ("ilkbyte", "remove_schedule"), ("ilkbyte", "add_schedule"),
])
def test_what_the_cloud_rejects_for_another_client_is_recorded(sandbox, vpsorg, ilkbyte, cloud, action):
    change_concurrently(sandbox, action, cloud=cloud, snapshot="nothing")
    assert (vpsorg.status() if cloud == "vpsorg" else ilkbyte.status()) in ("active", "running")
    (row,) = sandbox.admin.events()
    assert (row["event"], row["action"], row["actor"]) == ("concurrent_change_rejected", action, OTHER_CLIENT) and row["why"]


def test_a_request_without_a_server(sandbox, vpsorg):
    change_concurrently(sandbox, "delete_server", operation="servers.list", times=2)
    assert len(vpsorg.call("GET", "/servers/").json()["results"]) == 2
    assert [(row["event"], row["why"]) for row in sandbox.admin.events()] == [("concurrent_change_rejected", "no such server")]
    sandbox.admin.clear_faults()
    change_concurrently(sandbox, "delete_server", operation="servers.list", on="web2")
    assert [row["name"] for row in vpsorg.call("GET", "/servers/").json()["results"]] == ["web1"]
