# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the connection, for every call of both clouds: what the client sees, and what the cloud has done."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
import requests
from all_operations import EVENT, soon

from sandbox import launch

NEVER = 600
# A client that a test can kill: it asks and would wait for ever.
ASK = "import sys, requests; requests.request(sys.argv[1], sys.argv[2], headers={'Authorization': sys.argv[3]}, timeout=900)"


def is_port_closed(url):
    """Whether a connection is refused, as where no program has the port."""
    with socket.socket() as probe:
        return probe.connect_ex((urlsplit(url).hostname, urlsplit(url).port)) == errno.ECONNREFUSED


def is_connection_refused(error):
    return "Errno 111" in str(error.value) or "Connection refused" in str(error.value)


@pytest.mark.parametrize("apply", [True, False])
def test_a_request_that_hangs(calls, apply):
    for call in calls():
        call.fault("hang", apply=apply)
        with pytest.raises(requests.ReadTimeout):
            call.send(timeout=0.1)
        assert (call.entry()["fault"], call.entry()["http_status"]) == ("hang", None), call
        assert soon(lambda call=call: call.entry().get("hanging")), call
        if apply:
            assert call.is_executed(), call
        else:
            assert call.caused() == [], call


def test_a_client_that_is_killed_while_its_request_hangs(sandbox):
    added = sandbox.admin.add_snapshot("vpsorg", "web1", "good")
    sandbox.admin.fault("hang", operation="snapshots.restore")
    url = f"{sandbox.vpsorg_url}/snapshots/{added['id']}/restore/"
    with subprocess.Popen([sys.executable, "-c", ASK, "POST", url, f"Bearer {sandbox.vpsorg_token}"]) as client:
        try:
            assert soon(lambda: [row for row in sandbox.admin.requests(operation="snapshots.restore") if row.get("hanging")], 20)
            assert client.poll() is None
        finally:
            os.kill(client.pid, signal.SIGKILL)
    (entry,) = sandbox.admin.requests(operation="snapshots.restore")
    assert entry["fault"] == "hang" and [row["event"] for row in sandbox.admin.events(request=entry["n"])] == ["restore_started"]


def test_the_request_log_shows_a_hang_before_the_execution_is_over(sandbox, ilkbyte):
    sandbox.admin.settings(ilkbyte_responds="on_finish")
    sandbox.admin.fault("hang", operation="snapshots.create")
    with pytest.raises(requests.ReadTimeout):
        ilkbyte.call("/server/manage/app1/snapshot/create", name="s1", timeout=(10, 0.2))
    (entry,) = soon(sandbox.admin.requests)
    assert entry["fault"] == "hang" and "hanging" not in entry
    assert ilkbyte.until(lambda: sandbox.admin.requests()[0].get("hanging"))


def test_hang_then_reset_ends_with_a_reset(calls, sandbox, vpsorg):
    for call in calls():
        call.fault("hang_then_reset", seconds=0.05)
        with pytest.raises(requests.ConnectionError):
            call.send()
        assert (call.entry()["fault"], call.entry()["http_status"], call.caused()) == ("hang_then_reset", None, []), call
    sandbox.admin.fault("hang_then_reset", seconds=0.05, apply=True)
    with pytest.raises(requests.ConnectionError):
        vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"})
    assert len(sandbox.admin.events("snapshot_started")) == 1


def test_late_execution_happens_after_the_client_has_given_up(calls):
    for call in calls():
        call.fault("late_execution", seconds=0.4)
        with pytest.raises(requests.ReadTimeout):
            call.send(timeout=0.05)
        assert call.entry()["fault"] == "late_execution"
        assert soon(lambda call=call: call.entry()["http_status"]), call  # the client has disconnected
        assert call.is_executed(), call


@pytest.mark.slow
def test_late_execution_does_not_happen_early(all_calls):
    for call in all_calls():
        call.fault("late_execution", seconds=NEVER)
        with pytest.raises(requests.ReadTimeout):
            call.send(timeout=0.05)
        assert (call.entry()["fault"], call.entry()["http_status"], call.caused()) == ("late_execution", None, []), call


