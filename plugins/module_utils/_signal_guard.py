# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prevents a signal from ending the process while something must be completed or restored.

Handled are the termination signals SIGTERM, SIGHUP and SIGINT, and Ansible's own time limit of a task (SIGALRM). A deferred
signal is delivered afterwards, so that a loop does not continue with the next server.
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

_HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)

POLL_INTERVAL = 0.05


@contextlib.contextmanager
def guard_signals(redeliver: Callable[[int], None], *, interrupts: bool = False) -> Iterator[Callable[[], None]]:
    """Defer signals until the end of the block. `redeliver` is called with the first of them then.

    Args:
        interrupts: The first termination signal raises `Interrupted` in the block, and further ones are deferred.

    Yields:
        A function that defers the first signal, too, from then on.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may install signal handlers
        signals: ThreadSignals | None = getattr(_this_thread, "signals", None)
        with signals.critical_section(interrupts) if signals is not None else contextlib.nullcontext(lambda: None) as defer:
            yield defer
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

    previous = _active_handlers()
    try:
        if not interrupts:
            defer()
        else:
            for number in previous.keys() - {signal.SIGALRM}:
                signal.signal(number, interrupt)
        yield defer
    finally:
        _restore_handlers(previous)
        if pending:
            redeliver(pending[0])


def _active_handlers() -> dict[int, Any]:
    """Return the current handlers, without ignored signals (nohup), which stay ignored."""
    return {number: handler for number in _HANDLED_SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}


def _restore_handlers(previous: dict[int, Any]) -> None:
    for number, handler in previous.items():
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class ThreadSignals:
    """Signals in a task with several threads. Python delivers them to the main thread only.

    While no thread is in a critical section, a signal does what it did before. Otherwise it is deferred: threads that
    signals interrupt restore what they have changed, and then it is delivered. From then on no thread starts anything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._critical_count = 0
        self._pending: list[int] = []
        self._ending = False  # a signal is being delivered: no critical section may start
        self._cancelled = False
        self._previous_handlers: dict[int, Any] = {}

    @contextlib.contextmanager
    def install(self) -> Iterator[None]:
        """Handle signals for all threads inside the block, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._previous_handlers = _active_handlers()
        for number in self._previous_handlers:
            signal.signal(number, self._on_signal)
        try:
            yield
        except BaseException:  # from the original handler, or an internal error
            self._cancelled = True
            while self._critical_count:
                threading.Event().wait(POLL_INTERVAL)
            raise
        finally:
            _restore_handlers(self._previous_handlers)

    def deliver(self, redeliver: Callable[[int], None]) -> None:
        """Deliver the first deferred signal, if no thread is in a critical section. The main thread calls this periodically."""
        if self._pending and not self._critical_count:
            number = self._pending[0]
            self._cancelled = True  # if the signal does not end the process, no other server starts
            self._pending.clear()
            _restore_handlers(self._previous_handlers)
            redeliver(number)

    @contextlib.contextmanager
    def register_thread(self) -> Iterator[None]:
        _this_thread.signals, _this_thread.in_critical_section, _this_thread.interruptible = self, False, False
        try:
            yield
        finally:
            del _this_thread.signals

    @contextlib.contextmanager
    def critical_section(self, interrupts: bool) -> Iterator[Callable[[], None]]:
        """Mark the current thread as critical inside the block, see `guard_signals`."""

        def defer() -> None:
            _this_thread.interruptible = False

        with self._lock:
            self._critical_count += 1
        _this_thread.in_critical_section = True
        try:
            if interrupts and self._is_cancel_requested():  # there is nothing to restore yet
                raise Cancelled
            _this_thread.interruptible = interrupts
            yield defer
        finally:
            _this_thread.in_critical_section = _this_thread.interruptible = False
            with self._lock:
                self._critical_count -= 1

    def raise_if_cancelled(self) -> None:
        """Raise `Interrupted` or `Cancelled` if this thread must end. Called before a request is sent, and while waiting.

        In a critical section it raises only once, and only while signals are not deferred.
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
        # This runs in the main thread between any two instructions, so no lock may be acquired here.
        self._ending = True  # before the count is read: a critical section that starts now is cancelled
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
