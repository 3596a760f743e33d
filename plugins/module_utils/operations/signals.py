# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps a signal from ending the process half way through what must be finished or put back.

The signals of someone who wants the process to end (SIGTERM, SIGHUP, SIGINT), and Ansible's own time limit of a task
(SIGALRM). What was held back is handed on afterwards, so that a loop does not go on to the next server.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_ALL = (*_ENDING, signal.SIGALRM)


class Ended(BaseException):
    """The process was told to end; raised so that what must be put back is put back first."""


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
    if threading.current_thread() is not threading.main_thread():
        yield (lambda: None), (lambda: None)  # only the main thread may say what a signal does
        return
    held: list[int] = []

    def hold(number: int, frame: Any) -> None:
        held.append(number)

    def end(number: int, frame: Any) -> None:
        held.append(number)
        defer()
        raise Ended(number)

    def defer() -> None:
        for number in _ALL:
            signal.signal(number, hold)

    def raise_once() -> None:
        for number in _ENDING:
            signal.signal(number, end)

    before = {number: signal.getsignal(number) for number in _ALL}
    try:
        yield defer, raise_once
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if held:
            hand_on(held[0])
