# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine without namespaces: commands run on the host, with the disk as their working directory.

Absolute paths are the host's own. A path on the machine's disk starts with `root_inside`, which is in the variable REWIND_DISK. Root's home is on
the disk, so Ansible's temporary files are too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from . import process_reaper
from .runtime import CRASH, SYSTEM_PATH, Command, MachineRuntimeError, Runtime, RuntimeSpec

# All processes on the machine inherit this variable; process_reaper.py finds them by it.
DISK_VARIABLE = "REWIND_DISK"


class DirectoryRuntime(Runtime):
    """It has no boot ID of its own, and `reboot` inside affects the host."""

    def __init__(self, spec: RuntimeSpec) -> None:
        super().__init__(spec, user_namespace=False)
        self._reaper: asyncio.subprocess.Process | None = None
        self._exit_watch: asyncio.Task[None] | None = None
        self.root_inside = str(spec.disk)
        self.home_inside = str(spec.disk / "root")

    @property
    def root_outside(self) -> str:
        return str(self._spec.disk)

    async def start(self, on_exit: Callable[[str], None]) -> None:
        self._reaper = await asyncio.create_subprocess_exec(
            self._spec.python, "-I", "-S", process_reaper.__file__, self.root_inside,
            stdin=asyncio.subprocess.PIPE, start_new_session=True, cwd="/", env={"PATH": SYSTEM_PATH})
        self._exit_watch = asyncio.create_task(self._report_end(self._reaper, on_exit))

    async def _report_end(self, reaper: asyncio.subprocess.Process, on_exit: Callable[[str], None]) -> None:
        await reaper.wait()
        on_exit(CRASH)

    async def stop(self) -> None:
        reaper, self._reaper = self._reaper, None
        if self._exit_watch:
            self._exit_watch.cancel()
        if reaper:
            reaper.stdin.close()
            await reaper.wait()

    def build_command(self, command: str | None, environment: Mapping[str, str], *, terminal: bool) -> Command:
        if not self._reaper:
            raise MachineRuntimeError("the machine is off")
        argv = ["setsid", *(["--ctty"] if terminal else []), "/bin/sh", "-c", 'umask 022; exec "$@"', "sh", self._spec.shell]
        argv += ["-l"] if command is None else ["-c", command]
        variables = {"USER": "root", "LOGNAME": "root", "SHELL": self._spec.shell, "LANG": "C.UTF-8", "PATH": SYSTEM_PATH,
                     **environment, "HOME": self.home_inside, "TMPDIR": f"{self.root_inside}/tmp", DISK_VARIABLE: self.root_inside}
        return Command(argv, variables, self.root_inside)

    def open_terminal(self) -> tuple[int, int]:
        return os.openpty()
