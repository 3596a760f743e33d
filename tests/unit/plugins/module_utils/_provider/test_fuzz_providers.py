# SPDX-License-Identifier: GPL-3.0-or-later
"""For any response a provider returns valid data or a RewindError, requests only its own paths, and confirms no change that
the response does not confirm."""

from __future__ import annotations

import json
import re

import pytest
from fakes.malformed import (
    ANYTHING,
    ILK_SERVER,
    ILK_SNAPSHOT,
    NAMES,
    PATHS,
    UUID,
    VPS_SERVER,
    VPS_SNAPSHOT,
    FakeSession,
    assert_valid,
    bodies,
    ok,
    page,
    provider_with_session,
)
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http import client
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpResponse
from ansible_collections.rewind.vps.plugins.module_utils._module.context import validate_snapshot_name
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import (
    FAILED,
    PENDING,
    READY,
    START,
    STOP,
    UNKNOWN,
    Account,
    Schedule,
    Server,
    Snapshot,
)
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY

SERVERS = {"vpsorg": Server("12345", "web1"), "ilkbyte": Server("app1", "app1")}
SNAPSHOTS = {
    "vpsorg": Snapshot("801", "nightly", SERVERS["vpsorg"], READY), "ilkbyte": Snapshot("nightly", "nightly", SERVERS["ilkbyte"], READY),
}
# Each read: the call, and valid responses.
READS = {
    "vpsorg": {
        "list_servers": (lambda made: made.list_servers(),
                         [page(VPS_SERVER), page(VPS_SERVER, following="https://cloud.test/api/v1/servers/?page=2")]),
        "get_server by number": (lambda made: made.get_server("12345"), [VPS_SERVER, page(VPS_SERVER)]),
        "get_server by uuid": (lambda made: made.get_server(UUID), [VPS_SERVER, page(VPS_SERVER)]),
        "get_server by name": (lambda made: made.get_server("web1"), [page(VPS_SERVER)]),
        "list_snapshots": (lambda made: made.list_snapshots(SERVERS["vpsorg"]), [page(VPS_SNAPSHOT)]),
        "list_snapshots of all": (lambda made: made.list_snapshots(None), [page(VPS_SNAPSHOT), *(page(VPS_SNAPSHOT, following=link) for link in (
            "https://evil.test/api/v1/snapshots/?page=2", "https://cloud.test/api/v1/snapshots/../../snapshots/?page=2", "//evil.test/snapshots/",
            "https://cloud.test/snapshots/?page=\ud800&\0=\n",
        ))]),
        "whoami": (lambda made: made.whoami(), [{"account": {"email": "a@b.c"}, "token": {"permissions": ["servers:read"]}}]),
    },
    "ilkbyte": {
        "list_servers": (lambda made: made.list_servers(), [ok({"server_list": [ILK_SERVER], "pagination": {"current_page": 1, "total_page": 3}})]),
        "get_server": (lambda made: made.get_server("app1"), [ok(ILK_SERVER)]),
        "get_server of no name": (lambda made: made.get_server("../app1"), [ok([ILK_SERVER])]),
        "list_snapshots": (lambda made: made.list_snapshots(SERVERS["ilkbyte"]), [ok({"snapshots": [ILK_SNAPSHOT]})]),
        "list_snapshots of all": (lambda made: made.list_snapshots(None), [
            ok({"server_list": [ILK_SERVER], "snapshots": [ILK_SNAPSHOT], "pagination": {"total_page": 1}}),
        ]),
        "whoami": (lambda made: made.whoami(), [ok({"permission": "Full", "ip_address": "203.0.113.7"})]),
    },
}
CHANGES = {
    "vpsorg": {
        "create": (lambda made: made.create_snapshot(SERVERS["vpsorg"], "nightly", "why"),
                   {**VPS_SNAPSHOT, "status": "in_progress", "size_mb": None}),
        "restore": (lambda made: made.restore_snapshot(SNAPSHOTS["vpsorg"]), {
            "status": "success", "message": "", "snapshot": {"id": 801, "name": "nightly"},
            "server": {"id": 12345, "name": "web1", "status": "restoring"},
        }),
        "delete": (lambda made: made.delete_snapshot(SNAPSHOTS["vpsorg"]), {}),
        "start": (lambda made: made.set_power(SERVERS["vpsorg"], START), {"status": "success", "message": ""}),
    },
    "ilkbyte": {
        "create": (lambda made: made.create_snapshot(SERVERS["ilkbyte"], "nightly", None), ok()),
        "restore": (lambda made: made.restore_snapshot(SNAPSHOTS["ilkbyte"]), ok()),
        "recreate": (lambda made: made.recreate_snapshot(SNAPSHOTS["ilkbyte"]), ok()),
        "delete": (lambda made: made.delete_snapshot(SNAPSHOTS["ilkbyte"]), ok()),
        "stop": (lambda made: made.set_power(SERVERS["ilkbyte"], STOP), ok({"Status": "Çalışıyor"})),
        "add a schedule": (lambda made: made.add_schedule(SNAPSHOTS["ilkbyte"], Schedule(1, 2, 3)), ok()),
        "remove a schedule": (lambda made: made.remove_schedule(SNAPSHOTS["ilkbyte"]), ok()),
    },
}
READ_ERRORS = {errors.INVALID_RESPONSE, errors.NOT_FOUND, errors.AMBIGUOUS, errors.PROVIDER_REJECTED, errors.ALREADY_EXISTS}


