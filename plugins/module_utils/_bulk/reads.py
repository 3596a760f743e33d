# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation for each of many servers in threads, over a limited number of connections.

An operation that only reads has a thread for each connection.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _errors as errors
from .._errors import RewindError, error_result, invalid_argument
from .._provider.base import Provider, Server, Snapshot
from .progress import Progress
from .results import ServerResult, copy_error, summarize

if TYPE_CHECKING:
    from .._module.context import OperationContext

# Enough to parse a maliciously nested response: json needs half of it (CPython 3.13) and crashes the process with less.
STACK_BYTES = 4 * 1024 * 1024
IDLE_INTERVAL = 0.25
READS = ("list_servers", "whoami", "get_account", "with_addresses")  # beside those that use a listing

Result = TypeVar("Result")


def read_each(ctx: OperationContext, operation: Callable[[OperationContext], Any], references: list[str]) -> list[ServerResult]:
    """Run an operation that changes nothing for each server; the results in the order of `references`."""
    pool = connect_pool(ctx, references)
    listings = _Listings(pool, is_shared=len(references) > 1)

    def for_server(item: ServerResult, progress: Progress) -> OperationContext:
        return ctx.for_server(item.reference, ServerProvider(item.reference, pool, listings.get), item.warnings)

    return run_each(references, for_server, operation, pool.size, Progress(ctx.progress, len(references), 0.0))


def connect_pool(ctx: OperationContext, references: list[str]) -> ConnectionPool:
    """Return the connections of the task, no more of them than servers."""
    connections = max(1, min(len(references), ctx.options["concurrency"]))
    return ConnectionPool([ctx.provider, *(ctx.connect() for _each in range(connections - 1))])


def run_each(
    references: list[str], for_server: Callable[[ServerResult, Progress], OperationContext], operation: Callable[[OperationContext], Any],
    max_threads: int, progress: Progress, on_idle: Callable[[], None] = lambda: None,
) -> list[ServerResult]:
    """Return the result of each server, once all are done.

    Args:
        for_server: Returns the context of one server.
        on_idle: Called in this thread from time to time; may raise.
    """

    def run(item: ServerResult) -> None:
        one = for_server(item, progress)
        try:
            item.value = operation(one)
        except BaseException as error:  # also a signal's, which the main thread delivers
            item.failure = error_result(error, one)
        progress.finished(item.reference, summarize(item), failed=item.failure is not None)

    def idle() -> None:
        on_idle()
        progress.tick()

    server_results = [ServerResult(reference) for reference in references]
    run_jobs([functools.partial(run, item) for item in server_results], max_threads, idle)
    progress.flush()
    return server_results


