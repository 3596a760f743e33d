# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stops a server around something and starts it again, whatever happens in between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import RUNNING, START, STOP, STOPPED, Server
from .._wait.polling import Deadline
from .._wait.waiters import EXPECTED_POWER_SECONDS, Stopwatch, wait_for_power, wait_with_context
from . import signal_guard
from .context import OperationContext

UNKNOWN_SECONDS = 180.0  # how long to look for a stop of which it is unknown whether it was asked for
LATE_STOP_SECONDS = 120.0  # a stop may come so long after the task has given up waiting for it
START_SECONDS = 300.0  # a start gets this long, beyond what a snapshot that is still being made may take
STOPPED_NOTE = "stopped"  # the server was stopped for a snapshot and is to be started again
NOT_NOW = frozenset({errors.PROVIDER_REJECTED, errors.BUSY, *errors.TRANSIENT})  # a no that may be a yes a little later


@contextlib.contextmanager
def stopped(ctx: OperationContext, server: Server, deadline: Deadline) -> Iterator[None]:
    """The server is off inside, and runs again afterwards if it ran before.

    :arg server: freshly asked for, with its power.
    :raises RewindError: it can't be stopped, or, worst, can't be started again.
    """
    if server.power_state == STOPPED:
        yield
        return
    if server.power_state != RUNNING:
        raise RewindError(
            f"Server {server.label} is {server.power_state}: neither running, so that it could be stopped, nor stopped",
            kind=errors.NOT_READY, server=server.label, hint="look at it in the cloud's panel, or leave stop_server out",
        )
    with signal_guard.raise_on_signal(ctx.redeliver_signal) as defer:
        stop_sent = seen_off = False
        noted_before = ctx.state is not None and STOPPED_NOTE in ctx.state.all()
        _write_note(ctx, server)
        try:
            deadline = _ask_to_stop(ctx, server, deadline)
            stop_sent = True
            wait_for_power(ctx, server, STOPPED, deadline)
            seen_off = ctx.changes.changed = True
            yield
        except BaseException as trouble:
            defer()
            asked_to_stop = not isinstance(trouble, RewindError) or stop_sent
            if asked_to_stop:
                _start_again(ctx, server, seen_off, trouble)
            if asked_to_stop or not noted_before:  # a refused stop does not undo an earlier one that may be under way
                forget_stop(ctx)
            raise
        defer()
        _start_again(ctx, server, seen_off, None)
        forget_stop(ctx)


def start(ctx: OperationContext, server: Server, deadline: Deadline) -> Server:
    """Bring a server up, and return it once it runs.

    A cloud that refuses to start it now may do so a little later (when a snapshot is done): a refused start did not
    happen, so it is asked for again. So is one after which the server has been seen off and idle for a minute.
    """
    refusal: RewindError | None = None
    sent = False
    off = Stopwatch(deadline)

    def step() -> Server | None:
        nonlocal refusal, sent
        now = ctx.provider.get_server(server.id)
        if now.power_state == RUNNING and not now.task_state:
            return now
        if off.seconds_while(now.power_state == STOPPED and not now.task_state) >= EXPECTED_POWER_SECONDS:
            off.seconds_while(False)
            sent = False
        if not now.task_state and not sent:
            try:
                ctx.send_change(lambda: ctx.provider.set_power(server, START))
                sent = ctx.changes.changed = True
            except RewindError as error:
                sent = error.outcome == errors.UNKNOWN
                refusal = error
                if not sent and error.kind not in NOT_NOW:
                    error.outcome = errors.FAILED  # the cloud's clear no: that the server is off is known
                    raise
        return None

    ctx.report_progress(server, "it is started")
    try:
        return wait_with_context(
            ctx, step, f"server {server.label} to be started", deadline, EXPECTED_POWER_SECONDS, server, None,
            "start the server in the cloud's panel",
        )
    except RewindError as error:
        if refusal is not None and error.kind == errors.WAIT_TIMEOUT:
            error.outcome = errors.UNKNOWN if sent else errors.FAILED
            error.message += f"; the last try to start it: {refusal.message}"
            error.provider_message = refusal.provider_message
        raise


def _ask_to_stop(ctx: OperationContext, server: Server, deadline: Deadline) -> Deadline:
    """Ask once, and return how long to wait for it."""
    ctx.report_progress(server, "it is stopped for its snapshot")
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
        return Deadline(min(deadline.remaining, UNKNOWN_SECONDS), deadline.clock)


def _start_again(ctx: OperationContext, server: Server, seen_off: bool, trouble: BaseException | None) -> None:
    if not seen_off:
        watch_late_stop(ctx, server, trouble, LATE_STOP_SECONDS)
    start_after_snapshot(ctx, server, trouble)


def _is_off(ctx: OperationContext, server: Server) -> bool:
    try:
        return ctx.provider.get_server(server.id).power_state == STOPPED
    except RewindError:
        return False


def start_after_snapshot(ctx: OperationContext, server: Server, trouble: BaseException | None) -> Server:
    """Bring a server up that was stopped for its snapshot; where that fails, that is what must be said first."""
    try:
        return start(ctx, server, Deadline(ctx.provider.capabilities.expected_create_seconds + START_SECONDS))
    except RewindError as error:
        before = f"; before that: {trouble.message}" if isinstance(trouble, RewindError) else ""
        raise RewindError(
            f"Server {server.label} was stopped for the snapshot and could NOT be started again ({error.message}){before}",
            kind=error.kind,
            outcome=errors.UNKNOWN if error.outcome == errors.UNKNOWN else errors.FAILED,
            operation=error.operation,
            server=server.label,
            http_status=error.http_status,
            provider_message=error.provider_message,
            hint="START IT NOW in the cloud's panel",
        ) from None


def start_at_once(ctx: OperationContext, server: Server) -> bool:
    """Ask once for a start, and wait for nothing; False where the cloud does not take it now."""
    try:
        ctx.send_change(lambda: ctx.provider.set_power(server, START))
    except RewindError:
        return False
    ctx.changes.changed = True
    return True


def _write_note(ctx: OperationContext, server: Server) -> None:
    """What the next task needs to start the server, should this process be killed (see earlier_stop.py)."""
    if ctx.state is None:
        return
    try:
        ctx.state.put(STOPPED_NOTE, address=server.address)
    except OSError:
        ctx.warnings.append(f"No note could be written on this machine, so if this task is killed, nothing starts server {server.label} again.")


def forget_stop(ctx: OperationContext) -> None:
    """The server need not be started for a snapshot's sake any more."""
    if ctx.state is not None:
        ctx.state.delete(STOPPED_NOTE)


def watch_late_stop(ctx: OperationContext, server: Server, trouble: BaseException | None, seconds: float) -> None:
    """The server was asked to stop and was not seen off: it may still go off, and must not stay so.

    A system that is shutting itself down may look as if it simply ran, so it is watched for a while longer.
    """
    ctx.report_progress(server, "it was asked to stop and has not yet; it is watched, so that it does not stay off")
    try:
        wait_for_power(ctx, server, STOPPED, Deadline(seconds))
    except RewindError as error:
        if isinstance(trouble, RewindError) and error.kind == errors.WAIT_TIMEOUT:
            trouble.hint = "the server runs, but it was asked to stop: if it still does, start it in the cloud's panel"
