# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the tasks of one user on one machine agree about a server: who decides now, and what a killed task left undone.

A cloud can't be asked to do something only if nobody else has done it meanwhile, so between a task's look and its
request another task could ask for the same. A lock per server keeps the two together. The kernel lets go of it when
its process ends, however it ends. It knows nothing of tasks on other machines or of other users.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from typing import Any

STATE_DIR = "~/.local/state/rewind.vps/locks"
MAX_STATE_CHARS = 100_000  # characters
MAX_NOTE_AGE = 30 * 86400.0  # nobody goes by an older note


class LocalState:
    """One server's lock and notes. The lock is taken with L(try_acquire); a note may be written only while it is held.

    :arg directory: see L(state_directory).
    :arg api_url: tells clouds of one kind at different addresses apart.
    """

    def __init__(self, directory: str, provider: str, api_url: str, server_id: str) -> None:
        safe = re.sub("[^A-Za-z0-9_-]", "_", server_id)[:64]
        address = hashlib.sha256(f"{api_url}\n{server_id}".encode("utf-8", "replace")).hexdigest()[:8]
        self._path = os.path.join(directory, f"{provider}-{safe}-{address}")
        self._handle: int | None = None
        self._restore_handle: int | None = None

    def try_acquire(self, allow_during_restore: bool = False) -> bool:
        """Take the lock; False where somebody else has it, or waits for the end of a restore.

        :arg allow_during_restore: whoever wants a restore may see one that is waited for, and join it.
        :raises OSError: it can't be used at all.
        """
        handle = self._try_lock("lock")
        if handle is None:
            return False
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(os.close, handle)
            if not allow_during_restore:
                restore_lock = self._try_lock("restoring")
                if restore_lock is None:
                    return False
                os.close(restore_lock)
            cleanup.pop_all()
        self._handle = handle
        return True

    def hold_restore_lock(self) -> None:
        """Let nobody else change anything until L(release_restore_lock), also when it is not this task's turn any more.

        What else is done to a server can't be told from what the restore does.
        """
        with contextlib.suppress(OSError):
            self._restore_handle = self._try_lock("restoring")

    def release_restore_lock(self) -> None:
        """The restore is waited for no more."""
        handle, self._restore_handle = self._restore_handle, None
        if handle is not None:
            os.close(handle)

    def _try_lock(self, which: str) -> int | None:
        """A handle that holds one of the two locks until it is closed; None where somebody else has it."""
        handle = os.open(f"{self._path}.{which}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            os.close(handle)
            raise
        return handle

    def release(self, mark_changed: bool) -> None:
        """Let go of the lock.

        :arg mark_changed: a change was asked for meanwhile, so what others have seen before may no longer be so.
        """
        handle, self._handle = self._handle, None
        if handle is None:
            return
        with contextlib.suppress(OSError):
            if mark_changed:
                os.pwrite(handle, f"{monotonic_ns():020d}".encode(), 0)
        os.close(handle)

    def changed_since(self, since_ns: int) -> bool:
        """Whether somebody has asked for a change since a moment (of L(monotonic_ns)). Only for whoever holds the lock."""
        try:
            # One that is still to come is of the time before this machine was booted.
            return since_ns <= int(os.pread(self._handle or 0, 20, 0) or b"0") <= monotonic_ns()
        except (OSError, ValueError):
            return True

    def is_locked(self) -> bool:
        """Whether somebody has the lock, without taking it or writing anything."""
        try:
            handle = os.open(f"{self._path}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    # --- notes: what a task that is killed leaves undone, and what a list that lags does not show yet

    def all(self) -> dict[str, dict[str, Any]]:
        """All notes by their keys; each has C(at), the seconds since 1970 when it was written."""
        try:
            with open(f"{self._path}.notes", encoding="utf-8") as file:
                found = json.loads(file.read(MAX_STATE_CHARS))
        except (OSError, ValueError, RecursionError):
            return {}
        found = found if isinstance(found, dict) else {}
        return {key: note for key, note in found.items() if isinstance(note, dict) and isinstance(note.get("at"), float)}

    def get(self, key: str, max_age: float) -> dict[str, Any] | None:
        """One note, unless it is older than so many seconds."""
        note = self.all().get(key)
        return note if note is not None and 0 <= time.time() - note["at"] < max_age else None

    def put(self, key: str, **fields: Any) -> None:
        """The whole note or none, and on the disk when this returns.

        :raises OSError: it can't be written.
        """
        recent = {name: note for name, note in self.all().items() if time.time() - note["at"] < MAX_NOTE_AGE}
        self._write({**recent, key: {"at": time.time(), **fields}})

    def delete(self, key: str) -> None:
        """It has no meaning any more."""
        notes = self.all()
        if notes.pop(key, None) is not None:
            with contextlib.suppress(OSError):
                if notes:
                    self._write(notes)
                else:
                    os.unlink(f"{self._path}.notes")  # also where the disk is full

    def _write(self, notes: dict[str, Any]) -> None:
        new = f"{self._path}.{os.getpid()}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(notes, file)
            file.flush()
            os.fsync(handle)
        os.rename(new, f"{self._path}.notes")


def monotonic_ns() -> int:
    """A moment, in nanoseconds, that all processes of this machine count alike; only for L(LocalState.changed_since)."""
    return time.monotonic_ns()


def state_directory(create: bool) -> str | None:
    """The folder of this user's places: below the home folder, else among the temporary files; None where there is none.

    :arg create: make it where it is missing.
    """
    candidates = [os.path.join(tempfile.gettempdir(), f"rewind.vps-{os.getuid()}")]
    # Nobody wants a home folder made that is not there, or files of root in theirs (sudo -E).
    if _is_owned_by_us(os.path.expanduser("~"), follow=True):
        candidates.insert(0, os.path.expanduser(STATE_DIR))
    for directory in candidates:
        with contextlib.suppress(OSError):
            if create:
                os.makedirs(directory, mode=0o700, exist_ok=True)
            if _is_owned_by_us(directory, follow=False) and os.access(directory, os.W_OK | os.X_OK):
                return directory
    return None


def _is_owned_by_us(directory: str, follow: bool) -> bool:
    try:
        found = os.stat(directory, follow_symlinks=follow)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
