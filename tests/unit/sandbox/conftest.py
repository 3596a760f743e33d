# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for all tests of this directory, reset for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest reads this file before tests/conftest.py has made the sandbox importable, if this directory is its argument.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[3] / "extensions")]
from api_calls import IlkbyteCalls, VpsOrgCalls  # noqa: E402

from sandbox import SandboxHandle, launch  # noqa: E402

# Slow enough that nothing finishes between two calls; tests advance the clock to wait.
SPEED = 1.0


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxHandle]:
    with launch(servers=2, speed=SPEED, ssh=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    shared_sandbox.admin.reset()
    return shared_sandbox


@pytest.fixture
def vpsorg(sandbox: SandboxHandle) -> VpsOrgCalls:
    return VpsOrgCalls(sandbox)


@pytest.fixture
def ilkbyte(sandbox: SandboxHandle) -> IlkbyteCalls:
    return IlkbyteCalls(sandbox)
