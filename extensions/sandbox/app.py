# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox put together: a world, both clouds' APIs and the control API on three loopback ports."""

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

from .admin_api import ControlApi
from .cloud import Cloud
from .ilkbyte.api import SERVER_HEADER, IlkbyteApi
from .inventory import inventory, write_environment, write_inventory
from .listeners import Listener
from .machines import ImaginedPark, Machine, MachinePark
from .middleware import Gate
from .state import World
from .vpsorg.api import BASE, VpsOrgApi

if TYPE_CHECKING:
    from .certificates import Certificates, Showing


@dataclass(frozen=True)
class Options:
    """How a sandbox is started; ports 0 are any free ones. ``state_dir`` None: a temporary folder."""

    vpsorg_servers: int = 2
    ilkbyte_servers: int = 2
    speed: float = 60.0
    seed: int = 0
    state_dir: Path | None = None
    ssh: bool = True
    disks: bool = True
    isolation: str = "auto"
    vpsorg_port: int = 0
    ilkbyte_port: int = 0
    control_port: int = 0
    ssh_port_base: int = 0
    tls: bool = False


class Api(Protocol):
    """A cloud's API as the sandbox serves it: see :class:`VpsOrgApi`."""

    app: ASGIApp
    routes: list[Route]

    def server_of(self, path: dict[str, Any], query: dict[str, Any], body: Any) -> Any:
        """Which server a request is about."""


@dataclass(frozen=True)
class Further:
    """A cloud beside the two: what is behind its API, and the API. Its URL is among the facts as ``NAME_url``."""

    cloud: Callable[[World], Cloud[Any]]
    api: Callable[[Any], Api]


class Sandbox:
    """A running sandbox. Use :meth:`open` and :meth:`close`, both in the same event loop."""

    def __init__(self, options: Options, further: Sequence[Further] = ()) -> None:
        self._options = options
        self._further = further
        self._made_state_dir = options.state_dir is None or not options.state_dir.exists()
        self._state_dir = self._make_state_dir()
        self._inventory_path = self._state_dir / "inventory.yml"
        self._environment_path = self._state_dir / "environment"
        self._listeners: list[Listener] = []
        self._certificates: Certificates | None = None
        self._park: MachinePark | ImaginedPark | None = None
        self._world: World | None = None

    async def open(self) -> dict[str, Any]:
        """Start everything; answers what a user needs to know (addresses, credentials, inventory).

        :raises OSError: a port is taken.
        """
        options = self._options
        if options.tls:
            from .certificates import Certificates

            self._certificates = Certificates(self._state_dir / "tls")
        park = self._park = (
            NumberedPorts(self._state_dir, isolation=options.isolation, ssh=options.ssh, base=options.ssh_port_base)
            if options.disks else ImaginedPark(self._state_dir))
        world = self._world = World(park, speed=options.speed, vpsorg_servers=options.vpsorg_servers,
                                    ilkbyte_servers=options.ilkbyte_servers, seed=options.seed,
                                    further=[one.cloud for one in self._further])
        vpsorg_api = VpsOrgApi(world.vpsorg, world.credentials.tokens)
        ilkbyte_api = IlkbyteApi(world.ilkbyte, world.credentials.keys)
        common: dict[str, Any] = {"clock": world.clock, "ledger": world.ledger, "faults": world.faults}
        control_api = ControlApi(world, self._write_inventory)
        for app, port in (
            (Gate(vpsorg_api.app, cloud=world.vpsorg, routes=vpsorg_api.routes, server_of=vpsorg_api.server_of,
                  **common), options.vpsorg_port),
            (Gate(ilkbyte_api.app, cloud=world.ilkbyte, routes=ilkbyte_api.routes, server_of=ilkbyte_api.server_of,
                  server_header=SERVER_HEADER, **common), options.ilkbyte_port),
            (control_api.app, options.control_port),
        ):
            self._listeners.append(Listener(app, port, self._showing() if app is not control_api.app else None))
        further_clouds = world.clouds[2:]
        for cloud, one in zip(further_clouds, self._further, strict=True):
            api = one.api(cloud)
            gate = Gate(api.app, cloud=cloud, routes=api.routes, server_of=api.server_of, **common)
            self._listeners.append(Listener(gate, 0, self._showing()))
        world.doors.update(zip(("vpsorg", "ilkbyte"), self._listeners, strict=False))
        world.doors.update(zip((cloud.name for cloud in further_clouds), self._listeners[3:], strict=True))
        await world.populate()
        await asyncio.gather(*(listener.open() for listener in self._listeners))
        self._write_inventory()
        facts = self._facts()
        write_environment(self._environment_path, facts)
        return facts

    def _facts(self) -> dict[str, Any]:
        options, park, world = self._options, self._park, self._world
        assert park is not None and world is not None
        return {
            "vpsorg_url": self._vpsorg_url,
            "vpsorg_token": world.credentials.vpsorg_token,
            "ilkbyte_url": self._ilkbyte_url,
            "ilkbyte_access_key": world.credentials.ilkbyte_access_key,
            "ilkbyte_secret_key": world.credentials.ilkbyte_secret_key,
            **{f"{cloud.name}_url": world.doors[cloud.name].url for cloud in world.clouds[2:]},
            "control_url": self._listeners[2].url,
            "ca_path": str(self._certificates.ca_path) if self._certificates else None,
            "inventory": str(self._inventory_path),
            "environment": str(self._environment_path),
            "isolation": park.isolation,
            "isolation_reason": park.isolation_reason,
            "speed": options.speed,
        }

    async def close(self) -> None:
        """Stop everything and leave nothing behind, however far :meth:`open` got."""
        if self._world is not None:
            await self._world.stop()
        await asyncio.gather(*(listener.close() for listener in self._listeners))
        if self._park is not None:
            await self._park.close()
        if self._certificates is not None:
            self._certificates.remove()
        if self._made_state_dir:
            shutil.rmtree(self._state_dir, ignore_errors=True)
        else:
            self._inventory_path.unlink(missing_ok=True)
            self._environment_path.unlink(missing_ok=True)

    def _make_state_dir(self) -> Path:
        if self._options.state_dir is None:
            return Path(tempfile.mkdtemp(prefix="rewind-sandbox-"))
        self._options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._options.state_dir.resolve()

    def _showing(self) -> Showing | None:
        if self._certificates is None:
            return None
        from .certificates import Showing

        return Showing(self._certificates)

    @property
    def _vpsorg_url(self) -> str:
        return self._listeners[0].url + BASE

    @property
    def _ilkbyte_url(self) -> str:
        return self._listeners[1].url

    def _write_inventory(self) -> None:
        assert self._world is not None
        write_inventory(self._inventory_path, inventory(self._world, self._vpsorg_url, self._ilkbyte_url))


class NumberedPorts(MachinePark):
    """A park whose machines get ports one after the other from ``base`` on; base 0: any free ports."""

    def __init__(self, state_dir: Path, *, isolation: str, ssh: bool, base: int) -> None:
        super().__init__(state_dir, isolation=isolation, ssh=ssh)
        self._next_port = base

    async def add(self, name: str, *, port: int = 0, hostname: str | None = None) -> Machine:
        """See :meth:`MachinePark.add`."""
        if port == 0 and self._next_port:
            port, self._next_port = self._next_port, self._next_port + 1
        return await super().add(name, port=port, hostname=hostname)
