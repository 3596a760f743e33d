# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths on a machine's disk, and the two files that it needs: the kernel to boot, and the interfaces line to have a network.

So root on a server can break it for good, as an upgrade can, and only a restore of the disk repairs it.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

KERNEL = "/boot/vmlinuz"
INTERFACES = "/etc/network/interfaces"
DEVICE = "eth0"
_MAX_BYTES = 64 * 1024
_MAX_SYMLINKS = 40


def resolve_on_host(root: bytes, path: bytes, *, follow_last: bool) -> bytes:
    """Return the host's path of the machine's absolute `path`; only the last part may still be a symlink.

    Missing parts are kept: the caller's system call then reports them. Raises OSError (ELOOP) for circular symlinks.
    """
    pending = [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
    resolved: list[bytes] = []
    followed = 0
    while pending:
        part = pending.pop()
        if part == b"..":
            del resolved[-1:]
            continue
        candidate = b"/".join((root, *resolved, part))
        if pending or follow_last:
            try:
                is_link = stat.S_ISLNK(os.lstat(candidate).st_mode)
            except OSError:
                is_link = False
            if is_link:
                followed += 1
                if followed > _MAX_SYMLINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(candidate)
                if target.startswith(b"/"):
                    resolved.clear()
                pending.extend(part for part in reversed(target.split(b"/")) if part not in (b"", b"."))
                continue
        resolved.append(part)
    return b"/".join((root, *resolved)) if resolved else root + b"/"


def boot_problem(disk: Path) -> str | None:
    """Return why a machine with this disk does not boot; None if it boots."""
    status = _lstat(_host_path(disk, KERNEL))
    if status is None or not stat.S_ISREG(status.st_mode) or not status.st_size:
        return f"no kernel: {KERNEL} is missing or empty"
    return None


class NetworkFile:
    """Whether a disk's network configuration enables the network. The file is read only when its status has changed."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._last_status: tuple[int, ...] | None = None
        self._is_enabled = False

    def is_enabled(self) -> bool:
        """True if INTERFACES has the line `auto eth0` (other names may follow)."""
        path = _host_path(self._disk, INTERFACES)
        status = _lstat(path)
        # Reading a FIFO or a device could block.
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
            return self._is_enabled  # Only root inside the user namespace can read it.
        except OSError:
            return False
        return any(fields[:1] == ["auto"] and DEVICE in fields[1:] for fields in map(str.split, lines))


def _host_path(disk: Path, path: str) -> bytes:
    try:
        return resolve_on_host(os.fsencode(disk), path.encode(), follow_last=True)
    except OSError:  # Circular symlinks: the path stays a symlink, which is no regular file.
        return os.fsencode(f"{disk}{path}")


def _lstat(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
