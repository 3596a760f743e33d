# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module C(snapshot) returns."""

from __future__ import annotations

from typing import Any

from .._provider.base import Server, Snapshot
from . import retention
from .context import OperationContext


def snapshot_result(
    ctx: OperationContext, server: Server, snapshot: Snapshot | None, changed: bool, message: str,
    before: list[Snapshot], after: list[Snapshot],
) -> dict[str, Any]:
    """:arg before: the server's snapshots as the task found them; :arg after: as it leaves them."""
    result = {
        "changed": changed,
        "msg": message,
        "server": server.to_result(),
        "snapshot": snapshot.to_result() if snapshot else None,
        "snapshots": [item.to_result() for item in retention.newest_first(after)],
        "pruned": [item.to_result() for item in ctx.changes.pruned],
    }
    if ctx.diff_mode:
        result["diff"] = {"before": _for_diff(before, before), "after": _for_diff(after, before)}
    return result


def _for_diff(snapshots: list[Snapshot], before: list[Snapshot]) -> dict[str, Any]:
    """Only what a check run can foretell too: which snapshots, and which of them are new."""
    known = {(item.id, item.created_at) for item in before}
    return {
        "snapshots": [
            {
                "name": item.name,
                "description": item.description,
                "created_at": item.created_at if (item.id, item.created_at) in known else "(new)",
            }
            for item in sorted(snapshots, key=lambda item: (item.name, item.created_at or ""))
        ]
    }
