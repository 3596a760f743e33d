# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads something about each of many servers: a few threads with a connection each. Nothing is changed, so signals need no care."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .. import _errors as errors
from .._error_results import error_result
from .._errors import RewindError, invalid_argument
from .._module.context import OperationContext, ServerResult
from .._provider.base import Provider, Server, Snapshot
from .progress import Progress
from .results import copy_error, summarize
from .thread_pool import run_jobs


def read_each(ctx: OperationContext, operation: Callable[[OperationContext], Any], references: list[str]) -> list[ServerResult]:
    """Run the operation for each server; the results in the order of `references`."""
    connections = max(1, min(len(references), ctx.options["concurrency"]))
    providers: queue.SimpleQueue[Provider] = queue.SimpleQueue()
    for provider in (ctx.provider, *(ctx.connect() for _each in range(connections - 1))):
        providers.put(provider)
    account = _Account(ctx.provider, is_shared=len(references) > 1)
    server_results = [ServerResult(reference) for reference in references]
    progress = Progress(ctx.progress, len(references), 0.0)

    def job(item: ServerResult) -> None:
        provider = providers.get()
        one = replace(
            ctx, provider=_ServerProvider(item.reference, provider, account), options={**ctx.options, "server": item.reference, "servers": None},
            progress=lambda text: None, warnings=item.warnings,
        )
        try:
            item.value = operation(one)
        except BaseException as error:
            item.failure = error_result(error, one)
        finally:
            providers.put(provider)
        progress.finished(item.reference, summarize(item), failed=item.failure is not None)

    # One thread more ends all requests in time.
    run_jobs([lambda item=item: job(item) for item in server_results], connections, 1, progress.tick)
    progress.flush()
    return server_results


class _Account:
    """What the first server that needs it lists for all, once per task. Not for a single server, which is cheaper to read."""

    def __init__(self, provider: Provider, is_shared: bool) -> None:
        self.owners: dict[str, str] = {}  # the name used for a server, by its id
        capabilities = provider.capabilities
        self.servers = _Listing(lambda one: one.list_servers(), is_shared and capabilities.server_list_has_details)
        self.snapshots = _Listing(snapshots_by_server, is_shared and capabilities.lists_all_snapshots)


def snapshots_by_server(provider: Provider) -> dict[str, list[Snapshot]]:
    by_server: dict[str, list[Snapshot]] = {}
    for snapshot in provider.list_snapshots(None):
        by_server.setdefault(snapshot.server.id, []).append(snapshot)
    return by_server


class _Listing:
    def __init__(self, read: Callable[[Provider], Any], is_shared: bool) -> None:
        self._read, self._is_pending = read, is_shared
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: Exception | None = None

    def get(self, provider: Provider) -> Any:
        """The listing, or None if each server must be read by itself."""
        with self._lock:
            if self._is_pending:
                self._is_pending = False
                try:
                    self._value = self._read(provider)
                except Exception as error:
                    # A list that keeps changing, or another server's invalid row, fails no server.
                    if not isinstance(error, RewindError) or error.kind != errors.INVALID_RESPONSE:
                        self._error = error
        if self._error is not None:
            raise copy_error(self._error)
        return self._value


class _ServerProvider:
    """One server's provider. It answers from the account's listings where they are shared, and passes on everything else."""

    def __init__(self, reference: str, provider: Provider, account: _Account) -> None:
        self._reference, self._provider, self._account = reference, provider, account

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def server_from_reference(self, reference: str) -> Server | None:
        server = self._provider.server_from_reference(reference)
        return server and self._claim(server, reference)

    def get_server(self, reference: str) -> Server:
        servers = self._account.servers.get(self._provider)
        if servers is not None:
            try:
                return self._claim(self._provider.resolve_server(reference, servers), reference)
            except RewindError as error:
                if error.kind != errors.NOT_FOUND:
                    raise
        return self._claim(self._provider.get_server(reference), reference)

    def list_snapshots(self, server: Server | None) -> list[Snapshot]:
        by_server = self._account.snapshots.get(self._provider) if server is not None else None
        return self._provider.list_snapshots(server) if by_server is None else list(by_server.get(server.id, ()))

    def _claim(self, server: Server, reference: str) -> Server:
        if reference == self._reference:
            claim_server(self._account.owners, server, reference)
        return server


def claim_server(owners: dict[str, str], server: Server, reference: str) -> None:
    """Fail if the task names this server twice. `owners` has the name that each server is known by, by its id."""
    owner = owners.setdefault(server.id, reference)
    if owner != reference:
        raise invalid_argument(f"{owner} and {reference} are the same server, {server.label}", "name it once")
