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
from .._errors import RewindError
from .._provider.base import RUNNING, START, STOP, STOPPED, Server
from .._provider.values import parse_address
from .._signal_guard import guard_signals
from .._state.server_lock import lock_server
from .._wait.polling import Deadline
from .._wait.waiters import EXPECTED_POWER_SECONDS, Stopwatch, wait_server_idle, wait_with_context
from .context import OperationContext
from .permissions import predict_change

UNKNOWN_STOP_TIMEOUT = 180.0  # for a stop of which it is unknown whether it was requested
DELAYED_STOP_TIMEOUT = 120.0  # a stop may still happen so long after the task stopped waiting
START_TIMEOUT = 300.0  # in addition to the time of a snapshot that is still in progress
MAX_RECOVERY_AGE = 86400.0  # a server that has been off for longer may be off on purpose
STOPPED_FOR_SNAPSHOT = "stopped"  # the server was stopped for a snapshot and is to be started again
RETRYABLE_START_ERRORS = frozenset({errors.PROVIDER_REJECTED, errors.BUSY, *errors.TRANSIENT})  # rejections that may be temporary


@contextlib.contextmanager
def stop_temporarily(ctx: OperationContext, server: Server, deadline: Deadline) -> Iterator[None]:
    """Stop the server inside the block, and start it afterwards if it was running before.

    Args:
        server: Just read, with its power state.

    Raises:
        RewindError: It cannot be stopped or, worse, not be started again.
    """
    if server.power_state == STOPPED:
        yield
        return
    if server.power_state != RUNNING:
        raise RewindError(
            f"Server {server.label} is {server.power_state}; only a running server can be stopped for its snapshot",
            kind=errors.NOT_READY, server=server.label, hint="check it in the provider's panel, or omit stop_server",
        )
    with guard_signals(ctx.redeliver_signal, interrupts=True) as defer:
        stop_sent = confirmed_off = False
        had_note = ctx.state is not None and STOPPED_FOR_SNAPSHOT in ctx.state.all()
        _write_stop_note(ctx, server)
        try:
            deadline = _request_stop(ctx, server, deadline)
            stop_sent = True
            wait_server_idle(ctx, server, deadline, STOPPED)
            confirmed_off = ctx.changes.changed = True
            yield
        except BaseException as cause:
            defer()
            stop_requested = not isinstance(cause, RewindError) or stop_sent
            if stop_requested:
                _restart(ctx, server, confirmed_off, cause)
            if stop_requested or not had_note:  # a rejected stop does not cancel an earlier one that may be in progress
                clear_stop_note(ctx)
            raise
        defer()
        _restart(ctx, server, confirmed_off, None)
        clear_stop_note(ctx)


