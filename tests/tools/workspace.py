# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a session's programs run: an environment, a link to the collection, and variables that no user's settings change."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from support.collection_link import collection_dir, copy_collection, link_collection

from tools.environments import ENVIRONMENTS, ROOT, ensure

if TYPE_CHECKING:
    import nox  # not in the environment of the tests, which import this file

# The user's accounts must not be touched, and the user's Ansible settings must not change a result.
FOREIGN_PREFIXES = ("ANSIBLE_", "GIT_", "ILKBYTE_", "MOLECULE_", "NOX", "REWIND_", "VPS_API_", "XDG_")
FOREIGN_NAMES = (
    *("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONHOME", "PYTHONPATH", "SSH_AGENT_PID", "SSH_AUTH_SOCK"),
    "PYTHONDONTWRITEBYTECODE",  # with it every program that starts compiles all that it imports
)


class Workspace:
    """The surroundings of one session. `scratch` is a directory that is removed when the session ends."""

    def __init__(self, session: nox.Session, environment: Path, scratch: Path) -> None:
        self.session = session
        self.root = ROOT
        self.environment = environment
        self.scratch = scratch
        self.collections = link_collection(ROOT, ENVIRONMENTS / "collections")
        self._variables = neutral_variables(ROOT, environment, self.collections, scratch, os.environ)

    @property
    def python_version(self) -> str:
        """The version of the environment's Python, as "3.12"."""
        return next((self.environment / "lib").glob("python3.*")).name[len("python"):]

    def script(self, name: str) -> str:
        """A program that a package installed. Start it with `python()`: `#!` does not work in every directory."""
        return str(self.environment / "bin" / name)

    def python(self, *arguments: object, **options: object) -> str:
        """Run the environment's Python, see `run()`."""
        return self.run(self.environment / "bin" / "python", *arguments, **options)

    def run(self, *command: object, cwd: Path | None = None, capture: bool = False, **variables: str) -> str:
        """Run a program; the session fails when the program does. With `capture`, returns its output after printing it."""
        with self.session.chdir(cwd or self.root):
            # Interrupted, the program has time to remove what it has made.
            output = self.session.run(
                *map(str, command), env={**self._variables, **variables}, include_outer_env=False, external=True, silent=capture,
                interrupt_timeout=30, terminate_timeout=30,
            )
        if capture:
            print(output, flush=True)
        return str(output)

    def copy(self, name: str) -> tuple[Path, dict[str, str]]:
        """A new copy of the collection, and the variables with which Ansible finds it.

        It is outside the checkout: ansible-test asks the repository around it which files are tracked.
        """
        collections = self.scratch / name
        shutil.rmtree(collections, ignore_errors=True)
        return copy_collection(self.root, collections), {"ANSIBLE_COLLECTIONS_PATH": str(collections)}

    def fail_on(self, faults: Sequence[str]) -> None:
        """Fail the session, since several tools print what is wrong and exit with 0."""
        for fault in faults:
            print(f"This counts as a failure: {fault}", flush=True)
        if faults:
            self.session.error(f"{len(faults)} faults")


@contextlib.contextmanager
def workspace(session: nox.Session, name: str) -> Iterator[Workspace]:
    """Prepare the environment of this name for a session."""
    environment = ensure(name, session.run)
    # A short path: SSH's control sockets are below it, and a socket's path has a hundred characters at most.
    with tempfile.TemporaryDirectory(prefix="rw-") as scratch:
        yield Workspace(session, environment, Path(scratch))


def neutral_variables(root: Path, environment: Path, collections: Path, scratch: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's variables without those that would change a result, and with those that Ansible and Python need."""
    kept = {name: value for name, value in environ.items() if not name.startswith(FOREIGN_PREFIXES) and name not in FOREIGN_NAMES}
    loopback = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1", "localhost", "::1"]))
    # PYTHONPATH cannot hold a directory with a colon.
    importable = collection_dir(collections) if os.pathsep in str(root) else root
    return {
        **kept,
        "PATH": os.pathsep.join([str(environment / "bin"), kept.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(environment),
        "PYTHONPATH": str(importable / "extensions"),
        "HOME": str(environment / "home"),
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        # Ansible refuses to start in a locale that is not UTF-8.
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
        "ANSIBLE_CONFIG": str(root / "tests" / "ansible.cfg"),
        "ANSIBLE_HOME": str(environment / "ansible-home"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "cp"),
    }
