# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a changing operation on many servers: a thread for each, since they mostly wait, over a limited number of connections."""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._signal_guard import ThreadSignals
from .._wait.polling import use_sleep
from .progress import Progress
from .reads import connect_pool, run_each
from .results import ServerResult, result_by_server
from .shared_provider import AccountCache, SharedProvider

if TYPE_CHECKING:
    from .._module.context import OperationContext

MAX_PENDING_DECISIONS = 250  # servers that have been read and wait for their request: what was read must not become old
MAX_WORKERS = 1000
FILES_PER_SERVER = 2  # its lock, and that of its restore
RESERVED_FILES = 100


def run_on_each(
    ctx: OperationContext, operation: Callable[[OperationContext], dict[str, Any]], rerun_hint: str, expected_seconds: float,
) -> dict[str, Any]:
    """The result of a module that changes something, for the task's list of servers.

    Args:
        rerun_hint: what the message of a failure says about running again.
        expected_seconds: how long the provider says that one server takes.
    """
    references = ctx.options["servers"]
    pool = connect_pool(ctx, references)
    account_cache, signals = AccountCache(pool), ThreadSignals()
    # With stop_server only a few servers may be off at the same time.
    gate = BatchGate(pool.size, pool.size - 1) if ctx.options.get("stop_server") else BatchGate(MAX_PENDING_DECISIONS, pool.size)

    def for_server(item: ServerResult, progress: Progress) -> OperationContext:
        return ctx.for_server(
            item.reference, SharedProvider(item.reference, account_cache, signals.raise_if_cancelled), item.warnings,
            on_server_progress=lambda event: progress.started(item.reference, event), admission=gate.admit,
        )

    def run(one: OperationContext) -> dict[str, Any]:
        with signals.register_thread(), use_sleep(one.provider.sleep):
            return operation(one)

    with signals.install():
        server_results = run_each(
            references, for_server, run, _max_workers(len(references)), Progress(ctx.progress, len(references), expected_seconds),
            lambda: signals.deliver(ctx.redeliver_signal),
        )
    return result_by_server(ctx, server_results, rerun_hint)


class BatchGate:
    """Admits servers in batches, so that one listing serves a whole batch.

    Args:
        size: of a batch. With `reopen_at` one less, this is a semaphore.
        reopen_at: the next servers are admitted when no more than so many are left inside, for which the connections suffice.
    """

    def __init__(self, size: int, reopen_at: int) -> None:
        self._size, self._reopen_at = size, reopen_at
        self._inside = 0
        self._closed = False
        self._opened = threading.Condition()

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Wait for admission; it lasts as long as the block."""
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


def _max_workers(wanted: int) -> int:
    """How many servers may be in progress at once; their locks are open files, so the limit of open files is raised."""
    wanted = min(wanted, MAX_WORKERS)
    needed = FILES_PER_SERVER * wanted + RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files, most = (needed if limit == resource.RLIM_INFINITY else min(needed, limit) for limit in (soft, hard))
    if files < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            files = most
    return max(1, (files - RESERVED_FILES) // FILES_PER_SERVER)