def start(ctx: OperationContext, server: Server, deadline: Deadline) -> Server:
    """Start a server, and return it once it runs.

    A provider may reject a start until a snapshot is finished. A rejected start did not happen, so it is sent again. It is
    also sent again if the server was stopped and idle for a minute.
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
                    error.outcome = errors.FAILED  # a definite rejection: the server is known to be stopped
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
    """Request the stop once, and return the deadline for it."""
    ctx.report_progress(server, "stopping for the snapshot")
    try:
        ctx.send_change(lambda: ctx.provider.set_power(server, STOP))
        ctx.changes.changed = True
        return deadline
    except RewindError as error:
        error.add_context(server.label)
        if error.outcome != errors.UNKNOWN:
            if error.kind == errors.PROVIDER_REJECTED:
                with contextlib.suppress(RewindError):
                    if ctx.provider.get_server(server.id).power_state == STOPPED:
                        return deadline  # a stop of an interrupted task was in progress
            raise
        # It may have arrived: wait as long as a stop may take.
        return Deadline(min(deadline.remaining, UNKNOWN_STOP_TIMEOUT), deadline.clock)


def _restart(ctx: OperationContext, server: Server, confirmed_off: bool, cause: BaseException | None) -> None:
    if not confirmed_off:
        _wait_delayed_stop(ctx, server, cause, DELAYED_STOP_TIMEOUT)
    _restart_after_snapshot(ctx, server, cause)


def _restart_after_snapshot(ctx: OperationContext, server: Server, cause: BaseException | None) -> Server:
    """Start a server that was stopped for its snapshot. If that fails, the message begins with it."""
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


def _request_start(ctx: OperationContext, server: Server) -> bool:
    """Request a start once, without a wait. Return False if the provider rejects it now."""
    try:
        ctx.send_change(lambda: ctx.provider.set_power(server, START))
    except RewindError:
        return False
    ctx.changes.changed = True
    return True


def _write_stop_note(ctx: OperationContext, server: Server) -> None:
    """Write the note with which the next task starts the server if this process is killed."""
    if ctx.state is None:
        return
    try:
        ctx.state.put(STOPPED_FOR_SNAPSHOT, address=server.address)
    except OSError:
        ctx.warnings.append(f"Local state cannot be written; if this task is killed, nothing starts server {server.label} again.")


def clear_stop_note(ctx: OperationContext) -> None:
    """Delete the note: the server runs again, or is not to be started."""
    if ctx.state is not None:
        ctx.state.delete(STOPPED_FOR_SNAPSHOT)


def _wait_delayed_stop(ctx: OperationContext, server: Server, cause: BaseException | None, seconds: float) -> None:
    """Wait for a stop that was requested and not observed: it may still happen, and the server must not stay off.

    A system that is shutting down may still be reported as running, so it is observed for a while longer.
    """
    ctx.report_progress(server, "stop requested but not completed; watching so that the server does not stay off")
    try:
        wait_server_idle(ctx, server, Deadline(seconds), STOPPED)
    except RewindError as error:
        if isinstance(cause, RewindError) and error.kind == errors.WAIT_TIMEOUT:
            cause.hint = "the server runs, but a stop was requested: if it still stops, start it in the provider's panel"


@dataclass
class InterruptedStop:
    """A server that an interrupted task has stopped for its snapshot. It is started after the `with` block, even if the block fails.

    Attributes:
        server: To be started; None if there is none.
        recovered_server: The same once it runs; None if there was nothing to wait for.
    """

    ctx: OperationContext
    server: Server | None = None
    recovered_server: Server | None = None

    def __enter__(self) -> InterruptedStop:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, RewindError):
            self._recover(error)

    def detect(self, server: Server) -> None:
        """Check, while the lock is held, whether there is a note about the server."""
        if self._stop_note() is not None:
            self.server = server

    def _recover(self, first_error: RewindError | None) -> None:
        """Start the server, if it is stopped."""
        ctx, latest = self.ctx, None
        if self.server is None:
            return
        try:
            with lock_server(ctx, self.server) as server:
                note = self._stop_note()
                if note is None:
                    return  # this task or another one has started it
                latest = self._reread(server, note)
                if not _is_other_server(latest, note):
                    self._start(latest, note, first_error)
        except RewindError as error:
            if latest is None:
                label = self.server.label
                error.message = f"Server {label}, which an interrupted task had stopped for a snapshot, may still be stopped: {error.message}"
                if first_error is not None:  # this error must not hide it
                    error.message += f"; before that: {first_error.message}"
                    error.outcome = first_error.outcome if error.outcome == errors.NOT_APPLIED else error.outcome
            raise

    def _stop_note(self) -> dict[str, Any] | None:
        ctx = self.ctx
        note = ctx.state.get(STOPPED_FOR_SNAPSHOT, MAX_RECOVERY_AGE) if ctx.state is not None else None
        # Check mode does not lock. While another task does, the note belongs to it.
        return None if note is not None and ctx.check_mode and ctx.lock.is_locked() else note

    def _reread(self, server: Server, note: dict[str, Any]) -> Server:
        """Read the server again. One that still runs is observed for a while, since the stop may be delayed."""
        ctx = self.ctx
        latest = ctx.provider.get_server(server.id)
        remaining = _stop_window_left(note)
        if latest.power_state == RUNNING and remaining > 0 and ctx.options["wait"] and not ctx.check_mode and not _is_other_server(latest, note):
            _wait_delayed_stop(ctx, latest, None, remaining)
            latest = ctx.provider.get_server(server.id)
        return latest

    def _start(self, latest: Server, note: dict[str, Any], first_error: RewindError | None) -> None:
        ctx, is_off = self.ctx, latest.power_state == STOPPED
        if ctx.check_mode:
            if is_off:
                predict_change(ctx)
            self._warn(latest, "It would be started.")
        elif ctx.options["wait"]:
            self._warn(latest, "It is started.")
            if is_off or latest.task_state:
                self.recovered_server = _restart_after_snapshot(ctx, latest, first_error)
            clear_stop_note(ctx)
        elif is_off and _request_start(ctx, latest):
            self._warn(latest, "Its start was requested; this task does not wait for it.")
            clear_stop_note(ctx)
        elif is_off:
            self._warn(latest, "It cannot be started now: the next task with wait: true starts it, or start it in the provider's panel.")
        elif _stop_window_left(note) <= 0:  # otherwise the stop may still happen, which this task does not observe: the next one checks again
            clear_stop_note(ctx)

    def _warn(self, latest: Server, message: str) -> None:
        if latest.power_state == STOPPED:
            self.ctx.warnings.append(
                f"Server {latest.label} was stopped: an interrupted task on this machine had stopped it for a snapshot. {message}"
            )


def _stop_window_left(note: dict[str, Any]) -> float:
    """Return for how many seconds a delayed stop may still happen."""
    return DELAYED_STOP_TIMEOUT - (time.time() - note["at"])


def _is_other_server(latest: Server, note: dict[str, Any]) -> bool:
    """Return whether it is another server of that name: of another account, or a new one."""
    noted_address = note.get("address")
    return bool(noted_address and latest.addresses) and parse_address(noted_address) not in latest.addresses
