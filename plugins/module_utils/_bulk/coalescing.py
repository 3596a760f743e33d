# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading for all who want to know the same: a listing of the whole account answers for every server.

Nobody is answered with a listing that was begun before the question. Whoever asks first reads for all who ask until the
reading begins; who comes later gets the next one.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

GATHER_SECONDS = 0.03  # a reading begins when nobody has joined for so long
LONGEST_GATHERING = 0.5
LEISURE = 4  # after a reading of one second, the next that nobody is in a hurry for begins so many seconds later
LONGEST_REST = 10.0


@dataclass
class Round:
    """One reading.

    :ivar began: the moment before its first request.
    :ivar found: what was read.
    :ivar alone: too few want to know it: each had better ask for itself.
    """

    began: float = 0.0
    found: Any = None
    alone: bool = False
    error: Exception | None = None
    joined: int = 0
    hurry: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class SharedRead:
    """:arg read: reads everything, and gives it with the number of requests and of seconds that it took the cloud."""

    def __init__(self, read: Callable[[], tuple[Any, int, float]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # one at a time
        self._next = Round()
        self._latest: Round | None = None
        self._news = threading.Event()  # set when the next reading has succeeded
        self._waiting = 0  # how many wait for the next reading
        self._requests = 2  # that it takes, as far as is known: whoever is alone is not the one to find it out
        self._rest_until = 0.0

    def get(self, after: float, urgent: bool) -> Round:
        """The first reading that began after a moment.

        :arg urgent: somebody decides by it now; otherwise it is only looked at again.
        :raises Exception: what the reading ended with.
        """
        with self._lock:
            if self.has(after):
                return self._latest
            mine = self._next
            mine.joined += 1
            leads = mine.joined == 1
        if urgent:
            mine.hurry.set()
        if leads:
            self._lead(mine)
        else:
            mine.over.wait()
        if mine.error is not None:
            raise _own(mine.error)
        return mine

    def has(self, after: float) -> bool:
        """Whether there is a reading that began after a moment."""
        return self._latest is not None and self._latest.began > after

    def wait(self, after: float, seconds: float) -> None:
        """Return when a reading that began after a moment is there, or after so many seconds."""
        with self._lock:
            if self.has(after):
                return
            news = self._news
            self._waiting += 1
        news.wait(seconds)
        with self._lock:
            self._waiting -= 1

    def _lead(self, mine: Round) -> None:
        try:
            with self._reading:
                self._gather(mine)
                if not mine.alone:
                    mine.found, self._requests, seconds = self._read()
                    self._rest_until = monotonic() + min(LONGEST_REST, LEISURE * seconds)
        except Exception as error:
            mine.error = error
        except BaseException as error:  # this thread is to end, and the others must not wait for it
            mine.error = RuntimeError(type(error).__name__)
            raise
        finally:
            self._end(mine)

    def _gather(self, mine: Round) -> None:
        mine.hurry.wait(max(0.0, self._rest_until - monotonic()))
        last_moment, joined = monotonic() + LONGEST_GATHERING, 0
        while joined != mine.joined and monotonic() < last_moment:
            joined = mine.joined
            mine.over.wait(GATHER_SECONDS)  # nobody can have ended it
        with self._lock:
            self._next = Round()
            mine.alone = mine.joined + self._waiting < self._requests  # those who wait are answered as well
            mine.began = monotonic()

    def _end(self, mine: Round) -> None:
        with self._lock:
            if self._next is mine:
                self._next = Round()
            news = None
            if not mine.alone and mine.error is None:
                self._latest = mine
                news, self._news = self._news, threading.Event()
        mine.over.set()
        if news is not None:
            news.set()


def _own(error: Exception) -> Exception:
    """The same for one of those who are told it: each adds whom it concerns."""
    try:
        return copy.copy(error).with_traceback(error.__traceback__)
    except TypeError:  # some can't be made a second time
        return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
