# SPDX-License-Identifier: GPL-3.0-or-later
"""Every provider in the registry, connected to its simulated provider in the sandbox, which is reset for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from example_sandbox import ExampleSandbox
    from providers import SimulatedProvider

    from sandbox import SandboxHandle

# pytest reads this file before tests/conftest.py has made the collection and the sandbox importable, if this directory is
# its argument: so nothing of them is imported up here.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "extensions")]

# The example of docs/adding-a-cloud.md holds the same contract. Faults in its responses are tested in make test-all.
NAMES = ["ilkbyte", "vpsorg", "examplecloud"]

# So slow that nothing finishes by itself within a test: a test that waits advances the clock.
SPEED = 1.0


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxHandle]:
    from sandbox import launch

    with launch(servers=2, speed=SPEED, ssh=False) as sandbox:
        yield sandbox


@pytest.fixture(scope="session", autouse=True)
def every_provider_is_tested() -> None:
    from providers import FACTS, PROVIDERS

    assert set(NAMES) == set(FACTS) == set(PROVIDERS), "a provider without an entry here would not be tested"


@pytest.fixture(scope="session")
def shared_example_sandbox() -> Iterator[ExampleSandbox]:
    from example_sandbox import example_sandbox

    with example_sandbox(SPEED) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    shared_sandbox.admin.reset(servers=2)
    return shared_sandbox


@pytest.fixture(params=NAMES)
def simulated_provider(request: pytest.FixtureRequest) -> SimulatedProvider:
    """Each simulated provider in turn."""
    if request.param != "examplecloud":
        return connected(request.param, request.getfixturevalue("sandbox"))
    sandbox = request.getfixturevalue("shared_example_sandbox")
    sandbox.admin.reset(servers=2)
    return connected(request.param, sandbox)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and callspec.params.get("simulated_provider") == "examplecloud" and item.path.stem == "test_contract_refusals":
            item.add_marker("slow")


@pytest.fixture
def vpsorg(sandbox: SandboxHandle) -> SimulatedProvider:
    return connected("vpsorg", sandbox)


@pytest.fixture
def ilkbyte(sandbox: SandboxHandle) -> SimulatedProvider:
    return connected("ilkbyte", sandbox)


def connected(name: str, sandbox: SandboxHandle | ExampleSandbox) -> SimulatedProvider:
    from providers import SimulatedProvider

    return SimulatedProvider(name, sandbox)
