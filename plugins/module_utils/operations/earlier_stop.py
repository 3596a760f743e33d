# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that a task has stopped for its snapshot runs again, even if that task was killed: the next one starts it.

Nobody who looks at a server that is off can tell whether somebody wanted it so. So a task that stops one writes a note
first, on this machine, and takes it back when the server runs again. A note that is found in a task's turn was left by
one that was killed, for a task that lives would still have its turn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils.operations import power
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task
from ansible_collections.rewind.vps.plugins.module_utils.operations.turn import turn
from ansible_collections.rewind.vps.plugins.module_utils.providers.base import STOPPED, Server

OLDEST_SECONDS = 86400.0  # a server that has been off for longer may be so by somebody's wish


@dataclass
class EarlierStop:
    """What an earlier task that was killed has left.

    :ivar server: stopped by it, and to be started; None where there is nothing to do.
    :ivar after: the same once it runs; None where nothing had to be waited for.
    """

    task: Task
    server: Server | None = None
    after: Server | None = None

    def look(self, server: Server) -> None:
        """See, in this task's turn, whether there is a note about the server."""
        place = self.task.place
        if place is not None and place.note(power.STOPPED_NOTE, OLDEST_SECONDS) is not None:
            self.server = server

    def end(self, trouble: RewindError | None) -> None:
        """Start the server, if it is off."""
        task = self.task
        if self.server is None:
            return
        with turn(task, self.server) as server:
            now = task.provider.find_server(server.id)
            if now.power == STOPPED:
                task.warnings.append(
                    f"Server {now.label} was off: an earlier task of this machine has stopped it for a snapshot and was cut off. "
                    f"It {'would be' if task.check_mode else 'is'} started."
                )
                task.done.changed = True
            if not task.check_mode:
                if now.power == STOPPED or now.busy:
                    self.after = power.start_after_snapshot(task, now, trouble)
                if task.place is not None:
                    task.place.remove_note(power.STOPPED_NOTE)


@contextlib.contextmanager
def undone(task: Task) -> Iterator[EarlierStop]:
    """After the block, what an earlier task has left stopped is started, whatever became of the block."""
    earlier = EarlierStop(task)
    try:
        yield earlier
    except RewindError as trouble:
        earlier.end(trouble)
        raise
    earlier.end(None)
