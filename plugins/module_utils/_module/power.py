# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stops a server for a snapshot and starts it again, whatever happens in between.

The state of a stopped server does not show whether it is off on purpose. So a task that stops a server writes a note
first, on this machine, and deletes it when the server runs again. A note that a task finds while it holds the lock was
left by a task that was killed: the server is started then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import _errors as errors
from .. import _signal_guard as signal_guard
from .._errors import RewindError
from .._provider.base import RUNNING, START, STOP, STOPPED, Server
from .._state.server_lock import lock_server
from .._wait.polling import Deadline
from .._wait.waiters import EXPECTED_POWER_SECONDS, Stopwatch, wait_for_power, wait_with_context
from .context import OperationContext

UNKNOWN_STOP_TIMEOUT = 180.0  # how long to look for a stop of which it is unknown whether it was asked for
DELAYED_STOP_TIMEOUT = 120.0  # a stop may come so long after the task has given up waiting for it
START_TIMEOUT = 300.0  # a start gets this long, beyond what a snapshot that is still being made may take
MAX_RECOVERY_AGE = 86400.0  # a server that has been off for longer may be off on purpose
STOPPED_FOR_SNAPSHOT = "stopped"  # the server was stopped for a snapshot and is to be started again
RETRYABLE_START_ERRORS = frozenset({errors.PROVIDER_REJECTED, errors.BUSY, *errors.TRANSIENT})  # a no that may be a yes a little later


@contextlib.contextmanager
def stop_temporarily(ctx: OperationContext, server: Server, deadline: Deadline) -> Iterator[None]:
    """The server is off inside, and runs again afterwards if it ran before.

    :arg server: freshly asked for, with its power.
    :raises RewindError: it can't be stopped, or, worst, can't be started again.
    """
    if server.power_state == STOPPED:
        yield
        return
    if server.power_state != RUNNING:
        raise RewindError(
            f"Server {server.label} is {server.power_state}; only a running server can be stopped for its snapshot",
            kind=errors.NOT_READY, server=server.label, hint="check it in the provider's panel, or omit stop_server",
        )
    with signal_guard.raise_on_signal(ctx.redeliver_signal) as defer:
        stop_sent = confirmed_off = False
        had_note = ctx.state is not None and STOPPED_FOR_SNAPSHOT in ctx.state.all()
        _write_stop_note(ctx, server)
        try:
            deadline = _request_stop(ctx, server, deadline)
            stop_sent = True
            wait_for_power(ctx, server, STOPPED, deadline)
            confirmed_off = ctx.changes.changed = True
            yield
        except BaseException as cause:
            defer()
            stop_requested = not isinstance(cause, RewindError) or stop_sent
            if stop_requested:
                _restart(ctx, server, confirmed_off, cause)
            if stop_requested or not had_note:  # a refused stop does not undo an earlier one that may be under way
                clear_stop_note(ctx)
            raise
        defer()
        _restart(ctx, server, confirmed_off, None)
        clear_stop_note(ctx)


def start(ctx: OperationContext, server: Server, deadline: Deadline) -> Server:
    """Bring a server up, and return it once it runs.

    A cloud that refuses to start it now may do so a little later (when a snapshot is done): a refused start did not
    happen, so it is asked for again. So is one after which the server has been seen off and idle for a minute.
    """
    rejection: RewindError | None = None
    sent = False
    off = Stopwatch(deadline)

    def poll() -> Server | None:
        nonlocal rejection, sent
        latest = ctx.provider.get_server(server.id)
        if latest.power_state == RUNNING and not latest.task_state:
            return latest
        if off.seconds_while(latest.power_state == STOPPED and not latest.task_state) >= EXPECTED_POWER_SECONDS:
            off.seconds_while(False)
            sent = False
        if not latest.task_state and not sent:
            try:
                ctx.send_change(lambda: ctx.provider.set_power(server, START))
                sent = ctx.changes.changed = True
            except RewindError as error:
                sent = error.outcome == errors.UNKNOWN
                rejection = error
                if not sent and error.kind not in RETRYABLE_START_ERRORS:
                    error.outcome = errors.FAILED  # the cloud's clear no: that the server is off is known
                    raise
        return None

    ctx.report_progress(server, "starting")
    try:
        return wait_with_context(
            ctx, poll, f"server {server.label} to be started", deadline, EXPECTED_POWER_SECONDS, server, None,
            "start the server in the provider's panel",
        )
    except RewindError as error:
        if rejection is not None and error.kind == errors.WAIT_TIMEOUT:
            error.outcome = errors.UNKNOWN if sent else errors.FAILED
            error.message += f"; the last attempt to start it: {rejection.message}"
            error.provider_message = rejection.provider_message
        raise


def _request_stop(ctx: OperationContext, server: Server, deadline: Deadline) -> Deadline:
    """Ask once, and return how long to wait for it."""
    ctx.report_progress(server, "stopping for the snapshot")
    try:
        ctx.send_change(lambda: ctx.provider.set_power(server, STOP))
        ctx.changes.changed = True
        return deadline
    except RewindError as error:
        error.add_context(server.label)
        if error.outcome != errors.UNKNOWN:
            if error.kind == errors.PROVIDER_REJECTED and _is_off(ctx, server):
                return deadline  # a stop was under way already: an earlier task's, that was killed
            raise
        # It may have arrived: give it the time that it would need, and look.
        return Deadline(min(deadline.remaining, UNKNOWN_STOP_TIMEOUT), deadline.clock)


