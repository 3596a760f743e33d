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

FOLDER = "~/.local/state/rewind.vps/tasks"
MOST_NOTES = 100_000  # characters
LONGEST_SECONDS = 30 * 86400.0  # nobody goes by an older note


class Place:
    """One server's lock and notes. The lock is taken with L(try_to_enter); a note may be written only while it is held.

    :arg folder: see L(find_folder).
    :arg api_url: tells clouds of one kind at different addresses apart.
    """

    def __init__(self, folder: str, provider: str, api_url: str, server_id: str) -> None:
        safe = re.sub("[^A-Za-z0-9_-]", "_", server_id)[:64]
        address = hashlib.sha256(f"{api_url}\n{server_id}".encode("utf-8", "replace")).hexdigest()[:8]
        self._path = os.path.join(folder, f"{provider}-{safe}-{address}")
        self._handle: int | None = None
        self._restoring: int | None = None

    def try_to_enter(self, beside_a_restore: bool = False) -> bool:
        """Take the lock; False where somebody else has it, or waits for the end of a restore.

        :arg beside_a_restore: whoever wants a restore may see one that is waited for, and join it.
        :raises OSError: it can't be used at all.
        """
        handle = self._lock("lock")
        if handle is None:
            return False
        with contextlib.ExitStack() as otherwise:
            otherwise.callback(os.close, handle)
            if not beside_a_restore:
                restoring = self._lock("restoring")
                if restoring is None:
                    return False
                os.close(restoring)
            otherwise.pop_all()
        self._handle = handle
        return True

    def begin_restore(self) -> None:
        """Let nobody else change anything until L(end_restore), also when it is not this task's turn any more.

        What else is done to a server can't be told from what the restore does.
        """
        with contextlib.suppress(OSError):
            self._restoring = self._lock("restoring")

    def end_restore(self) -> None:
        """The restore is waited for no more."""
        handle, self._restoring = self._restoring, None
        if handle is not None:
            os.close(handle)

    def _lock(self, which: str) -> int | None:
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

    def leave(self, asked: bool) -> None:
        """Let go of the lock.

        :arg asked: a change was asked for meanwhile, so what others have seen before may no longer be so.
        """
        handle, self._handle = self._handle, None
        if handle is None:
            return
        with contextlib.suppress(OSError):
            if asked:
                os.pwrite(handle, f"{_now():020d}".encode(), 0)
        os.close(handle)

    def asked_since(self, moment: int) -> bool:
        """Whether somebody has asked for a change since a moment (of L(now)). Only for whoever holds the lock."""
        try:
            # One that is still to come is of the time before this machine was booted.
            return moment <= int(os.pread(self._handle or 0, 20, 0) or b"0") <= _now()
        except (OSError, ValueError):
            return True

    def is_taken(self) -> bool:
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

    def notes(self) -> dict[str, dict[str, Any]]:
        """All notes by their keys; each has C(at), the seconds since 1970 when it was written."""
        try:
            with open(f"{self._path}.notes", encoding="utf-8") as file:
                found = json.loads(file.read(MOST_NOTES))
        except (OSError, ValueError, RecursionError):
            return {}
        found = found if isinstance(found, dict) else {}
        return {key: note for key, note in found.items() if isinstance(note, dict) and isinstance(note.get("at"), float)}

    def note(self, key: str, oldest: float) -> dict[str, Any] | None:
        """One note, unless it is older than so many seconds."""
        note = self.notes().get(key)
        return note if note is not None and 0 <= time.time() - note["at"] < oldest else None

    def write_note(self, key: str, **fields: Any) -> None:
        """The whole note or none, and on the disk when this returns.

        :raises OSError: it can't be written.
        """
        lasting = {name: note for name, note in self.notes().items() if time.time() - note["at"] < LONGEST_SECONDS}
        self._write({**lasting, key: {"at": time.time(), **fields}})

    def remove_note(self, key: str) -> None:
        """It has no meaning any more."""
        notes = self.notes()
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


def now() -> int:
    """A moment, in nanoseconds, that all processes of this machine count alike; only for L(Place.asked_since)."""
    return _now()


def _now() -> int:
    return time.monotonic_ns()


def find_folder(make: bool) -> str | None:
    """The folder of this user's places: below the home folder, else among the temporary files; None where there is none.

    :arg make: make it where it is missing.
    """
    folders = [os.path.join(tempfile.gettempdir(), f"rewind.vps-{os.getuid()}")]
    # Nobody wants a home folder made that is not there, or files of root in theirs (sudo -E).
    if _is_ours(os.path.expanduser("~"), follow=True):
        folders.insert(0, os.path.expanduser(FOLDER))
    for folder in folders:
        with contextlib.suppress(OSError):
            if make:
                os.makedirs(folder, mode=0o700, exist_ok=True)
            if _is_ours(folder, follow=False) and os.access(folder, os.W_OK | os.X_OK):
                return folder
    return None


def _is_ours(folder: str, follow: bool) -> bool:
    try:
        found = os.stat(folder, follow_symlinks=follow)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
