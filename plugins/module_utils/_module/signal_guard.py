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

_this_thread = threading.local()

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_ALL = (*_ENDING, signal.SIGALRM)

MOMENT_SECONDS = 0.05


class Ended(BaseException):
    """The process was told to end; raised so that what must be put back is put back first."""


class Abandoned(Ended):
    """The same for one of several threads that has nothing to put back."""


@contextlib.contextmanager
def deferred(hand_on: Callable[[int], None]) -> Iterator[None]:
    """Signals wait until the block is over.

    :arg hand_on: called with the first of them then.
    """
    with _watched(hand_on) as (defer, dummy):
        defer()
        yield


@contextlib.contextmanager
def unwinding(hand_on: Callable[[int], None]) -> Iterator[Callable[[], None]]:
    """A signal unwinds the block as an L(Ended) instead of ending the process at once; further ones wait.

    Gives a function from whose call on the first one waits, too.
    """
    with _watched(hand_on) as (defer, raise_once):
        raise_once()
        yield defer


@contextlib.contextmanager
def _watched(hand_on: Callable[[int], None]) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may say what a signal does
        crowd: Crowd | None = getattr(_this_thread, "crowd", None)
        with crowd.careful() if crowd is not None else contextlib.nullcontext(((lambda: None), (lambda: None))) as both:
            yield both
        return
    held: list[int] = []

    def hold(number: int, frame: Any) -> None:
        held.append(number)

    def end(number: int, frame: Any) -> None:
        held.append(number)
        defer()
        raise Ended(number)

    def defer() -> None:
        for number in before:
            signal.signal(number, hold)

    def raise_once() -> None:
        for number in _ENDING:
            if number in before:
                signal.signal(number, end)

    before = _heeded()
    try:
        yield defer, raise_once
    finally:
        _put_back(before)
        if held:
            hand_on(held[0])


def _heeded() -> dict[int, Any]:
    """What each signal does now; without those that are ignored (nohup), which stay so."""
    return {number: handler for number in _ALL if (handler := signal.getsignal(number)) is not signal.SIG_IGN}


def _put_back(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class Crowd:
    """Several threads at work for one task. The main thread hears the signals, and heeds those that are in the middle of something.

    While none is, a signal does what it did before. While one is, it waits: those within L(unwinding) put back what is to
    be put back, and then it is handed on. From then on nobody begins anything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._careful = 0  # threads in the middle of something
        self._held: list[int] = []
        self._ending = False  # a signal is doing what it did before: nobody gets into the middle of something now
        self._over = False
        self._before: dict[int, Any] = {}

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """The main thread hears signals for the others inside."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = _heeded()
        for number in self._before:
            signal.signal(number, self._hear)
        try:
            yield
        except BaseException:  # what a signal does by itself, or a mistake of ours
            self._over = True
            while self._careful:
                threading.Event().wait(MOMENT_SECONDS)
            raise
        finally:
            _put_back(self._before)

    def hand_on(self, hand_on: Callable[[int], None]) -> None:
        """Hand on the first signal that was held, once nobody is in the middle of anything. For the main thread, now and then."""
        if self._held and not self._careful:
            number = self._held[0]
            self._over = True  # where the signal does not end the process, what has not begun does not begin
            self._held.clear()
            _put_back(self._before)
            hand_on(number)

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """This thread is one of the crowd inside."""
        _this_thread.crowd, _this_thread.careful, _this_thread.listens = self, False, False
        try:
            yield
        finally:
            del _this_thread.crowd

    @contextlib.contextmanager
    def careful(self) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
        """This thread is in the middle of something inside. Gives a function that makes it deaf, and one that makes it listen."""

        def defer() -> None:
            _this_thread.listens = False

        def raise_once() -> None:
            if self._is_to_end():  # nothing is to be put back yet
                raise Abandoned
            _this_thread.listens = True

        with self._lock:
            self._careful += 1
        _this_thread.careful = True
        try:
            yield defer, raise_once
        finally:
            _this_thread.careful = _this_thread.listens = False
            with self._lock:
                self._careful -= 1

    def check(self) -> None:
        """Raise L(Ended) where this thread is to end. Called where nothing has been sent yet.

        In one that is in the middle of something only once, and while it listens.
        """
        if not _this_thread.careful:
            if self._over:
                raise Abandoned
        elif _this_thread.listens and self._is_to_end():
            _this_thread.listens = False
            raise Ended

    def _is_to_end(self) -> bool:
        return bool(self._held) or self._ending or self._over

    def _hear(self, number: int, frame: Any) -> None:
        # In the main thread, between any two steps of it: no lock may be taken here.
        self._ending = True  # before it is seen whether anybody is careful: who becomes so now does not begin
        if self._careful:
            self._held.append(number)
            return
        handler = self._before[number]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._ending = False
