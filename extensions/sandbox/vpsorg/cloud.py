# SPDX-License-Identifier: GPL-3.0-or-later
"""VPS.org behind its API: servers, power, snapshots and restores in sandbox time.

Assumptions where the provider's documentation says nothing:

- A snapshot contains the disk as it was when the request was accepted.
- A server is busy while its power changes, while a snapshot is taken and while it is restored. A busy server rejects power actions and restores.
  It rejects more snapshots only while it is restored.
- After a restore the server is `active`, whatever it was before and whether the disk boots or not. A failed restore leaves it `stopped` with its
  old disk.
- A server that powers itself off is `stopped`.
- A failed snapshot is listed as `failed` and counts towards the limit until it is deleted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..cloud import Cloud
from ..faults.table import RestoreFaults
from .model import Rejected, VpsServer, VpsSnapshot, server_row, snapshot_row

FIRST_SNAPSHOT_ID = 801
MAX_SNAPSHOTS = 5
POWERED_ON = frozenset(("active", "stopping", "restarting"))
POWER_ACTIONS = {
    # action: (required status, status during the action, final status)
    "start": ("stopped", "starting", "active"),
    "stop": ("active", "stopping", "stopped"),
    "hard_stop": ("active", "stopping", "stopped"),
    "restart": ("active", "restarting", "active"),
}
IN_TRANSITION = frozenset(("starting", "stopping", "restarting", "restoring"))


class VpsOrg(Cloud[VpsServer]):
    """The account's servers and snapshots."""

    name = "vpsorg"
    server_prefix = "web"
    first_server_id = 12345

    def __init__(self, sandbox: Any) -> None:
        super().__init__(sandbox)
        self.snapshots: list[VpsSnapshot] = []
        self.extra_snapshot_rows: list[Any] = []
        self._next_snapshot_id = FIRST_SNAPSHOT_ID

    def new_server(self, machine: Any, name: str, hostname: str | None, state: str | None) -> VpsServer:
        now = self.sandbox.clock.now()
        return VpsServer(self.next_server_id, name, hostname or f"{name}.example.com", machine, now, status=state or "active", updated_at=now)

    async def remove_server(self, server: VpsServer) -> None:
        self.snapshots = [snapshot for snapshot in self.snapshots if snapshot.server is not server]
        await super().remove_server(server)

    async def clear_server(self, server: VpsServer) -> None:
        for snapshot in self.snapshots_of(server):
            await server.machine.drop_image(snapshot.image)
            self.snapshots.remove(snapshot)
        server.hostname, server.status, server.updated_at = f"{server.name}.example.com", "active", server.created_at

    async def reset_servers(self, prefix: str, number: int) -> None:
        await super().reset_servers(prefix, number)
        self.extra_snapshot_rows = []
        self._next_snapshot_id = FIRST_SNAPSHOT_ID

    def snapshots_of(self, server: VpsServer) -> list[VpsSnapshot]:
        """Return a server's snapshots, oldest first."""
        return [snapshot for snapshot in self.snapshots if snapshot.server is server]

    def snapshot(self, snapshot_id: int) -> VpsSnapshot | None:
        """Return the snapshot with this ID, or None."""
        return next((snapshot for snapshot in self.snapshots if snapshot.id == snapshot_id), None)

    def find_snapshot(self, server: VpsServer, reference: Any) -> VpsSnapshot | None:
        """Return the `newest`, the `oldest`, the one with this ID, or the newest of this name."""
        by_age = sorted(self.snapshots_of(server), key=lambda snapshot: (snapshot.created_at, snapshot.id))
        matching = [snapshot for snapshot in by_age if reference in ("newest", "oldest") or str(reference) in (str(snapshot.id), snapshot.name)]
        return matching[0 if reference == "oldest" else -1] if matching else None

    def set_status(self, server: VpsServer, status: str) -> None:
        """Change the status and `updated_at`."""
        server.status = status
        server.updated_at = self.sandbox.clock.now()

    async def set_machine_power(self, server: VpsServer) -> None:
        # An unknown status leaves it unchanged.
        if server.status in POWERED_ON:
            await server.machine.power_on()
        elif server.status in ("stopped", "suspended", "restoring"):
            await server.machine.power_off()

    def on_power_off(self, server: VpsServer) -> None:
        if server.status == "active":
            self.set_status(server, "stopped")
            self.record_event("power_stopped", server)

    def is_busy(self, server: VpsServer) -> bool:
        """Whether work on the server prevents other work."""
        return server.status in IN_TRANSITION or any(snapshot.status == "in_progress" for snapshot in self.snapshots_of(server))

    # Power

    def power(self, server: VpsServer, action: str) -> None:
        """Start a power action. Raises Rejected if the server is busy, suspended, or already in that state."""
        needed, transition, final = POWER_ACTIONS[action]
        if self.is_busy(server):
            raise Rejected(400, {"detail": "Server is busy. Another operation is in progress."})
        if server.status != needed:
            raise Rejected(400, {"detail": f"Cannot {action} a server that is {server.status}."})
        fault = self.outcome_fault("power_stuck", "servers.power", server)
        started_at = self.sandbox.clock.elapsed()
        self.set_status(server, transition)
        if fault is None:
            ends_at = started_at + self.duration(f"servers.power.{action}")
            self.spawn(server, self._power(server, action, started_at, ends_at, final))
        elif fault.get("seconds") is not None:
            self.spawn(server, self._set_status_later(server, started_at + float(fault["seconds"]), needed))

    async def _power(self, server: VpsServer, action: str, started_at: float, ends_at: float, final: str) -> None:
        if action == "restart":
            await self.sandbox.clock.sleep_until(started_at + (ends_at - started_at) * 0.4)
            await server.machine.shut_down()
            await server.machine.power_off()
            self.record_event("power_stopped", server)
        await self.sandbox.clock.sleep_until(ends_at)
        if final == "active":
            await server.machine.power_on()
        elif action == "stop" and not await server.machine.shut_down():
            self.set_status(server, "active")  # the guest ignores ACPI
            return
        else:
            await server.machine.power_off()
        self.set_status(server, final)
        self.record_event("power_started" if final == "active" else "power_stopped", server)

    async def _set_status_later(self, server: VpsServer, at: float, status: str) -> None:
        await self.sandbox.clock.sleep_until(at)
        self.set_status(server, status)

    # Snapshots

    async def create_snapshot(self, server: VpsServer, name: str | None, description: str) -> VpsSnapshot:
        """Start a snapshot: the disk is saved now; the status is completed minutes later.

        Raises Rejected if the limit is reached or the server is suspended or being restored.
        """
        if len(self.snapshots_of(server)) >= MAX_SNAPSHOTS:
            raise Rejected(400, {"detail": f"Snapshot limit reached. Maximum {MAX_SNAPSHOTS} snapshots per server."})
        if server.status in ("suspended", "restoring"):
            raise Rejected(400, {"detail": f"Cannot create a snapshot of a server that is {server.status}."})
        snapshot = self._new_snapshot(server, name, description)
        fault = self.outcome_fault("snapshot_fails", "snapshots.create", server)
        ends_at = self.sandbox.clock.elapsed() + self.duration("snapshots.create")
        digest = await server.machine.save_disk(snapshot.image)
        self.record_event("snapshot_started", server, name, snapshot_id=snapshot.id, digest=digest)
        self.spawn(server, self._finish_snapshot(snapshot, ends_at, digest, fails=fault is not None))
        return snapshot

    async def _finish_snapshot(self, snapshot: VpsSnapshot, ends_at: float, digest: str, fails: bool) -> None:
        await self.sandbox.clock.sleep_until(ends_at)
        if snapshot not in self.snapshots:
            return  # the admin API removed it
        if fails:
            snapshot.status = "failed"
            self.record_event("snapshot_failed", snapshot.server, snapshot.name, snapshot_id=snapshot.id)
            return
        snapshot.status = "completed"
        snapshot.size_mb = self.sandbox.rng.randint(4000, 6000)
        self.record_event("snapshot_ready", snapshot.server, snapshot.name, snapshot_id=snapshot.id, digest=digest)

    async def add_snapshot(self, server: VpsServer, name: str, *, description: str = "", status: str = "completed",
                           size_mb: int | None = None, created_at: datetime | None = None) -> VpsSnapshot:
        """Add a completed snapshot of the current disk, beyond any limit. The caller records the listing."""
        snapshot = self._new_snapshot(server, name, description)
        snapshot.status = status
        snapshot.size_mb = size_mb if size_mb is not None or status != "completed" else 5120
        snapshot.created_at = created_at or snapshot.created_at
        await server.machine.save_disk(snapshot.image)
        return snapshot

    def _new_snapshot(self, server: VpsServer, name: str | None, description: str) -> VpsSnapshot:
        snapshot = VpsSnapshot(self._next_snapshot_id, server, name, description, "in_progress", None, self.sandbox.clock.now())
        self._next_snapshot_id += 1
        self.snapshots.append(snapshot)
        return snapshot

    async def restore_snapshot(self, snapshot: VpsSnapshot) -> None:
        """Start a restore: the server stops now and has the snapshot's disk minutes later.

        Raises Rejected if the server is busy or suspended, or the snapshot is not completed.
        """
        server = snapshot.server
        if self.is_busy(server) or server.status == "suspended" or snapshot.status != "completed":
            raise Rejected(400, {"detail": "Server is not in a valid state for restoration."})
        self.set_status(server, "restoring")
        snapshot.being_restored = True
        faults = self.sandbox.faults.take_restore_faults(self.name, server.aliases)
        started_at = self.sandbox.clock.elapsed()
        ends_at = faults.end_time(started_at, started_at + self.duration("snapshots.restore"))
        await server.machine.power_off()
        self.record_event("restore_started", server, snapshot.name, snapshot_id=snapshot.id)
        if ends_at is not None:
            self.spawn(server, self._finish_restore(snapshot, ends_at, faults))

    async def _finish_restore(self, snapshot: VpsSnapshot, ends_at: float, faults: RestoreFaults) -> None:
        server = snapshot.server
        await self.sandbox.clock.sleep_until(ends_at)
        digest = None if faults.fails else await self.restore_disk(server, snapshot.image, faults)
        snapshot.being_restored = False
        if digest is None:
            self.set_status(server, "stopped")
            self.record_event("restore_failed", server, snapshot.name, snapshot_id=snapshot.id)
            return
        if not faults.stays_off:
            await server.machine.power_on()
        self.set_status(server, "stopped" if faults.stays_off else "active")
        self.record_event("restore_done", server, snapshot.name, snapshot_id=snapshot.id, digest=digest)

    async def delete_snapshot(self, snapshot: VpsSnapshot) -> None:
        """Delete. Raises Rejected if the snapshot is being taken or restored."""
        if snapshot.status == "in_progress" or snapshot.being_restored:
            raise Rejected(400, {"detail": "Snapshot is in use and cannot be deleted."})
        await self.drop_snapshot(snapshot)
        self.record_event("snapshot_deleted", snapshot.server, snapshot.name, snapshot_id=snapshot.id)

    async def drop_snapshot(self, snapshot: VpsSnapshot) -> None:
        """Remove a snapshot and its disk image in any state; a running restore keeps the image."""
        self.snapshots.remove(snapshot)
        if not snapshot.being_restored:
            await snapshot.server.machine.drop_image(snapshot.image)

    # What lists show

    def rows(self) -> dict[str, Any]:
        """Return `servers` by ID, `snapshots` newest first, and `owners`: the ID of each snapshot's server, which its row may lack."""
        snapshots = list(reversed(self.snapshots))
        return {
            "servers": [*(server_row(server) for server in self.servers), *self.extra_server_rows],
            "snapshots": [*(snapshot_row(snapshot) for snapshot in snapshots), *self.extra_snapshot_rows],
            "owners": [*(snapshot.server.id for snapshot in snapshots), *(None for dummy in self.extra_snapshot_rows)],
        }
