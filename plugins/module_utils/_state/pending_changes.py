# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this machine knows of a server's snapshots for a short while, and a list that lags does not show yet.

A list may come from a replica that has not heard of the change that a task has asked for a moment ago. A task that
believes it makes a second snapshot, or takes one for there that is gone. So each change is noted in the task's turn, and a
list that does not show it is looked at again.
"""

from __future__ import annotations

import contextlib

from .._errors import RewindError
from .._module.context import OperationContext
from .._provider.base import RUNNING, Server, Snapshot
from .._wait.polling import Deadline, wait_until
from .._wait.waiters import STALE_LIST_TIMEOUT

CONSISTENCY_WINDOW = 120.0  # a list that lags by more than this is no list
CREATED, DELETED, REPLACED, REQUESTED = "created", "deleted", "replaced", "requested"


def record_created(ctx: OperationContext, snapshot: Snapshot) -> None:
    """The cloud has begun to make it, so it must be listed."""
    _record(ctx, CREATED, id=snapshot.id)


def record_deleted(ctx: OperationContext, snapshot: Snapshot) -> None:
    """It is deleted, or taken anew: as it was it must not be listed any more."""
    _record(ctx, DELETED, id=snapshot.id, created_at=snapshot.created_at)
    if ctx.state is not None and (ctx.state.all().get(CREATED) or {}).get("id") == snapshot.id:
        ctx.state.delete(CREATED)
    clear_requested(ctx, snapshot.name)


def record_requested(ctx: OperationContext, name: str) -> None:
    """The cloud has said yes to a snapshot, and lists it only when it is made. A server that is off shows nothing of it meanwhile."""
    _record(ctx, _requested_key(name), requested_at=ctx.provider.server_time().timestamp())


def is_creation_pending(ctx: OperationContext, server: Server) -> bool:
    """Whether the snapshot of the task's name is still being made, by all that this machine knows, though it is not listed yet."""
    note = ctx.state.all().get(_requested_key(ctx.options["name"])) if ctx.state is not None else None
    requested_at = note.get("requested_at") if note is not None else None
    if not isinstance(requested_at, float):
        return False
    age = ctx.provider.server_time().timestamp() - requested_at  # by the cloud's clock, which is read to the second
    if not -2.0 <= age < ctx.provider.capabilities.expected_create_seconds:
        return False
    latest = server if server.power_state else ctx.provider.get_server(server.id)
    return latest.power_state != RUNNING or bool(latest.task_state)  # a server that runs and is idle is making none


def clear_requested(ctx: OperationContext, name: str) -> None:
    """It is there, or will not be."""
    if ctx.state is not None:
        ctx.state.delete(_requested_key(name))


def record_replacement(ctx: OperationContext, old: Snapshot, new: Snapshot) -> None:
    """The old one goes once the new one is ready, even if this task is killed before."""
    _record(ctx, _replacement_key(new), id=old.id, created_at=old.created_at)


def clear_replacement(ctx: OperationContext, new: Snapshot) -> None:
    """The old one is gone."""
    if ctx.state is not None:
        ctx.state.delete(_replacement_key(new))


def pending_replacement(ctx: OperationContext, snapshots: list[Snapshot], new: Snapshot) -> Snapshot | None:
    """The old snapshot that an earlier task of this machine has replaced with this one and has not deleted any more.

    Only for a task that would have replaced it as well: any other has been told of no deletion.
    """
    if ctx.options["max_age"] is None or ctx.options["id"] is not None:
        return None
    note = ctx.state.all().get(_replacement_key(new)) if ctx.state is not None else None
    if note is None:
        return None
    old = (note.get("id"), note.get("created_at"))
    return next((item for item in snapshots if (item.id, item.created_at) == old), None)


def list_consistent(ctx: OperationContext, server: Server, snapshots: list[Snapshot]) -> list[Snapshot]:
    """The server's snapshots, read again for a short while where the list lags behind what this machine knows."""
    if ctx.state is None or _is_consistent(ctx, snapshots):
        return snapshots

    def poll() -> list[Snapshot] | None:
        nonlocal snapshots
        snapshots = ctx.provider.list_snapshots(server)
        return snapshots if _is_consistent(ctx, snapshots) else None

    with contextlib.suppress(RewindError):  # somebody else has deleted or made it by now; or else the next request says what is wrong
        wait_until(
            poll, description="the list of snapshots", deadline=Deadline(STALE_LIST_TIMEOUT), expected_seconds=STALE_LIST_TIMEOUT, timeout_hint="",
        )
    return snapshots


def _is_consistent(ctx: OperationContext, snapshots: list[Snapshot]) -> bool:
    created, deleted = ctx.state.get(CREATED, CONSISTENCY_WINDOW), ctx.state.get(DELETED, CONSISTENCY_WINDOW)
    if created is not None and all(item.id != created.get("id") for item in snapshots):
        return False
    return deleted is None or all((item.id, item.created_at) != (deleted.get("id"), deleted.get("created_at")) for item in snapshots)


def _requested_key(name: str) -> str:
    return f"{REQUESTED} {name}"


def _replacement_key(new: Snapshot) -> str:
    """The note's key: tasks of other names have notes of their own."""
    return f"{REPLACED} by {new.id}"


def _record(ctx: OperationContext, key: str, **fields: str | float | None) -> None:
    if ctx.state is not None:
        with contextlib.suppress(OSError):  # a full disk is no reason to fail a task that has done its work
            ctx.state.put(key, **fields)
