# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard of one server decides: it alone writes the receipt and asks for the restore, so neither is done twice.

The guard is a process of its own (see _guard/__main__.py), which outlives the run that it guards.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from ...module_utils._wait.polling import Clock, Deadline
from .._upgrade import record as states
from .._upgrade.record import RunRecord
from .protocol import check_request
from .restore_retry import restore
from .snapshot_retry import take

ProgressCallback = Callable[[str], None]

NOBODY_LOOKED = {
    "check": "server", "result": "inconclusive",
    "detail": "the run was gone, so nobody looked at the server; only the cloud says that it is restored",
}
KEPT_OF_SNAPSHOT = ("failed", "changed", "msg", "error", "pruned", "snapshot", "warnings")  # of the operation's result
BY_THE_CLOUD = {"check": "cloud", "result": "passed", "detail": "the cloud has carried out the restore of this very snapshot"}


@dataclass
class World:
    """What a guard needs of the world; tests put their own here.

    :ivar ask_restore: runs the module's operation with the snapshot's id, a C(wait_timeout) and whom to tell how it goes, and
        returns its result.
    :ivar ask_snapshot: the same for a snapshot of this name, with C(match), what may go to make room, and C(stop_server).
    :ivar run_is_alive: whether the run that is guarded still lives.
    :ivar tell_terminal: writes a line to the terminal of a run that is gone, if it had one.
    """

    ask_restore: Callable[[str, int, ProgressCallback], dict[str, Any]]
    ask_snapshot: Callable[[dict[str, Any], int, ProgressCallback], dict[str, Any]]
    run_is_alive: Callable[[], bool]
    tell_terminal: ProgressCallback = lambda text: None
    clock: Clock = field(default_factory=Clock)


