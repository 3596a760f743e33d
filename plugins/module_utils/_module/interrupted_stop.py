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
from .._state.operation_lock import lock_server
from . import power
from .context import OperationContext

OLDEST_SECONDS = 86400.0  # a server that has been off for longer may be so by somebody's wish


@dataclass
class EarlierStop:
    """What an earlier task that was killed has left.

    :ivar server: stopped by it, and to be started; None where there is nothing to do.
    :ivar after: the same once it runs; None where nothing had to be waited for.
    """

    ctx: OperationContext
    server: Server | None = None
    after: Server | None = None

    def look(self, server: Server) -> None:
        """See, in this task's turn, whether there is a note about the server."""
        if self._note() is not None:
            self.server = server

    def end(self, trouble: RewindError | None) -> None:
        """Start the server, if it is off."""
        ctx, looked = self.ctx, False
        if self.server is None:
            return
        try:
            with lock_server(ctx, self.server) as server:
                note = self._note()
                if note is None:
                    return  # it runs again: by this task's own doing, or by another's
                now = self._look_again(server, note)
                looked = True
                if _is_another(now, note):
                    return
                self._start(now, note, trouble)
        except RewindError as error:
            if not looked:
                _say_all(error, self.server, trouble)
            raise

    def _note(self) -> dict[str, Any] | None:
        state = self.ctx.state
        if state is None or (self.ctx.check_mode and state.is_locked()):  # a check run waits for no turn: this one is another's, who lives
            return None
        return state.get(power.STOPPED_NOTE, OLDEST_SECONDS)

    def _look_again(self, server: Server, note: dict[str, Any]) -> Server:
        """The server now; one that still runs is watched for a while, since the stop may come late."""
        ctx = self.ctx
        now = ctx.provider.get_server(server.id)
        left = _may_stop_for(note)
        if now.power_state == RUNNING and left > 0 and ctx.options["wait"] and not ctx.check_mode and not _is_another(now, note):
            power.watch_late_stop(ctx, now, None, left)
            now = ctx.provider.get_server(server.id)
        return now

    def _start(self, now: Server, note: dict[str, Any], trouble: RewindError | None) -> None:
        ctx, is_off = self.ctx, now.power_state == STOPPED
        if ctx.check_mode:
            ctx.changes.changed = ctx.changes.changed or is_off
            self._say(now, "It would be started.")
        elif ctx.options["wait"]:
            self._say(now, "It is started.")
            if is_off or now.task_state:
                self.after = power.start_after_snapshot(ctx, now, trouble)
            power.forget_stop(ctx)
        elif is_off and power.start_at_once(ctx, now):
            self._say(now, "Its start is asked for, and this task does not wait for it.")
            power.forget_stop(ctx)
        elif is_off:
            self._say(now, "It can't be started right now: the next task that waits does it, or you in the cloud's panel.")
        elif _may_stop_for(note) <= 0:  # else the stop may still come, which this task does not watch: the next one looks again
            power.forget_stop(ctx)

    def _say(self, now: Server, what: str) -> None:
        if now.power_state == STOPPED:
            self.ctx.warnings.append(
                f"Server {now.label} was off: an earlier task of this machine has stopped it for a snapshot and was cut off. {what}"
            )


def _may_stop_for(note: dict[str, Any]) -> float:
    """Seconds for which a server that still runs may go off by the stop that was noted."""
    return power.LATE_STOP_SECONDS - (time.time() - note["at"])


def _is_another(now: Server, note: dict[str, Any]) -> bool:
    """Whether it is another server of that name: another account's, or a new one."""
    noted = note.get("address")
    return None not in (noted, now.address) and noted != now.address


def _say_all(error: RewindError, server: Server, trouble: RewindError | None) -> None:
    """What kept this task from seeing to the server must not hide what happened before."""
    error.message = f"Server {server.label}, which an earlier task has stopped for a snapshot, may still be off: {error.message}"
    if trouble is not None:
        error.message += f"; before that: {trouble.message}"
        error.outcome = trouble.outcome if error.outcome == errors.NOT_APPLIED else error.outcome


@contextlib.contextmanager
def undone(ctx: OperationContext) -> Iterator[EarlierStop]:
    """After the block, what an earlier task has left stopped is started, whatever became of the block."""
    earlier = EarlierStop(ctx)
    try:
        yield earlier
    except RewindError as trouble:
        earlier.end(trouble)
        raise
    earlier.end(None)
