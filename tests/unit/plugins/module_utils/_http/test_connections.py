# SPDX-License-Identifier: GPL-3.0-or-later
"""All addresses of a host name share one time limit, and the one that answered is tried first."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from fakes.http_server import no_response, response, serving

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http import connections
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient

GOOD = response(200, {"results": []})
SILENT, REFUSING, ANSWERING = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@pytest.fixture(autouse=True)
def no_results(monkeypatch):
    monkeypatch.setattr(connections, "_results", {})


class Network:
    """A network in which time passes only while a connection is attempted."""

    def __init__(self, monkeypatch, *hosts):
        self.hosts, self.now, self.attempts, self.open = hosts, 0.0, [], 0
        fake = SimpleNamespace(getaddrinfo=self.resolve, socket=self.make, timeout=socket.timeout, SOCK_STREAM=socket.SOCK_STREAM)
        monkeypatch.setattr(connections, "socket", fake)
        monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: self.now))

    def resolve(self, host, port, family, kind):
        assert host == "cloud.test"
        return [(socket.AF_INET, kind, 6, "", (address, port)) for address in self.hosts]

    def make(self, family, kind, protocol):
        network = self

        class Socket:
            def settimeout(self, seconds):
                assert seconds > 0
                self.seconds = seconds

            def connect(self, address):
                network.attempts.append(address[0])
                if address[0].startswith(SILENT):
                    network.now += self.seconds
                    raise socket.timeout
                if address[0] == REFUSING:
                    raise ConnectionRefusedError
                network.open += 1

            def setsockopt(self, *option):
                assert option == (6, 1, 1)

            def close(self):
                pass

        return Socket()


def connect(seconds=10.0):
    return connections.connect("cloud.test", 443, seconds, 0, [(6, 1, 1)])[1][0]


def test_silent_addresses_share_the_time(monkeypatch):
    network = Network(monkeypatch, *(f"{SILENT}{number}" for number in range(5)))
    with pytest.raises(socket.timeout):
        connect()
    assert len(network.attempts) == 5 and network.now == pytest.approx(10)


@pytest.mark.parametrize("hosts", [(SILENT, ANSWERING), (SILENT, REFUSING, ANSWERING), (REFUSING, REFUSING, ANSWERING), (ANSWERING, SILENT)])
def test_one_that_answers_is_found_in_time_and_used_again(hosts, monkeypatch):
    network = Network(monkeypatch, *hosts)
    for _attempt in range(3):
        assert connect() == ANSWERING
        connections.record_result((ANSWERING, 443), connections.ANSWERED)
    assert network.now <= 5 and network.attempts[-2:] == [ANSWERING, ANSWERING]


def test_one_that_failed_is_tried_last(monkeypatch):
    network = Network(monkeypatch, ANSWERING, "192.0.2.4")
    assert connect() == ANSWERING
    connections.record_result((ANSWERING, 443), connections.FAILED)
    assert connect() == "192.0.2.4"
    network.hosts = (ANSWERING,)
    assert connect() == ANSWERING


def test_a_name_without_an_address(monkeypatch):
    Network(monkeypatch)
    with pytest.raises(OSError):
        connect()


# --- the client


@pytest.fixture
def named(monkeypatch):
    """Return a function that gives cloud.test the addresses 127.0.0.1 to 127.0.0.N, of which the server has one, and a client of it."""
    real = socket.getaddrinfo

    def make(server, *hosts, **options):
        monkeypatch.setattr(socket, "getaddrinfo", lambda name, *given, **more: [
            row for host in (hosts if name == "cloud.test" else (name,)) for row in real(host, *given, **more)
        ])
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        return ApiClient("VPS.org", f"http://cloud.test:{server.port}", sleep=server.delays.append, **options)

    return make


def read(client):
    return client.read("/servers/", operation="servers.list").status


def test_an_address_that_refuses_costs_nothing(named):
    with serving(GOOD) as server:
        client = named(server, "127.0.0.2", "127.0.0.1")
        assert read(client) == 200 and server.delays == []
        assert client.change("POST", "/snapshots/", operation="snapshots.create").status == 200
    key = ("127.0.0.1", server.port)
    assert connections._results == {("127.0.0.2", server.port): connections.FAILED, key: connections.ANSWERED}


def test_an_address_that_accepts_and_does_not_answer_is_left(named):
    """A change is not repeated there, and the next request goes to another address."""
    with serving(GOOD) as server, socket.create_server(("127.0.0.2", server.port)) as silent:

        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    silent.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        client = named(server, "127.0.0.2", "127.0.0.1")
        with pytest.raises(RewindError) as caught:
            client.change("POST", "/snapshots/", operation="snapshots.create")
        assert caught.value.outcome == errors.UNKNOWN and server.requests == []
        assert read(client) == 200 and server.delays == []


def test_connecting_ends_in_time_whatever_the_number_of_addresses(named, monkeypatch):
    """The queue of each listening socket is full, so it accepts no connection and refuses none."""
    with serving(no_response) as server:
        listening, waiting = [], []
        for host in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            full = socket.socket()
            full.bind((host, server.port))
            full.listen(0)
            listening.append(full)
            for _each in range(2):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex((host, server.port))
                waiting.append(client)
        time.sleep(0.1)
        client = named(server, "127.0.0.2", "127.0.0.3", "127.0.0.4", timeout=0.6)
        started = time.monotonic()
        with pytest.raises(RewindError) as caught:
            client.change("POST", "/snapshots/", operation="snapshots.create")
        seconds = time.monotonic() - started
        for each in (*listening, *waiting):
            each.close()
    attempts = len(server.delays) + 1
    assert caught.value.outcome == errors.NOT_APPLIED and caught.value.kind in (errors.TIMEOUT, errors.UNREACHABLE)
    assert seconds < attempts * 0.6 + 2, (seconds, attempts)
