# SPDX-License-Identifier: GPL-3.0-or-later
"""The two files on its disk that a server lives by: without its kernel it doesn't boot, without its network's line nobody reaches it.

So whoever has root on a server can break it for good, as an upgrade does, and only another disk (a restore) brings it back.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .disk_paths import path_outside

KERNEL = "/boot/vmlinuz"
INTERFACES = "/etc/network/interfaces"
DEVICE = "eth0"
_MOST_BYTES = 64 * 1024


def boot_problem(disk: Path) -> str | None:
    """Why a machine with this disk doesn't boot, for people; None if it does."""
    status = _status(_on(disk, KERNEL))
    if status is None or not stat.S_ISREG(status.st_mode) or not status.st_size:
        return f"no kernel: {KERNEL} is missing or empty"
    return None


class NetworkFile:
    """Whether a disk's network configuration brings the server's network up. It is read anew only where its status has changed."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._seen: tuple[int, ...] | None = None
        self._brings_up = False

    def brings_up(self) -> bool:
        """True while INTERFACES has the line `auto eth0` (further names may stand in it)."""
        path = _on(self._disk, INTERFACES)
        status = _status(path)
        # A FIFO or a device in its place is no configuration, and reading it could take forever.
        if status is None or not stat.S_ISREG(status.st_mode):
            self._seen, self._brings_up = None, False
            return False
        now = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if now != self._seen:
            self._brings_up = self._read(path)
            self._seen = now
        return self._brings_up

    def _read(self, path: bytes) -> bool:
        try:
            with open(path, "rb") as file:
                lines = file.read(_MOST_BYTES).decode(errors="replace").splitlines()
        except PermissionError:
            return self._brings_up  # Root inside a user namespace could read it; we, outside, can't say what it holds now.
        except OSError:
            return False
        return any(words[:1] == ["auto"] and DEVICE in words[1:] for words in map(str.split, lines))


def _on(disk: Path, path: str) -> bytes:
    try:
        return path_outside(os.fsencode(disk), path.encode(), follow_last=True)
    except OSError:  # Symlinks in a circle: the name then stays a symlink, which is no regular file.
        return os.fsencode(f"{disk}{path}")


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
