# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for each process of the tests, as new for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import CLOUDS, FRESH, SPEED, Tasks
from support.playbook_runner import Stage

if TYPE_CHECKING:
    from sandbox import SandboxHandle


@pytest.fixture(scope="session")
def session_box() -> Iterator[SandboxHandle]:
    from sandbox import launch

    with launch(servers=2, speed=SPEED, ssh=False) as box:
        yield box


@pytest.fixture
def box(session_box: SandboxHandle) -> SandboxHandle:
    for call, arguments in FRESH:
        getattr(session_box.admin, call)(**arguments)
    return session_box


@pytest.fixture
def stage(box: SandboxHandle, tmp_path: Path) -> Stage:
    return Stage(box, tmp_path)


@pytest.fixture(params=CLOUDS)
def tasks(request: pytest.FixtureRequest, box: SandboxHandle) -> Tasks:
    """Tasks at each of the clouds."""
    return Tasks(box, request.param)


@pytest.fixture
def vpsorg(box: SandboxHandle) -> Tasks:
    return Tasks(box, "vpsorg")


@pytest.fixture
def ilkbyte(box: SandboxHandle) -> Tasks:
    return Tasks(box, "ilkbyte")
