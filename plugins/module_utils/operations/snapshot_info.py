# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots there are. Reads only."""

from __future__ import annotations

import fnmatch
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import Snapshot, age_seconds
from ansible_collections.rewind.vps.plugins.module_utils.retention import newest_first


def run(task: Task) -> dict[str, Any]:
    """The module C(snapshot_info)."""
    server, listed = task.look_up() if task.options["server"] else (None, task.provider.list_snapshots(None))
    now = task.provider.now()
    found = newest_first(item for item in listed if _is_wanted(item, task.options, age_seconds(item.created_at, now)))
    return {
        "changed": False,
        "msg": f"{len(found)} of {len(listed)} snapshots",
        "snapshots": [{**item.to_result(), "age": _whole(age_seconds(item.created_at, now))} for item in found],
        "server": server.to_result() if server else None,
    }


def _is_wanted(snapshot: Snapshot, options: dict[str, Any], age: float | None) -> bool:
    if options["name"] is not None and snapshot.name != options["name"]:
        return False
    if options["match"] is not None and not fnmatch.fnmatchcase(snapshot.name, options["match"]):
        return False
    if options["status"] and snapshot.status not in options["status"]:
        return False
    if options["older_than"] is not None and (age is None or age <= options["older_than"]):
        return False
    return options["newer_than"] is None or (age is not None and age <= options["newer_than"])


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
