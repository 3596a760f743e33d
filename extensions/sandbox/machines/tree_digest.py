# SPDX-License-Identifier: GPL-3.0-or-later
"""One SHA-256 over a whole tree, to compare disks.

Also a program (`python tree_digest.py TREE`), standard library only: some files can be read only inside a user namespace.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys


def tree_digest(root: str, *, map_own_to_root: bool = False) -> str:
    """Return the SHA-256 (hex) of every path, type, mode, owner, symlink target, and every file's content and mtime_ns.

    Times of directories and symlinks are ignored, as are files that vanish while it reads. With `map_own_to_root` this process's own user and
    group count as 0, as inside a user namespace. Raises PermissionError if a file or directory cannot be read.
    """
    owners = ((os.geteuid(), os.getegid()) if map_own_to_root else (0, 0))
    hasher = hashlib.sha256()
    for path in _every_path(os.fsencode(root)):
        try:
            record = _record(path, owners)
        except FileNotFoundError:
            continue
        name = path[len(os.fsencode(root)):] or b"/"
        for part in (name, *record):
            # The length distinguishes ("ab", "c") from ("a", "bc").
            hasher.update(b"%d:" % len(part))
            hasher.update(part)
    return hasher.hexdigest()


def _every_path(root: bytes) -> list[bytes]:
    found = [root]
    pending = [root]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    found.append(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except FileNotFoundError:
            continue
    return sorted(found)


def _record(path: bytes, owners: tuple[int, int]) -> list[bytes]:
    status = os.lstat(path)
    uid = 0 if status.st_uid == owners[0] else status.st_uid
    gid = 0 if status.st_gid == owners[1] else status.st_gid
    record = [b"%o" % status.st_mode, b"%d" % uid, b"%d" % gid]
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb", buffering=0) as file:
            record += [b"%d" % status.st_mtime_ns, hashlib.file_digest(file, "sha256").digest()]
    elif stat.S_ISLNK(status.st_mode):
        record.append(os.readlink(path))
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        record.append(b"%d" % status.st_rdev)
    return record


if __name__ == "__main__":
    print(tree_digest(sys.argv[1], map_own_to_root=True))
