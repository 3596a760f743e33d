# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine where namespaces are forbidden: commands run on the host, with the disk as their working directory.

An absolute path is then the host's own. What should lie on the machine's disk must be named below `root_inside`, which commands find in
the variable REWIND_DISK. Root's home is on the disk, so Ansible's temporary files are too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from . import process_reaper
from .disk_tree import Trees
from .runtime import CRASH, SYSTEM_PATH, Entry, WorldError, WorldPlan

# By this variable, inherited by all that runs on the machine, process_reaper.py finds it.
MARK = "REWIND_DISK"


class FolderWorld:
    """See `runtime.World`. It has no boot id of its own, and `reboot` inside is the host's: don't."""

    def __init__(self, plan: WorldPlan) -> None:
        self._plan = plan
        self._trees = Trees(user_namespace=False)
        self.copy, self.digest, self.erase = self._trees.copy, self._trees.digest, self._trees.erase
        self._keeper: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.root_inside = str(plan.disk)
        self.home_inside = str(plan.disk / "root")

    @property
    def root_outside(self) -> str:
        return str(self._plan.disk)

    async def start(self, ended: Callable[[str], None]) -> None:
        self._keeper = await asyncio.create_subprocess_exec(
            self._plan.python, "-I", "-S", process_reaper.__file__, self.root_inside,
            stdin=asyncio.subprocess.PIPE, start_new_session=True, cwd="/", env={"PATH": SYSTEM_PATH})
        self._watch = asyncio.create_task(self._report_end(self._keeper, ended))

    async def _report_end(self, keeper: asyncio.subprocess.Process, ended: Callable[[str], None]) -> None:
        await keeper.wait()
        ended(CRASH)

    async def stop(self) -> None:
        keeper, self._keeper = self._keeper, None
        if self._watch:
            self._watch.cancel()
        if keeper:
            keeper.stdin.close()
            await keeper.wait()

    def enter(self, command: str | None, environment: Mapping[str, str], *, terminal: bool) -> Entry:
        if not self._keeper:
            raise WorldError("the machine is off")
        argv = ["setsid", *(["--ctty"] if terminal else []), "/bin/sh", "-c", 'umask 022; exec "$@"', "sh", self._plan.shell]
        argv += ["-l"] if command is None else ["-c", command]
        inside = {"USER": "root", "LOGNAME": "root", "SHELL": self._plan.shell, "LANG": "C.UTF-8", "PATH": SYSTEM_PATH,
                  **self._plan.extra_environment, **environment,
                  "HOME": self.home_inside, "TMPDIR": f"{self.root_inside}/tmp", MARK: self.root_inside}
        return Entry(argv, inside, self.root_inside)

    def open_terminal(self) -> tuple[int, int]:
        return os.openpty()
