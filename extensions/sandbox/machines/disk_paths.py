# SPDX-License-Identifier: GPL-3.0-or-later
"""From a path on a machine to the host's path of the same file, without being led out to the host by a symlink."""

from __future__ import annotations

import errno
import os
import stat

_MOST_SYMLINKS = 40


def path_outside(root: bytes, path: bytes, *, follow_last: bool) -> bytes:
    """The host's path of the machine's absolute `path`, in which no symlink is left but possibly the last part.

    Parts that don't exist stay as they are: the caller's own system call then says so. Raises OSError (ELOOP) for symlinks in a circle.
    """
    waiting = [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
    reached: list[bytes] = []
    followed = 0
    while waiting:
        part = waiting.pop()
        if part == b"..":
            del reached[-1:]
            continue
        here = b"/".join((root, *reached, part))
        if waiting or follow_last:
            try:
                is_link = stat.S_ISLNK(os.lstat(here).st_mode)
            except OSError:
                is_link = False
            if is_link:
                followed += 1
                if followed > _MOST_SYMLINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(here)
                if target.startswith(b"/"):
                    reached.clear()
                waiting.extend(part for part in reversed(target.split(b"/")) if part not in (b"", b"."))
                continue
        reached.append(part)
    return b"/".join((root, *reached)) if reached else root + b"/"
