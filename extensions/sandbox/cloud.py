# SPDX-License-Identifier: GPL-3.0-or-later
"""What both simulated providers share: servers with machines, background work, and earlier listings."""

from __future__ import annotations

import asyncio
import functools
import sys
import traceback
import uuid
from collections import deque
from collections.abc import Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .machines import MachineError, MachineRuntimeError
from .request_log import actor, current_request

if TYPE_CHECKING:
    from .faults.table import RestoreFaults
    from .machines import Machine
    from .state import SandboxState

FACTORY_IMAGE = "factory"  # the initial disk, for resets
MAX_LISTINGS = 50


@dataclass(frozen=True)
class RowChange:
    """How a row differs from what the provider shows normally: other values, and fields that it lacks. Set by the admin API."""

    fields: dict[str, Any]
    without: tuple[str, ...] = ()

    def apply(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the changed row."""
        return {key: value for key, value in {**row, **self.fields}.items() if key not in self.without}


NO_CHANGE = RowChange({})


class CachedRow:
    """Base of servers and snapshots. `cached` is what lists show of it; setting any attribute clears it.

    Each change records what lists show. Building every row again for that takes minutes with 1,000 servers.
    Listings share unchanged rows, so a row is replaced and never modified.
    """

    cached: Any = None
    row_change = NO_CHANGE

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "cached":
            super().__setattr__("cached", None)


@dataclass(eq=False)
class Server(CachedRow):
    """A server of either provider."""

    id: int
    name: str
    hostname: str
    machine: Machine
    created_at: datetime
    factory_digest: str = field(default="", init=False, repr=False)
    tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)
    show_change: RowChange = field(default=NO_CHANGE, init=False, repr=False)  # of the answer for this server alone

    @functools.cached_property
    def uuid(self) -> str:
        """The same for the same server at every start."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.id}.{self.machine.name}.rewind.invalid"))

    @property
    def aliases(self) -> frozenset[str]:
        """Every reference to this server."""
        return frozenset((str(self.id), self.uuid, self.name))


ServerT = TypeVar("ServerT", bound=Server)


