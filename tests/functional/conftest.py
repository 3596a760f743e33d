# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for each test process, reset before every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import CLOUDS, RESET_CALLS, SPEED, TaskFactory, apply_calls
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
    apply_calls(session_sandbox.admin, *RESET_CALLS)
    return session_sandbox


@pytest.fixture
def runner(sandbox: SandboxHandle, tmp_path: Path) -> PlaybookRunner:
    return PlaybookRunner(sandbox, tmp_path)


@pytest.fixture(params=CLOUDS)
def tasks(request: pytest.FixtureRequest, sandbox: SandboxHandle) -> TaskFactory:
    """Tasks at each provider."""
    return TaskFactory(sandbox, request.param)


@pytest.fixture
def clouds(sandbox: SandboxHandle) -> list[TaskFactory]:
    """Tasks at both providers, for one run."""
    return [TaskFactory(sandbox, cloud) for cloud in CLOUDS]


@pytest.fixture
def vpsorg(sandbox: SandboxHandle) -> TaskFactory:
    return TaskFactory(sandbox, "vpsorg")


@pytest.fixture
def ilkbyte(sandbox: SandboxHandle) -> TaskFactory:
    return TaskFactory(sandbox, "ilkbyte")
