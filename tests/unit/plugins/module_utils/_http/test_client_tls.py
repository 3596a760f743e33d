# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: requests are sent only to a server with a trusted certificate."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes import http_server
from fakes.http_server import no_response, raw_bytes, reset, response, serving

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.client import ApiClient

GOOD = response(200, {"results": []})


def make_certificate(directory, name, address):
    """A self-signed certificate for an address and its key; returns (certificate's path, key's path)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / f"{name}.pem", directory / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def own(directory):
    return make_certificate(directory, "own", "127.0.0.1")


def context(paths):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*paths)
    return tls


def change(client):
    return client.change("POST", "/snapshots/", operation="snapshots.create", json={"name": "nightly"})


def read(client):
    return client.read("/snapshots/", operation="snapshots.list")


def api(server, **options):
    return http_server.api(server, headers={"Authorization": "Bearer vps_0123456789"}, **options)


@pytest.mark.parametrize("call", [read, change])
def test_an_unknown_certificate_is_refused_at_once_and_nothing_is_sent(call, own):
    with serving(GOOD, tls=context(own)) as server:
        with pytest.raises(RewindError) as caught:
            call(api(server))
        error = caught.value
        assert (error.kind, error.outcome) == (errors.TLS, errors.NOT_APPLIED)
        assert "ca_path" in error.hint and "certificate" in error.message
        assert server.requests == []
        assert (server.connections, server.delays) == (1, [])  # a certificate does not get better by asking again


@pytest.mark.parametrize("call", [read, change])
def test_accepted_with_its_authority_or_without_verification(call, own):
    with serving(GOOD, tls=context(own)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert call(api(server, verify=str(own[0]))).status == 200
        assert call(api(server, verify=False)).status == 200
    assert server.requests[0].headers["authorization"] == "Bearer vps_0123456789"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_the_environment_does_not_undo_ca_path(variable, own, directory, monkeypatch):
    stranger = make_certificate(directory, f"stranger-{variable}", "127.0.0.1")
    monkeypatch.setenv(variable, str(stranger[0]))
    with serving(GOOD, tls=context(own)) as server:
        assert change(api(server, verify=str(own[0]))).status == 200


@pytest.mark.parametrize(("fault", "kind"), [
    (no_response, errors.TIMEOUT), (reset, errors.UNREACHABLE),
    (raw_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"), errors.INVALID_RESPONSE),
])
def test_what_may_have_happened_is_sent_once_and_unknown_under_tls_too(fault, kind, own):
    with serving(fault, GOOD, tls=context(own)) as server:
        with pytest.raises(RewindError) as caught:
            change(api(server, verify=str(own[0]), timeout=2.0 if fault is no_response else 5.0))
    assert (caught.value.kind, caught.value.outcome) == (kind, errors.UNKNOWN)
    assert len(server.requests) == 1 and server.delays == []


def test_a_server_that_speaks_no_tls_is_sent_nothing():
    with serving(GOOD) as server:
        client = ApiClient("VPS.org", server.url.replace("http:", "https:"), timeout=1.0, sleep=lambda seconds: None)
        with pytest.raises(RewindError) as caught:
            change(client)
    assert caught.value.outcome == errors.NOT_APPLIED
    assert not [request for request in server.requests if request.method == "POST"]
