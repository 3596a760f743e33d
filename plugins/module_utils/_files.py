# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that the collection keeps on the local machine: private atomic writes, locks and the name of a server's files."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets

PRIVATE_MODE = 0o600
MAX_TEMPORARY_NAME = 40  # characters of the file's name; one character takes up to four bytes


def server_key(provider: str, api_url: str, server_id: str) -> str:
    """Return a file name for one server: plain ASCII, of bounded length, and without the API's address.

    The address distinguishes two providers of one kind; it may contain a password, so it is hashed.
    """
    safe = re.sub("[^A-Za-z0-9_-]", "_", server_id)[:64]
    digest = hashlib.sha256(f"{api_url}\n{server_id}".encode("utf-8", "replace")).hexdigest()[:8]
    return f"{provider}-{safe}-{digest}"


def write_private(path: str | os.PathLike[str], text: str, mode: int = PRIVATE_MODE) -> None:
    """Write the whole text or nothing. It is on the disk when this returns.

    Raises:
        OSError: It cannot be written; the previous file is unchanged.
    """
    directory, name = os.path.split(os.fspath(path))
    # Several processes may write at once, so the temporary file has a random name.
    temporary = os.path.join(directory, f".{name[:MAX_TEMPORARY_NAME]}.{os.getpid()}.{secrets.token_hex(4)}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            os.fchmod(handle, mode)
            file.write(text)
            file.flush()
            os.fsync(handle)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory or ".")


def _sync_directory(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileLock:
    """A lock of one process on a file. The kernel releases it when the process ends, however it ends.

    Attributes:
        handle: The open file while the lock is held, otherwise None.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.handle: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock. Return False if another process or another instance holds it.

        Raises:
            OSError: The file cannot be opened or locked at all.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError:
            os.close(handle)
            raise
        self.handle = handle
        return True

    def release(self) -> None:
        """Release the lock, if it is held."""
        handle, self.handle = self.handle, None
        if handle is not None:
            os.close(handle)

    def is_locked(self) -> bool:
        """Return whether a process holds the lock. Nothing is created or written."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False
