# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's artifact is built from the project's files, and installed from it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from support.collection_link import collection_dir, copy_collection, project_files

from tools.release import faults

ROOT = Path(__file__).resolve().parents[3]


def galaxy(*words: str, cwd: Path) -> None:
    """Run ansible-galaxy collection with this test's Python and no network."""
    # A collections path without the checkout's own view, which would count as installed already.
    own = {"HOME": str(cwd), "ANSIBLE_HOME": str(cwd / "ansible-home"), "ANSIBLE_COLLECTIONS_PATH": str(cwd)}
    environ = {**os.environ, **own}
    command = [sys.executable, "-m", "ansible", "galaxy", "collection", *words]
    done = subprocess.run(
        command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(name="archive", scope="module")
def archive_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    copy = copy_collection(ROOT, directory / "copy")
    # What tools leave in a checkout must not be released.
    (copy / ".nox/bin").mkdir(parents=True)
    (copy / ".nox/bin/python").write_text("", encoding="utf-8")
    (copy / "plugins/modules/__pycache__").mkdir(parents=True, exist_ok=True)
    (copy / "plugins/modules/__pycache__/snapshot.cpython-312.pyc").write_text("", encoding="utf-8")
    galaxy("build", str(copy), "--output-path", str(directory), cwd=directory)
    return next(directory.glob("rewind-vps-*.tar.gz"))


def test_the_archive_holds_the_collection_and_nothing_of_the_tools(archive: Path) -> None:
    with tarfile.open(archive) as content:
        names = content.getnames()

    assert faults(archive, project_files(ROOT), {}) == []
    assert {"plugins/modules/snapshot.py", ".ansible-lint"} <= set(names)
    assert [name for name in names if name.endswith(".pyc") or name.startswith(".nox")] == []


def test_the_archive_installs_offline(archive: Path, tmp_path: Path) -> None:
    galaxy("install", str(archive), "--offline", "--no-deps", "--collections-path", str(tmp_path), cwd=tmp_path)

    assert (collection_dir(tmp_path) / "plugins/module_utils").is_dir()


def test_an_execution_environment_gets_what_the_plugins_import() -> None:
    described = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))

    assert described["dependencies"] == {"python": "requirements.txt"}
    # ansible-builder searches beside the description when it builds from it, at the root when it finds the collection.
    for file in (ROOT / "meta/requirements.txt", ROOT / "requirements.txt"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if not line.startswith("#")] == ["requests"]


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    modules = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")

    assert modules
    assert sorted(runtime["action_groups"]["all"]) == modules


def test_the_version_to_come_has_a_changelog_entry() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    changes = ROOT / "changelogs/changelog.yaml"
    released = yaml.safe_load(changes.read_text(encoding="utf-8"))["releases"] if changes.exists() else {}

    assert version in released or (ROOT / f"changelogs/fragments/{version}.yml").exists()