def _restart(ctx: OperationContext, server: Server, confirmed_off: bool, cause: BaseException | None) -> None:
    if not confirmed_off:
        wait_delayed_stop(ctx, server, cause, DELAYED_STOP_TIMEOUT)
    restart_after_snapshot(ctx, server, cause)


def _is_off(ctx: OperationContext, server: Server) -> bool:
    try:
        return ctx.provider.get_server(server.id).power_state == STOPPED
    except RewindError:
        return False


def restart_after_snapshot(ctx: OperationContext, server: Server, cause: BaseException | None) -> Server:
    """Bring a server up that was stopped for its snapshot; where that fails, that is what must be said first."""
    try:
        return start(ctx, server, Deadline(ctx.provider.capabilities.expected_create_seconds + START_TIMEOUT))
    except RewindError as error:
        before = f"; before that: {cause.message}" if isinstance(cause, RewindError) else ""
        raise RewindError(
            f"Server {server.label} was stopped for the snapshot and could NOT be started again ({error.message}){before}",
            kind=error.kind,
            outcome=errors.UNKNOWN if error.outcome == errors.UNKNOWN else errors.FAILED,
            operation=error.operation,
            server=server.label,
            http_status=error.http_status,
            provider_message=error.provider_message,
            hint="START IT NOW in the provider's panel",
        ) from None


def request_start(ctx: OperationContext, server: Server) -> bool:
    """Ask once for a start, and wait for nothing; False where the cloud does not take it now."""
    try:
        ctx.send_change(lambda: ctx.provider.set_power(server, START))
    except RewindError:
        return False
    ctx.changes.changed = True
    return True


def _write_stop_note(ctx: OperationContext, server: Server) -> None:
    """What the next task needs to start the server, should this process be killed (see interrupted_stop.py)."""
    if ctx.state is None:
        return
    try:
        ctx.state.put(STOPPED_FOR_SNAPSHOT, address=server.address)
    except OSError:
        ctx.warnings.append(f"Local state cannot be written; if this task is killed, nothing starts server {server.label} again.")


def clear_stop_note(ctx: OperationContext) -> None:
    """The server need not be started for a snapshot's sake any more."""
    if ctx.state is not None:
        ctx.state.delete(STOPPED_FOR_SNAPSHOT)


def wait_delayed_stop(ctx: OperationContext, server: Server, cause: BaseException | None, seconds: float) -> None:
    """The server was asked to stop and was not seen off: it may still go off, and must not stay so.

    A system that is shutting itself down may look as if it simply ran, so it is watched for a while longer.
    """
    ctx.report_progress(server, "stop requested but not completed; watching so that the server does not stay off")
    try:
        wait_for_power(ctx, server, STOPPED, Deadline(seconds))
    except RewindError as error:
        if isinstance(cause, RewindError) and error.kind == errors.WAIT_TIMEOUT:
            cause.hint = "the server runs, but a stop was requested: if it still stops, start it in the provider's panel"


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
        return ctx.state.get(STOPPED_FOR_SNAPSHOT, MAX_RECOVERY_AGE)

    def _reread(self, server: Server, note: dict[str, Any]) -> Server:
        """The server now; one that still runs is watched for a while, since the stop may come late."""
        ctx = self.ctx
        latest = ctx.provider.get_server(server.id)
        remaining = _stop_window_left(note)
        if latest.power_state == RUNNING and remaining > 0 and ctx.options["wait"] and not ctx.check_mode and not _is_other_server(latest, note):
            wait_delayed_stop(ctx, latest, None, remaining)
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
                self.recovered_server = restart_after_snapshot(ctx, latest, first_error)
            clear_stop_note(ctx)
        elif is_off and request_start(ctx, latest):
            self._warn(latest, "Its start was requested; this task does not wait for it.")
            clear_stop_note(ctx)
        elif is_off:
            self._warn(latest, "It cannot be started now: the next task with wait: true starts it, or start it in the provider's panel.")
        elif _stop_window_left(note) <= 0:  # else the stop may still come, which this task does not watch: the next one looks again
            clear_stop_note(ctx)

    def _warn(self, latest: Server, message: str) -> None:
        if latest.power_state == STOPPED:
            self.ctx.warnings.append(
                f"Server {latest.label} was stopped: an interrupted task on this machine had stopped it for a snapshot. {message}"
            )


def _stop_window_left(note: dict[str, Any]) -> float:
    """Seconds for which a server that still runs may go off by the stop that was noted."""
    return DELAYED_STOP_TIMEOUT - (time.time() - note["at"])


def _is_other_server(latest: Server, note: dict[str, Any]) -> bool:
    """Whether it is another server of that name: another account's, or a new one."""
    noted_address = note.get("address")
    return None not in (noted_address, latest.address) and noted_address != latest.address


def _add_context(error: RewindError, server: Server, first_error: RewindError | None) -> None:
    """What kept this task from seeing to the server must not hide what happened before."""
    error.message = f"Server {server.label}, which an interrupted task had stopped for a snapshot, may still be stopped: {error.message}"
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
