# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the sandbox: time, providers, machines, request log, faults, settings, credentials."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .clock import CancellableWaits, SandboxClock
from .cloud import Cloud
from .faults.table import FaultTable
from .ilkbyte.api import Key
from .ilkbyte.cloud import Ilkbyte
from .listeners import Listener
from .request_log import RequestLog
from .settings import Settings
from .vpsorg.api import Token
from .vpsorg.cloud import VpsOrg

if TYPE_CHECKING:
    from .machines import AnyMachinePool


@dataclass
class Credentials:
    """The sandbox's own credentials, which survive a reset, and those added through the admin API, which do not."""

    vpsorg_token: str = field(default_factory=lambda: f"vps_{secrets.token_hex(20)}")
    ilkbyte_access_key: str = field(default_factory=lambda: secrets.token_hex(16))
    ilkbyte_secret_key: str = field(default_factory=lambda: secrets.token_hex(16))
    tokens: dict[str, Token] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def reset(self) -> None:
        self.tokens.clear()
        self.tokens[self.vpsorg_token] = Token("sandbox")
        self.keys.clear()
        self.keys[self.ilkbyte_access_key] = Key(self.ilkbyte_access_key, self.ilkbyte_secret_key)

    def secrets(self) -> list[str]:
        """Return every value that must not be logged."""
        return [*self.tokens, *self.keys, *(key.secret for key in self.keys.values())]


class SandboxState:
    """The whole sandbox without its HTTP side.

    Durations and sizes are random, but equal for the same seed and the same calls. Extra clouds have no servers until a reset adds some.
    """

    def __init__(self, machine_pool: AnyMachinePool, *, speed: float, vpsorg_servers: int, ilkbyte_servers: int,
                 seed: int, extra_clouds: Sequence[Callable[[SandboxState], Cloud[Any]]] = ()) -> None:
        self.machine_pool = machine_pool
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = SandboxClock(speed)
        self.request_log = RequestLog(self.clock)
        self.waits = CancellableWaits()
        self.listeners: dict[str, Listener] = {}  # by cloud; the sandbox fills it in when it opens
        self.settings = Settings()
        self.credentials = Credentials()
        self.credentials.reset()
        self.request_log.set_secrets(self.credentials.secrets())
        self.vpsorg = VpsOrg(self)
        self.ilkbyte = Ilkbyte(self)
        self.clouds: tuple[Any, ...] = (self.vpsorg, self.ilkbyte, *(make(self) for make in extra_clouds))
        self.faults = FaultTable([cloud.name for cloud in self.clouds])
        self._server_counts = {"vpsorg": vpsorg_servers, "ilkbyte": ilkbyte_servers}

    async def create_servers(self) -> None:
        """Create the servers: web1… at VPS.org, app1… at Ilkbyte."""
        await asyncio.gather(*(cloud.reset_servers(cloud.server_prefix, self._server_counts.get(cloud.name, 0)) for cloud in self.clouds))
        for cloud in self.clouds:
            cloud.clear_history()

    async def reset(self, servers: dict[str, int] | None = None) -> None:
        """Reset servers, disks, snapshots, request log, faults, settings, added credentials and time.

        Ports and the sandbox's own credentials stay, and machines are reused. `servers` changes the number of servers of the named clouds.
        """
        self._server_counts.update(servers or {})
        self.faults.clear()
        await self.stop()
        for listener in self.listeners.values():
            await listener.accept()
            if listener.certificate_selector is not None:
                listener.certificate_selector.select("good", None)
        self.settings = Settings()
        self.credentials.reset()
        self.rng = random.Random(self.seed)
        self.clock.reset()
        await self.create_servers()
        self.request_log.clear()
        self.request_log.set_secrets(self.credentials.secrets())

    async def stop(self) -> None:
        """Cancel all work and waits. The caller closes the machines."""
        self.waits.cancel_all()
        for cloud in self.clouds:
            for server in cloud.servers:
                await cloud.stop_work(server)
