# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the servers of a fleet decide in batches: what was seen must not become old before it is acted upon."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class BatchGate:
    """Those of a batch come in at about the same time, so that one reading serves them all.

    :arg size: of a batch.
    :arg reopen_at: the next one is let in when no more than so many are left, for whom the lines suffice.
    """

    def __init__(self, size: int, reopen_at: int) -> None:
        self._size, self._reopen_at = size, reopen_at
        self._inside = 0
        self._closed = False
        self._opened = threading.Condition()

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """A place in a batch, for as long as the block lasts."""
        with self._opened:
            self._opened.wait_for(lambda: not self._closed)
            self._inside += 1
            self._closed = self._inside >= self._size
        try:
            yield
        finally:
            with self._opened:
                self._inside -= 1
                if self._closed and self._inside <= self._reopen_at:
                    self._closed = False
                    self._opened.notify_all()
