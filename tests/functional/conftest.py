# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for each process of the tests, as new for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import CLOUDS, FRESH, SPEED, Tasks
from support.playbook_runner import PlaybookRunner

if TYPE_CHECKING:
    from sandbox import SandboxHandle


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[SandboxHandle]:
    from sandbox import launch

    with launch(servers=2, speed=SPEED, ssh=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(session_sandbox: SandboxHandle) -> SandboxHandle:
    for call, arguments in FRESH:
        getattr(session_sandbox.admin, call)(**arguments)
    return session_sandbox


@pytest.fixture
def runner(sandbox: SandboxHandle, tmp_path: Path) -> PlaybookRunner:
    return PlaybookRunner(sandbox, tmp_path)


@pytest.fixture(params=CLOUDS)
def tasks(request: pytest.FixtureRequest, sandbox: SandboxHandle) -> Tasks:
    """Tasks at each of the clouds."""
    return Tasks(sandbox, request.param)


@pytest.fixture
def vpsorg(sandbox: SandboxHandle) -> Tasks:
    return Tasks(sandbox, "vpsorg")


@pytest.fixture
def ilkbyte(sandbox: SandboxHandle) -> Tasks:
    return Tasks(sandbox, "ilkbyte")
