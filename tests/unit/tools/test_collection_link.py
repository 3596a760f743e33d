# SPDX-License-Identifier: GPL-3.0-or-later
"""The links to the collection and the copies of it, for small projects in directories with odd names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from support.collection_link import NAME, NAMESPACE, collection_dir, link_collection, project_files

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(name="root", params=["plain", "odd dir é's $y", "with:colon"])
def root_fixture(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = tmp_path / request.param
    for name in ("galaxy.yml", "plugins/modules/snapshot.py", ".nox/test/lib/x.py", "plugins/__pycache__/x.pyc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    return root


def test_the_names_are_those_of_galaxy_yml() -> None:
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))

    assert (galaxy["namespace"], galaxy["name"]) == (NAMESPACE, NAME)


def test_links_follow_the_checkout_and_leave_out_hidden_directories(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other/plugins").mkdir(parents=True)
    link_collection(tmp_path / "other", tmp_path / "collections")
    directory = collection_dir(link_collection(root, tmp_path / "collections"))
    assert sorted(path.name for path in directory.iterdir()) == ["galaxy.yml", "plugins"]
    assert (directory / "plugins/modules/snapshot.py").samefile(root / "plugins/modules/snapshot.py")

    (root / "galaxy.yml").unlink()
    (root / "roles").mkdir()
    link_collection(root, tmp_path / "collections")
    assert sorted(path.name for path in directory.iterdir()) == ["plugins", "roles"]


def test_git_lists_the_files_of_the_project(root: Path) -> None:
    assert project_files(root) == ["galaxy.yml", "plugins/modules/snapshot.py"], "without git"
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / ".gitignore").write_text(".nox/\n*.pyc\nnotes.txt\n", encoding="utf-8")
    (root / "notes.txt").write_text("", encoding="utf-8")
    (root / "tracked and gone").write_text("", encoding="utf-8")
    subprocess.run(["git", "add", "tracked and gone"], cwd=root, check=True)
    (root / "tracked and gone").unlink()

    assert project_files(root) == [".gitignore", "galaxy.yml", "plugins/modules/snapshot.py"]
