# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends what takes too long: one thread for all time limits of this process, since a thread for each costs more than a request."""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import threading
import time
from collections.abc import Callable, Iterator


class _Alarm:
    """One time limit, by the monotonic clock. Without a call it is over."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def __lt__(self, other: _Alarm) -> bool:
        return self.at < other.at


class _Alarms:
    """All alarms that are set, and the thread that waits for the next one."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As in a new process: after a fork the thread is not there, and nobody knows what its lock was doing."""
        self._changed = threading.Condition()
        self._set: list[_Alarm] = []
        self._thread: threading.Thread | None = None

    def add(self, alarm: _Alarm) -> None:
        """:raises OSError: the machine allows no thread for it."""
        with self._changed:
            self._thread = self._thread or self._started()
            heapq.heappush(self._set, alarm)
            if self._set[0] is alarm:
                self._changed.notify()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._ring, name="rewind.vps alarms", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise OSError(errno.EAGAIN, "no thread") from None
        return thread

    def _ring(self) -> None:
        while True:
            with self._changed:
                while self._set and self._set[0].call is None:
                    heapq.heappop(self._set)
                left = self._set[0].at - time.monotonic() if self._set else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                call = heapq.heappop(self._set).call
            if call is not None:
                call()


_alarms = _Alarms()
os.register_at_fork(after_in_child=_alarms.forget)


@contextlib.contextmanager
def time_limit(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Call, in another thread, when the block has not ended after so many seconds.

    :arg call: quick, and raises nothing.
    :raises OSError: the machine allows no thread for it.
    """
    alarm = _Alarm(time.monotonic() + seconds, call)
    _alarms.add(alarm)
    try:
        yield
    finally:
        alarm.call = None
