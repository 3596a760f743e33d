# SPDX-License-Identifier: GPL-3.0-or-later
"""For any JSON a provider returns valid data or reports an unexpected response."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import (
    FAILED,
    PENDING,
    READY,
    RUNNING,
    STOPPED,
    Account,
    Server,
    Snapshot,
    age_seconds,
    parse_timestamp,
)
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8,
)


def mostly(good):
    """Usually what the API promises, else anything."""
    return st.one_of(good, good, good, ANYTHING)


TIMES = st.sampled_from(["2025-01-15T18:30:00Z", "2020-11-23T15:31:07+03:00", "", "yesterday", "9999-12-31T23:59:59-23:59"])
NAMES = st.sampled_from(["web1", "nightly", "", "x y"])
WORDS = st.sampled_from(["completed", "in_progress", "failed", "active", "running", "shut off", "Çalışıyor", "odd"])
VPSORG_ITEM = st.fixed_dictionaries({}, optional={
    "id": mostly(st.integers(0, 5)), "name": mostly(NAMES), "hostname": mostly(NAMES), "uuid": mostly(NAMES),
    "status": mostly(WORDS), "size_mb": mostly(st.integers(0, 9)), "created_at": mostly(TIMES), "description": mostly(NAMES),
    "server": mostly(st.fixed_dictionaries({"id": mostly(st.integers(0, 2)), "name": mostly(NAMES)})),
    "ip_address": mostly(NAMES), "ipv4_addresses": mostly(st.lists(NAMES)), "email": mostly(NAMES),
})
VPSORG_BODY = VPSORG_ITEM | st.fixed_dictionaries({}, optional={
    "count": ANYTHING, "results": mostly(st.lists(mostly(VPSORG_ITEM), max_size=3)),
    "next": st.one_of(st.none(), st.none(), st.just("https://h/api/v1/snapshots/?page=2"), ANYTHING),
    "account": mostly(VPSORG_ITEM), "token": mostly(st.fixed_dictionaries({"permissions": mostly(st.lists(NAMES))})),
})
ILKBYTE_ITEM = st.fixed_dictionaries({}, optional={
    "name": mostly(NAMES), "status": mostly(WORDS), "ipv4": mostly(NAMES), "ipv6": mostly(NAMES), "date": mostly(TIMES),
    "current": ANYTHING, "parent": mostly(NAMES), "state": mostly(WORDS), "email": mostly(NAMES), "username": ANYTHING,
    "params": mostly(st.fixed_dictionaries({"is_cron": mostly(st.just(True)), "cron_time": ANYTHING, "next_run": mostly(TIMES)})),
})
ILKBYTE_DATA = ILKBYTE_ITEM | st.fixed_dictionaries({}, optional={
    "snapshots": mostly(st.lists(mostly(ILKBYTE_ITEM), max_size=3)),
    "server_list": mostly(st.lists(mostly(ILKBYTE_ITEM), max_size=3)),
    "pagination": mostly(st.fixed_dictionaries({"total_page": mostly(st.integers(0, 3))})),
})
ILKBYTE_BODY = st.fixed_dictionaries({}, optional={
    "status": mostly(st.just(True)), "success": mostly(st.just(True)), "message": ANYTHING, "error": ANYTHING,
    "data": mostly(ILKBYTE_DATA),
})
BODIES = {"vpsorg": ANYTHING | VPSORG_BODY, "ilkbyte": ANYTHING | ILKBYTE_BODY}
SERVERS = {"vpsorg": Server("1", "web1"), "ilkbyte": Server("app1", "app1")}


class Api:
    """A fake ApiClient: returns these bodies in turn, and the last one again and again."""

    def __init__(self, bodies):
        self.bodies = list(bodies)
        self.changes = 0

    def read(self, path, *, operation, params=None):
        return ApiResponse(200, self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0])

    def change(self, method, path, *, operation, params=None, json=None):
        self.changes += 1
        return self.read(path, operation=operation)


def provider(name, bodies):
    return REGISTRY[name](Api(bodies))


def check_server(server):
    assert isinstance(server, Server) and isinstance(server.id, str) and server.id
    assert server.name is None or isinstance(server.name, str)
    assert server.task_state is None or isinstance(server.task_state, str)
    assert server.power_state in (RUNNING, STOPPED) or isinstance(server.power_state, str)
    assert server.address is None or isinstance(server.address, str)
    assert server.label


def check_snapshot(snapshot):
    assert isinstance(snapshot, Snapshot) and isinstance(snapshot.id, str) and isinstance(snapshot.name, str)
    assert snapshot.status in (READY, PENDING, FAILED)
    assert snapshot.size_mb is None or isinstance(snapshot.size_mb, int)
    assert snapshot.created_at is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", snapshot.created_at)
    assert snapshot.description is None or isinstance(snapshot.description, str)
    assert snapshot.parent is None or isinstance(snapshot.parent, str)
    assert snapshot.server.id
    assert "raw" not in snapshot.to_result()


def checked(call, check):
    """Call, and check the result against the contract; a RewindError is a valid result."""
    try:
        found = call()
    except RewindError as error:
        assert error.kind in (errors.INVALID_RESPONSE, errors.NOT_FOUND, errors.AMBIGUOUS, errors.PROVIDER_REJECTED,
                              errors.ALREADY_EXISTS)
        assert error.message
        return error
    for item in found if isinstance(found, list) else [found]:
        check(item)
    return found


@pytest.mark.parametrize("name", REGISTRY)
@given(data=st.data())
def test_reads_survive_any_json(name, data):
    bodies = data.draw(st.lists(BODIES[name], min_size=1, max_size=3))
    checked(lambda: provider(name, bodies).list_servers(), check_server)
    checked(lambda: provider(name, bodies).list_snapshots(SERVERS[name]), check_snapshot)
    checked(lambda: provider(name, bodies).list_snapshots(None), check_snapshot)
    for reference in ("1", "web1", "nightly", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"):
        checked(lambda reference=reference: provider(name, bodies).get_server(reference), check_server)

    def check_account(account):
        assert isinstance(account, Account)
        assert account.name is None or isinstance(account.name, str)
        assert account.permissions is None or all(isinstance(item, str) for item in account.permissions)

    checked(lambda: provider(name, bodies).whoami(), check_account)


@pytest.mark.parametrize("name", REGISTRY)
@given(data=st.data())
def test_an_unclear_response_to_a_change_leaves_its_outcome_unknown(name, data):
    made = provider(name, [data.draw(BODIES[name])])
    error = checked(lambda: made.create_snapshot(SERVERS[name], "nightly", None) or [], check_snapshot)
    assert made._api.changes == 1
    if isinstance(error, RewindError) and error.kind == errors.INVALID_RESPONSE:
        assert error.outcome == errors.UNKNOWN and error.server


@given(st.text(max_size=12) | st.sampled_from(["12345", "012", "٣", "²", "web1", "../../x", "a/b", "a?b", "", " "]))
def test_only_what_is_an_identity_identifies(reference):
    for name in REGISTRY:
        server = provider(name, [{}]).server_from_reference(reference)
        if server is not None:
            assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", server.id) and re.fullmatch("[A-Za-z0-9_-]+", reference)


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
    with pytest.raises(RewindError) as caught:
        provider("vpsorg", [{"id": 2, "name": "web2", "status": "active"}]).get_server("1")
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
    ("queued", PENDING), ("failed", FAILED), ("error", FAILED), ("deleting", FAILED), ("", FAILED), (None, FAILED), (5, FAILED),
])
def test_what_is_neither_pending_nor_completed_has_failed(provider_status, status):
    item = {"id": 801, "name": "nightly", "status": provider_status, "server": {"id": 1}}
    (found,) = provider("vpsorg", [{"results": [item]}]).list_snapshots(SERVERS["vpsorg"])
    assert (found.status, found.provider_status) == (status, str(provider_status))


@pytest.mark.parametrize(("name", "status", "power_state", "task_state"), [
    ("vpsorg", "active", RUNNING, None), ("vpsorg", "stopped", STOPPED, None), ("vpsorg", "restoring", "restoring", "restoring"),
    ("vpsorg", "stopping", "stopping", "stopping"), ("vpsorg", "suspended", "suspended", None),
    ("vpsorg", None, "unknown", "unknown"), ("ilkbyte", "running", RUNNING, None), ("ilkbyte", "shut off", STOPPED, None),
    ("ilkbyte", "Çalışıyor", RUNNING, None), ("ilkbyte", "paused", "paused", "paused"), ("ilkbyte", "crashed", "crashed", None),
])
def test_power_state_and_task_state(name, status, power_state, task_state):
    item = {"id": 1, "name": "app1", "status": status}
    body = item if name == "vpsorg" else {"status": True, "data": item}
    found = provider(name, [body]).get_server("1" if name == "vpsorg" else "app1")
    assert (found.power_state, found.task_state) == (power_state, task_state)


@pytest.mark.parametrize(("body", "kind"), [
    ({"status": False, "message": "", "error": "Server backup not found!", "data": None}, errors.NOT_FOUND),
    ({"success": False, "error": "Server backup not found!"}, errors.NOT_FOUND),
    ({"status": False, "error": "domain snapshot nightly already exists"}, errors.ALREADY_EXISTS),
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
