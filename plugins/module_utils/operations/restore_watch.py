# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells whether a restore has been taken up and whether it is over, from what a cloud lets one see.

A server that looks settled right after a restore was asked for is no proof: the cloud may not have begun, or the
answer may be stale. A restore counts as over when the server was seen busy and is so no more; or when the snapshot
has become the server's current one, which only a revert does; or when the server has looked settled for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.rewind.vps.plugins.module_utils import errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task, snapshot_label
from ansible_collections.rewind.vps.plugins.module_utils.polling import Deadline, wait_until
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import RUNNING, STOPPED, Server, Snapshot

QUIET_SECONDS = 12.0  # settled for so long without having been seen busy: it is over, or was never busy
TAKE_UP_SECONDS = 20.0  # how long to look whether a restore of unknown outcome was taken up


@dataclass
class Restore:
    """A restore that was asked for, and what has been seen of it."""

    task: Task
    server: Server
    snapshot: Snapshot
    seen_busy: bool = False
    settled_since: float | None = None

    def was_taken_up(self) -> bool:
        """Whether there is evidence that the restore began; False where there is none after a while."""

        def look() -> bool | None:
            if self.task.provider.find_server(self.server.id).busy:
                self.seen_busy = True
                return True
            return True if self.became_current() else None

        try:
            return wait_until(
                look, what="the restore to begin", deadline=Deadline(TAKE_UP_SECONDS), expected=TAKE_UP_SECONDS, hint="",
            )
        except RewindError:
            return False

    def became_current(self) -> bool:
        """Whether the snapshot is the current one and was not before: only a revert to it does that."""
        return not self.snapshot.current and self.is_current()

    def is_current(self) -> bool:
        """Whether the cloud says that the server stands on the snapshot; False where it never says."""
        if not self.task.provider.capabilities.snapshot_tree:
            return False
        listed = self.task.provider.list_snapshots(self.server)
        return any(item.id == self.snapshot.id and item.current for item in listed)

    def must_have_worked(self, after: Server) -> None:
        """Refuse to call a restore done that the cloud's own signs speak against; nothing is started then.

        A revert that fails half way leaves the server off (libvirt), and one that worked leaves the server in the
        power state that the snapshot holds, with the snapshot as its current one.

        :raises RewindError: C(failed) for a sure sign, C(unknown) for one that may have another cause.
        """
        can = self.task.provider.capabilities
        outcome = errors.FAILED
        if after.power not in (RUNNING, STOPPED):
            sign = f"it is {after.power}"
        elif self.snapshot.power is not None and after.power != self.snapshot.power:
            sign = f"it is {after.power}, and the snapshot holds a {self.snapshot.power} server"
        elif can.snapshot_tree and not self.is_current():
            sign = "the snapshot is not its current one"
        elif can.restore_ends_running and after.power == STOPPED:
            sign, outcome = "it is stopped, where a restore that came to its end leaves it running", errors.UNKNOWN
        else:
            return
        label = snapshot_label(self.snapshot)
        raise RewindError(
            f"The restore of server {after.label} to snapshot {label} is over and did not succeed, by the look of it: {sign}",
            kind=errors.OPERATION_FAILED, outcome=outcome, server=after.label, snapshot=label,
            hint="look at the server in the cloud's panel; the snapshot is kept, so the restore can be asked for again",
        )


def wait_for_restore(restore: Restore, deadline: Deadline) -> Server:
    """The server when the restore is over.

    :raises RewindError: it failed, or the time is up.
    """
    task, snapshot = restore.task, restore.snapshot

    def look() -> Server | None:
        now = task.provider.find_server(restore.server.id)
        if now.busy:
            restore.seen_busy, restore.settled_since = True, None
            return None
        if restore.seen_busy or restore.became_current():
            return now
        if restore.settled_since is None:
            restore.settled_since = deadline.elapsed
        return now if deadline.elapsed - restore.settled_since >= QUIET_SECONDS else None

    try:
        after = wait_until(
            look,
            what=f"the restore of server {restore.server.label} to snapshot {snapshot_label(snapshot)}",
            deadline=deadline,
            expected=task.provider.capabilities.restore_seconds,
            tell=task.tell,
            hint="it may still come to its end; a rerun while it is under way joins it, and asks for no second one",
        )
        restore.must_have_worked(after)
        return after
    except RewindError as error:
        error.about(restore.server.label, snapshot_label(snapshot))
        raise
