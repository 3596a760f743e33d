# SPDX-License-Identifier: GPL-3.0-or-later
"""Every provider in the registry, connected to the sandbox's cloud of that name, with the world as new for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clouds import Cloud

    from sandbox import Box

# pytest reads this file before tests/conftest.py has made the collection and the sandbox importable, if this folder is
# its argument: so nothing of them is imported up here.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "extensions")]

NAMES = ["ilkbyte", "vpsorg"]

# So slow that nothing ends by itself within a test: whoever waits moves the clock.
SPEED = 1.0


@pytest.fixture(scope="session")
def shared_box() -> Iterator[Box]:
    from sandbox import launch

    with launch(servers=2, speed=SPEED, ssh=False) as box:
        yield box


@pytest.fixture(scope="session", autouse=True)
def every_provider_is_tested() -> None:
    from clouds import CLOUDS

    from ansible_collections.rewind.vps.plugins.module_utils.providers.registry import REGISTRY

    assert set(NAMES) == set(CLOUDS) == set(REGISTRY), "a provider without an entry here would not be tested"


@pytest.fixture
def box(shared_box: Box) -> Box:
    shared_box.control.reset(servers=2)
    return shared_box


@pytest.fixture(params=NAMES)
def cloud(request: pytest.FixtureRequest, box: Box) -> Cloud:
    """One cloud after the other."""
    return connected(request.param, box)


@pytest.fixture
def vpsorg(box: Box) -> Cloud:
    return connected("vpsorg", box)


@pytest.fixture
def ilkbyte(box: Box) -> Cloud:
    return connected("ilkbyte", box)


def connected(name: str, box: Box) -> Cloud:
    from clouds import Cloud

    return Cloud(name, box)
