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

from tools.dealing import dealt  # noqa: E402
from tools.views import collection_folder, existing_view, make_view  # noqa: E402

MARKERS = (
    "ssh: logs in to a machine of the sandbox over SSH",
    "playbook: runs ansible-playbook",
    "slow(seconds): takes longer than about five seconds, or about so many; the longest begin first",
    "leaks: searches all that a run leaves behind for secrets; run on four versions of ansible-core by make leaks",
    "events: runs ansible-rulebook, which has an environment of its own; run by make gates only",
    "patient: waits for minutes, or one of many of its kind; run by make test-all only",
)
# Set by the process that makes the view, and inherited by xdist's workers.
VIEW_VARIABLE = "REWIND_TEST_VIEW"


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    collections = existing_view(ROOT) or _view_from_outside() or _make_own_view(config)
    # First in line: an installed release of the collection must not be tested in place of the checkout.
    sys.path[:0] = [str(collections), str(ROOT / "extensions")]
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(collections)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was searched for secrets, where tests did that."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports if getattr(report, "when", "") == "teardown"]
    properties = [dict(report.user_properties) for report in reports]
    counted = [each for each in properties if "leaks searched" in each]
    if counted:
        total = {name: sum(each[name] for each in counted) for name in ("leaks searched", "leaks characters", "leaks hits")}
        terminalreporter.write_line(
            f"secrets looked for: {total['leaks searched']} pairs of a form and a channel, in {total['leaks characters']} characters "
            f"of {len(counted)} tests; {total['leaks hits']} found"
        )


@pytest.hookimpl(trylast=True)  # when it is known which tests are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process is left alone with it at the end; the unit tests fill the gaps."""
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = dealt(items, processes, _seconds, lambda item: (ROOT / "tests" / "unit") in item.path.parents)


def _seconds(item: pytest.Item) -> float:
    marker = item.get_closest_marker("slow")
    return (marker.args[0] if marker.args else 5.0) if marker else 0.0


def _view_from_outside() -> Path | None:
    """The view that the tooling or this run's main process made, if it shows this checkout."""
    for variable in (VIEW_VARIABLE, "ANSIBLE_COLLECTIONS_PATH"):
        for folder in filter(None, os.environ.get(variable, "").split(os.pathsep)):
            tests = collection_folder(Path(folder)) / "tests"
            if tests.exists() and tests.samefile(ROOT / "tests"):
                return Path(folder)
    return None


def _make_own_view(config: pytest.Config) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rewind-view-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ[VIEW_VARIABLE] = str(folder)
    return make_view(ROOT, folder)
