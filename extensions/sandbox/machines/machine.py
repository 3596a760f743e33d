# SPDX-License-Identifier: GPL-3.0-or-later
"""One server: a disk, images of it, a power switch and an SSH server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .boot_files import NetworkFile, boot_problem
from .runtime import REBOOT, MachineRuntimeError, Runtime

if TYPE_CHECKING:
    from .ssh_server import SshServer

REBOOT_SECONDS = 0.5
NETWORK_POLL_INTERVAL = 0.3
# A file that is being rewritten is empty for a short time, so a change must persist this long.
NETWORK_CONFIRM_SECONDS = 0.1


class MachineError(Exception):
    """The operation does not fit the machine's state (no such image, powered on, removed)."""


class Machine:
    """Created by `MachinePool.add`; off until `power_on`. Calls on one machine are serialized.

    `powered_on` follows a reboot or power off from inside; `boots` counts the boots. A machine whose disk does not boot is on, but runs no
    process and no SSH; `boot_problem` says why. `on_self_power_off` is called when the machine ends without a call of ours.
    """

    def __init__(self, name: str, directory: Path, runtime: Runtime, ssh_server: SshServer | None, *, on_removed: Callable[[Machine], None]) -> None:
        self.name = name
        self.disk_path = directory / "disk"
        self.powered_on = False
        self.boots = 0
        self.boot_problem: str | None = None
        self.network_cut = False
        self.on_self_power_off: Callable[[], None] = lambda: None
        self._directory = directory
        self._images = directory / "images"
        self._runtime = runtime
        self._ssh_server = ssh_server
        self._network_file = NetworkFile(self.disk_path)
        self._network_watch: asyncio.Task[None] | None = None
        self._on_removed = on_removed
        self._removed = False
        self._lock = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The SSH port, constant for the machine's life; 0 without SSH."""
        return self._ssh_server.port if self._ssh_server else 0

    @property
    def was_used(self) -> bool:
        """Whether a client has connected by SSH since the last boot, so its processes may run."""
        return self._ssh_server is not None and self._ssh_server.was_used

    @property
    def network_up(self) -> bool:
        """Whether the network is up: not cut, and enabled by the disk's configuration."""
        return not self.network_cut and self._network_file.is_enabled()

    @property
    def root_inside(self) -> str:
        """The disk's root as commands name it: "/", or without namespaces the disk's host path."""
        return self._runtime.root_inside

    @property
    def ansible_variables(self) -> dict[str, str]:
        """Host variables that Ansible needs beyond address and key.

        Ansible expands `~root`, which without namespaces is the host's, and would put its temporary and job files there.
        """
        if self.root_inside == "/":
            return {}
        home = self._runtime.home_inside
        return {"ansible_remote_tmp": f"{home}/.ansible/tmp", "ansible_async_dir": f"{home}/.ansible_async"}

    async def power_on(self) -> None:
        """Boot with a new boot ID and open the SSH port. Does nothing if it is on. A disk that does not boot is no error."""
        async with self._lock:
            self._require_not_removed()
            await self._power_on()

    async def power_off(self) -> None:
        """Close the port, drop connections, kill all processes. Does nothing if it is off."""
        async with self._lock:
            await self._power_off()

    async def shut_down(self) -> bool:
        """Ask the machine to shut down. Return whether it is off. These machines obey at once; others may need time or ignore it."""
        await self.power_off()
        return True

    async def set_network(self, up: bool) -> None:
        """Down: close the port and drop connections; processes continue. It persists over a power cycle."""
        async with self._lock:
            self.network_cut = not up
            await self._apply_network_state()

    async def save_disk(self, image: str) -> str:
        """Copy the disk to `image`, replacing an older one. Return the image's digest.

        If the machine is on, files are copied while they may change, as in a snapshot of a running server.
        """
        async with self._lock:
            self._require_not_removed()
            saved = self._image_path(image)
            self._images.mkdir(exist_ok=True)
            await self._replace_tree(self.disk_path, saved)
            return await self._runtime.digest(saved)

    async def load_disk(self, image: str) -> str:
        """Replace the disk of the powered-off machine by `image`. Return its digest. On failure the disk is unchanged."""
        async with self._lock:
            self._require_not_removed()
            if self.powered_on:
                raise MachineError(f"{self.name} must be off to load a disk")
            saved = self._image_path(image)
            if not saved.is_dir():
                raise MachineError(f"{self.name} has no image {image!r}")
            await self._replace_tree(saved, self.disk_path)
            return await self._runtime.digest(self.disk_path)

    async def drop_image(self, image: str) -> None:
        async with self._lock:
            await self._runtime.erase(self._image_path(image))

    async def digest(self) -> str:
        """Return the SHA-256 (hex) of the disk: see `tree_digest.tree_digest`."""
        async with self._lock:
            self._require_not_removed()
            return await self._runtime.digest(self.disk_path)

    async def remove(self) -> None:
        """Power off and remove the machine, its disk and its images. A second call does nothing."""
        async with self._lock:
            if self._removed:
                return
            self._removed = True
            await self._power_off()
            if self._ssh_server:
                self._ssh_server.release_port()
            await self._runtime.erase(self._directory)
            self._on_removed(self)

    async def _power_on(self) -> None:
        if self.powered_on:
            return
        self.boot_problem = boot_problem(self.disk_path)
        if not self.boot_problem and self._ssh_server:
            self.boot_problem = await self._boot()
        if not self.boot_problem:
            self.boots += 1
        self.powered_on = True

    async def _boot(self) -> str | None:
        """Start the runtime and open the SSH port. Return why that failed, or None."""
        boot = self.boots + 1
        self._ssh_server.was_used = False
        try:
            await self._runtime.start(lambda reason: self._spawn(self._handle_exit(boot, reason)))
        except (MachineRuntimeError, OSError) as problem:
            # Usually the disk is broken; printed in case the sandbox is.
            print(f"sandbox: {self.name} does not boot: {problem}", file=sys.stderr, flush=True)
            return str(problem)
        try:
            if self.network_up:
                await self._ssh_server.open()
        except BaseException:
            await self._runtime.stop()
            raise
        self._network_watch = self._spawn(self._watch_network())
        return None

    async def _watch_network(self) -> None:
        while True:
            await asyncio.sleep(NETWORK_POLL_INTERVAL)
            if self.network_up == self._ssh_server.is_open:
                continue
            if self._ssh_server.is_open:
                await asyncio.sleep(NETWORK_CONFIRM_SECONDS)
            async with self._lock:
                await self._apply_network_state()

    async def _apply_network_state(self) -> None:
        """Open or close the SSH port according to the network."""
        if not self._ssh_server or not self.powered_on or self.boot_problem:
            return
        if self.network_up and not self._ssh_server.is_open:
            await self._ssh_server.open()
        elif not self.network_up and self._ssh_server.is_open:
            await self._ssh_server.close(reset=True)

    async def _power_off(self) -> None:
        self.powered_on = False
        self.boot_problem = None
        if self._network_watch:
            self._network_watch.cancel()
            self._network_watch = None
        if self._ssh_server:
            await self._ssh_server.close()
            await self._runtime.stop()
            await self._ssh_server.wait_for_sessions()

    async def _handle_exit(self, boot: int, reason: str) -> None:
        """Handle a reboot or power off from inside, or a killed first process."""
        async with self._lock:
            if boot != self.boots or not self.powered_on:
                return
            await self._power_off()
            if reason == REBOOT:
                await asyncio.sleep(REBOOT_SECONDS)
                await self._power_on()
                return
        self.on_self_power_off()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _replace_tree(self, source: Path, target: Path) -> None:
        """Make `target` a copy of `source`, with a temporary copy, so a failure leaves the old one."""
        new, old = target.with_name(f"{target.name}.new"), target.with_name(f"{target.name}.old")
        await self._runtime.erase(new)
        await self._runtime.copy(source, new)
        if target.exists():
            os.rename(target, old)
        os.rename(new, target)
        await self._runtime.erase(old)

    def _image_path(self, image: str) -> Path:
        # Escaped, so any name is a valid file name; the prefix handles "." and "..".
        return self._images / f"image-{quote(image, safe='')}"

    def _require_not_removed(self) -> None:
        if self._removed:
            raise MachineError(f"{self.name} has been removed")
