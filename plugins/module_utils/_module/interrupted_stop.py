# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that a task has stopped for its snapshot runs again, even if that task was killed: the next one starts it.

Nobody who looks at a server that is off can tell whether somebody wanted it so. So a task that stops one writes a note
first, on this machine, and takes it back when the server runs again. A note that is found in a task's turn was left by
one that was killed, for a task that lives would still have its turn.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import RUNNING, STOPPED, Server
from .._state.server_lock import lock_server
from . import power
from .context import OperationContext

MAX_RECOVERY_AGE = 86400.0  # a server that has been off for longer may be so by somebody's wish


@dataclass
class InterruptedStop:
    """What an earlier task that was killed has left.

    :ivar server: stopped by it, and to be started; None where there is nothing to do.
    :ivar recovered_server: the same once it runs; None where nothing had to be waited for.
    """

    ctx: OperationContext
    server: Server | None = None
    recovered_server: Server | None = None

    def detect(self, server: Server) -> None:
        """See, in this task's turn, whether there is a note about the server."""
        if self._stop_note() is not None:
            self.server = server

    def recover(self, first_error: RewindError | None) -> None:
        """Start the server, if it is off."""
        ctx, reread = self.ctx, False
        if self.server is None:
            return
        try:
            with lock_server(ctx, self.server) as server:
                note = self._stop_note()
                if note is None:
                    return  # it runs again: by this task's own doing, or by another's
                latest = self._reread(server, note)
                reread = True
                if _is_other_server(latest, note):
                    return
                self._start(latest, note, first_error)
        except RewindError as error:
            if not reread:
                _add_context(error, self.server, first_error)
            raise

    def _stop_note(self) -> dict[str, Any] | None:
        ctx = self.ctx
        if ctx.state is None or (ctx.check_mode and ctx.lock.is_locked()):  # check mode does not lock: the note belongs to a running task
            return None
        return ctx.state.get(power.STOPPED_FOR_SNAPSHOT, MAX_RECOVERY_AGE)

    def _reread(self, server: Server, note: dict[str, Any]) -> Server:
        """The server now; one that still runs is watched for a while, since the stop may come late."""
        ctx = self.ctx
        latest = ctx.provider.get_server(server.id)
        remaining = _stop_window_left(note)
        if latest.power_state == RUNNING and remaining > 0 and ctx.options["wait"] and not ctx.check_mode and not _is_other_server(latest, note):
            power.wait_delayed_stop(ctx, latest, None, remaining)
            latest = ctx.provider.get_server(server.id)
        return latest

    def _start(self, latest: Server, note: dict[str, Any], first_error: RewindError | None) -> None:
        ctx, is_off = self.ctx, latest.power_state == STOPPED
        if ctx.check_mode:
            ctx.changes.changed = ctx.changes.changed or is_off
            self._warn(latest, "It would be started.")
        elif ctx.options["wait"]:
            self._warn(latest, "It is started.")
            if is_off or latest.task_state:
                self.recovered_server = power.restart_after_snapshot(ctx, latest, first_error)
            power.clear_stop_note(ctx)
        elif is_off and power.request_start(ctx, latest):
            self._warn(latest, "Its start is asked for, and this task does not wait for it.")
            power.clear_stop_note(ctx)
        elif is_off:
            self._warn(latest, "It can't be started right now: the next task that waits does it, or you in the cloud's panel.")
        elif _stop_window_left(note) <= 0:  # else the stop may still come, which this task does not watch: the next one looks again
            power.clear_stop_note(ctx)

    def _warn(self, latest: Server, message: str) -> None:
        if latest.power_state == STOPPED:
            self.ctx.warnings.append(
                f"Server {latest.label} was off: an earlier task of this machine has stopped it for a snapshot and was cut off. {message}"
            )


def _stop_window_left(note: dict[str, Any]) -> float:
    """Seconds for which a server that still runs may go off by the stop that was noted."""
    return power.DELAYED_STOP_TIMEOUT - (time.time() - note["at"])


def _is_other_server(latest: Server, note: dict[str, Any]) -> bool:
    """Whether it is another server of that name: another account's, or a new one."""
    noted_address = note.get("address")
    return None not in (noted_address, latest.address) and noted_address != latest.address


def _add_context(error: RewindError, server: Server, first_error: RewindError | None) -> None:
    """What kept this task from seeing to the server must not hide what happened before."""
    error.message = f"Server {server.label}, which an earlier task has stopped for a snapshot, may still be off: {error.message}"
    if first_error is not None:
        error.message += f"; before that: {first_error.message}"
        error.outcome = first_error.outcome if error.outcome == errors.NOT_APPLIED else error.outcome


@contextlib.contextmanager
def restart_after_interrupted_stop(ctx: OperationContext) -> Iterator[InterruptedStop]:
    """After the block, what an earlier task has left stopped is started, whatever became of the block."""
    interrupted = InterruptedStop(ctx)
    try:
        yield interrupted
    except RewindError as first_error:
        interrupted.recover(first_error)
        raise
    interrupted.recover(None)
