# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notes about changes that the provider does not show yet, or that an interrupted task has not completed.

- `requested`: the provider accepted a snapshot and lists it only when it is finished. A rerun must not request a second one.
- `replaced`: a new snapshot replaces an old one, which is deleted once the new one is ready. A rerun completes that.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .._provider.base import RUNNING, Server, Snapshot

if TYPE_CHECKING:
    from .._module.context import OperationContext

REPLACED, REQUESTED = "replaced", "requested"


def record_requested(ctx: OperationContext, name: str) -> None:
    """Note that the provider accepted a snapshot without listing it. A stopped server shows nothing of it either."""
    _record(ctx, _requested_key(name), requested_at=ctx.provider.server_time().timestamp())


def is_creation_pending(ctx: OperationContext, server: Server) -> bool:
    """Return whether the snapshot of the task's name may still be in progress although it is not listed."""
    note = ctx.state.all().get(_requested_key(ctx.options["name"])) if ctx.state is not None else None
    requested_at = note.get("requested_at") if note is not None else None
    if not isinstance(requested_at, float):
        return False
    age = ctx.provider.server_time().timestamp() - requested_at  # the provider's clock has a resolution of one second
    if not -2.0 <= age < ctx.provider.capabilities.expected_create_seconds:
        return False
    latest = server if server.power_state else ctx.provider.get_server(server.id)
    return latest.power_state != RUNNING or bool(latest.task_state)  # a running and idle server has no snapshot in progress


def clear_requested(ctx: OperationContext, name: str) -> None:
    """Delete the note: the snapshot is listed, or it was deleted."""
    if ctx.state is not None:
        ctx.state.delete(_requested_key(name))


def record_replacement(ctx: OperationContext, old: Snapshot, new: Snapshot) -> None:
    """Note that the old snapshot is to be deleted once the new one is ready, even if this task is killed before."""
    _record(ctx, _replacement_key(new), id=old.id, created_at=old.created_at)


def clear_replacement(ctx: OperationContext, new: Snapshot) -> None:
    """Delete the note: the old snapshot is deleted."""
    if ctx.state is not None:
        ctx.state.delete(_replacement_key(new))


def pending_replacement(ctx: OperationContext, snapshots: list[Snapshot], new: Snapshot) -> Snapshot | None:
    """Return the old snapshot that an interrupted task has replaced with `new` and not deleted.

    Only for a task that would replace it as well: any other task was not asked to delete anything.
    """
    if ctx.options["max_age"] is None or ctx.options["id"] is not None:
        return None
    note = ctx.state.all().get(_replacement_key(new)) if ctx.state is not None else None
    if note is None:
        return None
    old = (note.get("id"), note.get("created_at"))
    return next((item for item in snapshots if (item.id, item.created_at) == old), None)


def _requested_key(name: str) -> str:
    return f"{REQUESTED} {name}"


def _replacement_key(new: Snapshot) -> str:
    """The key contains the id, so that tasks of other names do not overwrite the note."""
    return f"{REPLACED} by {new.id}"


def _record(ctx: OperationContext, key: str, **fields: str | float | None) -> None:
    if ctx.state is not None:
        with contextlib.suppress(OSError):  # a full disk does not fail a task that has done its work
            ctx.state.put(key, **fields)
