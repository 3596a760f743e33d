# SPDX-License-Identifier: GPL-3.0-or-later
"""A 2xx status alone confirms nothing, and a list that changes while it is read is read again."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot
from test_response_schema import Api, provider

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server
from ansible_collections.rewind.vps.plugins.module_utils._provider.vpsorg import VpsOrg

SNAPSHOT = snapshot(server=Server("1", "web1"))


class Changes(Api):
    """Returns this status for a change."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__([body])
        self.status = status

    def change(self, method, path, *, operation, params=None, json=None):
        self.changes += 1
        return ApiResponse(self.status, self.bodies[0])


def at_vpsorg(status: int, body: Any):
    return VpsOrg(Changes(status, body))


@pytest.mark.parametrize("status", [200, 201, 202])
def test_only_204_is_a_deletion(status: int) -> None:
    with pytest.raises(RewindError, match=f"HTTP {status} instead of 204") as caught:
        at_vpsorg(status, {}).delete_snapshot(SNAPSHOT)
    assert caught.value.outcome == errors.UNKNOWN
    assert at_vpsorg(204, None).delete_snapshot(SNAPSHOT) is True


@pytest.mark.parametrize("body", [
    None, [], {}, "OK", {"status": "error"}, {"status": True}, {"status": "success", "snapshot": {"id": 802}},
    {"status": "success", "server": {"id": 2}, "snapshot": {"id": 801}}, {"status": "success", "server": "web1"},
])
def test_a_response_that_is_not_about_this_restore_is_no_success(body: Any) -> None:
    with pytest.raises(RewindError, match="does not confirm this restore") as caught:
        at_vpsorg(200, body).restore_snapshot(SNAPSHOT)
    assert (caught.value.kind, caught.value.outcome) == (errors.INVALID_RESPONSE, errors.UNKNOWN)


@pytest.mark.parametrize("more", [{}, {"server": {"id": 1}}, {"server": {"id": 1}, "snapshot": {"id": 801}}])
def test_a_response_about_this_restore_is_a_success(more: dict[str, Any]) -> None:
    at_vpsorg(200, {"status": "success", **more}).restore_snapshot(SNAPSHOT)


def vpsorg_page(count: int | None, *ids: int, more: bool = False) -> dict[str, Any]:
    results = [{"id": id_, "name": f"s{id_}", "status": "completed", "server": {"id": 1}} for id_ in ids]
    return {"count": count, "results": results, "next": "https://h/api/v1/snapshots/?page=2" if more else None}


@pytest.mark.parametrize("unfit", [
    [vpsorg_page(3, 1, 2, more=True), vpsorg_page(3)],  # one was deleted, and the third moved to the page before
    [vpsorg_page(3, 1, 2, more=True), vpsorg_page(4, 2, 3)],  # one was made, and the second stands on both
    [vpsorg_page(None, 1, 2, more=True), vpsorg_page(None, 2, 3)],
    [vpsorg_page(3, 1, 2, more=True), vpsorg_page(2, 3)],  # the count fell between the two
])
def test_inconsistent_pages_are_read_again(unfit: list[dict[str, Any]]) -> None:
    fit = [vpsorg_page(3, 1, 2, more=True), vpsorg_page(3, 3)]
    cloud = provider("vpsorg", [*unfit, *fit])
    assert [item.id for item in cloud.list_snapshots(None)] == ["1", "2", "3"]
    assert cloud._api.bodies == [fit[1]], "all pages were read"


def test_a_list_that_keeps_changing_is_no_list() -> None:
    with pytest.raises(RewindError, match="changed 4 times while it was read"):
        provider("vpsorg", [vpsorg_page(3, 1, 2, more=True), vpsorg_page(3)] * 4).list_snapshots(None)


def ilkbyte_page(*names: str) -> dict[str, Any]:
    return {"status": True, "data": {"pagination": {"total_page": 2}, "server_list": [{"name": name, "status": "running"} for name in names]}}


def test_inconsistent_pages_of_ilkbyte_are_read_again() -> None:
    pages = [ilkbyte_page("a", "b"), ilkbyte_page("b", "c"), ilkbyte_page("new", "a"), ilkbyte_page("b", "c")]
    assert [server.id for server in provider("ilkbyte", pages).list_servers()] == ["new", "a", "b", "c"]
    with pytest.raises(RewindError, match="changed 4 times while it was read"):
        provider("ilkbyte", [ilkbyte_page("a", "b"), ilkbyte_page("b", "c")] * 4).list_servers()
