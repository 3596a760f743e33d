# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Determines whether a restore has started and whether it is finished, from the state that a provider shows.

A server that is idle just after the request proves nothing: the provider may not have started, or the response may be
stale. So a restore is finished only if it was observed and is no longer in progress, or if the snapshot became the
server's current one, which only a restore does. If the provider does not report restores, a server that stays idle for a
while after the provider's response counts too. In all cases, no failure symptom may persist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _errors as errors
from .._errors import RewindError
from .._provider.base import RESTORING, RUNNING, STOPPED, UNKNOWN, Server, Snapshot
from .polling import Deadline
from .waiters import Stopwatch, is_observed, wait_with_context

if TYPE_CHECKING:
    from .._module.context import OperationContext

IDLE_SECONDS = 12.0  # idle for so long, if the provider does not report restores: finished
UNOBSERVED_TIMEOUT = 120.0  # idle for so long, if the provider reports restores and has not: failed
SYMPTOM_SECONDS = 20.0  # how long a failure symptom must persist: a server may still be starting


@dataclass
class RestoreTracker:
    """A restore that was requested, and what was observed of it."""

    ctx: OperationContext
    server: Server
    snapshot: Snapshot
    observed: bool = False

    def is_in_progress(self, latest: Server) -> bool:
        """Return whether the server shows the restore: by its task state, or by any task state if restores are not reported."""
        if self.ctx.provider.capabilities.reports_restoring:
            return latest.task_state == RESTORING
        return bool(latest.task_state)

    def wait_started(self) -> bool:
        """Poll for a while, and return whether there is evidence that the restore started.

        The server was idle just before the request, so whatever it is busy with now is the restore.
        """

        def has_started() -> bool:
            self.observed = self.is_in_progress(self.ctx.provider.get_server(self.server.id))
            return self.observed or self.became_current()

        return is_observed(has_started)

    def became_current(self) -> bool:
        """Return whether the snapshot is the current one and was not before. Only a restore changes that."""
        return not self.snapshot.current and self.is_current()

    def is_current(self) -> bool:
        """Return whether the provider reports the snapshot as the current one; False if it never does."""
        if not self.ctx.provider.capabilities.snapshot_tree:
            return False
        listed = self.ctx.provider.list_snapshots(self.server)
        return any(item.id == self.snapshot.id and item.current for item in listed)

    @property
    def is_failure_detectable(self) -> bool:
        """Whether a restore that failed half way would look different from a successful one.

        A failed one leaves the server stopped and the snapshot tree as it was (libvirt). So it looks like a successful restore
        to a snapshot that was already the current one and contains a stopped server.
        """
        return not self.ctx.provider.capabilities.snapshot_tree or not self.snapshot.current or self.snapshot.power_state == RUNNING

    def failure_symptom(self, after: Server) -> tuple[str, str] | None:
        """Return a symptom of a failed restore with the likely outcome, or None.

        A successful restore leaves the server in the power state that the snapshot contains, with the snapshot as its current one.
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
    """Return the server once the restore is finished.

    Raises:
        RewindError: It failed, it was never observed, or the time is up.
    """
    ctx, snapshot = restore.ctx, restore.snapshot
    label = snapshot.label
    idle, failing = Stopwatch(deadline), Stopwatch(deadline)

    def poll() -> Server | None:
        latest = ctx.provider.get_server(restore.server.id)
        restore.observed = restore.observed or restore.is_in_progress(latest)
        idle_seconds = idle.seconds_while(not latest.task_state)
        if latest.task_state or latest.power_state == UNKNOWN or not _is_finished(restore, idle_seconds):
            failing.seconds_while(False)
            return None
        symptom = restore.failure_symptom(latest)
        if failing.seconds_while(symptom is not None) >= SYMPTOM_SECONDS:
            description, outcome = symptom
            raise RewindError(
                f"The restore of server {latest.label} to snapshot {label} has finished and seems to have failed: {description}",
                kind=errors.OPERATION_FAILED, outcome=outcome,
                hint="check the server in the provider's panel; the snapshot is kept, so the restore can be requested again",
            )
        return None if symptom else latest

    return wait_with_context(
        ctx, poll, f"the restore of server {restore.server.label} to snapshot {label}", deadline,
        ctx.provider.capabilities.expected_restore_seconds, restore.server, label,
        "it may still finish; a rerun while it is in progress requests no second one",
    )


def _is_finished(restore: RestoreTracker, idle_seconds: float) -> bool:
    """Return whether the restore of an idle server is finished."""
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
