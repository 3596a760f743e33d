# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines without disks, for tests of the APIs only: operations take no time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from .machine import MachineError


class StubMachine:
    """A machine with only a power state and a number as its disk.

    The number grows with every image, as if the server wrote all the time, so no two images are equal.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.disk_path = directory / name
        self.powered_on = False
        self.was_used = False
        self.port = 0
        self.boot_problem: str | None = None
        self.network_up = True
        self.root_inside = "/"
        self.ansible_variables: dict[str, str] = {}
        self.on_self_power_off: Callable[[], None] = lambda: None
        self._content = 0
        self._newest = 0
        self._images: dict[str, int] = {}

    async def power_on(self) -> None:
        self.powered_on = True

    async def power_off(self) -> None:
        self.powered_on = False

    async def shut_down(self) -> bool:
        self.powered_on = False
        return True

    async def set_network(self, up: bool) -> None:
        self.network_up = up

    async def save_disk(self, image: str) -> str:
        self._images[image] = self._content
        digest = await self.digest()
        self._newest += 1
        self._content = self._newest
        return digest

    async def load_disk(self, image: str) -> str:
        if image not in self._images:
            raise MachineError(f"{self.name} has no image {image}")
        self._content = self._images[image]
        return await self.digest()

    async def drop_image(self, image: str) -> None:
        self._images.pop(image, None)

    async def digest(self) -> str:
        return hashlib.sha256(f"{self.name}\n{self._content}".encode()).hexdigest()

    async def remove(self) -> None:
        pass


class StubMachinePool:
    """Creates stub machines; see `MachinePool`."""

    isolation = "none"
    isolation_reason = "The servers have no disks and run no commands."
    python = "/usr/bin/python3"

    def __init__(self, state_dir: Path) -> None:
        self.client_key_path = state_dir / "client_key"
        self.known_hosts_path = state_dir / "known_hosts"
        self._state_dir = state_dir

    async def add(self, name: str, *, hostname: str | None = None) -> StubMachine:
        return StubMachine(name, self._state_dir)

    async def close(self) -> None:
        pass
