# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider makes of a response. A 2xx status alone confirms nothing; a list that changes while it is read is read again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from builders import snapshot
from fakes.malformed import UUID, FakeSession, provider_with_session

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import (
    FAILED,
    PENDING,
    READY,
    RUNNING,
    STOPPED,
    UNKNOWN,
    Server,
    age_seconds,
)
from ansible_collections.rewind.vps.plugins.module_utils._provider.values import parse_timestamp

SERVERS = {"vpsorg": Server("1", "web1"), "ilkbyte": Server("app1", "app1")}
SNAPSHOT = snapshot(server=SERVERS["vpsorg"])


def provider(name, bodies, status=200):
    """A provider that gets these bodies in turn, and the last one again and again."""
    return provider_with_session(name, FakeSession([HttpResponse(status, {}, json.dumps(body).encode()) for body in bodies]))


def test_a_filter_that_the_provider_ignores_makes_no_others_snapshot_ours():
    item = {"id": 801, "name": "nightly", "status": "completed", "server": {"id": 2, "name": "web2"}}
    body = {"count": 2, "results": [item, {**item, "id": 802, "server": {"id": 1, "name": "web1"}}]}
    assert [found.id for found in provider("vpsorg", [body]).list_snapshots(SERVERS["vpsorg"])] == ["802"]


@pytest.mark.parametrize("following", [
    "https://evil.test/other/?page=2", 5, True, ["x"], {"page": 2}, "https://h/api/v1/servers/?page=2", "https://[bad/snapshots/",
])
def test_a_next_page_that_is_none(following):
    body = {"count": 2, "results": [], "next": following}
    with pytest.raises(RewindError, match="the next page is at another address") as caught:
        provider("vpsorg", [body]).list_snapshots(None)
    assert caught.value.kind == errors.INVALID_RESPONSE


def test_pages_in_a_loop_end():
    pages = [{"results": [], "next": f"https://h/snapshots/?page={page}"} for page in (2, 1, 2)]
    with pytest.raises(RewindError, match="a page repeats"):
        provider("vpsorg", pages).list_snapshots(None)


@pytest.mark.parametrize("total", [2, "2"])
def test_ilkbytes_pages_are_followed_even_where_numbers_are_written_as_text(total):
    pages = [{"status": True, "data": {"pagination": {"current_page": page, "total_page": total},
                                       "server_list": [{"name": f"app{page}", "status": "running"}]}} for page in (1, 2)]
    assert [server.id for server in provider("ilkbyte", pages).list_servers()] == ["app1", "app2"]


def test_a_response_with_another_server_is_invalid():
    listed = {"results": [{"id": 1, "uuid": UUID, "name": "web1", "status": "active"}]}
    with pytest.raises(RewindError) as caught:
        provider("vpsorg", [listed, {"id": 2, "uuid": UUID, "name": "web2", "status": "active"}]).get_server("1")
    assert caught.value.kind == errors.INVALID_RESPONSE


@pytest.mark.parametrize("field", ["id", "name"])
def test_a_snapshot_made_under_another_name_or_server_is_unknown(field):
    right = {"id": 801, "name": "nightly", "status": "in_progress", "server": {"id": 1, "name": "web1"}}
    wrong = {**right, "name": "weekly"} if field == "name" else {**right, "server": {"id": 2}}
    with pytest.raises(RewindError) as caught:
        provider("vpsorg", [wrong]).create_snapshot(SERVERS["vpsorg"], "nightly", None)
    assert caught.value.outcome == errors.UNKNOWN
    assert provider("vpsorg", [right]).create_snapshot(SERVERS["vpsorg"], "nightly", None).id == "801"


@pytest.mark.parametrize(("provider_status", "status"), [
    ("completed", READY), ("COMPLETED", READY), ("in_progress", PENDING), ("pending", PENDING), ("creating", PENDING),
    ("queued", PENDING), ("running", PENDING), ("RUNN\u0130NG", PENDING), ("in progress", PENDING), ("\u0130N_PROGRESS", PENDING),
    ("failed", FAILED), ("error", FAILED), ("FA\u0130LED", FAILED), ("FAI\u0307LED", FAILED), ("cancelled", FAILED), ("Canceled", FAILED),
    ("deleting", UNKNOWN), ("hibernating", UNKNOWN), ("", UNKNOWN), (None, UNKNOWN), (5, UNKNOWN), (["completed"], UNKNOWN), ({}, UNKNOWN),
])
def test_a_status_is_ready_pending_or_failed_only_in_a_known_word(provider_status, status):
    item = {"id": 801, "name": "nightly", "status": provider_status, "server": {"id": 1}}
    (found,) = provider("vpsorg", [{"results": [item]}]).list_snapshots(SERVERS["vpsorg"])
    assert (found.status, found.provider_status) == (status, provider_status if provider_status and isinstance(provider_status, str) else None)


