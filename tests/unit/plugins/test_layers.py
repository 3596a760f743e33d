# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports follow the layers that pyproject.toml lists; import-linter reads both absolute and relative imports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PLUGINS = "ansible_collections.rewind.vps.plugins"


def lint_imports(collections: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "--no-cache", str(ROOT / "pyproject.toml")], cwd=collections, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(collections), "COLUMNS": "200"}, check=False,
    )


def test_imports_follow_the_layers() -> None:
    linted = lint_imports(Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]))
    assert linted.returncode == 0, linted.stdout


def test_a_module_that_only_reads_ships_few_files() -> None:
    """Ansible sends every file that a module imports, also lazily, with each of its tasks."""
    name = PLUGINS
    program = f"import grimp; print(*grimp.build_graph('{name}', cache_dir=None).find_upstream_modules('{name}.modules.server_info'))"
    environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    run = subprocess.run([sys.executable, "-c", program], env=environment, text=True, capture_output=True, check=False)
    files = [module for module in run.stdout.split() if not module.endswith(("._module", "._bulk", "._provider", "._wait", ".module_utils"))]
    assert run.returncode == 0 and 15 < len(files) + 1 <= 30, run.stderr or sorted(files)


@pytest.mark.parametrize("action", ["snapshot", "upgrade_guard"])
def test_tasks_are_cheap_forks_of_the_process_that_loads_the_action(action: str) -> None:
    """By then tasks have no processes yet. A task that loads the HTTP library again uses most of its CPU time for that."""
    program = f"import gc, sys, {PLUGINS}.action.{action}; sys.exit('requests' not in sys.modules or gc.get_freeze_count() == 0)"
    environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0


@pytest.mark.parametrize(("file", "line", "broken"), [
    ("_provider/base.py", "from ansible_collections.rewind.vps.plugins.module_utils._module import context", "module_utils"),
    ("_provider/base.py", "from .._module import context", "module_utils"),
    ("_module/power.py", "import requests", "One file speaks HTTP"),
    ("_module/snapshot_plan.py", "import ansible.constants", "Decisions work without Ansible"),
    ("_surprise.py", "import json", "module_utils"),
])
def test_an_import_against_the_layers_is_reported(tmp_path: Path, file: str, line: str, broken: str) -> None:
    plugins = tmp_path / "ansible_collections" / "rewind" / "vps" / "plugins"
    shutil.copytree(ROOT / "plugins", plugins, ignore=shutil.ignore_patterns("__pycache__"))
    with (plugins / "module_utils" / file).open("a", encoding="utf-8") as changed:
        changed.write(f"\n{line}\n")
    linted = lint_imports(tmp_path)
    assert linted.returncode == 1 and f"{broken}" in linted.stdout.partition("Broken contracts")[2], linted.stdout
