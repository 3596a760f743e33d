# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox: its state, the APIs of the simulated providers and the admin API, each on a loopback port."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.routing import Route
from starlette.types import ASGIApp

from .admin_api import admin_app
from .cloud import Cloud
from .ilkbyte.api import SERVER_HEADER, IlkbyteApi
from .inventory import inventory, write_environment, write_inventory
from .listeners import Listener
from .machines import MachinePool, StubMachinePool
from .middleware import FaultMiddleware
from .state import SandboxState
from .vpsorg.api import BASE, VpsOrgApi

if TYPE_CHECKING:
    from .certificates import Certificates
    from .machines import AnyMachinePool


@dataclass(frozen=True)
class Options:
    """Options of a sandbox. Port 0 means any free port; `state_dir` None means a temporary directory."""

    vpsorg_servers: int = 2
    ilkbyte_servers: int = 2
    speed: float = 60.0
    seed: int = 0
    state_dir: Path | None = None
    ssh: bool = True
    disks: bool = True
    isolation: str = "auto"
    machines: str = "simulated"
    distribution: str = "debian"
    snapshots: str = "disk"
    vpsorg_port: int = 0
    ilkbyte_port: int = 0
    admin_port: int = 0
    ssh_port_base: int = 0
    tls: bool = False


class Api(Protocol):
    """A simulated provider's API, for example `VpsOrgApi`."""

    app: ASGIApp
    routes: list[Route]

    def server_reference(self, path: dict[str, Any], query: dict[str, Any], body: Any) -> Any:
        """Return the reference of the server that a request is about."""


@dataclass(frozen=True)
class ExtraCloud:
    """An additional cloud and its API. Its URL is in the facts as `NAME_url`."""

    cloud: Callable[[SandboxState], Cloud[Any]]
    api: Callable[[Any], Api]


class Sandbox:
    """A running sandbox. Call `open` and `close` in the same event loop."""

    def __init__(self, options: Options, extra_clouds: Sequence[ExtraCloud] = ()) -> None:
        self._options = options
        self._extra_clouds = extra_clouds
        self._created_state_dir = options.state_dir is None or not options.state_dir.exists()
        if options.state_dir is None:
            self._state_dir = Path(tempfile.mkdtemp(prefix="rewind-sandbox-"))
        else:
            options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._state_dir = options.state_dir.resolve()
        self._inventory_path = self._state_dir / "inventory.yml"
        self._environment_path = self._state_dir / "environment"
        self._listeners: dict[str, Listener] = {}  # by cloud, and "admin"
        self._certificates: Certificates | None = None
        self._machine_pool: AnyMachinePool | None = None
        self._state: SandboxState | None = None

    async def open(self) -> dict[str, Any]:
        """Start everything. Return addresses, credentials and paths. Raises OSError if a port is taken."""
        options = self._options
        if options.tls:
            from .certificates import Certificates

            self._certificates = Certificates(self._state_dir / "tls")
        machine_pool = self._machine_pool = await self._create_machine_pool()
        state = self._state = SandboxState(machine_pool, speed=options.speed, vpsorg_servers=options.vpsorg_servers,
                                           ilkbyte_servers=options.ilkbyte_servers, seed=options.seed,
                                           extra_clouds=[extra.cloud for extra in self._extra_clouds])
        vpsorg_api, ilkbyte_api = VpsOrgApi(state.vpsorg, state.credentials.tokens), IlkbyteApi(state.ilkbyte, state.credentials.keys)
        extra_apis = [extra.api(cloud) for cloud, extra in zip(state.clouds[2:], self._extra_clouds, strict=True)]
        ports = (options.vpsorg_port, options.ilkbyte_port, *(0 for dummy in extra_apis))
        for cloud, api, port in zip(state.clouds, (vpsorg_api, ilkbyte_api, *extra_apis), ports, strict=True):
            app = FaultMiddleware(api.app, cloud=cloud, routes=api.routes, server_reference=api.server_reference,
                                  server_header=SERVER_HEADER if cloud is state.ilkbyte else None)
            self._listeners[cloud.name] = Listener(app, port, self._certificates.selector() if self._certificates else None)
        state.listeners.update(self._listeners)
        self._listeners["admin"] = Listener(admin_app(state, self._write_inventory), options.admin_port)
        await state.create_servers()
        await asyncio.gather(*(listener.open() for listener in self._listeners.values()))
        self._write_inventory()
        facts = self._facts()
        write_environment(self._environment_path, facts)
        return facts

    async def _create_machine_pool(self) -> AnyMachinePool:
        options = self._options
        if options.machines == "qemu":
            if not options.ssh or not options.disks or options.isolation != "auto":
                raise ValueError("machines in QEMU have disks and SSH of their own; remove --no-ssh, --no-disks and --isolation")
            from .machines.qemu import QemuMachinePool

            return await QemuMachinePool.create(self._state_dir, distribution=options.distribution, snapshots=options.snapshots,
                                                first_port=options.ssh_port_base)
        if options.distribution != "debian" or options.snapshots != "disk":
            raise ValueError("--distribution and --snapshots need --machines qemu")
        if not options.disks:
            return StubMachinePool(self._state_dir)
        return MachinePool(self._state_dir, isolation=options.isolation, ssh=options.ssh, first_port=options.ssh_port_base)

    def _facts(self) -> dict[str, Any]:
        options, machine_pool, state = self._options, self._machine_pool, self._state
        assert machine_pool is not None and state is not None
        return {
            "vpsorg_url": self._listeners["vpsorg"].url + BASE,
            "vpsorg_token": state.credentials.vpsorg_token,
            "ilkbyte_url": self._listeners["ilkbyte"].url,
            "ilkbyte_access_key": state.credentials.ilkbyte_access_key,
            "ilkbyte_secret_key": state.credentials.ilkbyte_secret_key,
            **{f"{cloud.name}_url": self._listeners[cloud.name].url for cloud in state.clouds[2:]},
            "admin_url": self._listeners["admin"].url,
            "ca_path": str(self._certificates.ca_path) if self._certificates else None,
            "inventory": str(self._inventory_path),
            "environment": str(self._environment_path),
            "isolation": machine_pool.isolation,
            "isolation_reason": machine_pool.isolation_reason,
            "speed": options.speed,
        }

    async def close(self) -> None:
        """Stop everything and remove all files, however far `open` got."""
        if self._state is not None:
            await self._state.stop()
        await asyncio.gather(*(listener.close() for listener in self._listeners.values()))
        if self._machine_pool is not None:
            await self._machine_pool.close()
        if self._certificates is not None:
            self._certificates.remove()
        if self._created_state_dir:
            shutil.rmtree(self._state_dir, ignore_errors=True)
        else:
            self._inventory_path.unlink(missing_ok=True)
            self._environment_path.unlink(missing_ok=True)

    def _write_inventory(self) -> None:
        assert self._state is not None
        write_inventory(self._inventory_path, inventory(self._state, self._listeners["vpsorg"].url + BASE, self._listeners["ilkbyte"].url))
