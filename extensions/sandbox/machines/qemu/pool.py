# SPDX-License-Identifier: GPL-3.0-or-later
"""All real machines of one sandbox. See `sandbox.machines.pool`."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from ..ports import HOST, reserve_port
from .guest import Guest
from .image import MachineImage, default_cache, get_image
from .machine import QemuMachine


class QemuMachinePool:
    """Creates machines; `close` removes them again."""

    isolation = "qemu"
    python = "/usr/bin/python3"

    def __init__(self, state_dir: Path, image: MachineImage, *, snapshots: str, first_port: int) -> None:
        self._directory = state_dir.resolve() / "machines"
        self._directory.mkdir(mode=0o700, parents=True)
        self._image = image
        self._with_memory = snapshots == "memory"
        self._next_port = first_port
        self._machines: dict[str, QemuMachine] = {}
        self._ports: dict[str, object] = {}
        self.isolation_reason = f"The servers are Debian machines in QEMU ({image.accelerator}); snapshots contain the {snapshots}."
        self.client_key_path = self._directory / "client_key"
        self.known_hosts_path = self._directory / "known_hosts"
        shutil.copy(image.client_key, self.client_key_path)
        self.client_key_path.chmod(0o600)
        self._write_known_hosts()

    @classmethod
    async def create(cls, state_dir: Path, *, distribution: str = "debian", snapshots: str = "disk", first_port: int = 0) -> QemuMachinePool:
        """Build the image if necessary. `snapshots` is disk (as after a power cut) or memory. Raises MachinesUnavailable."""
        return cls(state_dir, await get_image(default_cache(), distribution), snapshots=snapshots, first_port=first_port)

    async def add(self, name: str, *, hostname: str | None = None) -> QemuMachine:
        """Create a machine, powered off. `name` is a new file name. Raises OSError if the port is taken."""
        reservation = reserve_port(self._next_port)
        self._next_port += self._next_port > 0  # 0 stays 0: any free port
        port = reservation.getsockname()[1]
        directory = self._directory / name
        directory.mkdir()
        disk = directory / "disk.qcow2"
        await asyncio.create_task(_copy(self._image.disk, disk))
        machine = self._machines[name] = QemuMachine(
            name, directory,
            lambda on_event: Guest(self._image.kernel, self._image.initrd, disk, directory, accelerator=self._image.accelerator, ssh_port=port,
                                   on_event=on_event),
            port=port, hostname=hostname or name, with_memory=self._with_memory, on_removed=self._on_machine_removed)
        self._ports[name] = reservation
        self._write_known_hosts()
        return machine

    async def close(self) -> None:
        """Remove all machines and their directory."""
        await asyncio.gather(*(machine.remove() for machine in list(self._machines.values())), return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def _on_machine_removed(self, machine: QemuMachine) -> None:
        self._machines.pop(machine.name, None)
        reservation = self._ports.pop(machine.name, None)
        if reservation is not None:
            reservation.close()
        self._write_known_hosts()

    def _write_known_hosts(self) -> None:
        new = self.known_hosts_path.with_suffix(".new")
        new.write_text("".join(f"[{HOST}]:{machine.port} {self._image.host_key}\n" for machine in self._machines.values()))
        os.replace(new, self.known_hosts_path)


async def _copy(source: Path, target: Path) -> None:
    process = await asyncio.create_subprocess_exec("cp", "--sparse=auto", "--reflink=auto", str(source), str(target))
    if await process.wait():
        raise OSError(f"the disk {target} could not be created; is there 1 GB of space left?")
