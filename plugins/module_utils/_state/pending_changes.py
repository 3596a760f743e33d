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
from .._wait.waiters import MISSED_SECONDS

LAG_SECONDS = 120.0  # a list that lags by more than this is no list
MADE, GONE, REPLACED, COMING = "created", "deleted", "replaced", "requested"


def note_made(ctx: OperationContext, snapshot: Snapshot) -> None:
    """The cloud has begun to make it, so it must be listed."""
    _note(ctx, MADE, id=snapshot.id)


def note_gone(ctx: OperationContext, snapshot: Snapshot) -> None:
    """It is deleted, or taken anew: as it was it must not be listed any more."""
    _note(ctx, GONE, id=snapshot.id, created_at=snapshot.created_at)
    if ctx.state is not None and (ctx.state.all().get(MADE) or {}).get("id") == snapshot.id:
        ctx.state.delete(MADE)
    forget_coming(ctx, snapshot.name)


def note_coming(ctx: OperationContext, name: str) -> None:
    """The cloud has said yes to a snapshot, and lists it only when it is made. A server that is off shows nothing of it meanwhile."""
    _note(ctx, _coming(name), requested_at=ctx.provider.server_time().timestamp())


def is_coming(ctx: OperationContext, server: Server) -> bool:
    """Whether the snapshot of the task's name is still being made, by all that this machine knows, though it is not listed yet."""
    note = ctx.state.all().get(_coming(ctx.options["name"])) if ctx.state is not None else None
    requested_at = note.get("requested_at") if note is not None else None
    if not isinstance(requested_at, float):
        return False
    age = ctx.provider.server_time().timestamp() - requested_at  # by the cloud's clock, which is read to the second
    if not -2.0 <= age < ctx.provider.capabilities.expected_create_seconds:
        return False
    now = server if server.power_state else ctx.provider.get_server(server.id)
    return now.power_state != RUNNING or bool(now.task_state)  # a server that runs and is idle is making none


def forget_coming(ctx: OperationContext, name: str) -> None:
    """It is there, or will not be."""
    if ctx.state is not None:
        ctx.state.delete(_coming(name))


def note_replaced(ctx: OperationContext, old: Snapshot, new: Snapshot) -> None:
    """The old one goes once the new one is ready, even if this task is killed before."""
    _note(ctx, _replaced_with(new), id=old.id, created_at=old.created_at)


def forget_replaced(ctx: OperationContext, new: Snapshot) -> None:
    """The old one is gone."""
    if ctx.state is not None:
        ctx.state.delete(_replaced_with(new))


def replaced_by(ctx: OperationContext, snapshots: list[Snapshot], new: Snapshot) -> Snapshot | None:
    """The old snapshot that an earlier task of this machine has replaced with this one and has not deleted any more.

    Only for a task that would have replaced it as well: any other has been told of no deletion.
    """
    if ctx.options["max_age"] is None or ctx.options["id"] is not None:
        return None
    note = ctx.state.all().get(_replaced_with(new)) if ctx.state is not None else None
    if note is None:
        return None
    old = (note.get("id"), note.get("created_at"))
    return next((item for item in snapshots if (item.id, item.created_at) == old), None)


def up_to_date(ctx: OperationContext, server: Server, snapshots: list[Snapshot]) -> list[Snapshot]:
    """The server's snapshots, read again for a short while where the list lags behind what this machine knows."""
    if ctx.state is None or _agrees(ctx, snapshots):
        return snapshots

    def look() -> list[Snapshot] | None:
        nonlocal snapshots
        snapshots = ctx.provider.list_snapshots(server)
        return snapshots if _agrees(ctx, snapshots) else None

    with contextlib.suppress(RewindError):  # somebody else has deleted or made it by now; or else the next request says what is wrong
        wait_until(look, what="the list of snapshots", deadline=Deadline(MISSED_SECONDS), expected=MISSED_SECONDS, hint="")
    return snapshots


def _agrees(ctx: OperationContext, snapshots: list[Snapshot]) -> bool:
    made, gone = ctx.state.get(MADE, LAG_SECONDS), ctx.state.get(GONE, LAG_SECONDS)
    if made is not None and all(item.id != made.get("id") for item in snapshots):
        return False
    return gone is None or all((item.id, item.created_at) != (gone.get("id"), gone.get("created_at")) for item in snapshots)


def _coming(name: str) -> str:
    return f"{COMING} {name}"


def _replaced_with(new: Snapshot) -> str:
    """The note's key: tasks of other names have notes of their own."""
    return f"{REPLACED} by {new.id}"


def _note(ctx: OperationContext, key: str, **fields: str | float | None) -> None:
    if ctx.state is not None:
        with contextlib.suppress(OSError):  # a full disk is no reason to fail a task that has done its work
            ctx.state.put(key, **fields)
