# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: requests are sent only to a server with a trusted certificate."""

from __future__ import annotations

import ssl
import warnings

import pytest
from fakes import http_server
from fakes.http_server import no_response, raw_bytes, reset, response, serving
from fakes.malformed import CREDENTIALS

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import connect
from sandbox.certificates import KINDS, Certificates

GOOD = response(200, {"results": []})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def ca_path(certificates):
    return str(certificates.ca_path)


@pytest.fixture(scope="module")
def tls(certificates):
    """What a server has that the authority of `ca_path` trusts."""
    return context(certificates)


def context(certificates, kind="good"):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.path(kind))
    return tls


def change(client):
    return client.change("POST", "/snapshots/", operation="snapshots.create", json={"name": "nightly"})


def read(client):
    return client.read("/snapshots/", operation="snapshots.list")


def api(server, **options):
    return http_server.api(server, headers={"Authorization": "Bearer vps_0123456789"}, **options)


def assert_refused(call, server, *arguments):
    with pytest.raises(RewindError) as caught:
        call(*arguments)
    error = caught.value
    assert (error.kind, error.outcome) == (errors.TLS, errors.NOT_APPLIED)
    assert "ca_path" in error.hint and "certificate" in error.message
    assert (server.requests, server.connections, server.delays) == ([], 1, [])  # a certificate does not get better by asking again


@pytest.mark.parametrize("call", [read, change])
def test_an_unknown_certificate_is_refused_at_once_and_nothing_is_sent(call, tls):
    with serving(GOOD, tls=tls) as server:
        assert_refused(call, server, api(server))


@pytest.mark.parametrize("call", [read, change])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_so_is_an_invalid_one_in_spite_of_ca_path(call, kind, certificates, ca_path):
    with serving(GOOD, tls=context(certificates, kind)) as server:
        assert_refused(call, server, api(server, verify=ca_path))


@pytest.mark.parametrize("provider", CREDENTIALS)
def test_every_provider_verifies_as_the_options_say(provider, tls, ca_path):
    with serving(response(404, {"status": False}), tls=tls) as server:
        options = {**CREDENTIALS[provider], "api_url": server.url, "api_timeout": 5, "verify": True}
        assert_refused(connect(options).list_servers, server)
        with pytest.raises(RewindError) as caught:
            connect({**options, "verify": ca_path}).list_servers()
    assert caught.value.kind == errors.NOT_FOUND and len(server.requests) == 1


@pytest.mark.parametrize("call", [read, change])
def test_accepted_with_its_authority_or_without_verification(call, tls, ca_path):
    with serving(GOOD, tls=tls) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert call(api(server, verify=ca_path)).status == 200
        assert call(api(server, verify=False)).status == 200
    assert server.requests[0].headers["authorization"] == "Bearer vps_0123456789"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_the_environment_does_not_undo_ca_path(variable, tls, ca_path, certificates, monkeypatch):
    monkeypatch.setenv(variable, str(certificates.path("self_signed")))
    with serving(GOOD, tls=tls) as server:
        assert change(api(server, verify=ca_path)).status == 200


@pytest.mark.parametrize(("fault", "kind"), [
    (no_response, errors.TIMEOUT), (reset, errors.UNREACHABLE),
    (raw_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"), errors.INVALID_RESPONSE),
])
def test_what_may_have_happened_is_sent_once_and_unknown_under_tls_too(fault, kind, tls, ca_path):
    with serving(fault, GOOD, tls=tls) as server:
        with pytest.raises(RewindError) as caught:
            change(api(server, verify=ca_path, timeout=2.0 if fault is no_response else 5.0))
    assert (caught.value.kind, caught.value.outcome) == (kind, errors.UNKNOWN)
    assert len(server.requests) == 1 and server.delays == []


def test_a_server_that_speaks_no_tls_is_sent_nothing():
    with serving(GOOD) as server:
        client = ApiClient("VPS.org", server.url.replace("http:", "https:"), timeout=1.0, sleep=lambda seconds: None)
        with pytest.raises(RewindError) as caught:
            change(client)
    assert caught.value.outcome == errors.NOT_APPLIED
    assert not [request for request in server.requests if request.method == "POST"]