def check(item):
    if isinstance(item, Server):
        assert item.id != "" and isinstance(item.label, str)
        assert all(value is None or isinstance(value, str) for value in (item.id, item.name, item.power_state, item.task_state, item.address))
        assert_valid(item.to_result())
    elif isinstance(item, Snapshot):
        assert all(value is None or isinstance(value, str) for value in (item.id, item.name)) and isinstance(item.label, str)
        assert item.status in (READY, PENDING, FAILED, UNKNOWN)
        assert item.size_mb is None or (isinstance(item.size_mb, int) and not isinstance(item.size_mb, bool))
        assert item.created_at is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item.created_at)
        assert item.current in (None, True, False)
        assert all(value is None or isinstance(value, str) for value in (item.description, item.parent, item.power_state, item.provider_status))
        assert_valid(item.to_result())
    else:
        assert isinstance(item, Account)
        assert_valid([item.name, item.permissions])


def check_error(error):
    assert error.kind != errors.INTERNAL and error.outcome in (errors.NOT_APPLIED, errors.UNKNOWN)
    assert_valid([error.format(), error.to_result()])


def check_paths(name, session):
    for sent in session.sent:
        assert sent.url.startswith("https://cloud.test/") and re.fullmatch(PATHS[name], sent.path), sent


def read(name, which, responses):
    session = FakeSession(responses)
    try:
        found = READS[name][which][0](provider_with_session(name, session))
    except RewindError as error:
        check_error(error)
        assert error.outcome == errors.NOT_APPLIED and error.kind in READ_ERRORS and error.message
    else:
        for item in found if isinstance(found, list) else [found]:
            check(item)
    check_paths(name, session)
    assert not session.changes
    return session


ALL_READS = [(name, which) for name, reads in READS.items() for which in reads]
ALL_CHANGES = [(name, which) for name, changes in CHANGES.items() for which in changes]


@pytest.mark.parametrize(("name", "which"), ALL_READS)
@given(data=st.data())
def test_reads_of_any_response(name, which, data):
    body = bodies(*READS[name][which][1])
    read(name, which, [HttpResponse(200, {}, one) for one in data.draw(st.lists(body, min_size=1, max_size=3))])


def is_confirmed(name, which, response):
    """Return whether this response proves that the change was accepted."""
    if not 200 <= response.status < 300:
        return False
    if (name, which) == ("vpsorg", "delete"):
        return response.status == 204
    body = json.loads(response.body)
    if name == "ilkbyte":
        return body.get("status", body.get("success")) is True
    if which == "create":
        server = body["server"]["id"] if isinstance(body["server"], dict) else body["server"]
        return (body["name"], str(server)) == ("nightly", "12345")
    return isinstance(body, dict)


def is_rejected(name, response):
    is_client_error = 400 <= response.status < 500 and response.status != 408
    body, readable = client._decode_json(response)
    if not readable:
        return is_client_error and (not response.body.strip() or response.status == 429)  # a web page proves nothing
    if is_client_error:
        return True
    return name == "ilkbyte" and 200 <= response.status < 300 and isinstance(body, dict) and body.get("status", body.get("success")) is False


STATUSES = st.sampled_from([200, 200, 200, 201, 202, 204, 206, 301, 302, 400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503,
                            504]) | st.integers(0, 999)


