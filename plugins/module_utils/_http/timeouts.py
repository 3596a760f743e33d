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


class _Timeout:
    """One time limit, by the monotonic clock. Without a call it is over."""

    def __init__(self, expires_at: float, callback: Callable[[], None]) -> None:
        self.expires_at = expires_at
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: _Timeout) -> bool:
        return self.expires_at < other.expires_at


class _TimeoutThread:
    """All alarms that are set, and the thread that waits for the next one."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As in a new process: after a fork the thread is not there, and nobody knows what its lock was doing."""
        self._changed = threading.Condition()
        self._heap: list[_Timeout] = []
        self._thread: threading.Thread | None = None

    def add(self, timeout: _Timeout) -> None:
        """:raises OSError: the machine allows no thread for it."""
        with self._changed:
            self._thread = self._thread or self._start_thread()
            heapq.heappush(self._heap, timeout)
            if self._heap[0] is timeout:
                self._changed.notify()

    def _start_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="rewind.vps timeouts", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise OSError(errno.EAGAIN, "no thread") from None
        return thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._heap and self._heap[0].callback is None:
                    heapq.heappop(self._heap)
                remaining = self._heap[0].expires_at - time.monotonic() if self._heap else None
                if remaining is None or remaining > 0:
                    self._changed.wait(remaining)
                    continue
                callback = heapq.heappop(self._heap).callback
            if callback is not None:
                callback()


_timeouts = _TimeoutThread()
os.register_at_fork(after_in_child=_timeouts.reset)


@contextlib.contextmanager
def request_timeout(seconds: float, callback: Callable[[], None]) -> Iterator[None]:
    """Call, in another thread, when the block has not ended after so many seconds.

    :arg callback: quick, and raises nothing.
    :raises OSError: the machine allows no thread for it.
    """
    timeout = _Timeout(time.monotonic() + seconds, callback)
    _timeouts.add(timeout)
    try:
        yield
    finally:
        timeout.callback = None
