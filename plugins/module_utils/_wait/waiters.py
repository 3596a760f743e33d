# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for snapshots and power states."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import FAILED, READY, RUNNING, UNKNOWN, Server, Snapshot
from .polling import Deadline, T, wait_until

if TYPE_CHECKING:
    from .._module.context import OperationContext

RECONCILE_TIMEOUT = 20.0  # for a change whose outcome is unknown
STALE_LIST_TIMEOUT = 30.0  # a list may miss a snapshot in progress for so long
EXPECTED_POWER_SECONDS = 60.0  # how long a start or a graceful stop usually takes


class Stopwatch:
    """Measures how long a condition has been true without interruption, by the deadline's clock."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._started_at: float | None = None

    def seconds_while(self, condition: bool) -> float:
        """Record whether the condition is true now. Return for how many seconds it has been; 0 if it is not."""
        if not condition:
            self._started_at = None
            return 0.0
        if self._started_at is None:
            self._started_at = self._deadline.elapsed
        return self._deadline.elapsed - self._started_at


def wait_with_context(
    ctx: OperationContext, poll: Callable[[], T | None], description: str, deadline: Deadline, expected_seconds: float,
    server: Server, snapshot: str | None, hint: str,
) -> T:
    """Wait, and add to an error its server, its snapshot and whether anything may have been changed."""
    try:
        return wait_until(
            poll, description=description, deadline=deadline, expected_seconds=expected_seconds, on_progress=ctx.progress, timeout_hint=hint,
        )
    except RewindError as error:
        error.add_context(server.label, snapshot)
        if error.outcome != errors.FAILED:
            # A failed read, even a definite rejection, says nothing about the change that was requested before.
            error.outcome = errors.UNKNOWN if ctx.changes.request_sent else errors.NOT_APPLIED
        raise


def is_observed(is_applied: Callable[[], bool]) -> bool:
    """Poll for a while, and return whether a change whose outcome is unknown was applied."""
    try:
        return wait_until(
            lambda: is_applied() or None, description="", deadline=Deadline(RECONCILE_TIMEOUT), expected_seconds=RECONCILE_TIMEOUT, timeout_hint="",
        )
    except RewindError:
        return False


def wait_snapshot_ready(ctx: OperationContext, snapshot: Snapshot, deadline: Deadline) -> Snapshot:
    """Return the snapshot once it is ready.

    Raises:
        RewindError: It failed or disappeared, or the time is up.
    """
    server, label = snapshot.server, snapshot.label
    missing = Stopwatch(deadline)

    def poll() -> Snapshot | None:
        listed = next((item for item in ctx.provider.list_snapshots(server) if item.id == snapshot.id), None)
        if missing.seconds_while(listed is None) >= STALE_LIST_TIMEOUT:
            raise RewindError(
                f"Snapshot {label} of server {server.label} is no longer listed although it should be in progress",
                kind=errors.NOT_FOUND, outcome=errors.UNKNOWN,
                hint="check the server's snapshots (rewind.vps.snapshot_info): another client may have deleted it",
            )
        if listed is not None and listed.status == UNKNOWN:
            raise RewindError(
                f"Snapshot {label} of server {server.label} has an unknown status ({listed.provider_status!r}), "
                "so it is unknown whether it is still in progress",
                kind=errors.OPERATION_FAILED, outcome=errors.UNKNOWN,
                hint="check it in the provider's panel, then run again; a rerun creates no second one",
            )
        if listed is not None and listed.status == FAILED:
            raise RewindError(
                f"{ctx.provider.display_name} failed to create snapshot {label} of server {server.label} "
                f"(status {listed.provider_status!r})",
                kind=errors.OPERATION_FAILED, outcome=errors.FAILED, hint="run again: the failed one is replaced",
            )
        return listed if listed is not None and listed.status == READY else None

    return wait_with_context(
        ctx, poll, f"snapshot {label} of server {server.label}", deadline, ctx.provider.capabilities.expected_create_seconds,
        server, label, "it may still become ready; a rerun adopts it and creates no second one",
    )


def wait_snapshot_listed(
    ctx: OperationContext, server: Server, name: str, known_ids: Collection[str], deadline: Deadline, old: Snapshot | None = None,
) -> Snapshot:
    """Return the new snapshot of that name, which the provider lists only when it is finished.

    Its id is not in `known_ids`, those listed before the request. A row without an id may be any snapshot. With `old`, its date differs from
    that one's.

    If a running server stays idle although the expected time is over, no snapshot is in progress. A stopped server is always
    idle, so nothing can be concluded.
    """
    expected_seconds = ctx.provider.capabilities.expected_create_seconds
    idle = Stopwatch(deadline)

    def poll() -> Snapshot | None:
        new = (item for item in ctx.provider.list_snapshots(server) if item.name == name and item.id not in (None, *known_ids))
        found = next((item for item in new if old is None or item.created_at != old.created_at), None)
        if found is None and deadline.elapsed >= expected_seconds:
            latest = ctx.provider.get_server(server.id)
            if idle.seconds_while(latest.power_state == RUNNING and not latest.task_state) >= expected_seconds:
                raise RewindError(
                    f"{ctx.provider.display_name} accepted snapshot {name} of server {server.label}, but does not seem to create it",
                    kind=errors.OPERATION_FAILED, outcome=errors.UNKNOWN,
                    hint="check the server's snapshots (rewind.vps.snapshot_info), then run again",
                )
        return found

    return wait_with_context(
        ctx, poll, f"snapshot {name} of server {server.label} to be {'recreated' if old else 'listed'}", deadline, expected_seconds, server, name,
        "check the server's snapshots (rewind.vps.snapshot_info); a rerun reads them first and creates no second one",
    )


def wait_snapshot_deleted(ctx: OperationContext, snapshot: Snapshot, deadline: Deadline) -> bool:
    """Return True once the snapshot is no longer listed."""
    label = snapshot.label

    def poll() -> bool | None:
        return None if any(item.id == snapshot.id for item in ctx.provider.list_snapshots(snapshot.server)) else True

    return wait_with_context(
        ctx, poll, f"snapshot {label} of server {snapshot.server.label} to be deleted", deadline, RECONCILE_TIMEOUT,
        snapshot.server, label, "check the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun is safe",
    )


def wait_server_idle(ctx: OperationContext, server: Server, deadline: Deadline, power: str | None = None) -> Server:
    """Return the server once it is idle, and has this power state if one is given."""

    def poll() -> Server | None:
        latest = ctx.provider.get_server(server.id)
        return latest if not latest.task_state and power in (None, latest.power_state) else None

    return wait_with_context(
        ctx, poll, f"server {server.label} to be {power or 'idle'}", deadline, EXPECTED_POWER_SECONDS, server, None,
        "check the server in the provider's panel, then run again",
    )
