# SPDX-License-Identifier: GPL-3.0-or-later
"""Map a path on a machine to the host's path, without following a symlink out of the disk."""

from __future__ import annotations

import errno
import os
import stat

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
