# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for snapshots, restores and power, in the provider's terms; how long and how often is polling.py's."""

from __future__ import annotations

from typing import Callable

from ansible_collections.rewind.vps.plugins.module_utils import errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task, snapshot_label
from ansible_collections.rewind.vps.plugins.module_utils.polling import Deadline, wait_until
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import FAILED, READY, Server, Snapshot

LOOK_SECONDS = 20.0  # how long to look for a change of which it is unknown whether it happened
MISSED_LOOKS = 3  # a list may be stale once or twice
IDLE_LOOKS = 8  # looks at an idle server (about a minute and a half) until a missing snapshot counts as not made
POWER_SECONDS = 60.0  # by when a start or a graceful stop is usually done


def wait_for_snapshot(task: Task, snapshot: Snapshot, deadline: Deadline) -> Snapshot:
    """The snapshot once it is ready.

    :raises RewindError: it failed, vanished, or the time is up.
    """
    server = snapshot.server
    missed = 0

    def look() -> Snapshot | None:
        nonlocal missed
        listed = next((item for item in task.provider.list_snapshots(server) if item.id == snapshot.id), None)
        if listed is None:
            missed += 1
            if missed >= MISSED_LOOKS:
                raise RewindError(
                    f"Snapshot {snapshot_label(snapshot)} of server {server.label} vanished while it was being made",
                    kind=errors.NOT_FOUND, outcome=errors.FAILED, server=server.label, snapshot=snapshot_label(snapshot),
                    hint="somebody else may have deleted it; run again to make a new one",
                )
            return None
        missed = 0
        if listed.status == FAILED:
            raise RewindError(
                f"{task.provider.title} could not make snapshot {snapshot_label(snapshot)} of server {server.label} "
                f"(its status is {listed.status_word!r})",
                kind=errors.OPERATION_FAILED, outcome=errors.FAILED, server=server.label, snapshot=snapshot_label(snapshot),
                hint="run again: the failed one is then replaced",
            )
        return listed if listed.status == READY else None

    return _wait(
        task, look, f"snapshot {snapshot_label(snapshot)} of server {server.label}", deadline,
        task.provider.capabilities.create_seconds, server, snapshot_label(snapshot),
        "it may still become ready; a rerun adopts it and waits on, and makes no second one",
    )


def find_new_snapshot(task: Task, server: Server, name: str, known: set[str], deadline: Deadline) -> Snapshot:
    """The snapshot of that name that was not there before.

    :arg known: the ids that were listed before it was asked for.
    :raises RewindError: C(operation_failed) when the server has long been idle and it still is not there.
    """
    idle_looks = 0

    def look() -> Snapshot | None:
        nonlocal idle_looks
        listed = task.provider.list_snapshots(server)
        found = next((item for item in listed if item.name == name and item.id not in known), None)
        if found is None:
            idle_looks = 0 if task.provider.find_server(server.id).busy else idle_looks + 1
            if idle_looks >= IDLE_LOOKS:
                raise RewindError(
                    f"{task.provider.title} took up the snapshot {name} of server {server.label}, but made none",
                    kind=errors.OPERATION_FAILED, outcome=errors.FAILED, server=server.label, snapshot=name,
                    hint="look at the server in the cloud's panel, then run again",
                )
        return found

    return _wait(
        task, look, f"snapshot {name} of server {server.label} to appear", deadline,
        task.provider.capabilities.create_seconds, server, name,
        "look at the server's snapshots (rewind.vps.snapshot_info); a rerun looks first and makes no second one",
    )


def wait_for_recreated(task: Task, old: Snapshot, deadline: Deadline) -> Snapshot:
    """The snapshot of that name once it bears another date than the old one."""
    server = old.server

    def look() -> Snapshot | None:
        listed = task.provider.list_snapshots(server)
        return next((item for item in listed if item.name == old.name and item.created_at != old.created_at), None)

    return _wait(
        task, look, f"snapshot {old.name} of server {server.label} to be taken anew", deadline,
        task.provider.capabilities.create_seconds, server, old.name,
        "look at the server's snapshots (rewind.vps.snapshot_info) before running again: the old one may be gone",
    )


def wait_until_gone(task: Task, snapshot: Snapshot, deadline: Deadline) -> bool:
    """True once the snapshot is listed no more."""

    def look() -> bool | None:
        return None if any(item.id == snapshot.id for item in task.provider.list_snapshots(snapshot.server)) else True

    return _wait(
        task, look, f"snapshot {snapshot_label(snapshot)} of server {snapshot.server.label} to be gone", deadline,
        LOOK_SECONDS, snapshot.server, snapshot_label(snapshot), "run again; a rerun is safe",
    )


def wait_for_power(task: Task, server: Server, power: str, deadline: Deadline) -> Server:
    """The server once it has that power state and nothing is under way."""

    def look() -> Server | None:
        now = task.provider.find_server(server.id)
        return now if now.power == power and not now.busy else None

    return _wait(
        task, look, f"server {server.label} to be {power}", deadline, POWER_SECONDS, server, None,
        "look at the server in the cloud's panel, then run again",
    )


def wait_until_settled(task: Task, server: Server, deadline: Deadline) -> Server:
    """The server once nothing is under way on it, whatever its power."""

    def look() -> Server | None:
        now = task.provider.find_server(server.id)
        return None if now.busy else now

    return _wait(
        task, look, f"server {server.label} to be done with what is under way", deadline, POWER_SECONDS, server, None,
        "look at the server in the cloud's panel, then run again",
    )


def _wait(
    task: Task, look: Callable, what: str, deadline: Deadline, expected: float, server: Server, snapshot: str | None, hint: str,
):
    try:
        return wait_until(look, what=what, deadline=deadline, expected=expected, tell=task.tell, hint=hint)
    except RewindError as error:
        error.about(server.label, snapshot)
        raise