class Cloud(Generic[ServerT]):
    """One simulated provider: its servers and its part of the request log. Subclasses implement the abstract methods."""

    name: str
    server_prefix: str  # its servers have this name with a number
    first_server_id: int

    def __init__(self, sandbox: SandboxState) -> None:
        self.sandbox = sandbox
        self.next_server_id = self.first_server_id
        self.servers: list[ServerT] = []
        self.extra_server_rows: list[Any] = []  # in lists, after the servers: rows without anything behind them
        self._listings: deque[tuple[float, dict[str, Any]]] = deque(maxlen=MAX_LISTINGS)

    def server(self, reference: Any) -> ServerT | None:
        """Return the server with this ID, UUID or name, or None."""
        wanted = str(reference)
        for server in self.servers:  # runs for every request, so it must be fast
            if wanted == server.name or wanted == server.uuid or wanted == str(server.id):
                return server
        return None

    async def add_server(self, name: str, hostname: str | None = None, state: str | None = None) -> ServerT:
        """Create a server with the next ID. `state` is a status of the provider; None means powered on."""
        server = await self.make_server(name, hostname, state)
        self.record_listing()
        return server

    async def make_server(self, name: str, hostname: str | None = None, state: str | None = None) -> ServerT:
        """Create a server without recording the listing."""
        machine = await self.sandbox.machine_pool.add(f"{self.name}-{self.next_server_id}", hostname=name)
        server = self.new_server(machine, name, hostname, state)
        self.next_server_id += 1
        server.factory_digest = await machine.save_disk(FACTORY_IMAGE)
        self.servers.append(server)
        # In a new context: the callback runs in the context that powered the machine on, which is not the cause.
        machine.on_self_power_off = lambda: Context().run(self.on_power_off, server)
        await self.set_machine_power(server)
        return server

    def new_server(self, machine: Any, name: str, hostname: str | None, state: str | None) -> ServerT:
        """Return a server object with the next ID."""
        raise NotImplementedError

    async def set_machine_power(self, server: ServerT) -> None:
        """Set the machine's power according to the server's status."""
        raise NotImplementedError

    async def remove_server(self, server: ServerT) -> None:
        """Remove a server with its machine and snapshots."""
        await self.stop_work(server)
        self.servers.remove(server)
        await server.machine.remove()
        self.record_listing()

    async def reset_server(self, server: ServerT, name: str) -> None:
        """Restore the initial state: disk, network, power, no snapshots.

        An unused machine stays on: a boot costs more than all else in a reset.
        """
        await self.stop_work(server)
        machine = server.machine
        if machine.was_used or machine.boot_problem:
            await machine.power_off()
        if await machine.digest() != server.factory_digest:
            await machine.power_off()
            await machine.load_disk(FACTORY_IMAGE)
        await machine.set_network(True)
        server.name, server.created_at = name, self.sandbox.clock.now()
        server.row_change = server.show_change = NO_CHANGE
        await self.clear_server(server)
        await self.set_machine_power(server)

    async def clear_server(self, server: ServerT) -> None:
        """Remove the snapshots, and set all fields but name and `created_at` to their initial values."""
        raise NotImplementedError

    async def reset_servers(self, prefix: str, number: int) -> None:
        """Remove extra rows, and reset to `number` servers named `prefix1`… with IDs from the first one. Existing ones are reused, which is fast."""
        self.extra_server_rows = []
        ids = range(self.first_server_id, self.first_server_id + number)
        for server in [server for server in self.servers if server.id not in ids]:
            await self.remove_server(server)
        await asyncio.gather(*(self.reset_server(server, f"{prefix}{server.id - ids.start + 1}") for server in self.servers))
        for missing in sorted(set(ids) - {server.id for server in self.servers}):
            self.next_server_id = missing
            await self.make_server(f"{prefix}{missing - ids.start + 1}")
        self.servers.sort(key=lambda server: server.id)
        self.next_server_id = ids.stop

    def rows(self) -> dict[str, Any]:
        """Return what the lists show now. Rows are shared with earlier listings: do not modify them."""
        raise NotImplementedError

    def record_event(self, event: str, server: Server, snapshot: str | None = None, **more: Any) -> None:
        """Log an event with the request that caused it and the actor, and record the listing."""
        entry = current_request.get()
        self.sandbox.request_log.add_event(cloud=self.name, event=event, server=server.name, snapshot=snapshot,
                                           request=entry["n"] if entry else None, actor=actor.get(), **more)
        self.record_listing()

    def record_listing(self) -> None:
        """Record what the lists show now, for stale responses."""
        self._listings.append((self.sandbox.clock.elapsed(), self.rows()))

    def clear_history(self) -> None:
        self._listings.clear()
        self.record_listing()

    def listing_at(self, stale: dict[str, Any] | None) -> dict[str, Any]:
        """Return what lists show: now, or for a stale response before the last change or `seconds` ago."""
        rows = self.rows()
        if stale is None:
            return rows
        listings = list(reversed(self._listings))
        if stale.get("seconds") is None:
            return next((listing for dummy, listing in listings if listing != rows), rows)
        cutoff = self.sandbox.clock.elapsed() - float(stale["seconds"])
        return next((listing for at, listing in listings if at <= cutoff), listings[-1][1] if listings else rows)

    def spawn(self, server: Server, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work on a server in the background until it finishes or the server is removed."""
        task = asyncio.get_running_loop().create_task(_log_errors(work))
        server.tasks.add(task)
        task.add_done_callback(server.tasks.discard)
        return task

    async def stop_work(self, server: Server) -> None:
        """Cancel all work on a server."""
        tasks = list(server.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def on_power_off(self, server: ServerT) -> None:
        """Show in the status that the server has powered itself off."""
        raise NotImplementedError

    async def restore_disk(self, server: ServerT, image: str, faults: RestoreFaults) -> str | None:
        """Restore the disk and return its digest; on failure print the error, keep the old disk and return None."""
        try:
            return await (server.machine.digest() if faults.ignored else server.machine.load_disk(image))
        except (MachineError, MachineRuntimeError, OSError):
            traceback.print_exc(file=sys.stderr)
            return None

    def outcome_fault(self, kind: str, operation: str, server: Server) -> dict[str, Any] | None:
        """Take the fault, if any, for this operation on this server."""
        return self.sandbox.faults.take_outcome_fault(kind, self.name, operation, server.aliases)

    def duration(self, operation: str) -> float:
        """Return a duration for this operation, in sandbox seconds."""
        return self.sandbox.settings.duration(f"{self.name}.{operation}", self.sandbox.rng)


async def _log_errors(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:  # a bug of the sandbox; asyncio would report it only when the task is collected
        traceback.print_exc(file=sys.stderr)
        raise
