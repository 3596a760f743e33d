# SPDX-License-Identifier: GPL-3.0-or-later
"""From a path on a machine to the host's path of the same file, without being led out to the host by a symlink."""

from __future__ import annotations

import errno
import os
import stat

_MAX_SYMLINKS = 40


def resolve_on_host(root: bytes, path: bytes, *, follow_last: bool) -> bytes:
    """The host's path of the machine's absolute `path`, in which no symlink is left but possibly the last part.

    Parts that don't exist stay as they are: the caller's own system call then says so. Raises OSError (ELOOP) for symlinks in a circle.
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
