# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets one task of this machine at a time look at a server, decide, and ask for a change.

It is held from the look to the answer, and not while a task only waits: others may see what is under way, and adopt,
join or refuse it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from .. import _errors as errors
from .._errors import RewindError
from .._module.context import OperationContext
from .._provider.base import Server
from .._wait.polling import Deadline, wait_until
from . import server_lock

MIN_LOCK_TIMEOUT = 60.0  # how long a task that waits for nothing else, or has no time left, waits for its turn
LOCK_POLL_INTERVAL = 2.0  # the lock is on this machine: looking costs nothing


@contextlib.contextmanager
def lock_server(ctx: OperationContext, server: Server | None = None, allow_during_restore: bool = False) -> Iterator[Server]:
    """The server, while no other task of this machine decides about it. In check mode nobody is kept waiting.

    :arg server: where it is known already; what was seen of its power before is forgotten.
    :arg allow_during_restore: also while another task of this machine waits for a restore of the server.
    :raises RewindError: C(busy), it did not come to be this task's turn.
    """
    with contextlib.ExitStack() as admission:
        admission.enter_context(ctx.admission())
        yield from _hold_lock(ctx, server, allow_during_restore, admission)


def _hold_lock(ctx: OperationContext, server: Server | None, allow_during_restore: bool, admission: contextlib.ExitStack) -> Iterator[Server]:
    started_at = server_lock.monotonic_ns()
    ctx.provider.invalidate()  # what others have had read while this task waited for its slot is older
    known = replace(server, power_state=None, task_state=None) if server else ctx.provider.server_from_reference(ctx.server_reference)
    known = known or ctx.provider.get_server(ctx.server_reference)
    ctx.state = _open_state(ctx, known)
    try:
        acquired = ctx.state is not None and not ctx.check_mode and _acquire(ctx, ctx.state, known, allow_during_restore, admission)
        if not acquired and not ctx.check_mode:
            ctx.state = None  # without the lock a note may be of a task that is at work
        ctx.provider.invalidate()
        if acquired and known.power_state is not None and ctx.state.changed_since(started_at):
            known = ctx.provider.get_server(known.id)  # what was seen while another task had its turn
        yield known
    finally:
        if ctx.state is not None:
            ctx.state.release(ctx.changes.request_sent)
        ctx.state = None


def _open_state(ctx: OperationContext, server: Server) -> server_lock.LocalState | None:
    directory = server_lock.state_directory(create=not ctx.check_mode)
    return server_lock.LocalState(directory, ctx.options["provider"], ctx.options["api_url"], server.id) if directory else _warn_unlocked(ctx)


def _acquire(
    ctx: OperationContext, state: server_lock.LocalState, server: Server, allow_during_restore: bool, admission: contextlib.ExitStack,
) -> bool:
    """Wait for the turn; False where this machine can't lock, which is said."""

    def is_free() -> bool | None:
        if not state.try_acquire(allow_during_restore):
            return None
        state.release(mark_changed=False)
        return True

    try:
        if state.try_acquire(allow_during_restore):
            return True
        deadline = _lock_deadline(ctx)
        while True:
            admission.close()  # who waits for another task keeps nobody of its own waiting meanwhile
            wait_until(
                is_free, description=f"another task of this machine to be done with server {server.label}", deadline=deadline, expected_seconds=0.0,
                on_progress=ctx.progress, timeout_hint="", max_interval=LOCK_POLL_INTERVAL,
            )
            remaining = deadline.remaining
            admission.enter_context(ctx.admission())
            if state.try_acquire(allow_during_restore):
                return True
            if ctx.is_part_of_bulk:
                deadline = Deadline(remaining)  # the time until there was a slot again was not the other task's
    except OSError:
        _warn_unlocked(ctx)
        return False
    except RewindError:
        raise RewindError(
            f"Another task on this machine is at work on server {server.label}",
            kind=errors.BUSY, server=server.label, hint="run again when it is done",
        ) from None


def _lock_deadline(ctx: OperationContext) -> Deadline:
    deadline = Deadline(MIN_LOCK_TIMEOUT)
    if ctx.options.get("wait", False):
        # One of many begins to wait for what it has asked for when it has asked.
        deadline = Deadline(ctx.options["wait_timeout"]) if ctx.is_part_of_bulk else ctx.deadline
    if ctx.changes.request_sent:  # its time may be up with what it has asked for, and that is to be finished all the same
        deadline = Deadline(max(deadline.remaining, MIN_LOCK_TIMEOUT))
    return deadline


def _warn_unlocked(ctx: OperationContext) -> None:
    warning = (
        f"Neither {server_lock.STATE_DIR} nor the folder for temporary files can be written where this task runs, so two tasks on one server at the "
        "same moment would not know of each other."
    )
    if not ctx.check_mode and warning not in ctx.warnings:  # a task has more than one turn
        ctx.warnings.append(warning)