class ConnectionPool:
    """Each connection is a provider with a session of its own, kept alive. As many calls run at the same time.

    Polls use at most half of the connections: otherwise a thousand polls delay the changes that are left.
    """

    def __init__(self, providers: list[Provider]) -> None:
        self.primary = self.last_used = providers[0]
        self.size = len(providers)
        self.owners: dict[str, str] = {}  # the name that the task uses for each server, by its id
        self._free: queue.SimpleQueue[Provider] = queue.SimpleQueue()
        for provider in providers:
            self._free.put(provider)
        self._polls = threading.Semaphore(max(1, self.size // 2))

    def call(self, request: Callable[[Provider], Result], urgent: bool = True) -> Result:
        """Send requests over one connection; wait for it if all are in use."""
        with contextlib.nullcontext() if urgent else self._polls:
            provider = self._free.get()
            try:
                return request(provider)
            finally:
                self.last_used = provider
                self._free.put(provider)


class ServerProvider:
    """The provider for one of several servers: it answers from listings of the account where it can, and passes on the rest.

    Args:
        reference: the server as the user names it.
        list_account: Returns a value of `READ_LISTING`, or None if this server must be read by itself.
    """

    def __init__(self, reference: str, pool: ConnectionPool, list_account: Callable[[str], Any]) -> None:
        self._reference, self._provider, self._pool, self._list = reference, pool.primary, pool, list_account

    def __getattr__(self, name: str) -> Any:
        """Read over a free connection. What sends no request is that of the first connection."""
        return self._over_pool(self._read, name) if name in READS else getattr(self._provider, name)

    def server_time(self) -> datetime:
        return self._pool.last_used.server_time()

    def server_from_reference(self, reference: str) -> Server | None:
        server = self._provider.server_from_reference(reference)
        return server and self._claim(server, reference)

    def get_server(self, reference: str) -> Server:
        servers = self._list("servers") if self._provider.capabilities.server_list_has_details else None
        if servers is not None:
            try:
                return self._claim(self._provider.resolve_server(reference, servers), reference)
            except RewindError as error:
                if error.kind != errors.NOT_FOUND:
                    raise
        return self._claim(self._read(lambda provider: provider.get_server(reference)), reference)

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        is_in_list = server is not None and self._provider.capabilities.lists_all_snapshots and self._provider.is_named_by_snapshots(server)
        by_server = self._list("snapshots") if is_in_list else None
        if by_server is None or "" in by_server:  # whose a snapshot without a server is, only the server's own list shows
            return self._read(lambda provider: provider.list_snapshots(server))
        return list(by_server.get(server.id, ()))

    def _claim(self, server: Server, reference: str) -> Server:
        """Fail if the task names this server twice: two threads would use it at once."""
        owner = self._pool.owners.setdefault(server.id, reference) if reference == self._reference else reference
        if owner != reference:
            raise invalid_argument(f"{owner} and {reference} are the same server, {server.label}", "name it once")
        return server

    def _over_pool(self, send: Callable[[Callable[[Provider], Any]], Any], name: str) -> Callable[..., Any]:
        return lambda *arguments: send(lambda provider: getattr(provider, name)(*arguments))

    def _read(self, request: Callable[[Provider], Any]) -> Any:
        return self._pool.call(request)


def _snapshots_by_server(provider: Provider) -> dict[str, list[Snapshot]]:
    """Return the snapshots by their server's ID; under "" those that name no server."""
    by_server: dict[str, list[Snapshot]] = {}
    for snapshot in provider.list_snapshots(None):
        by_server.setdefault(snapshot.server.id or "", []).append(snapshot)
    return by_server


READ_LISTING: dict[str, Callable[[Provider], Any]] = {"servers": lambda provider: provider.list_servers(), "snapshots": _snapshots_by_server}


class _Listings:
    """What the first server that needs it lists for all. Not for a single server, which is cheaper to read by itself."""

    def __init__(self, pool: ConnectionPool, is_shared: bool) -> None:
        self._pool, self._lock = pool, threading.Lock()
        self._found: dict[str, Any] = {} if is_shared else dict.fromkeys(READ_LISTING)

    def get(self, what: str) -> Any:
        with self._lock:
            if what not in self._found:
                try:
                    self._found[what] = self._pool.call(READ_LISTING[what])
                except Exception as error:
                    self._found[what] = error
        found = self._found[what]
        if not isinstance(found, Exception):
            return found
        if isinstance(found, RewindError) and found.kind == errors.INVALID_RESPONSE:
            return None  # a list that keeps changing, or another server's invalid row, fails no server
        raise copy_error(found)


def run_jobs(jobs: list[Callable[[], None]], max_threads: int, on_idle: Callable[[], None]) -> None:
    """Run all jobs, which raise nothing, in daemon threads: an interrupted task does not wait for its requests, as with a `ThreadPoolExecutor`.

    Args:
        on_idle: called in this thread every quarter of a second. If it or a signal raises, no further job starts.
    """
    todo = collections.deque(jobs)
    may_start, may_end = threading.Event(), threading.Event()
    reserved = _start_threads(may_end.wait, 1)  # then there is room for the thread that ends requests in time
    workers = _start_threads(lambda: may_start.wait() and _run_all(todo), min(len(jobs), max_threads))
    may_end.set()
    for thread in reserved:
        thread.join()
    may_start.set()
    try:
        if not workers:
            _run_all(todo)
        for worker in workers:
            while worker.is_alive():
                worker.join(IDLE_INTERVAL)
                on_idle()
    except BaseException:
        todo.clear()
        raise


def _run_all(todo: collections.deque[Callable[[], None]]) -> None:
    while True:
        try:
            job = todo.popleft()
        except IndexError:
            return
        job()


def _start_threads(work: Callable[[], object], count: int) -> list[threading.Thread]:
    """As many as the machine allows, up to `count`."""
    threads: list[threading.Thread] = []
    previous = threading.stack_size()
    threading.stack_size(STACK_BYTES)
    try:
        while len(threads) < count:
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:  # no more
        pass
    finally:
        threading.stack_size(previous)
    return threads
