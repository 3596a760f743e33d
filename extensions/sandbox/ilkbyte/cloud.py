# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte behind its API: servers with snapshots that behave as libvirt's, operations in sandbox time, schedules.

Assumptions where the provider's documentation says nothing:

- A snapshot contains the disk as it was when the operation started.
- Operations on one server are serialized: a second request waits for the first and is checked then. It is executed even if its client has
  disconnected.
- Recreating a snapshot deletes it first: if the new one fails, it is gone. Its schedule stays.
- Deleting a snapshot deletes its schedule. A snapshot has at most one schedule.
- A failed revert leaves the server off, with its old disk and tree.
- A server is `running` once it is powered on, whether its disk boots or not.
- A server that powers itself off is `shut off`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from ..cloud import Cloud
from ..request_log import actor, current_request
from .model import IlkbyteServer, Rejected, Schedule, rows
from .snapshot_tree import SnapshotTree

POWER_ACTIONS = ("start", "shutdown", "reboot", "destroy")

OnStarted = Callable[[], None]


class Ilkbyte(Cloud[IlkbyteServer]):
    """The account's servers."""

    name = "ilkbyte"
    server_prefix = "app"
    first_server_id = 501

    def __init__(self, sandbox: Any) -> None:
        super().__init__(sandbox)
        self._image_count = 0

    def new_server(self, machine: Any, name: str, hostname: str | None, state: str | None) -> IlkbyteServer:
        return IlkbyteServer(self.next_server_id, name, hostname or name, machine, self.sandbox.clock.now(), power=state or "running")

    async def clear_server(self, server: IlkbyteServer) -> None:
        for image in server.images.values():
            await server.machine.drop_image(image)
        server.hostname, server.service, server.power = server.name, "active", "running"
        server.tree, server.images, server.schedules, server.timers = SnapshotTree(), {}, {}, {}
        server.snapshot_changes, server.extra_snapshot_rows = {}, []
        server.lock, server.active_operation = asyncio.Lock(), None

    async def set_power(self, server: IlkbyteServer, power: str) -> None:
        """Set the power state; SSH is closed while a server is paused."""
        server.power = power
        await self.set_machine_power(server)

    async def set_machine_power(self, server: IlkbyteServer) -> None:
        if server.power == "running":
            await server.machine.power_on()
        else:
            await server.machine.power_off()

    def on_power_off(self, server: IlkbyteServer) -> None:
        if server.power == "running":
            server.power = "shutoff"
            self.record_event("power_stopped", server)

    # Operations: each waits for the server's lock, starts, and continues in the background

    async def perform(self, server: IlkbyteServer, work: Callable[[OnStarted], Awaitable[None]]) -> None:
        """Run `work` when earlier operations have finished. Return when it calls `started` or, depending on the settings, when it finishes.

        Raises Rejected if the work was rejected or (when waiting for its end) failed.
        """
        started = asyncio.Event()
        rejections: list[Rejected] = []

        async def run_serialized() -> None:
            try:
                async with server.lock:
                    try:
                        await work(started.set)
                    finally:
                        server.active_operation = None
            except Rejected as rejection:
                rejections.append(rejection)
            finally:
                started.set()

        task = self.spawn(server, run_serialized())
        if self.sandbox.settings.ilkbyte_responds == "on_finish":
            await asyncio.wait([task])
        else:
            await started.wait()
        if rejections:
            raise rejections[0]

    async def power(self, server: IlkbyteServer, action: str) -> None:
        """Start, shutdown (graceful), reboot or destroy (off at once). Raises Rejected if the server is already in that state."""
        async def work(started: OnStarted) -> None:
            if (action == "start") == (server.power == "running"):
                raise Rejected("Server is already running!" if action == "start" else "Server is not running!")
            if self.outcome_fault("power_stuck", "servers.power", server) is not None:
                return  # as with a guest that ignores ACPI: accepted, without effect
            started_at = self.sandbox.clock.elapsed()
            ends_at = started_at + self.duration(f"servers.power.{action}")
            started()
            if action == "reboot":
                await self.sandbox.clock.sleep_until((started_at + ends_at) / 2)
                await server.machine.shut_down()
                await server.machine.power_off()
                self.record_event("power_stopped", server)
            await self.sandbox.clock.sleep_until(ends_at)
            if action in ("start", "reboot"):
                await self.set_power(server, "running")
                self.record_event("power_started", server)
            elif server.power == "running":  # it may have powered itself off
                if action == "shutdown" and not await server.machine.shut_down():
                    return  # the guest ignores ACPI
                await self.set_power(server, "shutoff")
                self.record_event("power_stopped", server)

        await self.perform(server, work)

    async def create_snapshot(self, server: IlkbyteServer, name: str) -> None:
        """Raises Rejected if the name is taken."""
        async def work(started: OnStarted) -> None:
            if name in server.tree:
                raise Rejected("Snapshot already exists!")
            await self._create(server, name, "snapshots.create", "snapshot_ready", started)

        await self.perform(server, work)

    async def update_snapshot(self, server: IlkbyteServer, name: str) -> None:
        """Recreate a snapshot under its name. Raises Rejected if it does not exist."""
        await self.perform(server, lambda started: self._recreate(server, name, started))

    async def _recreate(self, server: IlkbyteServer, name: str, started: OnStarted) -> None:
        self._require_snapshot(server, name)
        server.tree.delete(name)
        await server.machine.drop_image(server.images.pop(name))
        await self._create(server, name, "snapshots.update", "snapshot_recreated", started)

    async def _create(self, server: IlkbyteServer, name: str, operation: str, event: str, started: OnStarted) -> None:
        fault = self.outcome_fault("snapshot_fails", operation, server)
        ends_at = self.sandbox.clock.elapsed() + self.duration(operation)
        taken_at, state, image = self.sandbox.clock.now(), server.power, self._new_image()
        server.active_operation = "create"
        digest = await server.machine.save_disk(image)
        self.record_event("snapshot_started", server, name, digest=digest)
        started()
        await self.sandbox.clock.sleep_until(ends_at)
        server.active_operation = None
        if fault is not None:
            await server.machine.drop_image(image)
            self.record_event("snapshot_failed", server, name)
            raise Rejected("Snapshot could not be created!")
        server.tree.create(name, state, taken_at)
        server.images[name] = image
        self.record_event(event, server, name, digest=digest)

    async def revert_snapshot(self, server: IlkbyteServer, name: str) -> None:
        """Revert the server; it takes the snapshot's power state. Raises Rejected if the snapshot does not exist."""
        async def work(started: OnStarted) -> None:
            self._require_snapshot(server, name)
            faults = self.sandbox.faults.take_restore_faults(self.name, server.aliases)
            started_at = self.sandbox.clock.elapsed()
            ends_at = faults.end_time(started_at, started_at + self.duration("snapshots.restore"))
            server.active_operation = "revert"
            await server.machine.power_off()
            self.record_event("restore_started", server, name)
            started()
            if ends_at is None:
                await asyncio.Event().wait()  # until a reset; other operations of the server wait
            await self.sandbox.clock.sleep_until(ends_at)
            digest = None if faults.fails else await self.restore_disk(server, server.images[name], faults)
            if digest is None:
                server.active_operation = None
                await self.set_power(server, "shutoff")
                self.record_event("restore_failed", server, name)
                raise Rejected("Snapshot could not be reverted!")
            state = server.tree.revert(name)
            await self.set_power(server, "shutoff" if faults.stays_off else state)
            server.active_operation = None
            self.record_event("restore_done", server, name, digest=digest)

        await self.perform(server, work)

    async def delete_snapshot(self, server: IlkbyteServer, name: str) -> None:
        """Raises Rejected if the snapshot does not exist."""
        async def work(started: OnStarted) -> None:
            self._require_snapshot(server, name)
            ends_at = self.sandbox.clock.elapsed() + self.duration("snapshots.delete")
            started()
            await self.sandbox.clock.sleep_until(ends_at)
            await self.drop_snapshot(server, name, "snapshot_deleted")

        await self.perform(server, work)

    async def drop_snapshot(self, server: IlkbyteServer, name: str, event: str | None = None) -> None:
        """Remove a snapshot, its schedule and its disk image. The event is recorded when lists change."""
        server.tree.delete(name)
        self._stop_schedule(server, name)
        if event is not None:
            self.record_event(event, server, name)
        await server.machine.drop_image(server.images.pop(name))

    async def add_snapshot(self, server: IlkbyteServer, name: str, state: str | None = None, taken_at: datetime | None = None) -> None:
        """Add a snapshot of the current disk and make it current. The caller records the listing."""
        server.tree.create(name, state or server.power, taken_at or self.sandbox.clock.now())
        server.images[name] = self._new_image()
        await server.machine.save_disk(server.images[name])

    # Schedules

    def add_schedule(self, server: IlkbyteServer, name: str, day: int, hour: int, minute: int) -> Schedule:
        """Raises Rejected if the snapshot does not exist or has a schedule."""
        self._require_snapshot(server, name)
        if name in server.schedules:
            raise Rejected("Scheduled snapshot task already exists!")
        schedule = Schedule.starting(day, hour, minute, self.sandbox.clock.now())
        server.schedules[name] = schedule
        self.start_timer(server, name)
        self.record_event("cron_added", server, name)
        return schedule

    def delete_schedule(self, server: IlkbyteServer, name: str) -> None:
        """Raises Rejected if the snapshot has no schedule."""
        if name not in server.schedules:
            raise Rejected("Scheduled snapshot task not found!")
        self._stop_schedule(server, name)
        self.record_event("cron_deleted", server, name)

    def start_timer(self, server: IlkbyteServer, name: str) -> None:
        """Start the timer of a schedule, replacing an earlier one."""
        if name in server.timers:
            server.timers[name].cancel()
        server.timers[name] = self.spawn(server, self._run_schedule(server, name))

    async def _run_schedule(self, server: IlkbyteServer, name: str) -> None:
        current_request.set(None)  # no request causes what follows
        actor.set("schedule")
        schedule = server.schedules[name]
        while True:
            await self.sandbox.clock.sleep_until((schedule.next_run - self.sandbox.clock.started_at).total_seconds())
            async with server.lock:
                schedule.run(self.sandbox.clock.now())
                try:
                    await self._recreate(server, name, lambda: None)
                except Rejected:
                    pass  # it failed, as the request log shows; the schedule continues

    def _stop_schedule(self, server: IlkbyteServer, name: str) -> None:
        server.schedules.pop(name, None)
        timer = server.timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _require_snapshot(self, server: IlkbyteServer, name: str) -> None:
        if name not in server.tree:
            raise Rejected("Snapshot not found!")

    def _new_image(self) -> str:
        self._image_count += 1
        return f"snapshot-{self._image_count}"

    # What lists show

    def rows(self) -> dict[str, Any]:
        """Return `servers` by age; `snapshots` by server name."""
        pairs = [(server.name, *rows(server)) for server in self.servers]
        servers = [*(row for dummy, row, dummy in pairs), *self.extra_server_rows]
        return {"servers": servers, "snapshots": {name: snapshots for name, dummy, snapshots in pairs}}
