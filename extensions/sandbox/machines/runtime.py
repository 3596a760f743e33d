# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface between a machine and its isolation.

A runtime executes commands with the machine's disk as theirs. There are two: `namespace_runtime` and `directory_runtime`. A QEMU guest would be a
third; SSH server and power switch would stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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
    extra_environment: Mapping[str, str] = field(default_factory=dict)


class Runtime(Protocol):
    """Runs commands on a machine's disk."""

    root_inside: str
    """The path of the disk's root for commands: "/" in a namespace."""

    home_inside: str
    """Root's home directory for commands."""

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
        """Copy a disk to `target`, which must not exist, with modes, owners, times, links and attributes."""

    async def digest(self, disk: Path) -> str:
        """Return the SHA-256 (hex) of the disk."""

    async def erase(self, disk: Path) -> None:
        """Remove a disk, whatever the modes of its files."""