@pytest.mark.parametrize(("name", "which"), ALL_CHANGES)
@given(data=st.data())
def test_a_change_is_requested_once_and_never_taken_for_what_it_may_not_be(name, which, data):
    response = HttpResponse(data.draw(STATUSES), {}, data.draw(bodies(CHANGES[name][which][1])))
    session = FakeSession([response])
    try:
        CHANGES[name][which][0](provider_with_session(name, session))
    except RewindError as error:
        check_error(error)
        assert error.server, "whom it concerns"
        assert error.outcome == (errors.NOT_APPLIED if is_rejected(name, response) else errors.UNKNOWN)
    else:
        # Deleting a snapshot that is gone is no error.
        gone = which == "delete" and is_rejected(name, response)
        assert gone or is_confirmed(name, which, response), response
    check_paths(name, session)
    assert len(session.changes) == (5 if response.status == 429 else 1)
    assert len(session.sent) - len(session.changes) <= 1, "after a 403 Ilkbyte is asked for the caller's address"


# --- pages


def test_pages_without_end_end(monkeypatch):
    class Endless(FakeSession):
        def request(self, method, url, *, params, json, timeout, new_connection):
            number = len(self.sent) + 2
            self._responses = [HttpResponse(200, {}, b'{"results": [], "next": "https://cloud.test/api/v1/servers/?page=%d"}' % number)]
            return super().request(method, url, params=params, json=json, timeout=timeout, new_connection=new_connection)

    session = Endless([])
    with pytest.raises(RewindError, match="more than 2000 pages"):
        provider_with_session("vpsorg", session).list_servers()
    assert len(session.sent) == 2000


@given(ANYTHING | st.integers() | st.integers().map(str))
@example("1e9")
@example(10**400)
@example("9" * 5000)
@example(-1)
def test_ilkbytes_number_of_pages(total):
    body = json.dumps(ok({"server_list": [ILK_SERVER], "pagination": {"total_page": total}})).encode()
    session = FakeSession([HttpResponse(200, {}, body)])
    try:
        assert [server.id for server in provider_with_session("ilkbyte", session).list_servers()] == ["app1"]
    except RewindError as error:
        check_error(error)
    assert len(session.sent) <= 2, "the second page has no server that the first had not"


# --- names in paths


@pytest.mark.parametrize("hostile", [name for name in NAMES if name], ids=lambda name: ascii(name)[:30])
def test_no_listed_server_is_requested_at_another_path(hostile):
    """The provider lists a server with such a name, and a user selects it."""
    listed = [HttpResponse(200, {}, json.dumps(ok({"server_list": [{**ILK_SERVER, "name": hostile}]})).encode()),
              HttpResponse(200, {}, json.dumps(ok({"snapshots": []})).encode())]
    for ask in (lambda made: made.list_snapshots(None), lambda made: made.list_snapshots(made.get_server(hostile))):
        session = FakeSession(listed)
        try:
            ask(provider_with_session("ilkbyte", session))
        except RewindError as error:
            check_error(error)
        check_paths("ilkbyte", session)
    session = FakeSession([HttpResponse(200, {}, b'{"status": true}')])
    server = Server(hostile, hostile)
    for change in (lambda made: made.create_snapshot(server, "one", None), lambda made: made.set_power(server, STOP),
                   lambda made: made.delete_snapshot(Snapshot("one", "one", server, READY))):
        try:
            change(provider_with_session("ilkbyte", session))
        except RewindError as error:
            check_error(error)
            assert error.outcome == errors.NOT_APPLIED and not session.sent
    check_paths("ilkbyte", session)


@pytest.mark.parametrize(("length", "asked"), [(64, "/server/manage/"), (65, "/server/list/all"), (10_000, "/server/list/all")])
def test_a_reference_that_is_too_long_for_a_server_is_searched_and_not_put_in_a_path(length, asked):
    session = FakeSession([HttpResponse(200, {}, json.dumps(ok([ILK_SERVER])).encode())])
    with pytest.raises(RewindError):
        provider_with_session("ilkbyte", session).get_server("x" * length)
    assert session.sent[0].path.startswith(asked)


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("length", [256, 10_000])
def test_a_snapshots_name_that_is_too_long_is_refused_before_it_is_sent(name, length):
    made = provider_with_session(name, FakeSession([]))
    validate_snapshot_name(made, "x" * 255)
    with pytest.raises(RewindError, match="at most 255 characters") as caught:
        validate_snapshot_name(made, "x" * length)
    assert caught.value.kind == errors.INVALID_ARGUMENT and len(caught.value.format()) < 500
