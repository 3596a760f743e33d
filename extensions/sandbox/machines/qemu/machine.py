# SPDX-License-Identifier: GPL-3.0-or-later
"""One server that is a real machine in QEMU. See `sandbox.machines.machine` for the meaning of each operation."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..machine import MachineError
from .guest import BOOTED, Guest, GuestError

SHUTDOWN_TIMEOUT = 90.0
SHUTDOWN_POLL_INTERVAL = 0.2
BOOT_TIMEOUT = 240.0


@dataclass(frozen=True)
class _Image:
    """A snapshot in the disk. With `has_memory`, the machine continues from it instead of booting."""

    tag: str
    digest: str
    has_memory: bool


class QemuMachine:
    """Created by `QemuMachinePool.add`; off until `power_on`. Its first start continues from the image's saved state, which takes a second.

    `powered_on` is whether the power is on, as a provider sees it: the machine may still be booting, or never finish.
    """

    root_inside = "/"
    ansible_variables: dict[str, str] = {}

    def __init__(self, name: str, directory: Path, guest: Callable[[Callable[[str], None]], Guest], *, port: int, hostname: str, with_memory: bool,
                 on_removed: Callable[[QemuMachine], None]) -> None:
        self.name = name
        self.port = port
        self.powered_on = False
        self.boots = 0
        self.network_cut = False
        self.on_self_power_off: Callable[[], None] = lambda: None
        self._directory = directory
        self._guest = guest(self._on_event)
        self._hostname = hostname
        self._with_memory = with_memory
        self._on_removed = on_removed
        self._pristine = _Image(BOOTED, _new_digest(), has_memory=True)
        self._next_start: _Image | None = self._pristine
        self._content: str | None = self._pristine.digest
        self._images: dict[str, _Image] = {}
        self._boots_on_console = 0
        self._boot_started = 0.0
        self._removed = False
        self._shutting_down = False
        self._lock = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()

    @property
    def disk_path(self) -> Path:
        return self._guest.disk

    @property
    def was_used(self) -> bool:
        """A running machine writes to its disk at any time."""
        return self.powered_on

    @property
    def network_up(self) -> bool:
        return not self.network_cut

    @property
    def boot_problem(self) -> str | None:
        """Why the machine has not booted although it had time to, or None."""
        if not self.powered_on or self._guest.is_up(self._boots_on_console) or time.monotonic() - self._boot_started < BOOT_TIMEOUT:
            return None
        return f"it was not up {BOOT_TIMEOUT:g} s after its start: {self._guest.console_end()}"

    async def power_on(self) -> None:
        """Switch on. Returns before the machine has booted, as at a provider."""
        async with self._lock:
            if self._removed:
                raise MachineError(f"{self.name} has been removed")
            if self.powered_on:
                return
            image, self._next_start = self._next_start, None
            self._begin_boot(0 if image else 1)
            try:
                await self._guest.start(image.tag if image else None)
                self.powered_on = True
                self._content = None
                if self.network_cut:
                    await self._guest.set_link(False)
                if image is self._pristine:
                    await self._guest.set_identity(self._hostname)
            except GuestError as error:
                if not self.powered_on:  # a part of QEMU may run
                    await self._guest.kill()
                print(f"sandbox: {self.name} does not start: {error}", file=sys.stderr, flush=True)

    async def power_off(self) -> None:
        """Cut the power."""
        async with self._lock:
            await self._power_off()

    async def shut_down(self) -> bool:
        """Ask the machine to shut down and wait until it has. Return whether it is off: it may ignore the request."""
        self._shutting_down = True
        try:
            deadline = time.monotonic() + SHUTDOWN_TIMEOUT
            if self.powered_on:
                await self._guest.press_power_button()
            while self.powered_on and time.monotonic() < deadline:
                await asyncio.sleep(SHUTDOWN_POLL_INTERVAL)
        except GuestError:
            pass  # it has just ended
        finally:
            self._shutting_down = False
        return not self.powered_on

    async def set_network(self, up: bool) -> None:
        """Connect or disconnect the cable: open connections get no answer. It persists over a power cycle."""
        async with self._lock:
            self.network_cut = not up
            if self.powered_on:
                await self._guest.set_link(up)

    async def save_disk(self, image: str) -> str:
        """Save the disk, or with memory snapshots the running machine. Return the name of this content."""
        async with self._lock:
            saved = await self._save()
            await self._drop(image)
            self._images[image] = saved
            return saved.digest

    async def load_disk(self, image: str) -> str:
        """Revert the disk of the powered-off machine."""
        async with self._lock:
            if self.powered_on:
                raise MachineError(f"{self.name} must be off to load a disk")
            if image not in self._images:
                raise MachineError(f"{self.name} has no image {image!r}")
            saved = self._images[image]
            await self._run_qemu_img("snapshot", "-a", saved.tag, str(self.disk_path))
            self._next_start = saved if saved.has_memory else None
            self._content = saved.digest
            return saved.digest

    async def drop_image(self, image: str) -> None:
        async with self._lock:
            await self._drop(image)

    async def digest(self) -> str:
        """Return a name for the disk's content: equal for an image and a disk that was reverted to it, and new for each reading of a running machine.

        Reading the content would take longer than a snapshot; tests of real machines read the files inside.
        """
        if self._content is None and not self.powered_on:
            self._content = _new_digest()
        return self._content or _new_digest()

    async def remove(self) -> None:
        """Power off and remove the machine, its disk and its images. A second call does nothing."""
        async with self._lock:
            if self._removed:
                return
            self._removed = True
            await self._power_off()
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            self._on_removed(self)

    async def _power_off(self) -> None:
        self.powered_on = False
        await self._guest.kill()

    async def _save(self) -> _Image:
        if self._content == self._pristine.digest:
            return self._pristine
        new = _Image(f"image-{uuid.uuid4().hex[:12]}", self._content or _new_digest(), has_memory=self.powered_on and self._with_memory)
        try:
            if not self.powered_on:
                await self._run_qemu_img("snapshot", "-c", new.tag, str(self.disk_path))
                self._content = new.digest
            elif new.has_memory:
                await self._guest.save_memory(new.tag)
            else:
                await self._guest.save_disk(new.tag)
        except GuestError as error:
            raise MachineError(f"{self.name}: {error}") from error
        return new

    async def _drop(self, image: str) -> None:
        saved = self._images.pop(image, None)
        if saved is None or saved is self._pristine:
            return
        if self.powered_on:
            await self._guest.delete_snapshot(saved.tag)
        else:
            await self._run_qemu_img("snapshot", "-d", saved.tag, str(self.disk_path))

    async def _run_qemu_img(self, *arguments: str) -> None:
        try:
            await asyncio.to_thread(subprocess.run, ["qemu-img", *arguments], check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise MachineError(f"{self.name}: qemu-img {arguments[0]} failed: {error.stderr.strip()}") from error

    def _begin_boot(self, boots_on_console: int) -> None:
        self._boots_on_console = boots_on_console
        self._boot_started = time.monotonic()
        self.boots += 1

    def _on_event(self, event: str) -> None:
        if event == "RESET" and self.powered_on:
            self._begin_boot(self._boots_on_console + 1)
        elif event == "EXIT" and self.powered_on:
            self.powered_on = False
            task = asyncio.get_running_loop().create_task(self._after_exit(expected=self._shutting_down))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _after_exit(self, *, expected: bool) -> None:
        async with self._lock:
            if not self.powered_on:
                await self._guest.kill()
        if not expected:
            self.on_self_power_off()


def _new_digest() -> str:
    return f"content-{uuid.uuid4().hex}"
