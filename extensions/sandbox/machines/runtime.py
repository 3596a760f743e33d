# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between a machine and what it is made of.

A machine is a disk plus a *world*: the way commands are run with that disk as theirs. There are two worlds now
(`namespace_runtime`, `directory_runtime`). An overlay over the host's own root, or a QEMU guest, would be a third: it answers the
same questions, of which `build_command` and `copy` are the heart, and neither the SSH door nor the power switch changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What a world's end means for the machine. A stop that the machine itself asked for is never reported.
REBOOT = "reboot"
POWER_OFF = "poweroff"
CRASH = "crash"


class MachineRuntimeError(Exception):
    """A world could not be started or copied; the text says which step failed and why."""


@dataclass(frozen=True)
class Command:
    """A program of the host which, once run, is the wanted command inside the world."""

    argv: list[str]
    environment: dict[str, str]
    directory: str = "/"
    wrapped: bool = False
    """Whether the program is only a wrapper, and its one child leads the command's process group."""


@dataclass(frozen=True)
class RuntimeSpec:
    """What every world is made from."""

    disk: Path
    hostname: str
    python: str
    python_prefixes: tuple[str, ...]
    shell: str
    extra_environment: Mapping[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """How a disk becomes the world of the commands that run on it."""

    root_inside: str
    """The path under which the disk's root is seen by commands: "/" in a namespace."""

    home_inside: str
    """The home directory of root as commands see it."""

    @property
    def root_outside(self) -> str:
        """A host path under which the running world's files are reached (for SFTP)."""

    async def start(self, on_exit: Callable[[str], None]) -> None:
        """Boot. `on_exit` is called with REBOOT, POWER_OFF or CRASH if the world ends by itself."""

    async def stop(self) -> None:
        """Kill everything that runs inside and wait until it is gone. Harmless when nothing runs."""

    def build_command(self, command: str | None, environment: Mapping[str, str], *, terminal: bool) -> Command:
        """How to run `command` (None: a login shell) inside, in a session of its own.

        With `terminal`, standard input becomes its controlling terminal.
        """

    def open_terminal(self) -> tuple[int, int]:
        """A new pseudo-terminal: the descriptors of its two ends (ours, the command's)."""

    async def copy(self, source: Path, target: Path) -> None:
        """Copy a disk to `target`, which must not exist: modes, owners, times, links and attributes included."""

    async def digest(self, disk: Path) -> str:
        """The SHA-256 (hex) over everything on the disk."""

    async def erase(self, disk: Path) -> None:
        """Remove a disk, whatever modes its files have."""
