# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface between a machine and its isolation.

A runtime executes commands with the machine's disk as theirs. There are two: `namespace_runtime` and `directory_runtime`. Machines in QEMU
(`machines.qemu`) have none: their kernel executes commands.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import tree_digest

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# `cp` messages for files that a running machine removed or replaced during the copy. Other messages are errors.
_VANISHED = ("No such file or directory", "as it was replaced while being copied")
_IN_USER_NAMESPACE = ("unshare", "--user", "--map-root-user", "--")

# Why a machine ended without a call of `stop`.
REBOOT = "reboot"
POWER_OFF = "poweroff"
CRASH = "crash"


class MachineRuntimeError(Exception):
    """A runtime could not be started or copied; the message has the step and the reason."""


@dataclass(frozen=True)
class Command:
    """A program of the host that runs the wanted command inside the machine."""

    argv: list[str]
    environment: dict[str, str]
    directory: str = "/"
    wrapped: bool = False
    """Whether the program is a wrapper whose only child leads the command's process group."""


@dataclass(frozen=True)
class RuntimeSpec:
    """The parameters of a runtime."""

    disk: Path
    hostname: str
    python: str
    python_prefixes: tuple[str, ...]
    shell: str


class Runtime:
    """Runs commands on a machine's disk, and copies, digests and erases disks, outside the event loop.

    With `user_namespace` these operations run inside one: this process owns the files but is not root, and only root can read or remove files
    with mode 000. `root_inside` is the path of the disk's root for commands ("/" in a namespace), `home_inside` is root's home directory.
    """

    root_inside: str
    home_inside: str

    def __init__(self, spec: RuntimeSpec, *, user_namespace: bool) -> None:
        self._spec = spec
        self._user_namespace = user_namespace

    @property
    def root_outside(self) -> str:
        """A host path to the running machine's files (for SFTP)."""

    async def start(self, on_exit: Callable[[str], None]) -> None:
        """Boot. `on_exit` is called with REBOOT, POWER_OFF or CRASH if the machine ends without a call of `stop`."""

    async def stop(self) -> None:
        """Kill all processes inside and wait for them. Does nothing if none runs."""

    def build_command(self, command: str | None, environment: Mapping[str, str], *, terminal: bool) -> Command:
        """Return how to run `command` (None: a login shell) inside, in a new session.

        With `terminal`, standard input becomes its controlling terminal.
        """

    def open_terminal(self) -> tuple[int, int]:
        """Open a pseudo-terminal. Return the descriptors of its ends (ours, the command's)."""

    async def copy(self, source: Path, target: Path) -> None:
        """Copy `source` to `target`, which must not exist. Raises MachineRuntimeError and leaves no partial copy."""
        code, _output, errors = await self._run("cp", "-a", "--reflink=auto", "--", str(source), str(target))
        messages = [line for line in errors.splitlines() if line and not line.endswith(_VANISHED)]
        if code and (messages or not target.is_dir()):
            await self.erase(target)
            raise MachineRuntimeError(f"copying the disk {source} failed: {'; '.join(messages[:3]) or f'cp exited {code}'}")

    async def digest(self, tree: Path) -> str:
        """Return the SHA-256 (hex) of a disk."""
        try:
            return await asyncio.to_thread(tree_digest.tree_digest, str(tree), map_own_to_root=self._user_namespace)
        except PermissionError:
            if not self._user_namespace:
                raise
        code, output, errors = await self._run(sys.executable, "-I", "-S", tree_digest.__file__, str(tree))
        if code:
            raise MachineRuntimeError(f"reading the disk {tree} failed: {errors.strip()[-300:]}")
        return output.strip()

    async def erase(self, tree: Path) -> None:
        """Remove `tree` if it exists. Raises MachineRuntimeError if anything remains."""
        if not os.path.lexists(tree):
            return
        if self._user_namespace:
            await self._run("rm", "-rf", "--one-file-system", "--", str(tree))
        else:
            await asyncio.to_thread(_remove_tree, tree)
        if os.path.lexists(tree):
            raise MachineRuntimeError(f"the disk {tree} could not be removed completely")

    async def _run(self, *command: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(_IN_USER_NAMESPACE if self._user_namespace else ()), *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={**os.environ, "LC_ALL": "C"})
        output, errors = await process.communicate()
        return process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace")


def _remove_tree(tree: Path) -> None:
    # An ordinary user can remove entries only from a writable directory.
    if os.geteuid() != 0:
        for directory, names, _files in os.walk(tree):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
    shutil.rmtree(tree, ignore_errors=True)
