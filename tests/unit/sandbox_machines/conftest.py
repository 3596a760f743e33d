# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the sandbox's machines. Async tests run in a loop of their own; a `machine_pool` is made of every kind that this host allows."""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
from pathlib import Path

import pytest

asyncssh = pytest.importorskip("asyncssh", reason="the sandbox's SSH servers need asyncssh")
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "extensions"))

import machine_helpers  # noqa: E402

from sandbox.machines import MachinesUnavailable  # noqa: E402
from sandbox.machines.isolation import choose_isolation  # noqa: E402

NAMESPACE_KINDS = ("root-namespace", "user-namespace")
_TEST_TIMEOUT_SECONDS = 150


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), _TEST_TIMEOUT_SECONDS))
    return True


@pytest.fixture(autouse=True)
def ignore_other_processes(monkeypatch):
    """Ignores other child processes, such as the sandbox of other tests."""
    monkeypatch.setattr(machine_helpers, "earlier_processes", machine_helpers.descendants())
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, hangup)


@pytest.fixture(scope="session")
def unavailable(tmp_path_factory):
    """For each kind of namespace that this host forbids, the reason."""
    reasons = {}
    for kind in NAMESPACE_KINDS:
        try:
            choose_isolation(kind, tmp_path_factory.mktemp("probe"))
        except MachinesUnavailable as problem:
            reasons[kind] = str(problem)
    return reasons


# `any-namespace` is the first kind of namespace that this host allows. An ordinary user's machines have a quick test of their own.
NAMESPACE_PARAMS = ("any-namespace", pytest.param("user-namespace", marks=pytest.mark.slow))


def _available(wanted, unavailable):
    if wanted == "any-namespace":
        wanted = next((kind for kind in NAMESPACE_KINDS if kind not in unavailable), NAMESPACE_KINDS[0])
    if wanted in unavailable:
        pytest.skip(unavailable[wanted])
    return wanted


@pytest.fixture(params=(*NAMESPACE_PARAMS, "directory"))
def kind(request, unavailable):
    """A kind of isolation."""
    return _available(request.param, unavailable)


@pytest.fixture(params=NAMESPACE_PARAMS)
def namespace_kind(request, unavailable):
    return _available(request.param, unavailable)
