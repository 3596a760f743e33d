# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of lists that are cut at the wrong position, or lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import SandboxHandle

ROWS = 5
SIZE = 2


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> Iterator[SandboxHandle]:
    """With more servers than one page has."""
    shared_sandbox.admin.reset(servers=ROWS)
    yield shared_sandbox
    shared_sandbox.admin.reset(servers=2)


@pytest.fixture(params=["vpsorg servers", "vpsorg snapshots", "ilkbyte servers"])
def pages(request, sandbox, vpsorg, ilkbyte):
    """A function: page number -> its names, how many there are in all (rows or pages), where the next one is."""
    cloud, kind = request.param.split()
    sandbox.admin.settings(vpsorg_page_size=SIZE, ilkbyte_page_size=SIZE)
    if kind == "snapshots":
        for number in range(ROWS):
            sandbox.admin.add_snapshot("vpsorg", "web1", f"s{number}")

    def page(number):
        if cloud == "vpsorg":
            response = vpsorg.call("GET", f"/{kind}/?page={number}").json()
            return [row["name"] for row in response["results"]], response["count"], response["next"]
        response = ilkbyte.call("/server/list", p=number).json()["data"]
        return [row["name"] for row in response["server_list"]], response["pagination"]["total_page"], response["pagination"]["current_page"]

    return page


def test_wrong_pages(sandbox, pages):
    ordered = [name for number in (1, 2, 3) for name in pages(number)[0]]
    total = pages(2)[1]
    assert len(set(ordered)) == ROWS and total in (ROWS, 3)
    for page, rows, shown in ((2, 1, ordered[1:3]), (2, -1, ordered[3:5]), (3, -2, []), (1, 3, ordered[:2])):  # nothing is before the first row
        sandbox.admin.fault("shift", rows=rows)
        assert pages(page)[:2] == (shown, total), rows
    assert pages(2)[0] == ordered[2:4]  # it hit once
    sandbox.admin.fault("repeat_page", times=None)
    names, counted, at = pages(2)
    if isinstance(at, str):
        assert names == ordered[2:4] and at.endswith("?page=2") and counted == ROWS
    else:
        assert (names, counted, at) == (ordered[:2], 3, 2)
        assert pages(99) == (ordered[:2], 100, 99)
