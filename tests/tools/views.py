# SPDX-License-Identifier: GPL-3.0-or-later
"""The project laid out as Ansible wants a collection: ansible_collections/rewind/vps.

A view is a folder of symlinks (for Ansible, pytest and the demo); a copy has real files (ansible-test refuses links).
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

NAMESPACE = "rewind"
NAME = "vps"

# Used only where git cannot say what belongs to the project.
NOT_OURS = (
    *(".*_cache", ".ansible", ".git", ".hypothesis", ".venv", ".venv-*"),
    *("__pycache__", "output", "*.pyc", "*.tar.gz"),
)


def collection_folder(collections: Path) -> Path:
    """Where the collection lies below a folder named in ANSIBLE_COLLECTIONS_PATH."""
    return collections / "ansible_collections" / NAMESPACE / NAME


def existing_view(root: Path) -> Path | None:
    """The collections folder when the checkout itself already lies at ansible_collections/rewind/vps, else None."""
    collections = root.parent.parent.parent
    return collections if collection_folder(collections) == root else None


def make_view(root: Path, collections: Path) -> Path:
    """Make or refresh the symlink view of `root` below `collections`; returns `collections`.

    Links every visible top-level entry, not the checkout as a whole: the environment lies inside the checkout, and a
    program that walks the view must not go round in circles. Safe to repeat while another process uses the view.
    """
    folder = collection_folder(collections)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {path.name: path for path in root.iterdir() if not path.name.startswith(".")}
    for link in folder.iterdir():
        if link.is_symlink() and (link.name not in wanted or Path(os.readlink(link)) != wanted[link.name]):
            link.unlink(missing_ok=True)
    for name, path in wanted.items():
        try:
            (folder / name).symlink_to(path)
        except FileExistsError:
            pass
    return collections


def make_copy(root: Path, collections: Path) -> Path:
    """Copy the project's files below `collections` and return the collection's folder there."""
    folder = collection_folder(collections)
    for name in project_files(root):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)
    return folder


def project_files(root: Path) -> list[str]:
    """The project's files as relative paths: what git tracks or would track, else everything that no tool made."""
    names = _files_by_git(root)
    if names is None:
        names = sorted(_files_by_walk(root))
    return [name for name in names if (root / name).is_file()]


def _files_by_git(root: Path) -> list[str] | None:
    # Not just any repository above: an unpacked release inside another project is no checkout.
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=str(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted({os.fsdecode(name) for name in answer.stdout.split(b"\0") if name})


def _files_by_walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _is_not_ours(name)]
        for name in files:
            if not _is_not_ours(name):
                yield os.path.relpath(os.path.join(folder, name), root)


def _is_not_ours(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in NOT_OURS)
