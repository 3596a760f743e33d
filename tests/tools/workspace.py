# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the project's programs run: an environment, a collection view, and variables that nobody's settings change."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping

from tools.environment import Environment, ensure
from tools.processes import Heard, run
from tools.recipes import Recipe
from tools.views import collection_folder, make_view

# Whoever runs the tests may have real clouds and an Ansible of their own set up: the first must not be touched, the
# second must not change a result.
FOREIGN_PREFIXES = ("ANSIBLE_", "GIT_", "ILKBYTE_", "MOLECULE_", "REWIND_", "VPS_API_", "XDG_")
FOREIGN_NAMES = (
    *("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONHOME", "PYTHONPATH", "SSH_AGENT_PID", "SSH_AUTH_SOCK"),
    "PYTHONDONTWRITEBYTECODE",  # with it every program that starts compiles all that it imports
)


@dataclass(frozen=True)
class Workspace:
    """One command's surroundings. `scratch` is a short-named folder that vanishes when the command ends."""

    environment: Environment
    collections: Path
    scratch: Path

    @property
    def root(self) -> Path:
        return self.environment.root

    @property
    def python_version(self) -> str:
        """The version of the environment's Python as "3.12"."""
        for line in (self.environment.folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            name, dummy, value = line.partition("=")
            if name.strip() == "version":
                return ".".join(value.strip().split(".")[:2])
        raise ValueError("pyvenv.cfg names no version")

    def script(self, name: str) -> Path:
        """A program that a package brought along. Start it with python(): its path may be too odd for #!."""
        return self.environment.folder / "bin" / name

    def variables(self) -> dict[str, str]:
        """The environment variables of every program that the tools start."""
        return neutral_variables(self.environment, self.collections, self.scratch, os.environ)

    def python(self, *words: object, cwd: Path | None = None, on_line: Heard = None, **changes: str) -> int:
        """Run the environment's Python with these arguments; returns the exit status."""
        return self.program(self.environment.python, *words, cwd=cwd, on_line=on_line, **changes)

    def program(self, *command: object, cwd: Path | None = None, on_line: Heard = None, **changes: str) -> int:
        """Run any program in the environment; returns the exit status."""
        return run(command, env={**self.variables(), **changes}, cwd=cwd or self.root, on_line=on_line)


@contextlib.contextmanager
def workspace(root: Path, recipe: Recipe) -> Iterator[Workspace]:
    """Prepare the environment of a recipe and the collection's view in it."""
    environment = ensure(root, recipe)
    collections = make_view(root, environment.folder / "collections")
    # SSH's control sockets go here, and a socket's path may have a hundred characters, no more.
    with tempfile.TemporaryDirectory(prefix="rw-") as scratch:
        yield Workspace(environment, collections, Path(scratch))


def neutral_variables(
    environment: Environment, collections: Path, scratch: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """The caller's variables less everything that would change a result, plus what Ansible and Python need."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(FOREIGN_PREFIXES) and name not in FOREIGN_NAMES
    }
    folders = [str(environment.folder / "bin"), kept.get("PATH", os.defpath)]
    loopback = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1", "localhost", "::1"]))
    return {
        **kept,
        "PATH": os.pathsep.join(folders),
        "VIRTUAL_ENV": str(environment.folder),
        "PYTHONPATH": str(_importable(environment.root, collections) / "extensions"),
        "HOME": str(environment.home),
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        # Ansible refuses to start in a locale that is not UTF-8.
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
        "ANSIBLE_CONFIG": str(environment.root / "tests" / "ansible.cfg"),
        "ANSIBLE_HOME": str(environment.folder / "ansible-home"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "cp"),
    }


def _importable(root: Path, collections: Path) -> Path:
    """The checkout by a path that can stand in PYTHONPATH, which a colon would cut in two."""
    return collection_folder(collections) if os.pathsep in str(root) else root
