# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy or certificate setting of this machine that cannot work is named, without its value, and nothing is sent or repeated."""

from __future__ import annotations

import os
import socket
import urllib.request

import pytest
import requests.adapters
import requests.utils
import urllib3
from fakes.http_server import response, serving

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http import machine_settings
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient

GOOD = response(200, {"results": []})
URL = "https://cloud.test/api/v1"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)


def failure(url=URL, **options):
    """Return the error of a change, and the pauses between attempts."""
    delays = []
    client = ApiClient("VPS.org", url, sleep=delays.append, timeout=5, **options)
    with pytest.raises(RewindError) as caught:
        client.change("POST", "/snapshots/", operation="snapshots.create")
    error = caught.value
    assert (error.kind, error.outcome) == (errors.INVALID_ARGUMENT, errors.NOT_APPLIED) and delays == []
    assert "No request was sent to VPS.org: on the machine where this task runs" in error.message and error.__context__ is None
    return error.format()


def missing_socks(*arguments, **options):
    raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5"])
def test_a_socks_proxy_without_its_library(variable, scheme, monkeypatch):
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing_socks)
    monkeypatch.setenv(variable, f"{scheme}://user:s3cret-word@127.0.0.1:1080")
    text = failure()
    assert f"{variable} names a SOCKS proxy" in text and "PySocks is missing" in text and "s3cret-word" not in text


def test_a_socks_proxy_keeps_its_own_connections(monkeypatch):
    """They report to the session as all others do, and the library connects them itself."""
    reached = []

    class Connection(urllib3.connection.HTTPConnection):
        def __init__(self, *arguments, _socks_options, **options):
            super().__init__(*arguments, **options)
            self.proxy_port = _socks_options["proxy_port"]

        def _new_conn(self):
            reached.append(self.host)
            return socket.create_connection(("127.0.0.1", self.proxy_port))

    class Pool(urllib3.connectionpool.HTTPConnectionPool):
        ConnectionCls = Connection

    class SocksManager(urllib3.PoolManager):
        pool_classes_by_scheme = {"http": Pool}

        def __init__(self, url, username, password, num_pools, **options):
            super().__init__(num_pools, _socks_options={"proxy_port": urllib3.util.parse_url(url).port}, **options)
            self.pool_classes_by_scheme = SocksManager.pool_classes_by_scheme

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", SocksManager)
    with serving(GOOD) as server:
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://127.0.0.1:{server.port}")
        client = ApiClient("VPS.org", "http://cloud.test")
        for _attempt in range(2):
            assert client.change("POST", "/snapshots/", operation="snapshots.create").status == 200
    assert reached == ["cloud.test"] * 2


@pytest.mark.parametrize("value", [
    "http://proxy:port", "http://[::1", "http://proxy:99999", "ftp://proxy.example:21", "http://", "://", "http://user:s3cret-word@", "https:///x",
    "socks9://proxy:1080", "http://.proxy:3128", f"http://{'a' * 64}:3128",
])
def test_a_proxy_that_is_no_url_of_a_proxy(value, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", value)
    text = failure()
    assert "HTTPS_PROXY is not the URL of" in text and "s3cret" not in text


def test_a_proxy_that_can_work(monkeypatch):
    """Blanks around it are removed, and a blank one counts as none."""
    for value, used in ((" http://proxy.example:3128\n", "http://proxy.example:3128"), ("proxy.example:3128", "proxy.example:3128"), ("  ", None)):
        monkeypatch.setenv("HTTPS_PROXY", value)
        found = machine_settings.proxies_for(URL)
        assert found.get("https") == used
        assert machine_settings.find_proxy_problem(URL, found) is machine_settings.find_ca_problem(URL, True) is None


@pytest.mark.parametrize("no_proxy", ["cloud.test", ".test", "*", "other, cloud.test:443", "CLOUD.TEST"])
def test_no_proxy(no_proxy, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert machine_settings.proxies_for("https://cloud.test:443/") != {}
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert machine_settings.proxies_for("https://cloud.test:443/") == {}


def test_proxy_settings_outside_of_the_environment_are_not_looked_up(monkeypatch):
    """On macOS, looking them up ends a forked process."""

    def look_up(*arguments):
        raise AssertionError("looked up")

    for module in (urllib.request, requests.utils, requests.compat):
        monkeypatch.setattr(module, "getproxies", look_up)
        monkeypatch.setattr(module, "proxy_bypass", look_up)
    real, sent = requests.adapters.HTTPAdapter.send, []

    def send(self, request, **options):
        sent.append(dict(options["proxies"]))
        return real(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with serving(GOOD) as server:
        assert ApiClient("VPS.org", server.url).read("/servers/", operation="servers.list").status == 200
        monkeypatch.setattr("ansible_collections.rewind.vps.plugins.module_utils._http.client.is_loopback", lambda url: False)
        assert ApiClient("VPS.org", server.url).read("/servers/", operation="servers.list").status == 200
    assert sent == [{}, {}]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment_that_cannot_be_read(variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path / "nowhere.pem"))
    assert f"nowhere.pem (the environment variable {variable}) cannot be read (FileNotFoundError)" in failure()


@pytest.mark.parametrize("content", [b"", b"no certificate\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_authorities_that_are_none(content, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with serving(GOOD) as server:  # it is reached, and nothing is sent to it
        text = failure(server.url.replace("http:", "https:"), verify=str(path))
        assert server.requests == []
    assert f"{path} (ca_path) are not in the PEM format" in text


def test_the_librarys_own_authorities_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "gone.pem"))
    assert "gone.pem (the library requests) cannot be read" in failure()