@pytest.mark.parametrize(("name", "status", "power_state", "task_state"), [
    ("vpsorg", "active", RUNNING, None), ("vpsorg", "stopped", STOPPED, None), ("vpsorg", "restoring", "restoring", "restoring"),
    ("vpsorg", "stopping", "stopping", "stopping"), ("vpsorg", "suspended", "suspended", None),
    ("vpsorg", None, UNKNOWN, None), ("vpsorg", ["active"], UNKNOWN, None), ("vpsorg", "ACT\u0130VE", RUNNING, None),
    ("ilkbyte", "nil", UNKNOWN, None), ("ilkbyte", "Unknow", UNKNOWN, None), ("ilkbyte", None, UNKNOWN, None),
    ("ilkbyte", "\u00c7ALI\u015eIYOR", RUNNING, None), ("ilkbyte", "C\u0327al\u0131s\u0327\u0131yor", RUNNING, None),
    ("ilkbyte", "KAPALI", STOPPED, None), ("ilkbyte", "Shut_Off", STOPPED, None), ("ilkbyte", "IN SHUTDOWN", "in shutdown", "in shutdown"),
    ("ilkbyte", "running", RUNNING, None), ("ilkbyte", "shut off", STOPPED, None),
    ("ilkbyte", "Çalışıyor", RUNNING, None), ("ilkbyte", "paused", "paused", "paused"), ("ilkbyte", "crashed", "crashed", None),
])
def test_power_state_and_task_state(name, status, power_state, task_state):
    item = {"id": 1, "name": "app1", "status": status}
    body = {"results": [{**item, "deployed": True}]} if name == "vpsorg" else {"status": True, "data": item}
    found = provider(name, [body]).get_server("1" if name == "vpsorg" else "app1")
    assert (found.power_state, found.task_state) == (power_state, task_state)


@pytest.mark.parametrize(("body", "kind"), [
    ({"status": False, "message": "", "error": "Server backup not found!", "data": None}, errors.NOT_FOUND),
    ({"success": False, "error": "Server backup not found!"}, errors.NOT_FOUND),
    ({"status": False, "error": "domain snapshot nightly already exists"}, errors.ALREADY_EXISTS),
    ({"status": False, "error": "SNAPSHOT BULUNAMADI!"}, errors.NOT_FOUND),
    ({"status": False, "error": "Snapshot bulunamad\u0131"}, errors.NOT_FOUND),
    ({"status": False, "error": "NOT FOUND"}, errors.NOT_FOUND),
    ({"status": False, "error": "Bu isimde bir snapshot zaten var"}, errors.ALREADY_EXISTS),
    ({"status": False, "error": "Bakiye yetersiz"}, errors.PROVIDER_REJECTED),
    ({"status": False}, errors.PROVIDER_REJECTED),
])
def test_ilkbytes_no_comes_with_a_200(body, kind):
    made = provider("ilkbyte", [body])
    with pytest.raises(RewindError) as caught:
        made.create_snapshot(SERVERS["ilkbyte"], "nightly", None)
    error = caught.value
    assert (error.kind, error.outcome, error.http_status) == (kind, errors.NOT_APPLIED, 200)
    assert error.provider_message == body.get("error")


@pytest.mark.parametrize("body", [{}, {"status": "true"}, {"status": 1}, {"status": None}, [], "Snapshot created!", None])
def test_neither_yes_nor_no(body):
    with pytest.raises(RewindError) as caught:
        provider("ilkbyte", [body]).create_snapshot(SERVERS["ilkbyte"], "nightly", None)
    assert (caught.value.kind, caught.value.outcome) == (errors.INVALID_RESPONSE, errors.UNKNOWN)
    with pytest.raises(RewindError) as caught:
        provider("ilkbyte", [body]).list_servers()
    assert (caught.value.kind, caught.value.outcome) == (errors.INVALID_RESPONSE, errors.NOT_APPLIED)


def test_age():
    now = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
    assert age_seconds("2026-01-01T11:00:00Z", now) == 3600
    assert age_seconds("2026-01-01T14:00:00+03:00", now) == 3600
    assert age_seconds("2026-01-01T13:00:00Z", now) == 0.0
    assert age_seconds("2026-01-01T11:00:00", now) == 3600  # without a zone: UTC
    assert age_seconds(None, now) is None and age_seconds("soon", now) is None and parse_timestamp(5) is None


# --- a 2xx status alone


@pytest.mark.parametrize("body", [
    None, [], {}, "OK", {"status": "error"}, {"status": True}, {"status": "success", "snapshot": {"id": 802}},
    {"status": "success", "server": {"id": 2}, "snapshot": {"id": 801}}, {"status": "success", "server": "web1"},
])
def test_a_response_that_is_not_about_this_restore_is_no_success(body: Any) -> None:
    with pytest.raises(RewindError, match="does not confirm this restore") as caught:
        provider("vpsorg", [body]).restore_snapshot(SNAPSHOT)
    assert (caught.value.kind, caught.value.outcome) == (errors.INVALID_RESPONSE, errors.UNKNOWN)


@pytest.mark.parametrize("more", [{}, {"server": {"id": 1}}, {"server": {"id": 1}, "snapshot": {"id": 801}}])
def test_a_response_about_this_restore_is_a_success(more: dict[str, Any]) -> None:
    provider("vpsorg", [{"status": "success", **more}]).restore_snapshot(SNAPSHOT)


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
    read = provider("vpsorg", [*unfit, *fit])
    assert [item.id for item in read.list_snapshots(None)] == ["1", "2", "3"]
    assert len(read._api._http.sent) == len([*unfit, *fit]), "all pages were read"


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
