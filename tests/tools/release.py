# SPDX-License-Identifier: GPL-3.0-or-later
"""The release as its users get it: what is in the artifact, and whether it works where nothing else of the project is."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import Iterable, Mapping

from tools.console import complain, say
from tools.ecosystem import build
from tools.views import collection_folder, project_files
from tools.workspace import Workspace

RELEASES = "tests/output/release"
# Written by ansible-galaxy; galaxy.yml becomes a part of the first.
MADE = {"FILES.json", "MANIFEST.json"}
# For work on the project alone. galaxy.yml leaves these out (build_ignore).
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
# Put together from halves, so that this file does not match itself.
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*" + rb"PRIVATE KEY-----")
CREDENTIALS = ("VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_SECRET_KEY")


def build_release(space: Workspace) -> int:
    """Build the artifact from the checkout as it is, with all that lies about in it, and look into it."""
    folder = space.root / RELEASES
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    artifact = build(space, space.root, folder)
    if not artifact:
        return 1
    wrong = faults(artifact, project_files(space.root), os.environ)
    for line in wrong:
        complain(f"{artifact.name}: {line}")
    if not wrong:
        say(f"{artifact.relative_to(space.root)} ({artifact.stat().st_size / 1024:.0f} kB)")
    return 1 if wrong else 0


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


def install_release(space: Workspace) -> int:
    """Install the artifact, offline and without the checkout in sight, into an empty folder."""
    artifact = next((space.root / RELEASES).glob("*.tar.gz"), None)
    if not artifact:
        complain(f"{RELEASES} holds no artifact to install.")
        return 1
    target = _installed(space)
    words = ("-m", "ansible", "galaxy", "collection", "install", artifact, "--offline", "--collections-path", target)
    return space.python(*words, cwd=space.scratch, **_alone(space))


def verify_release(space: Workspace) -> int:
    """Ansible finds the installed modules and playbooks, and their files are those of the artifact."""
    listed: list[str] = []
    words = ("-m", "ansible", "doc", "--list", "rewind.vps")
    status = space.python(*words, cwd=space.scratch, on_line=listed.append, **_alone(space))
    modules = {path.stem for path in (space.root / "plugins" / "modules").glob("*.py")} - {"__init__"}
    missing = sorted(name for name in modules if not any(line.startswith(f"rewind.vps.{name} ") for line in listed))
    for name in missing:
        complain(f"The installed collection has no module {name}.")
    words = ("-m", "ansible", "galaxy", "collection", "verify", "rewind.vps", "--offline")
    return status or (1 if missing else 0) or space.python(*words, cwd=space.scratch, **_alone(space))


def demo_of_release(space: Workspace) -> int:
    """The demo as it was installed, upgrading servers with the modules that were installed."""
    folder = collection_folder(_installed(space))
    if not folder.is_dir():
        complain("Nothing was installed, so there is no demo to run.")
        return 1
    return space.python(folder / "extensions" / "demo" / "run.py", cwd=folder, **_alone(space))


def _installed(space: Workspace) -> Path:
    return space.scratch / "installed"


def _alone(space: Workspace) -> dict[str, str]:
    """Variables that hide the checkout: its collection, its Python packages and its settings."""
    settings = space.scratch / "empty.cfg"
    settings.touch()
    return {"ANSIBLE_COLLECTIONS_PATH": str(_installed(space)), "ANSIBLE_CONFIG": str(settings), "PYTHONPATH": ""}
