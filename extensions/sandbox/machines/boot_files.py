# SPDX-License-Identifier: GPL-3.0-or-later
"""The two files on its disk that a server lives by: without its kernel it doesn't boot, without its network's line nobody reaches it.

So whoever has root on a server can break it for good, as an upgrade does, and only another disk (a restore) brings it back.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .disk_paths import resolve_on_host

KERNEL = "/boot/vmlinuz"
INTERFACES = "/etc/network/interfaces"
DEVICE = "eth0"
_MAX_BYTES = 64 * 1024


def boot_problem(disk: Path) -> str | None:
    """Why a machine with this disk doesn't boot, for people; None if it does."""
    status = _lstat(_host_path(disk, KERNEL))
    if status is None or not stat.S_ISREG(status.st_mode) or not status.st_size:
        return f"no kernel: {KERNEL} is missing or empty"
    return None


class NetworkFile:
    """Whether a disk's network configuration brings the server's network up. It is read anew only where its status has changed."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._last_status: tuple[int, ...] | None = None
        self._is_enabled = False

    def is_enabled(self) -> bool:
        """True while INTERFACES has the line `auto eth0` (further names may stand in it)."""
        path = _host_path(self._disk, INTERFACES)
        status = _lstat(path)
        # A FIFO or a device in its place is no configuration, and reading it could take forever.
        if status is None or not stat.S_ISREG(status.st_mode):
            self._last_status, self._is_enabled = None, False
            return False
        current = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if current != self._last_status:
            self._is_enabled = self._read(path)
            self._last_status = current
        return self._is_enabled

    def _read(self, path: bytes) -> bool:
        try:
            with open(path, "rb") as file:
                lines = file.read(_MAX_BYTES).decode(errors="replace").splitlines()
        except PermissionError:
            return self._is_enabled  # Root inside a user namespace could read it; we, outside, can't say what it holds now.
        except OSError:
            return False
        return any(fields[:1] == ["auto"] and DEVICE in fields[1:] for fields in map(str.split, lines))


def _host_path(disk: Path, path: str) -> bytes:
    try:
        return resolve_on_host(os.fsencode(disk), path.encode(), follow_last=True)
    except OSError:  # Symlinks in a circle: the name then stays a symlink, which is no regular file.
        return os.fsencode(f"{disk}{path}")


def _lstat(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