class Guard:
    """Guards one server for one run.

    :arg resumed: an earlier guard of this receipt is gone.
    """

    def __init__(self, record: RunRecord, world: World, rollback_seconds: int, resumed: bool) -> None:
        self.record = record
        self._world = world
        self._rollback_seconds = rollback_seconds
        self._deadline: Deadline | None = None
        # Only what an earlier guard has asked for can be under way when this one looks.
        self._ours_under_way = resumed and record.state == states.RESTORING
        self._begun: Callable[[], None] | None = None
        self.is_over = False

    # --- what the run asks for

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the run asks for; what takes long is begun only, and goes on when the run has its answer.

        :returns: C(record): the receipt's data afterwards.
        :raises RewindError: it can't be done from where the upgrade stands.
        """
        check_request(request, self.record)
        self._go_on()
        self._do(request)
        return {"record": self.record.data}

    def _do(self, request: dict[str, Any]) -> None:
        wish = request["do"]
        if wish == "move":
            self._move(request["to"], request["facts"])
            self._set_deadline(request.get("seconds"))
        elif wish == "note":
            self.record.update(**request["facts"])
        elif wish == "snapshot":
            wishes = request["wishes"]
            self._move(states.SNAPSHOTTING, {"seconds_allowed": wishes["seconds"], "snapshot_wishes": wishes, "snapshot_result": None})
            self._set_deadline(None)
            self._begun = self._take_snapshot
        elif wish == "roll_back":
            if request["manual"] and self.record.state in (states.READY, states.CONFIRMED):
                self.record.move(states.ENDED, outcome=states.NOT_STARTED if self.record.state == states.READY else states.UPGRADED)
            if self._begin_rolling_back(request["reason"], by_hand=request["manual"]):
                self._begun = self._restore
        elif wish == "await":
            self._finish()
        elif wish == "end":
            self._end(request["outcome"], request["message"], request["verification"])
        elif wish == "told":
            self.record.update(acknowledged=self.record.state == states.ENDED)
        # Anything else asks for the receipt only.

    def _move(self, state: str, fields: dict[str, Any]) -> None:
        before = copy.deepcopy(self.record.data)
        try:
            self.record.move(state, **fields)
        except OSError:  # the run is told that this step has failed, so it is not taken here either
            self.record.data = before
            raise

    def _set_deadline(self, seconds: float | None) -> None:
        self._deadline = Deadline(seconds, self._world.clock) if seconds else None

    # --- what was begun for the run

    def _go_on(self) -> None:
        """Do what was begun. Nothing else is done before it is over."""
        work, self._begun = self._begun, None
        if work is not None:
            work()

    def _finish(self) -> None:
        """What an earlier guard has begun, and did not live to finish."""
        if self.record.state == states.SNAPSHOTTING and self.record.data.get("snapshot_result") is None:
            self._take_snapshot()
        elif self.record.state == states.RESTORING:
            self._restore()

    def _take_snapshot(self) -> None:
        """Take the run's snapshot, or adopt the one of this name that is being made; the receipt says how it ended."""
        wishes = self.record.data.get("snapshot_wishes")
        if wishes is None or not self._world.run_is_alive():
            return
        result = take(
            lambda wait_seconds: self._world.ask_snapshot(wishes, wait_seconds, self._note_progress),
            Deadline(wishes["seconds"], self._world.clock), self._note_progress, stops_server=wishes["stop_server"],
        )
        fields: dict[str, Any] = {"snapshot_result": {key: result[key] for key in KEPT_OF_SNAPSHOT if key in result}, "progress": None}
        if result.get("failed"):
            with contextlib.suppress(OSError):
                self.record.update(**fields)
            return
        try:
            self._move(states.READY, {"snapshot": {key: result["snapshot"][key] for key in ("id", "name", "created_at")}, **fields})
        except OSError as error:
            # Without its id on the disk nobody could restore it, so the upgrade must not begin.
            self.record.data["snapshot_result"] = _unwritten(self.record, error, changed=result["changed"])

    def _note_progress(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.record.update(progress=text)

    # --- what the guard does of itself

    def watch(self) -> None:
        """Go on with what was begun, and look whether it has to act. Called a few times a second."""
        self._go_on()
        alive = self._world.run_is_alive()
        state = self.record.state
        if state in states.ARMED_STATES and not alive:
            self._act("the run ended without a word")
        elif state in states.ARMED_STATES and self._deadline is not None and self._deadline.remaining <= 0:
            self._act(f"it was not confirmed within its time ({self._deadline.seconds:.0f} s for this part)")
        elif state == states.RESTORED and not alive:
            self._end_unproven()
            self._tell_end()
        if not self._world.run_is_alive() or (self.record.state == states.ENDED and self.record.data["acknowledged"]):
            self.is_over = True

    def _act(self, reason: str) -> None:
        self._world.tell_terminal(
            f"{self.record.server_label}: {reason}. Its guard restores snapshot {self.record.snapshot['name']} now."
        )
        if self._begin_rolling_back(reason):
            self._restore(self._world.tell_terminal)
        if not self._world.run_is_alive() and self.record.state == states.RESTORED:
            self._end_unproven()
        self._tell_end()

    def _tell_end(self) -> None:
        outcome = (self.record.outcome or "restored").replace("_", " ")
        self._world.tell_terminal(f"{self.record.server_label}: {outcome}. {self.record.data.get('message') or ''} See {self.record.path}")

    def _begin_rolling_back(self, reason: str, *, by_hand: bool = False) -> bool:
        """Write down that the receipt's own snapshot is restored; False where that is done. What is over is restored by hand only."""
        record = self.record
        if record.state == states.RESTORED or (record.state == states.ENDED and not by_hand):
            return False
        if record.state in (*states.UNARMED_STATES, states.CONFIRMED):
            record.move(states.RESTORING)  # says what is the case, and that this can't be
        if record.state == states.ENDED and record.snapshot.get("id") is None:
            raise RewindError(
                f"The guarded upgrade of server {record.server_label} came to no snapshot, so there is nothing to restore",
                kind=errors.NOT_FOUND, server=record.server_label, hint=f"see {record.path}",
            )
        if record.state != states.RESTORING:
            # A disk that is full must not keep a broken server broken.
            with contextlib.suppress(OSError):
                record.move(states.RESTORING, reason=reason, outcome=None, verification=[], progress=None)
        self._deadline = None
        return True

    def _restore(self, progress: ProgressCallback | None = None) -> None:
        """:arg progress: hears of trouble; the receipt where nobody does."""
        record = self.record
        snapshot_id = record.snapshot.get("id")
        verdict = restore(
            lambda wait_seconds: self._world.ask_restore(snapshot_id, wait_seconds, self._note_progress),
            Deadline(self._rollback_seconds, self._world.clock), progress or self._note_progress, ours_under_way=self._ours_under_way,
        )
        if verdict.done:
            self._restored(verdict.message)
            return
        outcome = states.ROLLBACK_FAILED if verdict.known else states.UNKNOWN
        with contextlib.suppress(OSError):
            record.move(states.ENDED, outcome=outcome, message=verdict.message, verification=[], acknowledged=False, progress=None)

    def _restored(self, detail: str) -> None:
        with contextlib.suppress(OSError):
            self.record.move(states.RESTORED, restore_message=detail, verification=[BY_THE_CLOUD], progress=None)

    def _end_unproven(self) -> None:
        self._end(
            states.ROLLED_BACK, f"{self.record.data['restore_message']}, and nobody has looked at the server since",
            [BY_THE_CLOUD, NOBODY_LOOKED],
        )

    def _end(self, outcome: str, message: str, proof: list[dict[str, str]]) -> None:
        if self.record.state != states.ENDED:  # else it has ended by itself
            self.record.move(states.ENDED, outcome=outcome, message=message, verification=proof, acknowledged=False)


def _unwritten(record: RunRecord, trouble: OSError, *, changed: bool) -> dict[str, Any]:
    """The result of a snapshot that is there, and whose id could not be written down."""
    error = RewindError(
        f"Snapshot {record.snapshot['name']} of server {record.server_label} is ready, and the receipt could not be written ({trouble.strerror})",
        kind=errors.INTERNAL, outcome=errors.FAILED, server=record.server_label, snapshot=record.snapshot["name"],
        hint=f"make room for {record.path}, and run again: the snapshot is used then",
    )
    return {"failed": True, "changed": changed, "msg": error.format(already_changed=changed), "error": error.to_result(), "pruned": []}


def refusal(error: RewindError) -> dict[str, Any]:
    """An error as the run's side takes it."""
    return {"refused": {"message": error.message, "kind": error.kind, "outcome": error.outcome, "hint": error.hint}}
