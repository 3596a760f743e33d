# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets one task of this machine at a time read a server's state, decide, and request a change.

A provider cannot be asked to change something only if nothing else has changed since. So a task holds a lock from the
read to the provider's response. It releases the lock while it only waits: other tasks can then see what is in progress,
and adopt it, join it or fail. The lock covers the tasks of one user on one machine.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import _errors as errors
from .._errors import RewindError
from .._files import FileLock, server_key
from .._provider.base import Server
from .._wait.polling import Deadline, wait_until
from . import local_state
from .local_state import LocalState

if TYPE_CHECKING:
    from .._module.context import OperationContext

MIN_LOCK_TIMEOUT = 60.0  # for a task that waits for nothing else, or that has no time left
LOCK_POLL_INTERVAL = 2.0  # the lock is a local file: a poll costs nothing


class ServerLock:
    """The lock of one server.

    Args:
        directory: See `local_state.state_directory`.
        key: The server's name here, see `_files.server_key`.
    """

    def __init__(self, directory: str, key: str) -> None:
        path = os.path.join(directory, key)
        self._lock = FileLock(f"{path}.lock")
        self._restore_lock = FileLock(f"{path}.restoring")

    def try_acquire(self, allow_during_restore: bool = False) -> bool:
        """Take the lock. Return False if another task holds it, or waits for a restore of this server.

        Args:
            allow_during_restore: Ignore the other task's restore. Only for a task that can join it.

        Raises:
            OSError: This machine cannot lock here.
        """
        if not self._lock.try_acquire():
            return False
        if allow_during_restore:
            return True
        probe = FileLock(self._restore_lock.path)
        no_restore = False
        try:
            no_restore = probe.try_acquire()
        finally:
            probe.release()
            if not no_restore:
                self._lock.release()
        return no_restore

    def release(self, mark_changed: bool) -> None:
        """Release the lock.

        Args:
            mark_changed: A change was requested, so what other tasks have read before may be outdated.
        """
        with contextlib.suppress(OSError):
            if mark_changed and self._lock.handle is not None:
                os.pwrite(self._lock.handle, f"{time.monotonic_ns():020d}".encode(), 0)
        self._lock.release()

    def changed_since(self, since_ns: int) -> bool:
        """Return whether a task has requested a change since a time of `time.monotonic_ns`. Only while the lock is held."""
        try:
            # A time in the future was written before this machine was booted.
            return since_ns <= int(os.pread(self._lock.handle or 0, 20, 0) or b"0") <= time.monotonic_ns()
        except (OSError, ValueError):
            return True

    def hold_restore_lock(self) -> None:
        """Let no other task change the server until `release_restore_lock`, also after `release`.

        Whatever else changes on the server cannot be distinguished from what the restore does.
        """
        with contextlib.suppress(OSError):
            self._restore_lock.try_acquire()

    def release_restore_lock(self) -> None:
        """The task does not wait for its restore any more."""
        self._restore_lock.release()

    def is_locked(self) -> bool:
        """Return whether a task holds the lock. Nothing is created or written."""
        return self._lock.is_locked()


@contextlib.contextmanager
def lock_server(ctx: OperationContext, server: Server | None = None, allow_during_restore: bool = False) -> Iterator[Server]:
    """Hold the server's lock inside the block, and yield the server. In check mode nothing is locked.

    Args:
        server: If it is known already. Its power state is not used again.
        allow_during_restore: See `ServerLock.try_acquire`.

    Raises:
        RewindError: `busy`: another task kept the lock for too long.
    """
    with contextlib.ExitStack() as admission:
        admission.enter_context(ctx.admission())
        started_at = time.monotonic_ns()
        ctx.provider.invalidate()  # shared reads from before the admission are outdated
        known = replace(server, power_state=None, task_state=None) if server else ctx.provider.server_from_reference(ctx.server_reference)
        known = known or ctx.provider.get_server(ctx.server_reference)
        _open_local_state(ctx, known)
        try:
            acquired = ctx.lock is not None and not ctx.check_mode and _acquire(ctx, ctx.lock, known, allow_during_restore, admission)
            if not acquired and not ctx.check_mode:
                ctx.lock = ctx.state = None  # without the lock a note may belong to a task that is still running
            ctx.provider.invalidate()
            if acquired and known.power_state is not None and ctx.lock.changed_since(started_at):
                known = ctx.provider.get_server(known.id)  # it was read while another task held the lock
            yield known
        finally:
            if ctx.lock is not None:
                ctx.lock.release(ctx.changes.request_sent)
            ctx.lock = ctx.state = None


def _open_local_state(ctx: OperationContext, server: Server) -> None:
    directory = local_state.state_directory(create=not ctx.check_mode)
    if directory is None:
        ctx.lock = ctx.state = None
        _warn_unlocked(ctx)
        return
    key = server_key(ctx.options["provider"], ctx.options["api_url"], server.id)
    ctx.lock, ctx.state = ServerLock(directory, key), LocalState(directory, key)


def _acquire(ctx: OperationContext, lock: ServerLock, server: Server, allow_during_restore: bool, admission: contextlib.ExitStack) -> bool:
    """Wait for the lock. Return False, with a warning, if this machine cannot lock."""

    def is_free() -> bool | None:
        if not lock.try_acquire(allow_during_restore):
            return None
        lock.release(mark_changed=False)
        return True

    try:
        if lock.try_acquire(allow_during_restore):
            return True
        deadline = _lock_deadline(ctx)
        while True:
            admission.close()  # while it waits for another task, the next server of this task may enter
            wait_until(
                is_free, description=f"the lock of server {server.label}, held by another task on this machine", deadline=deadline,
                expected_seconds=0.0, on_progress=ctx.progress, timeout_hint="", max_interval=LOCK_POLL_INTERVAL,
            )
            remaining = deadline.remaining
            admission.enter_context(ctx.admission())
            if lock.try_acquire(allow_during_restore):
                return True
            if ctx.is_part_of_bulk:
                deadline = Deadline(remaining)  # the time until the admission was not spent on the other task
    except OSError:
        _warn_unlocked(ctx)
        return False
    except RewindError:
        raise RewindError(
            f"Server {server.label} is locked by another task on this machine",
            kind=errors.BUSY, server=server.label, hint="run again when it is done",
        ) from None


def _lock_deadline(ctx: OperationContext) -> Deadline:
    deadline = Deadline(MIN_LOCK_TIMEOUT)
    if ctx.options.get("wait", False):
        # The time of one server of a bulk task starts with its own request.
        deadline = Deadline(ctx.options["wait_timeout"]) if ctx.is_part_of_bulk else ctx.deadline
    if ctx.changes.request_sent:  # what was requested must be completed, even if the time is up
        deadline = Deadline(max(deadline.remaining, MIN_LOCK_TIMEOUT))
    return deadline


def _warn_unlocked(ctx: OperationContext) -> None:
    warning = (
        f"No writable state directory ({local_state.STATE_DIR}, temporary directory): per-server locking is disabled, so two tasks may change one "
        "server at the same time."
    )
    if not ctx.check_mode and warning not in ctx.warnings:  # a task locks the server more than once
        ctx.warnings.append(warning)
