# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault has its documented effect on the client and on the simulated server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import AdminError

CREATE = {"server_id": 12345, "name": "s"}


def create(vpsorg):
    return vpsorg.call("POST", "/snapshots/", json=CREATE)


def test_skip_times_server_and_cloud(sandbox, vpsorg, ilkbyte):
    sandbox.admin.fault("status", status=503, operation="servers.show", server="web1", skip=1, times=2)
    shown = [vpsorg.call("GET", f"/servers/{server}/").status_code for server in (12345, 12346, 12345, 12346, 12345, 12345)]
    assert shown == [200, 200, 503, 200, 503, 200]
    sandbox.admin.fault("status", status=502, cloud="vpsorg", times=None)
    assert ilkbyte.call("/account").status_code == 200
    assert [vpsorg.call("GET", "/account/me/").status_code for _attempt in range(3)] == [502] * 3
    assert len(sandbox.admin.faults()) == 1
    sandbox.admin.clear_faults()
    assert vpsorg.call("GET", "/account/me/").status_code == 200


def test_stale_list_misses_the_last_change(sandbox, vpsorg, ilkbyte):
    sandbox.admin.add_snapshot("vpsorg", "web1", "old")
    create(vpsorg)
    sandbox.admin.fault("stale", operation="snapshots.list", times=2)
    assert [row["name"] for row in vpsorg.call("GET", "/snapshots/").json()["results"]] == ["old"]
    assert ilkbyte.snapshots() == {}
    assert [row["name"] for row in vpsorg.call("GET", "/snapshots/").json()["results"]] == ["s", "old"]
    sandbox.admin.advance(100)
    sandbox.admin.fault("stale", seconds=1000)
    assert vpsorg.call("GET", "/snapshots/").json()["results"] == []


def test_shuffled_list_has_the_same_rows(sandbox, vpsorg, ilkbyte):
    for number in range(5):
        sandbox.admin.add_snapshot("vpsorg", "web1", f"s{number}")
        sandbox.admin.add_snapshot("ilkbyte", "app1", f"s{number}")
    straight = vpsorg.call("GET", "/snapshots/").json()["results"]
    sandbox.admin.fault("shuffle", times=2, seed=1)
    shuffled = vpsorg.call("GET", "/snapshots/").json()["results"]
    assert shuffled != straight and sorted(row["id"] for row in shuffled) == sorted(row["id"] for row in straight)
    assert list(ilkbyte.snapshots()) != [f"s{number}" for number in range(5)]


@pytest.mark.parametrize("rule", [
    {"fault": {"kind": "earthquake"}}, {"fault": {}}, {"cloud": "azure", "fault": {"kind": "empty"}},
    {"operation": "snapshot.create", "fault": {"kind": "empty"}}, {"times": 0, "fault": {"kind": "empty"}},
    {"tims": 1, "fault": {"kind": "empty"}}, {"fault": {"kind": "delay", "second": 1}}, {"fault": {"kind": "restore_fails", "seconds": 1}},
    *({"operation": operation, "fault": {"kind": kind}} for kind, operation in (
        ("restore_fails", "snapshots.create"), ("restore_stuck", "servers.power"), ("snapshot_fails", "snapshots.restore"),
        ("power_stuck", "snapshots.create"))),
    *({"fault": {"kind": "concurrent_change", **keys}} for keys in (
        {"action": "earthquake"}, {}, {"action": "restore", "when": "during"}, {"action": "add_schedule"}, {"action": "restore", "snapshots": "x"})),
])
def test_rules_that_make_no_sense_are_refused(sandbox, rule):
    with pytest.raises(AdminError):
        sandbox.admin._call("POST", "faults", rule)
    assert sandbox.admin.faults() == []


def test_every_fault_is_documented_with_its_keys(sandbox):
    documented = sandbox.admin._call("GET", "faults")
    rows = {}
    for line in (Path(__file__).resolve().parents[3] / "docs" / "sandbox.md").read_text("utf-8").splitlines():
        if line.startswith(("| `", "`concurrent_change`")):
            rows[line.split("`")[1]] = line
    text = (Path(__file__).resolve().parents[3] / "docs" / "sandbox.md").read_text("utf-8")
    for kind, keys in documented["keys"].items():
        assert kind in rows and documented["kinds"][kind], kind
        where = text.split("### Concurrent changes")[1] if kind == "concurrent_change" else rows[kind]
        assert [key for key in keys if f"`{key}`" not in where] == [], kind
