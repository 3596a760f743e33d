# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads are repeated after transient errors, a limited number of times and with growing server.delays."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from fakes.http_server import api, close_connection, half_response, raw_bytes, reset, response, serving

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http import client as http_client
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiResponse
from ansible_collections.rewind.vps.plugins.module_utils._version import VERSION

GOOD = response(200, {"results": [1]})


def read(client):
    return client.read("/snapshots/", operation="snapshots.list", params={"server_id": "12345"})


def failure(client):
    with pytest.raises(RewindError) as caught:
        read(client)
    error = caught.value
    assert (error.outcome, error.operation) == (errors.NOT_APPLIED, "snapshots.list")
    return error


def test_one_good_response_is_one_request():
    with serving(GOOD) as server:
        client = api(server, headers={"Authorization": "Bearer vps_token"}, query={"access": "key"})
        assert read(client) == ApiResponse(200, {"results": [1]})
        assert read(client).data == {"results": [1]}
    assert server.delays == [] and server.connections == 1  # the connection is used again
    request = server.requests[0]
    assert (request.method, request.target) == ("GET", "/snapshots/?access=key&server_id=12345")
    assert request.headers["authorization"] == "Bearer vps_token"
    assert request.headers["user-agent"] == f"rewind.vps/{VERSION}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.body == b""


@pytest.mark.parametrize("fault", [
    *(response(status) for status in (408, 429, 502, 503, 504)), reset, close_connection, half_response,
    response(200, b"<html>maintenance</html>"), response(200, b""), response(200, b'{"results": ['), response(200, b"\xff\xfe"),
    raw_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), raw_bytes(b"garbage\r\n\r\n"),
], ids=["408", "429", "502", "503", "504", "reset", "hang up", "half", "html", "empty", "half json", "not utf-8",
        "bad chunk", "no http"])
def test_a_transient_fault_is_retried(fault):
    with serving(fault, fault, GOOD) as server:
        assert read(api(server)).data == {"results": [1]}
    assert len(server.requests) == 3 and len(server.delays) == 2


@pytest.mark.parametrize(("fault", "kind"), [
    (response(429), errors.RATE_LIMITED), (response(503), errors.PROVIDER_ERROR), (reset, errors.UNREACHABLE),
    (half_response, errors.INVALID_RESPONSE), (response(200, b"<html>"), errors.INVALID_RESPONSE), (response(200, b""), errors.INVALID_RESPONSE),
])
def test_it_gives_up_after_five(fault, kind):
    with serving(fault) as server:
        assert failure(api(server)).kind == kind
    assert len(server.requests) == 5
    assert len(server.delays) == 4


def test_pauses_grow_with_full_jitter(monkeypatch):
    uniform_calls = []
    monkeypatch.setattr(http_client.random, "uniform", lambda low, high: uniform_calls.append((low, high)) or high)
    with serving(response(503)) as server:
        failure(api(server))
    assert uniform_calls[:4] == [(0, 0.5), (0, 1.0), (0, 2.0), (0, 4.0)]
    assert server.delays == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(("status", "kind"), [
    (301, errors.INVALID_RESPONSE), (302, errors.INVALID_RESPONSE), (307, errors.INVALID_RESPONSE), (400, errors.PROVIDER_REJECTED),
    (401, errors.UNAUTHORIZED), (403, errors.FORBIDDEN), (404, errors.NOT_FOUND), (405, errors.PROVIDER_REJECTED),
    (409, errors.BUSY), (418, errors.PROVIDER_REJECTED), (500, errors.PROVIDER_ERROR), (501, errors.PROVIDER_ERROR),
])
def test_a_clear_response_is_not_retried(status, kind):
    with serving(response(status, {"detail": "No  such\nserver."}, location="/elsewhere/")) as server:
        error = failure(api(server))
    assert (error.kind, error.http_status, error.provider_message) == (kind, status, "No such server.")
    assert len(server.requests) == 1 and server.delays == []
    assert f"HTTP {status}" in error.message and "GET /snapshots/" in error.message
    assert error.__cause__ is None and error.__context__ is None


# --- Retry-After


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [
    ("7", 7.0), ("0", 0.0), (" 12 ", 12.0), ("007", 7.0),
    *((invalid, None) for invalid in ("soon", "-5", "", "1.5", "Mon, 99 Foo 2026 00:00:00 GMT", "²", "7 seconds")),
])
def test_retry_after_in_seconds_and_an_invalid_one_leaves_our_own_backoff(status, header, seconds):
    with serving(response(status, retry_after=header), GOOD) as server:
        read(api(server))
    assert server.delays == [seconds] if seconds is not None else 0 <= server.delays[0] <= 0.5


@pytest.mark.parametrize(("clock_offset", "seconds"), [(-86400, 20), (3600, 20), (0, -999)])
def test_retry_after_as_a_date_by_the_providers_own_clock(clock_offset, seconds):
    now = time.time() + clock_offset
    with serving(response(503, date=formatdate(now, usegmt=True), retry_after=formatdate(now + seconds, usegmt=True)), GOOD) as server:
        read(api(server))
    assert server.delays[0] == pytest.approx(max(0, seconds), abs=2)


@pytest.mark.parametrize("header", ["3600", "99999999999999999999", "tomorrow's date"])
def test_a_retry_after_beyond_the_budget_ends_it_at_once(header):
    header = formatdate(time.time() + 86400, usegmt=True) if header == "tomorrow's date" else header
    with serving(response(429, {"detail": "Request was throttled."}, retry_after=header)) as server:
        error = failure(api(server))
    assert error.kind == errors.RATE_LIMITED and error.hint
    assert len(server.requests) == 1 and server.delays == []


def test_all_tries_together_end_in_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(http_client.time, "monotonic", lambda: now[0])

    def sleep(seconds):
        now[0] += seconds

    with serving(response(503, retry_after="25")) as server:
        client = api(server, sleep=sleep)
        assert failure(client).kind == errors.PROVIDER_ERROR
    assert now[0] <= http_client.MIN_RETRY_SECONDS and len(server.requests) == 3


# --- provider messages


@pytest.mark.parametrize(("body", "quoted"), [
    ({"detail": "Not found."}, "Not found."), ({"error": "Sunucu bulunamadı!"}, "Sunucu bulunamadı!"),
    ({"name": ["Too long.", "Bad."], "server_id": ["Wrong."]}, "name: Too long. Bad.; server_id: Wrong."),
    ({"message": "", "error": "Denied"}, "Denied"), (["one", "two"], "one two"), ("text", "text"), ({}, None),
    ({"detail": "x" * 5000}, "x" * 500), (b"<html><h1>Blocked</h1></html>", None),
])
def test_a_provider_message_is_one_bounded_line(body, quoted):
    with serving(response(400, body)) as server:
        assert failure(api(server)).provider_message == quoted
