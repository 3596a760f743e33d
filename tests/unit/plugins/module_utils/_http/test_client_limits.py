# SPDX-License-Identifier: GPL-3.0-or-later
"""A request is bounded in time and size, goes nowhere else, and never reveals the credentials."""

from __future__ import annotations

import base64
import logging
import socket
import threading
import time

import pytest
from fakes import http_server
from fakes.bulk import wait_until
from fakes.http_server import half_response, head, no_response, raw_bytes, reset, response, send_slowly, serving

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http import session
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpResponse, HttpSession

TOKEN = "vps_S3cret/Token+0123456789"
ACCESS, SECRET = "access-K3y/0123456789", "secret-K3y+0123456789"
GOOD = response(200, {"results": []})
TIMEOUT = 0.5
IN_TIME = 3.0  # seconds: the time limit and what a busy machine may add


def api(server, **options):
    return http_server.api(server, headers={"Authorization": f"Bearer {TOKEN}"}, query={"access": ACCESS, "secret": SECRET}, **options)


def change(client):
    return client.change("POST", "/snapshots/", operation="snapshots.create", json={"name": "nightly"})


def failure(client):
    with pytest.raises(RewindError) as caught:
        change(client)
    return caught.value


# --- time


@pytest.mark.parametrize("slow", [
    head(200, {"content-length": "1000"}) + b'{"results": [' + b" " * 980,
    head(200, {"connection": "close"}) + b'{"results": []}' + b" " * 980,
    head(200, {"transfer-encoding": "chunked"}) + b"1\r\n \r\n" * 500,
    b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"x" * 980,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
], ids=["body", "body without a length", "chunks", "headers", "only interim answers"])
def test_one_byte_at_a_time_ends_within_the_limit(slow):
    quick = slow.index(b"\r\n\r\n") + 4 if slow.startswith(b"HTTP/1.1 200 Scripted") else 20

    def step(connection):
        connection.sendall(slow[:quick])
        return send_slowly(slow[quick:])(connection)

    started = time.monotonic()
    with serving(step) as server:
        error = failure(api(server, timeout=TIMEOUT))
    assert TIMEOUT * 0.9 <= time.monotonic() - started < IN_TIME
    assert (error.kind, error.outcome) == (errors.TIMEOUT, errors.UNKNOWN)
    assert len(server.requests) == 1


def test_a_read_with_a_slow_body_is_retried():
    with serving(send_slowly(head(200, {"connection": "close"}) + b"{}" + b" " * 100), GOOD) as server:
        assert api(server, timeout=TIMEOUT).read("/servers/", operation="servers.list").data == {"results": []}
    assert len(server.delays) == 1 and len(server.requests) == 2


def test_a_body_without_a_length_that_the_limit_cuts_off_is_never_taken_for_whole():
    """What has arrived may be valid JSON and yet incomplete."""

    def step(connection):
        connection.sendall(head(200, {"connection": "close"}) + b'{"results": []}')
        return no_response(connection)

    with serving(step) as server:
        error = failure(api(server, timeout=6 * TIMEOUT))  # where even to connect takes long, it would not come to the body
    assert error.kind == errors.TIMEOUT


@pytest.mark.parametrize(("timeout", "read", "change"), [(None, 30, 60), (7, 7, 7)])
def test_a_change_has_more_time_by_default(timeout, read, change, monkeypatch):
    """A provider may respond only when the change is done."""
    seconds = []

    def request(self, method, url, *, timeout, **options):
        seconds.append(timeout)
        return HttpResponse(200, {}, b"{}")

    monkeypatch.setattr(HttpSession, "request", request)
    client = ApiClient("VPS.org", "https://cloud.test", timeout=timeout)
    client.read("/servers/", operation="servers.list")
    client.change("POST", "/snapshots/", operation="snapshots.create")
    assert seconds == [read, change]


def test_no_timer_is_left_behind():
    with serving(GOOD) as server:
        client = api(server)
        for _attempt in range(5):
            client.read("/servers/", operation="servers.list")
        wait_until(lambda: not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)])


def test_a_machine_without_a_thread_for_the_time_limit_sends_nothing(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    with serving(GOOD) as server:
        client = api(server)
        monkeypatch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RewindError) as caught:
            change(client)
        assert (caught.value.kind, caught.value.outcome) == ("unreachable", "not_applied")
        monkeypatch.undo()
        assert change(client).status == 200
        assert len(server.requests) == 1


# --- size


