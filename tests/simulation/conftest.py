# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox without disks for each test process, and operations that run in virtual time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from virtual_time import VirtualTime

    from sandbox import SandboxHandle

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "extensions")]


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[SandboxHandle]:
    from sandbox import launch

    # Real time adds next to nothing: only waiting moves the clock.
    with launch(servers=2, speed=1.0, ssh=False, disks=False) as sandbox:
        yield sandbox


@pytest.fixture
def virtual_time(session_sandbox: SandboxHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    """Virtual time during the test, and a home of its own for the tasks' local state."""
    from virtual_time import VirtualTime

    monkeypatch.setenv("HOME", str(tmp_path))
    with VirtualTime(session_sandbox).open() as virtual_time:
        yield virtual_time
