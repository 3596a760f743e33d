# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in responses: Retry-After, slow bodies, wrong types, unknown statuses, wrong dates; each request is executed or not, as documented."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from sandbox.faults.values import replace_one_value

CREATE = {"server_id": 12345, "name": "s"}


def date_of(response):
    return parsedate_to_datetime(response.headers["Date"])


THROTTLED = [
    ({"retry_after": 7}, "7"), ({"retry_after": 0.5}, "0.5"), ({"retry_after": "absurd"}, "999999999"), ({"retry_after": "missing"}, None),
    *(({"retry_after": "absurd", "value": value}, value) for value in ("-5", "soon", "1e9", "Thu, 01 Jan 1970 00:00:00 GMT")),
]


def test_throttle(sandbox, vpsorg):
    for keys, header in THROTTLED:
        sandbox.admin.fault("throttle", **keys)
        response = vpsorg.call("POST", "/snapshots/", json=CREATE)
        assert (response.status_code, response.headers.get("Retry-After")) == (429, header)
        assert response.json() == {"detail": "Request was throttled."}
    assert sandbox.admin.events() == []
    sandbox.admin.fault("throttle", apply=True)
    assert vpsorg.call("POST", "/snapshots/", json=CREATE).status_code == 429
    assert len(sandbox.admin.events("snapshot_started")) == 1


def test_throttle_until_a_date_of_the_clouds_own_clock(sandbox, ilkbyte):
    sandbox.admin.advance(1_000_000)
    sandbox.admin.settings(date_offset_seconds={"ilkbyte": -7200})
    sandbox.admin.fault("throttle", retry_after="date", seconds=90)
    response = ilkbyte.call("/server/manage/app1/snapshot/create", name="s1")
    assert (parsedate_to_datetime(response.headers["Retry-After"]) - date_of(response)).total_seconds() == 90
    assert sandbox.admin.events() == []


def test_slow_body_outlasts_a_timeout_for_each_byte_and_ends_with_its_client(sandbox, vpsorg):
    sandbox.admin.fault("slow_body", seconds=0.1)
    started_at = time.monotonic()
    with pytest.raises(requests.ConnectionError, match="timed out"), requests.get(
            f"{sandbox.vpsorg_url}/account/me/", headers={"Authorization": f"Bearer {sandbox.vpsorg_token}"}, stream=True, timeout=5) as response:
        assert response.status_code == 200 and time.monotonic() - started_at < 4
        response.raw._fp.fp.raw._sock.settimeout(0.02)
        response.content  # noqa: B018
    assert vpsorg.call("GET", "/account/me/").ok


def test_malformed_value_by_its_seed(sandbox, vpsorg):
    sandbox.admin.add_snapshot("vpsorg", "web1", "good")
    straight = vpsorg.call("GET", "/snapshots/").json()
    bodies = []
    for seed in (1, 2, 1):
        sandbox.admin.fault("malformed_value", seed=seed)
        bodies.append(vpsorg.call("GET", "/snapshots/").json())
    assert bodies[0] == bodies[2] != straight and bodies[1] not in (straight, bodies[0])


def test_malformed_value_replaces_one_value_in_every_way():
    body = {"count": 1, "results": [{"id": 801, "status": "completed", "server": {"id": 12345}}], "next": None}
    text = json.dumps(body)
    kinds, locations = set(), set()
    for seed in range(600):
        where, spoilt = replace_one_value(body, seed)
        assert spoilt != body or json.dumps(spoilt) != text, where
        assert json.dumps(body) == text
        location, dummy, what = where.partition(" became ")
        locations.add(location.removesuffix(" left out"))
        kinds.add("left out" if not what else type(json.loads(what)).__name__ if len(what) < 80 else "long")
    assert {"left out", "NoneType", "bool", "int", "str", "list", "dict"} <= kinds
    assert {"all of it", "count", "next", "results", "results.0", "results.0.id", "results.0.server.id"} <= locations


def test_unknown_status_for_servers_and_snapshots(sandbox, vpsorg, ilkbyte):
    added = sandbox.admin.add_snapshot("vpsorg", "web1", "good")
    sandbox.admin.add_snapshot("ilkbyte", "app1", "good")
    sandbox.admin.fault("unknown_status", times=None)
    assert {row["status"] for row in vpsorg.call("GET", "/servers/").json()["results"]} == {"hibernating"}
    assert vpsorg.status() == "hibernating"
    assert vpsorg.call("GET", "/snapshots/").json()["results"][0]["status"] == "hibernating"
    restored = vpsorg.call("POST", f"/snapshots/{added['id']}/restore/").json()
    assert (restored["status"], restored["server"]["status"]) == ("success", "hibernating")
    shown = ilkbyte.manage("/show")
    assert (shown["status"], shown["data"]["status"]) == (True, "hibernating")
    assert ilkbyte.snapshots()["good"]["state"] == "hibernating"
    assert len(sandbox.admin.events("restore_started")) == 1


def test_wrong_dates(sandbox, vpsorg, ilkbyte):
    def ahead():
        """How many seconds the Date of VPS.org is ahead of Ilkbyte's, rounded to minutes."""
        dates = date_of(vpsorg.call("GET", "/account/me/")), date_of(ilkbyte.call("/account"))
        return round((dates[0] - dates[1]).total_seconds(), -2)

    for seconds in (7200, -7200):
        sandbox.admin.fault("wrong_date", seconds=seconds, cloud="vpsorg")
        assert (ahead(), ahead()) == (seconds, 0)
    sandbox.admin.fault("wrong_date", date="missing")
    assert "Date" not in ilkbyte.call("/account").headers
    sandbox.admin.fault("wrong_date", date="garbage")
    with pytest.raises(ValueError):
        date_of(ilkbyte.call("/account"))
    sandbox.admin.settings(date_offset_seconds={"vpsorg": 3600})
    assert (ahead(), ahead()) == (3600, 3600)
    sandbox.admin.reset()
    assert ahead() == 0
