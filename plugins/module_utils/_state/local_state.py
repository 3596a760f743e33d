# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notes about one server on the local machine: what an interrupted task leaves unfinished.

- `requested`: the provider accepted a snapshot and lists it only when it is finished. A rerun must not request a second one.
- `replaced`: a new snapshot replaces an old one, which is deleted once the new one is ready. A rerun completes that.
- `stopped`: see `_module/power.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from typing import TYPE_CHECKING, Any

from .._files import write_private
from .._provider.base import RUNNING, Server, Snapshot

if TYPE_CHECKING:
    from .._module.context import OperationContext

STATE_DIR = "~/.local/state/rewind.vps/locks"
MAX_STATE_CHARS = 100_000
MAX_NOTE_AGE = 30 * 86400.0  # older notes are dropped
REPLACED, REQUESTED = "replaced", "requested"


class LocalState:
    """The notes of one server. Write only while the server's lock is held.

    Args:
        directory: See `state_directory`.
        key: The server's name here, see `_files.server_key`.
    """

    def __init__(self, directory: str, key: str) -> None:
        self._path = os.path.join(directory, f"{key}.notes")

    def all(self) -> dict[str, dict[str, Any]]:
        """Return all notes by their keys. Each has `at`, the seconds since 1970 when it was written."""
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.loads(file.read(MAX_STATE_CHARS))
        except (OSError, ValueError, RecursionError):
            return {}
        found = found if isinstance(found, dict) else {}
        return {key: note for key, note in found.items() if isinstance(note, dict) and isinstance(note.get("at"), float)}

    def get(self, key: str, max_age: float) -> dict[str, Any] | None:
        """Return one note, unless it is older than `max_age` seconds."""
        note = self.all().get(key)
        return note if note is not None and 0 <= time.time() - note["at"] < max_age else None

    def put(self, key: str, **fields: Any) -> None:
        """Write a note; it is on the disk when this returns.

        Raises:
            OSError: It cannot be written.
        """
        recent = {name: note for name, note in self.all().items() if time.time() - note["at"] < MAX_NOTE_AGE}
        self._write({**recent, key: {"at": time.time(), **fields}})

    def delete(self, key: str) -> None:
        notes = self.all()
        if notes.pop(key, None) is not None:
            with contextlib.suppress(OSError):
                if notes:
                    self._write(notes)
                else:
                    os.unlink(self._path)  # works on a full disk, too

    def _write(self, notes: dict[str, Any]) -> None:
        write_private(self._path, json.dumps(notes))


def state_directory(create: bool) -> str | None:
    """Return this user's directory for locks and notes: below the home directory, otherwise in the temporary directory.

    Args:
        create: Create it if it is missing.

    Returns:
        None if there is no directory that only this user can write.
    """
    candidates = [os.path.join(tempfile.gettempdir(), f"rewind.vps-{os.getuid()}")]
    # No home directory is created, and root writes nothing into another user's home (sudo -E).
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


# --- changes that are not complete


def record_requested(ctx: OperationContext, name: str) -> None:
    """Note that the provider accepted a snapshot without listing it. A stopped server shows nothing of it either."""
    _record(ctx, _requested_key(name), requested_at=ctx.provider.server_time().timestamp())


def is_creation_pending(ctx: OperationContext, server: Server) -> bool:
    """Return whether the snapshot of the task's name may still be in progress although it is not listed."""
    note = ctx.state.all().get(_requested_key(ctx.options["name"])) if ctx.state is not None else None
    requested_at = note.get("requested_at") if note is not None else None
    if not isinstance(requested_at, float):
        return False
    age = ctx.provider.server_time().timestamp() - requested_at  # the provider's clock has a resolution of one second
    if not -2.0 <= age < ctx.provider.capabilities.expected_create_seconds:
        return False
    latest = server if server.power_state else ctx.provider.get_server(server.id)
    return latest.power_state != RUNNING or bool(latest.task_state)  # a running and idle server has no snapshot in progress


def clear_requested(ctx: OperationContext, name: str) -> None:
    """Delete the note: the snapshot is listed, or it was deleted."""
    if ctx.state is not None:
        ctx.state.delete(_requested_key(name))


def record_replacement(ctx: OperationContext, old: Snapshot, new: Snapshot) -> None:
    """Note that the old snapshot is to be deleted once the new one is ready, even if this task is killed before."""
    _record(ctx, _replacement_key(new), id=old.id, created_at=old.created_at)


def clear_replacement(ctx: OperationContext, new: Snapshot) -> None:
    """Delete the note: the old snapshot is deleted."""
    if ctx.state is not None:
        ctx.state.delete(_replacement_key(new))


def pending_replacement(ctx: OperationContext, snapshots: list[Snapshot], new: Snapshot) -> Snapshot | None:
    """Return the old snapshot that an interrupted task has replaced with `new` and not deleted.

    Only for a task that would replace it as well: any other task was not asked to delete anything.
    """
    if ctx.options["max_age"] is None or ctx.options["id"] is not None:
        return None
    note = ctx.state.all().get(_replacement_key(new)) if ctx.state is not None else None
    if note is None:
        return None
    old = (note.get("id"), note.get("created_at"))
    return next((item for item in snapshots if (item.id, item.created_at) == old), None)


def _requested_key(name: str) -> str:
    return f"{REQUESTED} {name}"


def _replacement_key(new: Snapshot) -> str:
    """The key contains the id, so that tasks of other names do not overwrite the note."""
    return f"{REPLACED} by {new.id}"


def _record(ctx: OperationContext, key: str, **fields: str | float | None) -> None:
    if ctx.state is not None:
        with contextlib.suppress(OSError):  # a full disk does not fail a task that has done its work
            ctx.state.put(key, **fields)
