# SPDX-License-Identifier: GPL-3.0-or-later
"""A change is sent again only when it provably did not happen; otherwise its outcome is unknown, and it is sent once."""

from __future__ import annotations

import pytest
from fakes.http_server import ScriptedServer, api, close_connection, half_response, no_response, raw_bytes, reset, response, serving

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError

DONE = response(200, {"status": True})
# VPS.org's two verbs, and Ilkbyte's, where a GET changes things.
CALLS = {
    "POST": ("POST", "/snapshots/", {"json": {"server_id": 12345, "name": "nightly"}}),
    "DELETE": ("DELETE", "/snapshots/801/", {}),
    "GET": ("GET", "/server/manage/app1/snapshot/create", {"params": {"name": "nightly"}}),
}


def change(client, call):
    method, path, options = CALLS[call]
    return client.change(method, path, operation="snapshots.create", **options)


def failure(client, call):
    with pytest.raises(RewindError) as caught:
        change(client, call)
    assert caught.value.operation == "snapshots.create"
    return caught.value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("fault", "kind"), [
    (no_response, errors.TIMEOUT), (reset, errors.UNREACHABLE), (close_connection, errors.UNREACHABLE),
    (half_response, errors.INVALID_RESPONSE), (raw_bytes(b"HTTP/1.1 2"), errors.UNREACHABLE),
    (raw_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), errors.INVALID_RESPONSE),
    (response(200, b"<html>Request blocked</html>"), errors.INVALID_RESPONSE), (response(200, b""), errors.INVALID_RESPONSE),
    (response(201, b'{"id": 801'), errors.INVALID_RESPONSE), (response(200, b"\x1f\x8b", content_encoding="gzip"), errors.INVALID_RESPONSE),
    (response(301, location="/elsewhere/"), errors.INVALID_RESPONSE), (response(302, location="/elsewhere/"), errors.INVALID_RESPONSE),
    (response(307, location="/elsewhere/"), errors.INVALID_RESPONSE), (response(408), errors.PROVIDER_REJECTED),
    (response(403, b"<html>Request blocked</html>"), errors.FORBIDDEN), (response(404, b"<html>Not here</html>"), errors.NOT_FOUND),
    (response(500), errors.PROVIDER_ERROR), (response(502), errors.PROVIDER_ERROR),
    (response(503, retry_after="1"), errors.PROVIDER_ERROR), (response(504), errors.PROVIDER_ERROR),
], ids=["silence", "reset", "hang up", "half", "half a status", "bad chunk", "html", "empty", "half json", "bad gzip", "301",
        "302", "307", "408", "403 page", "404 page", "500", "502", "503", "504"])
def test_what_may_have_happened_is_sent_once_and_unknown(call, fault, kind):
    with serving(fault, DONE) as server:
        error = failure(api(server, timeout=1.5 if fault is no_response else 5.0), call)
    assert (error.outcome, error.kind) == (errors.UNKNOWN, kind)
    assert len(server.requests) == 1 and server.requests[0].method == call
    assert server.delays == []
    assert "It is unknown whether the change was applied." in error.format() and error.__context__ is None


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "kind"), [
    (400, errors.PROVIDER_REJECTED), (401, errors.UNAUTHORIZED), (403, errors.FORBIDDEN), (404, errors.NOT_FOUND),
    (405, errors.PROVIDER_REJECTED), (409, errors.BUSY), (422, errors.PROVIDER_REJECTED),
])
def test_a_definite_rejection_is_reported_as_one(call, status, kind):
    with serving(response(status, {"detail": "No."}), DONE) as server:
        error = failure(api(server), call)
    assert (error.outcome, error.kind, error.provider_message) == (errors.NOT_APPLIED, kind, "No.")
    assert len(server.requests) == 1 and server.delays == []


@pytest.mark.parametrize("call", CALLS)
def test_too_many_requests_did_not_happen_and_is_sent_again_up_to_four_times(call):
    with serving(response(429, retry_after="3"), response(429), DONE) as server:
        assert change(api(server), call).data == {"status": True}
    assert len(server.requests) == 3
    assert server.delays[0] == 3.0 and len(server.delays) == 2
    assert len({(request.target, request.body) for request in server.requests}) == 1
    with serving(response(429)) as server:
        error = failure(api(server), call)
    assert (error.outcome, error.kind) == (errors.NOT_APPLIED, errors.RATE_LIMITED)
    assert len(server.requests) == 5


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_never_made_is_retried_up_to_four_times(call):
    with serving(DONE, listening=False) as server:
        client = api(server, sleep=lambda seconds: server.listen())
        assert change(client, call).status == 200
    assert len(server.requests) == 1
    with serving(DONE, listening=False) as server:
        error = failure(api(server), call)
    assert (error.outcome, error.kind) == (errors.NOT_APPLIED, errors.UNREACHABLE)
    assert len(server.delays) == 4 and server.requests == []


def test_connection_lost_after_429_is_unknown():
    with serving(response(429), reset, DONE) as server:
        error = failure(api(server), "GET")
    assert error.outcome == errors.UNKNOWN and len(server.requests) == 2


@pytest.mark.parametrize("call", CALLS)
def test_a_change_never_uses_an_old_connection(call):
    """A failure on a connection that was open already could have happened before or after sending."""
    with serving(DONE) as server:
        client = api(server)
        client.read("/servers/", operation="servers.list")
        client.read("/servers/", operation="servers.list")
        assert server.connections == 1
        change(client, call)
        assert server.connections == 2
        change(client, call)
        assert server.connections == 3


def test_old_connection_gone_before_the_change_is_no_unknown():
    """The provider closed the idle connection after the read: the change opens a new one, or provably none."""
    first = ScriptedServer(DONE)
    client = api(first)
    client.read("/servers/", operation="servers.list")
    first.close()
    error = failure(client, "POST")
    assert (error.outcome, error.kind) == (errors.NOT_APPLIED, errors.UNREACHABLE)


def test_what_is_sent():
    with serving(response(201, {"id": 801})) as server:
        client = api(server, headers={"Authorization": "Bearer vps_token"})
        assert change(client, "POST").data == {"id": 801}
    (request,) = server.requests
    assert request.body == b'{"server_id": 12345, "name": "nightly"}'
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer vps_token"
    with serving(response(204, b"")) as server:
        assert change(api(server), "DELETE").data is None
