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
