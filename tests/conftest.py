# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the tests import the collection and the sandbox from a checkout at any path.

The collection's code is only importable as `ansible_collections.rewind.vps`. `make test` has made such a view already;
plain pytest makes one here for its own run. Under ansible-test the checkout lies at such a path, and nothing is made.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.collection_link import collection_dir, containing_collections, link_collection  # noqa: E402

MARKERS = (
    "ssh: logs in to a machine of the sandbox over SSH",
    "playbook: runs ansible-playbook",
    "duration(seconds): takes longer than about five seconds, or about so many; the longest begin first",
    "secret_scan: searches all that a run leaves behind for secrets; run on four versions of ansible-core by make secret-scan",
    "rulebook: runs ansible-rulebook, which has an environment of its own; run by make ecosystem-checks only",
    "real: needs real machines for minutes; run by make test-real only",
    "slow: waits for minutes, or one of many of its kind; run by make test-all only",
)
# Set by the process that makes the view, and inherited by xdist's workers.
VIEW_ENV_VAR = "REWIND_TEST_VIEW"


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    collections = containing_collections(ROOT) or _view_from_outside() or _make_own_view(config)
    # First in line: an installed release of the collection must not be tested in place of the checkout.
    sys.path[:0] = [str(collections), str(ROOT / "extensions")]
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(collections)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was searched for secrets, where tests did that."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports if getattr(report, "when", "") == "teardown"]
    properties = [dict(report.user_properties) for report in reports]
    counted = [each for each in properties if "secrets searched" in each]
    if counted:
        total = {name: sum(each[name] for each in counted) for name in ("secrets searched", "secrets characters", "secrets hits")}
        terminalreporter.write_line(
            f"secrets looked for: {total['secrets searched']} pairs of a form and a channel, in {total['secrets characters']} characters "
            f"of {len(counted)} tests; {total['secrets hits']} found"
        )


@pytest.hookimpl(trylast=True)  # when it is known which tests are deselected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start with the slowest tests, so that at the end no process runs one alone. An idle process takes unit tests, which come last.

    xdist's worksteal gives each process an equal part of this order. Other tests keep their order, and so share fixtures.
    """
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    slow = sorted(filter(_seconds, items), key=_seconds, reverse=True)
    others = [item for item in items if not _seconds(item)]
    items[:] = []
    for number in range(processes):
        part = others[len(others) * number // processes:len(others) * (number + 1) // processes]
        items += slow[number::processes] + sorted(part, key=lambda item: (ROOT / "tests" / "unit") in item.path.parents)


def _seconds(item: pytest.Item) -> float:
    marker = item.get_closest_marker("duration")
    return (marker.args[0] if marker.args else 5.0) if marker else 0.0


def _view_from_outside() -> Path | None:
    """The view that the tooling or this run's main process made, if it shows this checkout."""
    for variable in (VIEW_ENV_VAR, "ANSIBLE_COLLECTIONS_PATH"):
        for directory in filter(None, os.environ.get(variable, "").split(os.pathsep)):
            tests = collection_dir(Path(directory)) / "tests"
            if tests.exists() and tests.samefile(ROOT / "tests"):
                return Path(directory)
    return None


def _make_own_view(config: pytest.Config) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="rewind-view-"))
    config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    os.environ[VIEW_ENV_VAR] = str(directory)
    return link_collection(ROOT, directory)
