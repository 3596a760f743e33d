# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that can't be trusted ends a call, reads and changes alike, before anything is sent and without a second try."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from providers import SimulatedProvider

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from sandbox import SandboxHandle, launch

BAD = ("expired", "not_yet_valid", "self_signed", "other_name", "other_ca")


@pytest.fixture(scope="module")
def started() -> Iterator[SandboxHandle]:
    with launch(servers=1, speed=1, ssh=False, tls=True) as sandbox:
        yield sandbox


@pytest.fixture(params=["vpsorg", "ilkbyte"])
def tls_provider(request: pytest.FixtureRequest, started: SandboxHandle) -> SimulatedProvider:
    started.admin.reset()
    return SimulatedProvider(request.param, started)


def test_a_good_certificate_of_a_private_authority(tls_provider):
    assert tls_provider.sandbox.ca_path and tls_provider.provider.whoami()
    tls_provider.provider.create_snapshot(tls_provider.server(), "first", None)
    assert "snapshot_started" in tls_provider.events()


@pytest.mark.parametrize("certificate", BAD)
def test_a_bad_certificate(tls_provider, certificate):
    server, snapshot = tls_provider.server(), tls_provider.add_snapshot()
    for operation, call in {
        "snapshots.create": lambda: tls_provider.provider.create_snapshot(server, "another", None),
        "snapshots.restore": lambda: tls_provider.provider.restore_snapshot(snapshot),
        "servers.list": lambda: tls_provider.connect().list_servers(),
    }.items():
        tls_provider.admin.certificate(tls_provider.name, certificate, times=1)  # so that a second try would succeed
        with pytest.raises(RewindError) as caught:
            call()
        error = caught.value
        assert (error.kind, error.outcome, error.operation) == (errors.TLS, errors.NOT_APPLIED, operation)
        assert "ca_path" in error.hint and tls_provider.sleeps == []
    assert tls_provider.requests() == [] and tls_provider.events() == []
