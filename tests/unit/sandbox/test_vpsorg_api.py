# SPDX-License-Identifier: GPL-3.0-or-later
"""VPS.org's side: as strict as the cloud, and its operations over time."""

from __future__ import annotations

from pathlib import Path

WRONG_NAME = ["Name may only contain letters, numbers, hyphens and underscores."]
BAD_FIELDS = [
    ({}, {"server_id": ["This field is required."], "name": ["This field is required."]}),
    ({"server_id": None, "name": ""}, {"server_id": ["This field may not be null."], "name": ["This field may not be blank."]}),
    ({"server_id": True, "name": []}, {"server_id": ["A valid integer is required."], "name": ["Not a valid string."]}),
    ({"server_id": 12345, "name": "x" * 256}, {"name": ["Ensure this field has no more than 255 characters."]}),
    ({"server_id": 12345, "name": "a b"}, {"name": WRONG_NAME}), ({"server_id": 12345, "name": "é"}, {"name": WRONG_NAME}),
]


def test_what_is_refused_as_by_the_cloud(sandbox, vpsorg):
    for method in ("GET", "POST"):
        response = vpsorg.call(method, "/snapshots?server_id=12345", json={"server_id": 12345, "name": "a"})
        assert (response.status_code, response.headers["Location"]) == (301, "/api/v1/snapshots/?server_id=12345")
    response = vpsorg.call("GET", "/nothing/here/")
    assert response.status_code == 404 and response.headers["Content-Type"].startswith("text/html")
    response = vpsorg.call("PUT", "/snapshots/")
    assert (response.status_code, response.json()) == (405, {"detail": 'Method "PUT" not allowed.'})
    assert response.headers["Allow"] == "GET, HEAD, POST"
    response = vpsorg.call("POST", "/snapshots/", data="{", headers={"Content-Type": "application/json"})
    assert response.status_code == 400 and response.json()["detail"].startswith("JSON parse error")
    assert vpsorg.call("POST", "/snapshots/", data={"name": "a"}).status_code == 415
    assert vpsorg.call("POST", "/snapshots/", json=[1]).status_code == 400
    assert vpsorg.call("POST", "/snapshots/999/restore/").json() == {"detail": "Snapshot not found."}
    assert vpsorg.call("GET", "/servers/?status=broken").status_code == 400
    for body, messages in BAD_FIELDS:
        response = vpsorg.call("POST", "/snapshots/", json=body)
        assert (response.status_code, response.json()) == (400, messages)
    assert sandbox.admin.events() == []


def test_pages_are_followed_by_absolute_links(sandbox, vpsorg):
    for number in range(5):
        sandbox.admin.add_snapshot("vpsorg", "web1", f"s{number}")
    names, url = [], "/snapshots/?page_size=2&server_id=12345"
    while url:
        page = vpsorg.call("GET", url).json()
        assert page["count"] == 5
        names += [row["name"] for row in page["results"]]
        assert page["next"] is None or page["next"].startswith(sandbox.vpsorg_url)
        url = page["next"] and page["next"].removeprefix(sandbox.vpsorg_url)
    assert names == ["s4", "s3", "s2", "s1", "s0"]
    assert page["previous"].endswith("page=2")
    assert vpsorg.call("GET", "/snapshots/?page=9").json() == {"detail": "Invalid page."}


def test_restore_brings_the_disk_back_and_snapshot_holds_what_was_there_when_asked(sandbox, vpsorg):
    disk = Path(sandbox.admin.server("web1")["disk"])
    (disk / "srv" / "site").write_text("version 1")
    before = sandbox.admin.server("web1")["digest"]
    response = vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "v1"}).json()
    (disk / "srv" / "site").write_text("version 2")  # written while the snapshot is in progress: not in it
    vpsorg.until(lambda: sandbox.admin.events("snapshot_ready"))

    restoring = vpsorg.call("POST", f"/snapshots/{response['id']}/restore/")
    assert restoring.status_code == 200
    server = sandbox.admin.server("web1")
    assert (server["status"], server["powered_on"]) == ("restoring", False)
    assert (disk / "srv" / "site").read_text() == "version 2"
    vpsorg.until(lambda: vpsorg.status() == "active")
    disk = Path(sandbox.admin.server("web1")["disk"])
    assert (disk / "srv" / "site").read_text() == "version 1"
    assert sandbox.admin.server("web1")["digest"] == before
    digests = {entry["digest"] for entry in sandbox.admin.events() if "digest" in entry}
    assert digests == {before}
    assert [entry["event"] for entry in sandbox.admin.events()] == ["snapshot_started", "snapshot_ready", "restore_started", "restore_done"]


def test_what_a_busy_server_refuses(sandbox, vpsorg):
    ready = vpsorg.snapshot()
    vpsorg.call("POST", f"/snapshots/{ready['id']}/restore/")
    assert vpsorg.call("POST", "/servers/12345/power/", json={"action": "start"}).status_code == 400
    assert vpsorg.call("POST", f"/snapshots/{ready['id']}/restore/").status_code == 400
    assert vpsorg.call("DELETE", f"/snapshots/{ready['id']}/").status_code == 400
    assert vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "b"}).status_code == 400
    assert vpsorg.call("GET", "/servers/12345/").json()["status"] == "restoring"
    for status in ("in_progress", "failed", "quarantined"):
        added = sandbox.admin.add_snapshot("vpsorg", "web2", "other", status=status)
        response = vpsorg.call("POST", f"/snapshots/{added['id']}/restore/")
        assert response.json() == {"detail": "Server is not in a valid state for restoration."}
    sandbox.admin.update_server("vpsorg", "web2", status="suspended")
    assert vpsorg.call("POST", "/servers/12346/power/", json={"action": "start"}).status_code == 400
    assert sandbox.admin.server("web2")["powered_on"] is False


def test_graceful_stop_takes_its_time_and_updated_at_moves(sandbox, vpsorg):
    before = vpsorg.call("GET", "/servers/12345/").json()["updated_at"]
    sandbox.admin.advance(100)
    vpsorg.call("POST", "/servers/12345/power/", json={"action": "stop"})
    assert vpsorg.status() == "stopping" and sandbox.admin.server("web1")["powered_on"]
    sandbox.admin.advance(10)
    assert vpsorg.status() == "stopping"
    vpsorg.until(lambda: vpsorg.status() == "stopped", step=5)
    assert not sandbox.admin.server("web1")["powered_on"]
    assert vpsorg.call("GET", "/servers/12345/").json()["updated_at"] > before
