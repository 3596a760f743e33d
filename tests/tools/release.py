# SPDX-License-Identifier: GPL-3.0-or-later
"""The release as its users get it: what is in the artifact, and whether it works without the rest of the project."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.collection_link import collection_dir, project_files

from tools.ecosystem import build
from tools.workspace import Workspace

RELEASES = "tests/output/release"
# Written by ansible-galaxy; galaxy.yml becomes a part of the first.
MADE = {"FILES.json", "MANIFEST.json"}
# Needed for development only. galaxy.yml excludes these (build_ignore).
DEVELOPMENT_ONLY = {
    ".ci",
    ".editorconfig",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".yamllint",
    "galaxy.yml",
}
MUST_HAVE = {"LICENSE", "README.md", "CHANGELOG.md", "meta/runtime.yml", "requirements.txt", "extensions/demo/run.py"}
LARGEST = 3 * 1024 * 1024  # bytes of the artifact; the first had 0.9 MB
# Concatenated, so that this file does not match itself.
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*" + rb"PRIVATE KEY-----")
CREDENTIALS = ("VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_SECRET_KEY")


def check(space: Workspace) -> None:
    """Build the artifact, check its contents, install it in an empty directory, and run the demo that was installed."""
    artifact = _build_release(space)
    installed = space.scratch / "installed"
    settings = space.scratch / "empty.cfg"
    settings.touch()
    # They hide the checkout: its collection, its Python packages and its settings.
    alone = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(settings), "PYTHONPATH": ""}
    galaxy = ("-m", "ansible", "galaxy", "collection")
    space.python(*galaxy, "install", artifact, "--offline", "--collections-path", installed, cwd=space.scratch, **alone)
    listed = space.python("-m", "ansible", "doc", "--list", "rewind.vps", cwd=space.scratch, capture=True, **alone).splitlines()
    modules = {path.stem for path in (space.root / "plugins" / "modules").glob("*.py")} - {"__init__"}
    missing = sorted(name for name in modules if not any(line.startswith(f"rewind.vps.{name} ") for line in listed))
    space.fail_on([f"The installed collection has no module {name}." for name in missing])
    space.python(*galaxy, "verify", "rewind.vps", "--offline", cwd=space.scratch, **alone)
    directory = collection_dir(installed)
    space.python(directory / "extensions" / "demo" / "run.py", cwd=directory, **alone)


def _build_release(space: Workspace) -> Path:
    """Build the artifact from the checkout as it is, with all generated files in it, and check its contents."""
    directory = space.root / RELEASES
    shutil.rmtree(directory, ignore_errors=True)
    artifact = build(space, space.root, directory)
    space.fail_on([f"{artifact.name}: {fault}" for fault in faults(artifact, project_files(space.root), os.environ)])
    print(f"{artifact.relative_to(space.root)} ({artifact.stat().st_size / 1024:.0f} kB)", flush=True)
    return artifact


def faults(artifact: Path, ours: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """What is wrong with an artifact's contents. `ours`: the project's files; `environ`: may hold real credentials."""
    wrong = []
    known = set(ours)
    secrets = {name: environ[name].encode() for name in CREDENTIALS if environ.get(name)}
    found = set()
    with tarfile.open(artifact) as content:
        for member in content:
            if member.isdir():
                continue
            found.add(member.name)
            if not (member.isfile() or member.issym()) or member.name.startswith("/") or ".." in member.name.split("/"):
                wrong.append(f"{member.name} is no plain file of the collection")
            data = content.extractfile(member).read() if member.isfile() else b""
            if PRIVATE_KEY.search(data):
                wrong.append(f"{member.name} holds a private key")
            wrong += [f"{member.name} holds the value of {name}" for name, value in secrets.items() if value in data]
    wrong += [f"{name} is not a file of the project" for name in sorted(found - known - MADE)]
    wrong += [f"{name} is for work on the project alone" for name in sorted(found) if name.split("/")[0] in DEVELOPMENT_ONLY]
    expected = {name for name in known if name.split("/")[0] not in DEVELOPMENT_ONLY} | MUST_HAVE | MADE
    wrong += [f"{name} is missing" for name in sorted(expected - found)]
    if artifact.stat().st_size > LARGEST:
        wrong.append(f"it has {artifact.stat().st_size} bytes, and should have {LARGEST} at most")
    return wrong
