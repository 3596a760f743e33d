# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox of two real machines for each file of tests; each test starts with new disks, from a saved running state.

Not for the whole session: an emulated machine costs processor time even if it is idle.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.real_upgrades import RealUpgrades

    from sandbox import SandboxHandle

# Restores and snapshots of real machines take their own time; the simulated provider adds little to it.
SPEED = 60.0
DURATIONS = {
    "vpsorg.snapshots.create": 60, "vpsorg.snapshots.restore": 120, "vpsorg.servers.power.start": 30, "vpsorg.servers.power.stop": 20,
    "ilkbyte.snapshots.create": 60, "ilkbyte.snapshots.update": 60, "ilkbyte.snapshots.restore": 120, "ilkbyte.snapshots.delete": 1,
    "ilkbyte.servers.power.start": 30, "ilkbyte.servers.power.shutdown": 20,
}


def _launch(**options: Any) -> Iterator[SandboxHandle]:
    from sandbox import launch
    from sandbox.machines.qemu import missing_packages

    if missing := missing_packages(options.get("distribution", "debian")):
        pytest.skip(f"real machines need the packages {' '.join(missing)}")
    with launch(**{"vpsorg_servers": 1, "ilkbyte_servers": 1, "machines": "qemu", "speed": SPEED, **options}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def real_sandbox() -> Iterator[SandboxHandle]:
    yield from _launch()


@pytest.fixture(scope="module")
def memory_sandbox() -> Iterator[SandboxHandle]:
    """Snapshots contain the memory, too."""
    yield from _launch(snapshots="memory")


@pytest.fixture(scope="module")
def rpm_sandbox() -> Iterator[SandboxHandle]:
    """The machines have dnf."""
    yield from _launch(distribution="rpm")


@pytest.fixture
def real_three(tmp_path: Path) -> Iterator[RealUpgrades]:
    """Two machines at VPS.org, one at Ilkbyte."""
    for sandbox in _launch(vpsorg_servers=2):
        yield from _new_machines(sandbox, tmp_path)


@pytest.fixture
def real(real_sandbox: SandboxHandle, tmp_path: Path) -> Iterator[RealUpgrades]:
    yield from _new_machines(real_sandbox, tmp_path)


@pytest.fixture
def real_memory(memory_sandbox: SandboxHandle, tmp_path: Path) -> Iterator[RealUpgrades]:
    yield from _new_machines(memory_sandbox, tmp_path)


@pytest.fixture
def real_rpm(rpm_sandbox: SandboxHandle, tmp_path: Path) -> Iterator[RealUpgrades]:
    yield from _new_machines(rpm_sandbox, tmp_path)


def _new_machines(sandbox: SandboxHandle, directory: Path) -> Iterator[RealUpgrades]:
    from support.guarded_upgrade import upgrade_runner
    from support.real_upgrades import RealUpgrades

    sandbox.admin.reset()
    sandbox.admin.settings(seconds=DURATIONS)
    with upgrade_runner(sandbox, directory, RealUpgrades) as upgrades:
        yield upgrades
