# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the sandbox holds: time, both clouds, their machines, the request log, faults, settings, credentials."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .clock import CancellableWaits, SandboxClock
from .cloud import Cloud
from .faults.table import FaultTable
from .ilkbyte.api import Key
from .ilkbyte.cloud import Ilkbyte
from .listeners import Listener
from .machines import MachinePool, StubMachinePool
from .request_log import RequestLog
from .settings import Settings
from .vpsorg.api import Token
from .vpsorg.cloud import VpsOrg


@dataclass
class Credentials:
    """The sandbox's own credentials (they stay over a reset) and those that the admin API added (they don't)."""

    vpsorg_token: str = field(default_factory=lambda: f"vps_{secrets.token_hex(20)}")
    ilkbyte_access_key: str = field(default_factory=lambda: secrets.token_hex(16))
    ilkbyte_secret_key: str = field(default_factory=lambda: secrets.token_hex(16))
    tokens: dict[str, Token] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def reset(self) -> None:
        """Only the sandbox's own are valid."""
        self.tokens.clear()
        self.tokens[self.vpsorg_token] = Token("sandbox")
        self.keys.clear()
        self.keys[self.ilkbyte_access_key] = Key(self.ilkbyte_access_key, self.ilkbyte_secret_key)

    def secrets(self) -> list[str]:
        """Every value that must not be written down."""
        return [*self.tokens, *self.keys, *(key.secret for key in self.keys.values())]


class SandboxState:
    """The whole sandbox, without its HTTP side.

    :param machine_pool: where machines come from.
    :param vpsorg_servers, ilkbyte_servers: how many servers each cloud has from the start.
    :param seed: durations and sizes are random but the same for the same seed and the same calls.
    :param extra_clouds: clouds beside these two, without servers until a reset gives them some.
    """

    def __init__(self, machine_pool: MachinePool | StubMachinePool, *, speed: float, vpsorg_servers: int, ilkbyte_servers: int,
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
        self.request_log.add_secrets(self.credentials.secrets())
        self.vpsorg = VpsOrg(self)
        self.ilkbyte = Ilkbyte(self)
        self.clouds: tuple[Any, ...] = (self.vpsorg, self.ilkbyte, *(make(self) for make in extra_clouds))
        self.faults = FaultTable([cloud.name for cloud in self.clouds])
        self._server_counts = {"vpsorg": vpsorg_servers, "ilkbyte": ilkbyte_servers}

    async def create_servers(self) -> None:
        """Make the servers: ``web1``… at VPS.org, ``app1``… at Ilkbyte."""
        await asyncio.gather(*(cloud.reset_servers(cloud.server_prefix, self._server_counts.get(cloud.name, 0)) for cloud in self.clouds))
        for cloud in self.clouds:
            cloud.clear_history()

    async def reset(self, servers: dict[str, int] | None = None) -> None:
        """Make all as new: servers, disks, snapshots, request log, faults, settings, added credentials, time.

        Ports and the sandbox's own credentials stay; machines are used again, so that this is fast.

        :param servers: how many each cloud has from now on, by its name; a cloud that is not in it has as many as before.
        """
        self._server_counts.update(servers or {})
        self.faults.clear()
        self.waits.cancel_all()
        for listener in self.listeners.values():
            await listener.accept()
            if listener.certificate_selector is not None:
                listener.certificate_selector.select("good", None)
        self.settings = Settings()
        self.credentials.reset()
        for cloud in self.clouds:
            for server in cloud.servers:
                await cloud.stop_work(server)
        self.rng = random.Random(self.seed)
        self.clock.reset()
        await self.create_servers()
        self.request_log.clear()

    async def stop(self) -> None:
        """End all work and waits under way. The machines are the park's to close."""
        self.waits.cancel_all()
        for cloud in self.clouds:
            for server in cloud.servers:
                await cloud.stop_work(server)
