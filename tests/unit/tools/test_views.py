# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's views, on small projects in folders with odd names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tools.views import NAME, NAMESPACE, collection_folder, existing_view, make_copy, make_view, project_files

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(name="root", params=["plain", "odd dir 'x' $y", "with:colon"])
def root_fixture(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = tmp_path / request.param
    for name in ("galaxy.yml", "plugins/modules/snapshot.py", ".venv/lib/x.py", "plugins/__pycache__/x.pyc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    return root


def test_the_names_are_those_of_galaxy_yml() -> None:
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))

    assert (galaxy["namespace"], galaxy["name"]) == (NAMESPACE, NAME)


def test_the_view_shows_the_project_and_no_hidden_folder(root: Path, tmp_path: Path) -> None:
    folder = collection_folder(make_view(root, tmp_path / "collections"))

    assert sorted(path.name for path in folder.iterdir()) == ["galaxy.yml", "plugins"]
    assert (folder / "plugins/modules/snapshot.py").samefile(root / "plugins/modules/snapshot.py")


def test_a_second_call_follows_what_came_and_went(root: Path, tmp_path: Path) -> None:
    make_view(root, tmp_path / "collections")
    (root / "galaxy.yml").unlink()
    (root / "roles").mkdir()

    folder = collection_folder(make_view(root, tmp_path / "collections"))

    assert sorted(path.name for path in folder.iterdir()) == ["plugins", "roles"]


def test_a_view_of_another_checkout_is_turned_round(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other/plugins").mkdir(parents=True)
    make_view(tmp_path / "other", tmp_path / "collections")

    folder = collection_folder(make_view(root, tmp_path / "collections"))

    assert (folder / "plugins").samefile(root / "plugins")


def test_a_checkout_in_the_right_place_needs_no_view(tmp_path: Path) -> None:
    inside = collection_folder(tmp_path)

    assert existing_view(inside) == tmp_path
    assert existing_view(tmp_path / "rewind.vps") is None


def test_without_git_the_files_are_those_that_no_tool_made(root: Path) -> None:
    assert project_files(root) == ["galaxy.yml", "plugins/modules/snapshot.py"]


def test_git_says_which_files_belong_to_the_project(root: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / ".gitignore").write_text(".venv/\n*.pyc\nnotes.txt\n", encoding="utf-8")
    (root / "notes.txt").write_text("", encoding="utf-8")
    (root / "tracked and gone").write_text("", encoding="utf-8")
    subprocess.run(["git", "add", "tracked and gone"], cwd=root, check=True)
    (root / "tracked and gone").unlink()

    assert project_files(root) == [".gitignore", "galaxy.yml", "plugins/modules/snapshot.py"]


def test_the_copy_has_files_of_its_own(root: Path, tmp_path: Path) -> None:
    folder = make_copy(root, tmp_path / "copy")

    copied = folder / "plugins/modules/snapshot.py"
    assert copied.read_text(encoding="utf-8") == "plugins/modules/snapshot.py"
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert not (folder / ".venv").exists()
