# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells whether a restore has been taken up and whether it is over, from what a cloud lets one see.

A server that looks settled right after a restore was asked for is no proof: the cloud may not have begun, or the
answer may be stale. So a restore counts as over only when it was seen and is seen no more, or when the snapshot has
become the server's current one, which only a revert does. Where a cloud has no word for it, a server that stays
settled for a while after the cloud's own "done" counts too. And the signs that are there must not speak against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import RESTORING, RUNNING, STOPPED, Server, Snapshot
from .polling import Deadline, wait_until
from .waiters import RECONCILE_TIMEOUT, Stopwatch, wait_with_context

if TYPE_CHECKING:
    from .._module.context import OperationContext

IDLE_SECONDS = 12.0  # settled for so long, where a cloud has no word for a restore: it is over
UNOBSERVED_TIMEOUT = 120.0  # settled for so long, where it has one and never said it: nobody saw the restore
SYMPTOM_SECONDS = 20.0  # a sign that speaks against success must last, for a server may be on its way up


@dataclass
class RestoreTracker:
    """A restore that was asked for, and what has been seen of it."""

    ctx: OperationContext
    server: Server
    snapshot: Snapshot
    observed: bool = False

    def is_in_progress(self, latest: Server) -> bool:
        """Whether the server shows it: by the cloud's word for it, else by being busy with something."""
        if self.ctx.provider.capabilities.reports_restoring:
            return latest.task_state == RESTORING
        return bool(latest.task_state)

    def wait_started(self) -> bool:
        """Whether there is evidence that the restore began; False where there is none after a while.

        The server was idle just before the restore was asked for, so what it is busy with now is the restore.
        """

        def poll() -> bool | None:
            self.observed = self.is_in_progress(self.ctx.provider.get_server(self.server.id))
            return True if self.observed or self.became_current() else None

        try:
            return wait_until(
                poll, description="the restore to begin", deadline=Deadline(RECONCILE_TIMEOUT), expected_seconds=RECONCILE_TIMEOUT, timeout_hint="",
            )
        except RewindError:
            return False

    def became_current(self) -> bool:
        """Whether the snapshot is the current one and was not before: only a revert to it does that."""
        return not self.snapshot.current and self.is_current()

    def is_current(self) -> bool:
        """Whether the cloud says that the server stands on the snapshot; False where it never says."""
        if not self.ctx.provider.capabilities.snapshot_tree:
            return False
        listed = self.ctx.provider.list_snapshots(self.server)
        return any(item.id == self.snapshot.id and item.current for item in listed)

    @property
    def is_failure_detectable(self) -> bool:
        """Whether a restore that failed half way would look other than one that worked.

        It leaves the server off and the tree as it was (libvirt). So it can't be told from one to a snapshot that was the
        current one already and holds a server that is off.
        """
        return not self.ctx.provider.capabilities.snapshot_tree or not self.snapshot.current or self.snapshot.power_state == RUNNING

    def failure_symptom(self, after: Server) -> tuple[str, str] | None:
        """What speaks against success, with the outcome that it makes likely; None where nothing does.

        A revert that fails half way leaves the server off (libvirt), and one that worked leaves the server in the
        power state that the snapshot holds, with the snapshot as its current one.
        """
        capabilities = self.ctx.provider.capabilities
        if after.power_state not in (RUNNING, STOPPED):
            return f"it is {after.power_state}", errors.FAILED
        if self.snapshot.power_state is not None and after.power_state != self.snapshot.power_state:
            return f"it is {after.power_state}, but the snapshot contains a {self.snapshot.power_state} server", errors.FAILED
        if capabilities.snapshot_tree and not self.is_current():
            return "the snapshot is not its current one", errors.FAILED
        if capabilities.restore_leaves_running and after.power_state == STOPPED:
            return "it is stopped, but a successful restore leaves it running", errors.UNKNOWN
        return None


def wait_for_restore(restore: RestoreTracker, deadline: Deadline) -> Server:
    """The server when the restore is over.

    :raises RewindError: it failed, nobody saw it, or the time is up.
    """
    ctx, snapshot = restore.ctx, restore.snapshot
    label = snapshot.label
    idle, failing = Stopwatch(deadline), Stopwatch(deadline)

    def poll() -> Server | None:
        latest = ctx.provider.get_server(restore.server.id)
        restore.observed = restore.observed or restore.is_in_progress(latest)
        idle_seconds = idle.seconds_while(not latest.task_state)
        if latest.task_state or not _is_finished(restore, idle_seconds):
            failing.seconds_while(False)
            return None
        symptom = restore.failure_symptom(latest)
        if failing.seconds_while(symptom is not None) >= SYMPTOM_SECONDS:
            raise _restore_failed_error(latest, label, *symptom)
        return None if symptom else latest

    return wait_with_context(
        ctx, poll, f"the restore of server {restore.server.label} to snapshot {label}", deadline,
        ctx.provider.capabilities.expected_restore_seconds, restore.server, label,
        "it may still finish; a rerun while it is in progress requests no second one",
    )


def _is_finished(restore: RestoreTracker, idle_seconds: float) -> bool:
    """Whether a server that is settled, for so many seconds, has its restore behind it."""
    if restore.observed or restore.became_current():
        return True
    if not restore.ctx.provider.capabilities.reports_restoring:
        return idle_seconds >= IDLE_SECONDS
    if idle_seconds < UNOBSERVED_TIMEOUT:
        return False
    raise RewindError(
        f"{restore.ctx.provider.display_name} accepted the restore of server {restore.server.label}, but the server never reported it",
        kind=errors.OPERATION_FAILED, outcome=errors.UNKNOWN,
        hint="check the server in the provider's panel, then request the restore again if needed",
    )


def _restore_failed_error(after: Server, label: str, symptom: str, outcome: str) -> RewindError:
    return RewindError(
        f"The restore of server {after.label} to snapshot {label} has finished and seems to have failed: {symptom}",
        kind=errors.OPERATION_FAILED, outcome=outcome,
        hint="check the server in the provider's panel; the snapshot is kept, so the restore can be requested again",
    )
