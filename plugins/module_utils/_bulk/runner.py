# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation for each server of a task: all at once, over a bounded number of lines to the cloud."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .._error_results import error_result
from .._module import signal_guard
from .._module.context import Changes, OperationContext, ServerResult
from .._provider.base import Provider
from .._wait.polling import use_sleep
from . import executor
from .admission import BatchGate
from .connection_pool import ConnectionPool
from .progress import Progress
from .shared_provider import AccountCache, SharedProvider

MAX_PENDING_DECISIONS = 250  # servers that have been looked at and wait for their request: what was seen must not become old


def bulk_runner(
    ctx: OperationContext, connect: Callable[[], Provider], expected_seconds: float,
) -> Callable[[Callable[[OperationContext], Any], list[str]], list[ServerResult]]:
    """What a task does things for each of several servers with (L(OperationContext.for_each)). Nothing is opened before.

    :arg ctx: of all of them; its provider is one of the lines.
    :arg connect: opens another line.
    :arg expected_seconds: seconds that the cloud says it takes for one server.
    """

    def for_each(operation: Callable[[OperationContext], Any], references: list[str]) -> list[ServerResult]:
        return BulkRunner(ctx, len(references), connect, expected_seconds).for_each(operation, references)

    return for_each


class BulkRunner:
    """The servers of one task, and the lines to their cloud: no more than there are servers."""

    def __init__(self, ctx: OperationContext, servers: int, connect: Callable[[], Provider], expected_seconds: float) -> None:
        self._ctx, self._expected_seconds = ctx, expected_seconds
        connections = max(1, min(servers, ctx.options["concurrency"]))
        self._account_cache = AccountCache(ConnectionPool([ctx.provider, *(connect() for _line in range(connections - 1))]))
        # Nobody wishes that all servers of a fleet are off at the same time.
        self._gate = BatchGate(connections, connections - 1) if ctx.options.get("stop_server") else BatchGate(MAX_PENDING_DECISIONS, connections)
        self._signals = signal_guard.ThreadSignals()

    def for_each(self, operation: Callable[[OperationContext], Any], references: list[str]) -> list[ServerResult]:
        """What became of each server, once all are settled."""
        server_results = [ServerResult(reference) for reference in references]
        progress = Progress(self._ctx.progress, len(server_results), self._expected_seconds)

        def on_idle() -> None:
            self._signals.deliver(self._ctx.redeliver_signal)
            with contextlib.suppress(Exception):  # a terminal that is gone is no reason to leave servers alone
                progress.tick()

        with self._signals.install():
            # One thread more ends all requests in time.
            executor.run_all([self._job(item, operation, progress) for item in server_results], on_idle, reserve_threads=1)
        with contextlib.suppress(Exception):
            progress.flush()
        return server_results

    def _job(self, item: ServerResult, operation: Callable[[OperationContext], Any], progress: Progress) -> Callable[[], None]:
        def job() -> None:
            provider = SharedProvider(item.reference, self._account_cache, self._signals.raise_if_cancelled)
            ctx = self._context_of(item.reference, provider, progress)
            try:
                with self._signals.register_thread(), use_sleep(provider.sleep):
                    item.value = operation(ctx)
            except BaseException as error:  # also a signal's: this thread's work is over, and the main thread hands it on
                item.failure = error_result(error, ctx)
            item.warnings = ctx.warnings
            progress.finished(item.reference, _summary(item), failed=item.failure is not None)

        return job

    def _context_of(self, reference: str, provider: SharedProvider, progress: Progress) -> OperationContext:
        return replace(
            self._ctx,
            provider=provider,
            options={**self._ctx.options, "server": reference, "servers": None},
            progress=lambda text: None,  # how long each has been waited for is in the summary
            on_server_progress=lambda what: progress.started(reference, what),
            admission=self._gate.admit,
            changes=Changes(),
            warnings=[],
        )


def _summary(item: ServerResult) -> str | None:
    if item.failure is not None:
        return f"failed ({item.failure['error']['kind']}, {item.failure['error']['outcome']})"
    return "done" if isinstance(item.value, dict) and item.value.get("changed") else None
