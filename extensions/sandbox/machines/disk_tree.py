# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy, digest and erase a disk that is a directory tree."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

from . import tree_digest
from .runtime import MachineRuntimeError

# `cp` messages for files that a running machine removed or replaced during the copy. Other messages are errors.
_VANISHED = ("No such file or directory", "as it was replaced while being copied")
_IN_USER_NAMESPACE = ("unshare", "--user", "--map-root-user", "--")


class DiskTrees:
    """Operations on whole trees, outside the event loop.

    With `user_namespace` they run inside one: this process owns the files but is not root, and only root can read or remove files with mode 000.
    """

    def __init__(self, *, user_namespace: bool) -> None:
        self._user_namespace = user_namespace
        self._prefix = _IN_USER_NAMESPACE if user_namespace else ()

    async def copy(self, source: Path, target: Path) -> None:
        """Copy `source` to `target`, which must not exist. Raises MachineRuntimeError and leaves no partial copy."""
        code, _output, errors = await self._run("cp", "-a", "--reflink=auto", "--", str(source), str(target))
        messages = [line for line in errors.splitlines() if line and not line.endswith(_VANISHED)]
        if code and (messages or not target.is_dir()):
            await self.erase(target)
            raise MachineRuntimeError(f"copying the disk {source} failed: {'; '.join(messages[:3]) or f'cp exited {code}'}")

    async def digest(self, tree: Path) -> str:
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
            *self._prefix, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
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
