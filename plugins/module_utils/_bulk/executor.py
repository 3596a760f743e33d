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

from .._errors import error_result
from .._signal_guard import ThreadSignals
from .._wait.polling import use_sleep
from .connection_pool import ConnectionPool
from .progress import Progress
from .reads import run_jobs
from .results import ServerResult, result_by_server, summarize
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
    return result_by_server(ctx, BulkRunner(ctx, expected_seconds).run(operation), rerun_hint)


class BulkRunner:
    """The servers of one task and their connections, no more of them than servers."""

    def __init__(self, ctx: OperationContext, expected_seconds: float) -> None:
        self._ctx, self._references, self._expected_seconds = ctx, ctx.options["servers"], expected_seconds
        connections = max(1, min(len(self._references), ctx.options["concurrency"]))
        self._account_cache = AccountCache(ConnectionPool([ctx.provider, *(ctx.connect() for _each in range(connections - 1))]))
        # With stop_server only a few servers may be off at the same time.
        self._gate = BatchGate(connections, connections - 1) if ctx.options.get("stop_server") else BatchGate(MAX_PENDING_DECISIONS, connections)
        self._signals = ThreadSignals()

    def run(self, operation: Callable[[OperationContext], Any]) -> list[ServerResult]:
        """The result of each server, once all are done."""
        server_results = [ServerResult(reference) for reference in self._references]
        progress = Progress(self._ctx.progress, len(server_results), self._expected_seconds)

        def on_idle() -> None:
            self._signals.deliver(self._ctx.redeliver_signal)
            progress.tick()

        with self._signals.install():
            run_jobs([self._job(item, operation, progress) for item in server_results], _max_workers(len(server_results)), on_idle)
        progress.flush()
        return server_results

    def _job(self, item: ServerResult, operation: Callable[[OperationContext], Any], progress: Progress) -> Callable[[], None]:
        def job() -> None:
            provider = SharedProvider(item.reference, self._account_cache, self._signals.raise_if_cancelled)
            ctx = self._context_of(item, provider, progress)
            try:
                with self._signals.register_thread(), use_sleep(provider.sleep):
                    item.value = operation(ctx)
            except BaseException as error:  # also a signal's, which the main thread delivers
                item.failure = error_result(error, ctx)
            progress.finished(item.reference, summarize(item), failed=item.failure is not None)

        return job

    def _context_of(self, item: ServerResult, provider: SharedProvider, progress: Progress) -> OperationContext:
        return self._ctx.for_server(
            item.reference, provider, item.warnings,
            on_server_progress=lambda event: progress.started(item.reference, event), admission=self._gate.admit,
        )


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
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_PER_SERVER * wanted + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - RESERVED_FILES) // FILES_PER_SERVER))
