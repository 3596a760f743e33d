# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stops a server around something and starts it again, whatever happens in between."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils import errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task
from ansible_collections.rewind.vps.plugins.module_utils.operations.waiting import (
    wait_for_power,
    wait_until_settled,
)
from ansible_collections.rewind.vps.plugins.module_utils.polling import Deadline
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import RUNNING, START, STOP, STOPPED, Server

UNKNOWN_SECONDS = 180  # how long to look for a change of power of which it is unknown whether it was asked for
START_SECONDS = 300  # a started server gets this long, even when the task's own time is used up


@contextlib.contextmanager
def stopped(task: Task, server: Server, deadline: Deadline) -> Iterator[None]:
    """The server is off inside, and as it was before afterwards.

    :arg server: freshly asked for, with its power.
    :raises RewindError: it can't be stopped, or, worst, can't be started again.
    """
    if server.power == STOPPED and not server.busy:
        yield
        return
    with _end_gently():
        seen_off = False
        try:
            _change_power(task, server, STOP, STOPPED, deadline)
            seen_off = True
            yield
        except BaseException as trouble:
            if not seen_off and not _was_refused(trouble):
                _watch_late_stop(task, server, trouble)
            _start_again(task, server, trouble)
            raise
        _start_again(task, server, None)


def start(task: Task, server: Server, deadline: Deadline) -> Server:
    """Start a server that is off and wait until it runs."""
    return _change_power(task, server, START, RUNNING, deadline)


def _change_power(task: Task, server: Server, action: str, wanted: str, deadline: Deadline) -> Server:
    task.tell(f"asking server {server.label} to {action}")
    try:
        task.provider.set_power(server, action)
        task.done.changed = True
    except RewindError as error:
        if error.outcome != errors.UNKNOWN:
            error.about(server.label)
            raise
        # It may have arrived: give it the time that it would need, and look.
        deadline = Deadline(min(deadline.left, UNKNOWN_SECONDS), deadline.clock)
    arrived = wait_for_power(task, server, wanted, deadline)
    task.done.changed = True
    return arrived


def _was_refused(trouble: BaseException) -> bool:
    return isinstance(trouble, RewindError) and trouble.outcome == errors.REFUSED


def _watch_late_stop(task: Task, server: Server, trouble: BaseException) -> None:
    """The server was asked to stop and was not seen off: it may still go off, and must not stay so.

    A system that is shutting itself down may look as if it simply ran, so it is watched for a while longer.
    """
    task.tell(f"server {server.label} was asked to stop and has not yet; watching, so that it does not stay off")
    try:
        wait_for_power(task, server, STOPPED, Deadline(min(task.options["wait_timeout"], START_SECONDS)))
    except RewindError as error:
        if isinstance(trouble, RewindError) and error.kind == errors.WAIT_TIMEOUT:
            trouble.hint = "the server runs, but it was asked to stop: if it still does, start it in the cloud's panel"


def _start_again(task: Task, server: Server, trouble: BaseException | None) -> None:
    """Bring the server up; where that fails, that is what must be said first."""
    deadline = Deadline(START_SECONDS)
    try:
        if wait_until_settled(task, server, deadline).power != RUNNING:
            start(task, server, deadline)
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


class Ended(BaseException):
    """The process was asked to end; raised so that what must be put back is put back."""


@contextlib.contextmanager
def _end_gently() -> Iterator[None]:
    """While a server is off because of us, SIGTERM unwinds as Ctrl-C does, instead of ending the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise Ended(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
