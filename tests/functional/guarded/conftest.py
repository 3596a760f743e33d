# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox with SSH for each process of the tests, as new for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import DURATIONS, SHORT, SPEED, apply_calls, set_durations
from support.guarded_upgrade import UpgradeRunner, upgrade_runner

if TYPE_CHECKING:
    from sandbox import SandboxHandle


@pytest.fixture(scope="session")
def ssh_sandbox() -> Iterator[SandboxHandle]:
    from sandbox import launch

    with launch(vpsorg_servers=5, ilkbyte_servers=1, speed=SPEED) as sandbox:
        yield sandbox


@pytest.fixture
def upgrades(ssh_sandbox: SandboxHandle, tmp_path: Path) -> Iterator[UpgradeRunner]:
    """Guarded upgrades of web1 to web5 at VPS.org and app1 at Ilkbyte."""
    ssh_sandbox.admin.reset()
    apply_calls(ssh_sandbox.admin, set_durations(SHORT, *DURATIONS))
    with upgrade_runner(ssh_sandbox, tmp_path) as one:
        yield one
