# SPDX-License-Identifier: GPL-3.0-or-later
"""The clouds over TLS: a good certificate, an expired one for a while, and where the keys are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from api_calls import VpsOrgCalls

from sandbox import AdminError, SandboxHandle, launch

CREATE = {"server_id": 12345, "name": "s"}


@pytest.fixture(scope="module")
def started() -> Iterator[SandboxHandle]:
    with launch(servers=1, speed=1, ssh=False, tls=True) as sandbox:
        yield sandbox


@pytest.fixture
def tls_box(started: SandboxHandle) -> SandboxHandle:
    started.admin.reset()
    return started


@pytest.fixture
def api(tls_box: SandboxHandle) -> VpsOrgCalls:
    api = VpsOrgCalls(tls_box)
    api.session.verify = tls_box.ca_path
    api.session.trust_env = False
    return api


def create(api: VpsOrgCalls, **more: object) -> requests.Response:
    return api.call("POST", "/snapshots/", json=CREATE, **more)


def test_a_good_certificate(tls_box, api):
    assert tls_box.vpsorg_url.startswith("https://") and tls_box.admin.servers("vpsorg")
    assert create(api).status_code == 201
    tls_box.admin.settings(vpsorg_page_size=1)
    tls_box.admin.add_snapshot("vpsorg", "web1", "t")
    after = api.call("GET", "/snapshots/").json()["next"]
    assert after.startswith(tls_box.vpsorg_url)
    localhost = tls_box.ilkbyte_url.replace("127.0.0.1", "localhost")
    assert requests.get(localhost, verify=tls_box.ca_path, timeout=10).status_code == 401
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(tls_box.ilkbyte_url, timeout=10)  # without the CA no certificate is trusted
    keys = {"access": tls_box.ilkbyte_access_key, "secret": tls_box.ilkbyte_secret_key}
    assert requests.get(f"{tls_box.ilkbyte_url}/account", params=keys, verify=tls_box.ca_path, timeout=10).json()["status"] is True


def test_a_bad_certificate_for_a_while(tls_box, api):
    for kind, times in (("worn", None), ("expired", 0)):
        with pytest.raises(AdminError, match="one of"):
            tls_box.admin.certificate("vpsorg", kind, times)
    tls_box.admin.certificate("vpsorg", "expired", times=2)
    for _attempt in range(2):
        with pytest.raises(requests.exceptions.SSLError):
            create(api)
    assert create(api).status_code == 201
    tls_box.admin.certificate("vpsorg", "expired")
    assert create(api).status_code == 201  # a connection that was kept alive has shown its certificate
    tls_box.admin.reset()
    api.session.close()
    assert create(api).status_code == 201


def test_keys_are_for_their_owner_only_and_go_with_the_sandbox(tmp_path):
    state = tmp_path / "état d'essai"
    state.mkdir()
    with launch(servers=0, ssh=False, tls=True, state=state) as sandbox:
        directory = Path(sandbox.ca_path).parent
        assert directory.parent == state.resolve() and directory.stat().st_mode & 0o77 == 0
        assert {path.stat().st_mode & 0o77 for path in directory.iterdir() if path.name != "ca.pem"} == {0}
    assert not directory.exists()
