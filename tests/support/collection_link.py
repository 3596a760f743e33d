# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a checkout at any path available as `ansible_collections/rewind/vps`: as symlinks, or as a copy for ansible-test."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

NAMESPACE = "rewind"
NAME = "vps"

# Used only where git cannot list the project's files.
GENERATED = (".*_cache", ".ansible", ".git", ".hypothesis", ".nox", ".venv", "__pycache__", "output", "*.pyc", "*.tar.gz")


def collection_dir(collections: Path) -> Path:
    """The collection's directory below a directory of collections."""
    return collections / "ansible_collections" / NAMESPACE / NAME


def containing_collections(root: Path) -> Path | None:
    """The directory of collections that contains the checkout at `ansible_collections/rewind/vps`, if there is one."""
    collections = root.parent.parent.parent
    return collections if collection_dir(collections) == root else None


def link_collection(root: Path, collections: Path) -> Path:
    """Link the checkout's visible entries below `collections`, and return `collections`.

    A link to the whole checkout would lead a program that walks it round in circles, since `collections` may be inside.
    Another process may use the links meanwhile.
    """
    directory = collection_dir(collections)
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {path.name: path for path in root.iterdir() if not path.name.startswith(".")}
    for link in directory.iterdir():
        if link.is_symlink() and (link.name not in wanted or Path(os.readlink(link)) != wanted[link.name]):
            link.unlink(missing_ok=True)
    for name, path in wanted.items():
        try:
            (directory / name).symlink_to(path)
        except FileExistsError:
            pass
    return collections


def copy_collection(root: Path, collections: Path) -> Path:
    """Copy the project's files below `collections`, and return the collection's directory there."""
    directory = collection_dir(collections)
    for name in project_files(root):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)
    return directory


def project_files(root: Path) -> list[str]:
    """The project's files as relative paths: those that git tracks or would track, or all that no tool generated."""
    names = _git_files(root)
    if names is None:
        names = sorted(_all_files(root))
    return [name for name in names if (root / name).is_file()]


def _git_files(root: Path) -> list[str] | None:
    # An unpacked release may be inside the repository of another project.
    if not (root / ".git").exists():
        return None
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        answer = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted({os.fsdecode(name) for name in answer.stdout.split(b"\0") if name})


def _all_files(root: Path) -> Iterator[str]:
    for directory, directories, files in os.walk(root):
        directories[:] = [name for name in directories if not _is_generated(name)]
        for name in files:
            if not _is_generated(name):
                yield os.path.relpath(os.path.join(directory, name), root)


def _is_generated(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in GENERATED)
