# SPDX-License-Identifier: GPL-3.0-or-later
"""What both clouds have: servers with machines behind them, work under way, and what lists showed before."""

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
    from .machines import Machine
    from .state import SandboxState

FACTORY_IMAGE = "factory"  # the disk as it was when the server was made, for resets
MAX_LISTINGS = 50


class CachedRow:
    """Base of servers and snapshots. `cached` is what lists show of it; setting any attribute clears it.

    Each change records what lists show. Building every row again for that takes minutes with 1,000 servers.
    Listings share unchanged rows, so a row is replaced and never modified.
    """

    cached: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "cached":
            super().__setattr__("cached", None)


@dataclass(eq=False)
class Server(CachedRow):
    """A server of either cloud."""

    id: int
    name: str
    hostname: str
    machine: Machine
    created_at: datetime
    factory_digest: str = field(default="", init=False, repr=False)
    tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)

    @functools.cached_property
    def uuid(self) -> str:
        """Always the same for the same server of the same cloud."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.id}.{self.machine.name}.rewind.invalid"))

    @property
    def aliases(self) -> frozenset[str]:
        """Every reference that means this server."""
        return frozenset((str(self.id), self.uuid, self.name))


ServerT = TypeVar("ServerT", bound=Server)


class Cloud(Generic[ServerT]):
    """One cloud: its servers, and its part of the request log. Each cloud fills in the abstract methods."""

    name: str
    server_prefix: str  # its servers are called so, with a number
    first_server_id: int

    def __init__(self, sandbox: SandboxState) -> None:
        self.sandbox = sandbox
        self.next_server_id = self.first_server_id
        self.servers: list[ServerT] = []
        self._listings: deque[tuple[float, dict[str, Any]]] = deque(maxlen=MAX_LISTINGS)

    def server(self, reference: Any) -> ServerT | None:
        """The server with this id, uuid or name; None when there is none."""
        wanted = str(reference)
        for server in self.servers:  # asked for at every request: no calls and no sets for those that it isn't
            if wanted == server.name or wanted == server.uuid or wanted == str(server.id):
                return server
        return None

    async def add_server(self, name: str, hostname: str | None = None, state: str | None = None) -> ServerT:
        """Make a server with the next id; ``state`` is a word of the cloud's own, None for switched on."""
        server = await self.make_server(name, hostname, state)
        self.record_listing()
        return server

    async def make_server(self, name: str, hostname: str | None = None, state: str | None = None) -> ServerT:
        """The same, without remembering what lists show from now on."""
        raise NotImplementedError

    async def remove_server(self, server: ServerT) -> None:
        """Remove a server with its machine and snapshots."""
        raise NotImplementedError

    async def reset_server(self, server: ServerT, name: str) -> None:
        """Put a server back as it was made."""
        raise NotImplementedError

    async def reset_servers(self, prefix: str, number: int) -> None:
        """So many servers, all as new, with the ids from the first one on and names ``prefix1``…

        Those that are there are used again, so that this is fast. What lists showed before is to be forgotten then.
        """
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
        """All that the cloud's lists show at this moment. The rows are shared with what was remembered: never change one."""
        raise NotImplementedError

    def record_event(self, event: str, server: Server, snapshot: str | None = None, **more: Any) -> None:
        """Note an effect with the request that has caused it and who did it, and remember what lists show from now on."""
        entry = current_request.get()
        self.sandbox.request_log.add_event(cloud=self.name, event=event, server=server.name, snapshot=snapshot,
                                 request=entry["n"] if entry else None, actor=actor.get(), **more)
        self.record_listing()

    def record_listing(self) -> None:
        """Keep what lists show now; stale answers come from here."""
        self._listings.append((self.sandbox.clock.elapsed(), self.rows()))

    def clear_history(self) -> None:
        """Start remembering anew."""
        self._listings.clear()
        self.record_listing()

    def listing_at(self, stale: dict[str, Any] | None) -> dict[str, Any]:
        """What lists show: now, or for a stale answer before the last change, or ``seconds`` ago."""
        rows = self.rows()
        if stale is None:
            return rows
        listings = list(reversed(self._listings))
        if stale.get("seconds") is None:
            return next((listing for dummy, listing in listings if listing != rows), rows)
        cutoff = self.sandbox.clock.elapsed() - float(stale["seconds"])
        return next((listing for at, listing in listings if at <= cutoff), listings[-1][1] if listings else rows)

    def spawn(self, server: Server, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let work on a server go on in the background, until it is done or the server is removed."""
        task = asyncio.get_running_loop().create_task(_log_errors(work))
        server.tasks.add(task)
        task.add_done_callback(server.tasks.discard)
        return task

    async def stop_work(self, server: Server) -> None:
        """End all work under way on a server."""
        tasks = list(server.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def save_factory_disk(self, server: Server) -> None:
        """Remember the disk of a server just made."""
        server.factory_digest = await server.machine.save_disk(FACTORY_IMAGE)

    async def reset_machine(self, server: Server) -> None:
        """Put the machine back as it was made: disk and network; it is off afterwards."""
        await server.machine.power_off()
        if await server.machine.digest() != server.factory_digest:  # most tests write nothing, and copying takes time
            await server.machine.load_disk(FACTORY_IMAGE)
        await server.machine.restore_network()

    def watch_machine(self, server: ServerT) -> None:
        """From now on, show it when the server switches itself off from inside."""
        # In a context of its own: the machine says it from within whatever has switched it on, which is not the cause.
        server.machine.on_self_power_off = lambda: Context().run(self.on_power_off, server)

    def on_power_off(self, server: ServerT) -> None:
        """The server has switched itself off."""
        raise NotImplementedError

    async def restore_disk(self, server: ServerT, image: str) -> str | None:
        """The digest of the disk that was put back; None if that failed, said aloud, with the disk as it was."""
        try:
            return await server.machine.load_disk(image)
        except (MachineError, MachineRuntimeError, OSError):
            traceback.print_exc(file=sys.stderr)
            return None

    def outcome_fault(self, kind: str, operation: str, server: Server) -> dict[str, Any] | None:
        """The fault, if any, that this operation on this server shall have."""
        return self.sandbox.faults.take_outcome_fault(kind, self.name, operation, server.aliases)

    def duration(self, operation: str) -> float:
        """Sandbox seconds that this takes this time."""
        return self.sandbox.settings.duration(f"{self.name}.{operation}", self.sandbox.rng)


async def _log_errors(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:  # a defect of the sandbox; asyncio would only mention it when the task is collected
        traceback.print_exc(file=sys.stderr)
        raise