def test_a_response_just_within_the_bound_is_read(monkeypatch):
    body = b'{"results": "' + b"x" * 199_985 + b'"}'
    monkeypatch.setattr(session, "MAX_RESPONSE_BYTES", len(body))
    with serving(response(200, body)) as server:
        assert len(change(api(server)).data["results"]) == 199_985


# --- nowhere else


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["read", "change"])
def test_a_redirect_is_never_followed(status, kind):
    with serving(GOOD) as elsewhere, serving(response(status, location=f"{elsewhere.url}/snapshots/")) as server:
        client = api(server)
        with pytest.raises(RewindError) as caught:
            if kind == "change":
                change(client)
            else:
                client.read("/snapshots/", operation="snapshots.list")
        assert "redirect" in caught.value.message and "api_url" in caught.value.hint
        assert len(server.requests) == 1
        assert elsewhere.connections == 0


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_no_proxy_is_used_for_this_machine(variable, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(GOOD) as proxy, serving(GOOD) as server:
        monkeypatch.setenv(variable, proxy.url)
        change(api(server))
        assert (proxy.connections, len(server.requests)) == (0, 1)


def test_netrc_does_not_replace_the_token(monkeypatch, tmp_path):
    """On this machine the environment is ignored altogether, so the host has another name here."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc-user password netrc-word\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *args, **kwargs: real("127.0.0.1" if name == "cloud.test" else name, *args, **kwargs))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(GOOD) as server:
        change(ApiClient("VPS.org", f"http://cloud.test:{server.port}", headers={"Authorization": f"Bearer {TOKEN}"}))
        change(ApiClient("VPS.org", f"http://cloud.test:{server.port}"))
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in server.requests[1].headers


def test_a_proxy_serves_for_a_real_host_and_learns_no_credentials(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(raw_bytes(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as proxy:
        for variable in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        client = ApiClient("VPS.org", "https://cloud.test/api/v1", headers={"Authorization": f"Bearer {TOKEN}"},
                           query={"access": ACCESS}, timeout=5, sleep=lambda seconds: None)
        error = failure(client)
    # A tunnel that was never opened carried nothing.
    assert (error.outcome, error.kind) == (errors.NOT_APPLIED, errors.UNREACHABLE)
    assert {request.method for request in proxy.requests} == {"CONNECT"}
    assert {request.target for request in proxy.requests} == {"cloud.test:443"}
    for request in proxy.requests:
        assert TOKEN not in repr(request) and ACCESS not in repr(request)


# --- no secret revealed

FORMS = [form for secret in (TOKEN, ACCESS, SECRET) for form in (
    secret, secret[:8], base64.b64encode(secret.encode()).decode()[:10],
    secret.replace("/", "%2F").replace("+", "%2B"), secret.replace("/", "%2f").replace("+", "%2b"),
)]
BAD_HEADERS = raw_bytes(b"HTTP/1.1 200 OK\r\nthis is no header\r\ncontent-length: 2\r\n\r\n{}")
FAULTS = {
    "400": response(400, {"detail": "No."}), "500": response(500), "redirect": response(302, location="/x"), "reset": reset,
    "half": half_response, "html": response(200, b"<html>"), "silence": no_response, "bad headers": BAD_HEADERS,
    "no http": raw_bytes(b"\x00\x01\x02\r\n\r\n"), "429": response(429),
}


def assert_no_secret(text, server):
    for form in FORMS:
        assert form not in text, f"{form} in {text}"
    assert "access=" not in text and "secret=" not in text
    assert server.url not in text and str(server.port) not in text


@pytest.mark.parametrize("fault", FAULTS)
def test_neither_error_nor_log_nor_screen_has_a_secret(fault, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with serving(FAULTS[fault]) as server:
        client = api(server, timeout=1.5 if fault == "silence" else 5.0)
        try:
            change(client)
        except RewindError as error:
            assert_no_secret(error.format() + repr(error.to_result()) + repr(error.args), server)
            assert "/snapshots/" in error.message
            assert error.__cause__ is None and error.__context__ is None
        assert_no_secret(client.provider_name, server)
    for record in caplog.records:
        message = record.getMessage() + str(record.exc_info or "")
        for form in FORMS:
            assert form not in message, f"{form} in the log: {message}"
    printed = "".join(capfd.readouterr())
    assert not [form for form in FORMS if form in printed]


def test_an_unreachable_error_has_no_secret():
    with serving(GOOD, listening=False) as server:
        with pytest.raises(RewindError) as caught:
            api(server).read("/servers/", operation="servers.list")
        assert_no_secret(caught.value.format() + repr(caught.value.to_result()), server)
