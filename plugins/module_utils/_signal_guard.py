# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps a signal from ending the process half way through what must be finished or put back.

The signals of someone who wants the process to end (SIGTERM, SIGHUP, SIGINT), and Ansible's own time limit of a task
(SIGALRM). What was held back is handed on afterwards, so that a loop does not go on to the next server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ._errors import Cancelled, Interrupted

_this_thread = threading.local()

_TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_HANDLED_SIGNALS = (*_TERMINATION_SIGNALS, signal.SIGALRM)

POLL_INTERVAL = 0.05


@contextlib.contextmanager
def defer_signals(redeliver: Callable[[int], None]) -> Iterator[None]:
    """Signals wait until the block is over.

    :arg redeliver: called with the first of them then.
    """
    with _install_handlers(redeliver) as (defer, dummy):
        defer()
        yield


@contextlib.contextmanager
def raise_on_signal(redeliver: Callable[[int], None]) -> Iterator[Callable[[], None]]:
    """A signal unwinds the block as an L(Interrupted) instead of ending the process at once; further ones wait.

    Gives a function from whose call on the first one waits, too.
    """
    with _install_handlers(redeliver) as (defer, raise_once):
        raise_once()
        yield defer


@contextlib.contextmanager
def _install_handlers(redeliver: Callable[[int], None]) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may say what a signal does
        signals: ThreadSignals | None = getattr(_this_thread, "signals", None)
        with signals.critical_section() if signals is not None else contextlib.nullcontext(((lambda: None), (lambda: None))) as callbacks:
            yield callbacks
        return
    pending: list[int] = []

    def hold(number: int, frame: Any) -> None:
        pending.append(number)

    def interrupt(number: int, frame: Any) -> None:
        pending.append(number)
        defer()
        raise Interrupted(number)

    def defer() -> None:
        for number in previous:
            signal.signal(number, hold)

    def raise_once() -> None:
        for number in _TERMINATION_SIGNALS:
            if number in previous:
                signal.signal(number, interrupt)

    previous = _active_handlers()
    try:
        yield defer, raise_once
    finally:
        _restore_handlers(previous)
        if pending:
            redeliver(pending[0])


def _active_handlers() -> dict[int, Any]:
    """What each signal does now; without those that are ignored (nohup), which stay so."""
    return {number: handler for number in _HANDLED_SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}


def _restore_handlers(previous: dict[int, Any]) -> None:
    for number, handler in previous.items():
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class ThreadSignals:
    """Several threads at work for one task. The main thread hears the signals, and heeds those that are in the middle of something.

    While none is, a signal does what it did before. While one is, it waits: those within L(raise_on_signal) put back what is to
    be put back, and then it is handed on. From then on nobody begins anything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._critical_count = 0  # threads in the middle of something
        self._pending: list[int] = []
        self._ending = False  # a signal is doing what it did before: nobody gets into the middle of something now
        self._cancelled = False
        self._previous_handlers: dict[int, Any] = {}

    @contextlib.contextmanager
    def install(self) -> Iterator[None]:
        """The main thread hears signals for the others inside."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._previous_handlers = _active_handlers()
        for number in self._previous_handlers:
            signal.signal(number, self._on_signal)
        try:
            yield
        except BaseException:  # what a signal does by itself, or a mistake of ours
            self._cancelled = True
            while self._critical_count:
                threading.Event().wait(POLL_INTERVAL)
            raise
        finally:
            _restore_handlers(self._previous_handlers)

    def deliver(self, redeliver: Callable[[int], None]) -> None:
        """Hand on the first signal that was held, once nobody is in the middle of anything. For the main thread, now and then."""
        if self._pending and not self._critical_count:
            number = self._pending[0]
            self._cancelled = True  # where the signal does not end the process, what has not begun does not begin
            self._pending.clear()
            _restore_handlers(self._previous_handlers)
            redeliver(number)

    @contextlib.contextmanager
    def register_thread(self) -> Iterator[None]:
        """This thread is one of the crowd inside."""
        _this_thread.signals, _this_thread.in_critical_section, _this_thread.interruptible = self, False, False
        try:
            yield
        finally:
            del _this_thread.signals

    @contextlib.contextmanager
    def critical_section(self) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
        """This thread is in the middle of something inside. Gives a function that makes it deaf, and one that makes it listen."""

        def defer() -> None:
            _this_thread.interruptible = False

        def raise_once() -> None:
            if self._is_cancel_requested():  # nothing is to be put back yet
                raise Cancelled
            _this_thread.interruptible = True

        with self._lock:
            self._critical_count += 1
        _this_thread.in_critical_section = True
        try:
            yield defer, raise_once
        finally:
            _this_thread.in_critical_section = _this_thread.interruptible = False
            with self._lock:
                self._critical_count -= 1

    def raise_if_cancelled(self) -> None:
        """Raise L(Interrupted) where this thread is to end. Called where nothing has been sent yet.

        In one that is in the middle of something only once, and while it listens.
        """
        if not _this_thread.in_critical_section:
            if self._cancelled:
                raise Cancelled
        elif _this_thread.interruptible and self._is_cancel_requested():
            _this_thread.interruptible = False
            raise Interrupted

    def _is_cancel_requested(self) -> bool:
        return bool(self._pending) or self._ending or self._cancelled

    def _on_signal(self, number: int, frame: Any) -> None:
        # In the main thread, between any two steps of it: no lock may be taken here.
        self._ending = True  # before it is seen whether anybody is careful: who becomes so now does not begin
        if self._critical_count:
            self._pending.append(number)
            return
        handler = self._previous_handlers[number]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._ending = False
