# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the connection, at both clouds: what the client sees, and what the cloud has done."""

from __future__ import annotations

import errno
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests
from api_calls import soon

from sandbox import launch

NEVER = 600


def is_port_closed(url):
    """Whether a connection is refused, as where no program has the port."""
    with socket.socket() as probe:
        return probe.connect_ex((urlsplit(url).hostname, urlsplit(url).port)) == errno.ECONNREFUSED


@pytest.fixture(params=["vpsorg", "ilkbyte"])
def create(request, sandbox, vpsorg, ilkbyte):
    """A function that requests a snapshot, and has the attribute `cloud`."""
    def send(timeout=10):
        if request.param == "vpsorg":
            return vpsorg.call("POST", "/snapshots/", json={"server_id": 12345, "name": "s"}, timeout=(10, timeout))
        return ilkbyte.call("/server/manage/app1/snapshot/create", name="s", timeout=(10, timeout))

    send.cloud = request.param
    sandbox.admin.settings(seconds={"ilkbyte.snapshots.create": 0})  # a second request waits for the first snapshot
    return send


@pytest.mark.parametrize(("kind", "keys", "error", "executed"), [
    ("drop_before", {}, requests.ConnectionError, False), ("drop_after", {}, requests.ConnectionError, True),
    ("delay", {"seconds": 0.3}, requests.ReadTimeout, True), ("delay", {"seconds": 0.01, "apply": False}, requests.ConnectionError, False),
    ("hang", {}, requests.ReadTimeout, True), ("hang", {"apply": False}, requests.ReadTimeout, False),
    ("hang_then_reset", {"seconds": 0.01}, requests.ConnectionError, False),
    ("hang_then_reset", {"seconds": 0.01, "apply": True}, requests.ConnectionError, True),
    ("late_execution", {"seconds": 0.3}, requests.ReadTimeout, True), ("late_execution", {"seconds": NEVER}, requests.ReadTimeout, False),
    ("truncate", {"bytes": 10}, requests.exceptions.ChunkedEncodingError, True),
    ("truncate", {"apply": False}, requests.exceptions.ChunkedEncodingError, False),
])
def test_a_connection_without_a_complete_response(sandbox, create, kind, keys, error, executed):
    sandbox.admin.fault(kind, operation="snapshots.create", **keys)
    with pytest.raises(error):
        create(timeout=0.15 if error is requests.ReadTimeout else 10)
    (entry,) = soon(sandbox.admin.requests)
    assert (entry["fault"], entry["changing"], entry["cloud"]) == (kind, True, create.cloud)
    if executed:
        assert soon(lambda: sandbox.admin.events("snapshot_started", request=entry["n"]))
    assert len(sandbox.admin.events("snapshot_started")) == executed
    if kind == "hang":
        assert soon(lambda: sandbox.admin.requests()[0].get("hanging"))


def test_the_call_after_the_one_that_matches_is_refused(sandbox, create, vpsorg, ilkbyte):
    sandbox.admin.fault("refuse_next", seconds=NEVER)
    assert create().ok
    with pytest.raises(requests.ConnectionError, match="refused"):
        create()
    assert len(sandbox.admin.requests(cloud=create.cloud)) == 1
    assert (ilkbyte.call("/account") if create.cloud == "vpsorg" else vpsorg.call("GET", "/account/me/")).ok
    sandbox.admin.refuse_connections(create.cloud, 0)
    assert create().ok  # it listens again, at the same port


def test_a_cloud_that_refuses_from_the_first_call_on(sandbox, create):
    url = sandbox.vpsorg_url if create.cloud == "vpsorg" else sandbox.ilkbyte_url
    assert create().ok  # so that there is a connection that was kept alive
    sandbox.admin.refuse_connections(create.cloud, NEVER)
    with pytest.raises(requests.ConnectionError, match="refused"):
        create()
    assert is_port_closed(url)
    started_at = time.monotonic()
    sandbox.admin.refuse_connections(create.cloud, 0.3)
    assert soon(lambda: not is_port_closed(url)) and time.monotonic() - started_at >= 0.3
    assert create().ok and len(sandbox.admin.requests()) == 2


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
