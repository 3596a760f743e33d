# SPDX-License-Identifier: GPL-3.0-or-later
"""Every provider in the registry, connected to the sandbox's cloud of that name, with the world as new for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from example_sandbox import ExampleBox
    from providers import Cloud

    from sandbox import SandboxHandle

# pytest reads this file before tests/conftest.py has made the collection and the sandbox importable, if this folder is
# its argument: so nothing of them is imported up here.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "extensions")]

# The example of docs/adding-a-cloud.md holds the same contract; what goes wrong with its answers is looked at in make test-all.
NAMES = ["ilkbyte", "vpsorg", "examplecloud"]

# So slow that nothing ends by itself within a test: whoever waits moves the clock.
SPEED = 1.0


@pytest.fixture(scope="session")
def shared_box() -> Iterator[SandboxHandle]:
    from sandbox import launch

    with launch(servers=2, speed=SPEED, ssh=False) as box:
        yield box


@pytest.fixture(scope="session", autouse=True)
def every_provider_is_tested() -> None:
    from providers import CLOUDS, PROVIDERS

    assert set(NAMES) == set(CLOUDS) == set(PROVIDERS), "a provider without an entry here would not be tested"


@pytest.fixture(scope="session")
def shared_example_box() -> Iterator[ExampleBox]:
    from example_sandbox import example_box

    with example_box(SPEED) as box:
        yield box


@pytest.fixture
def box(shared_box: SandboxHandle) -> SandboxHandle:
    shared_box.admin.reset(servers=2)
    return shared_box


@pytest.fixture(params=NAMES)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """One cloud after the other."""
    if request.param != "examplecloud":
        return connected(request.param, request.getfixturevalue("box"))
    box = request.getfixturevalue("shared_example_box")
    box.admin.reset(servers=2)
    return connected(request.param, box)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and callspec.params.get("cloud") == "examplecloud" and item.path.stem == "test_contract_refusals":
            item.add_marker("slow")


@pytest.fixture
def vpsorg(box: SandboxHandle) -> Cloud:
    return connected("vpsorg", box)


@pytest.fixture
def ilkbyte(box: SandboxHandle) -> Cloud:
    return connected("ilkbyte", box)


def connected(name: str, box: SandboxHandle | ExampleBox) -> Cloud:
    from providers import Cloud

    return Cloud(name, box)