def test_late_execution_answers_a_client_that_has_waited(sandbox, vpsorg):
    sandbox.admin.fault("late_execution", seconds=0.2)
    started_at = time.monotonic()
    assert vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"}).status_code == 201
    assert time.monotonic() - started_at >= 0.2


def test_the_call_after_the_one_that_matches_is_refused(calls, sandbox, vpsorg, ilkbyte):
    for call in calls():
        call.fault("refuse_next", seconds=NEVER)
        assert call.send().ok, call
        assert call.is_executed() and call.entry()["fault"] == "refuse_next", call
        with pytest.raises(requests.ConnectionError) as error:
            call.send()
        assert is_connection_refused(error) and len(sandbox.admin.requests(cloud=call.cloud)) == 1, call
        other = ilkbyte.call("/account") if call.cloud == "vpsorg" else vpsorg.call("GET", "/account/me/")
        assert other.ok
        sandbox.admin.refuse_connections(call.cloud, 0)
        assert call.send().status_code in (200, 201, 400, 404), call  # it listens again, at the same port


@pytest.mark.parametrize("cloud", ["vpsorg", "ilkbyte"])
def test_a_cloud_that_refuses_from_the_first_call_on(sandbox, vpsorg, ilkbyte, cloud):
    url = sandbox.vpsorg_url if cloud == "vpsorg" else sandbox.ilkbyte_url
    send = (lambda: vpsorg.call("GET", "/account/me/")) if cloud == "vpsorg" else (lambda: ilkbyte.call("/account"))
    assert send().ok  # so that there is a connection that was kept alive
    sandbox.admin.refuse_connections(cloud, NEVER)
    with pytest.raises(requests.ConnectionError) as error:
        send()
    assert is_connection_refused(error) and is_port_closed(url)
    started_at = time.monotonic()
    sandbox.admin.refuse_connections(cloud, 0.3)
    assert soon(lambda: not is_port_closed(url)) and time.monotonic() - started_at >= 0.3
    assert send().ok and len(sandbox.admin.requests()) == 2


def test_a_reset_ends_refusals_and_waits(sandbox, vpsorg):
    for kind, more in (("hang", {}), ("late_execution", {"seconds": NEVER}), ("hang_then_reset", {"seconds": NEVER}), ("delay", {"seconds": NEVER})):
        sandbox.admin.fault(kind, **more)
        with socket.create_connection((urlsplit(sandbox.vpsorg_url).hostname, urlsplit(sandbox.vpsorg_url).port), timeout=10) as client:
            client.sendall(f"GET /api/v1/account/me/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.vpsorg_token}\r\n\r\n".encode())
            assert soon(sandbox.admin.requests)
            sandbox.admin.reset()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    sandbox.admin.refuse_connections("vpsorg", NEVER)
    sandbox.admin.reset()
    assert vpsorg.call("GET", "/account/me/").ok


def test_a_sandbox_ends_at_once_whatever_hangs_or_is_refused():
    with launch(servers=1, ssh=False) as sandbox:
        sandbox.admin.fault("hang", operation="account")
        sandbox.admin.fault("late_execution", operation="servers.list", seconds=NEVER)
        for path in ("/account", "/server/list"):
            with pytest.raises(requests.ReadTimeout):
                requests.get(sandbox.ilkbyte_url + path, timeout=(10, 0.1))
        sandbox.admin.refuse_connections("vpsorg", NEVER)
        sandbox.process.terminate()
        assert sandbox.process.wait(10) == 0
        assert sandbox.log().count("Traceback") == 0, sandbox.log()


@pytest.mark.slow
def test_an_unread_request_and_a_dropped_one_look_alike(all_calls):
    for call in all_calls():
        call.fault("drop_before")
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            call.send()
        assert (call.entry()["http_status"], call.caused()) == (None, []), call


@pytest.mark.slow
def test_what_a_request_has_caused_carries_its_number(all_calls):
    for call in all_calls():
        assert call.send().ok and call.is_executed(), call
        assert bool(call.caused()) == (call.operation in EVENT), call
