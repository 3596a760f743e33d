# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of lists that were cut at the wrong place, or lead nowhere."""

from __future__ import annotations

import pytest

ROWS = 5
SIZE = 2


@pytest.fixture(params=["vpsorg servers", "vpsorg snapshots", "ilkbyte servers"])
def pages(request, box, vpsorg, ilkbyte):
    """A function: page number -> its names, how many there are in all (rows or pages), where the next one is."""
    cloud, what = request.param.split()
    box.control.reset(**{"vpsorg_servers": ROWS, "ilkbyte_servers": ROWS})
    box.control.settings(vpsorg_page_size=SIZE, ilkbyte_page_size=SIZE)
    if what == "snapshots":
        for number in range(ROWS):
            box.control.plant_snapshot("vpsorg", "web1", f"s{number}")

    def page(number):
        if cloud == "vpsorg":
            answer = vpsorg.call("GET", f"/{what}/?page={number}").json()
            return [row["name"] for row in answer["results"]], answer["count"], answer["next"]
        answer = ilkbyte.call("/server/list", p=number).json()["data"]
        return [row["name"] for row in answer["server_list"]], answer["pagination"]["total_page"], answer["pagination"]["current_page"]

    yield page
    box.control.reset(**{"vpsorg_servers": 2, "ilkbyte_servers": 2})


def test_rows_that_came_in_front_are_repeated(box, pages):
    first, total, dummy = pages(1)
    box.control.fault("shift", operation="servers.list" if "s4" not in first else "snapshots.list")
    second, still, dummy = pages(2)
    assert (len(second), second[0], still) == (SIZE, first[1], total) and total in (ROWS, 3)
    assert pages(2)[0][0] not in first  # it hit once


def test_rows_that_went_are_left_out(box, pages):
    whole = [name for number in (1, 2, 3) for name in pages(number)[0]]
    assert len(set(whole)) == ROWS
    box.control.fault("shift", rows=-1)
    assert pages(2)[0] == whole[3:5]
    box.control.fault("shift", rows=-2)
    assert pages(3)[0] == []
    box.control.fault("shift", rows=3)
    assert pages(1)[0] == whole[:2]  # nothing is in front of the first row


def test_a_page_that_leads_nowhere(box, pages):
    first, second = pages(1)[0], pages(2)[0]
    box.control.fault("repeat_page", times=None)
    names, total, at = pages(2)
    if isinstance(at, str):
        assert names == second and at.endswith("?page=2") and total == ROWS
    else:
        assert (names, total, at) == (first, 3, 2)
        assert pages(99) == (first, 100, 99)
    box.control.clear_faults()
    assert pages(2)[0] == second
