# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard of one server decides: it alone writes the receipt and asks for the restore, so neither is done twice.

The guard is a process of its own (see guard_process.py), which outlives the run that it guards.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils import errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils.polling import Clock, Deadline
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade import receipt as states
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.guard_requests import check_request
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.receipt import Receipt
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.rollback import restore

Say = Callable[[str], None]

NOBODY_LOOKED = {
    "what": "server", "result": "not_proven", "detail": "the run was gone, so nobody looked at the server; only the cloud says that it is restored",
}
BY_THE_CLOUD = {"what": "cloud", "result": "proven", "detail": "the cloud has carried out the restore of this very snapshot"}


@dataclass
class World:
    """What a guard needs of the world; tests put their own here.

    :ivar ask_restore: runs the module's operation with the snapshot's id and a C(wait_timeout), and returns its result.
    :ivar run_is_alive: whether the run that is guarded still lives.
    :ivar tell_terminal: writes a line to the terminal of a run that is gone, if it had one.
    """

    ask_restore: Callable[[str, int], dict[str, Any]]
    run_is_alive: Callable[[], bool]
    tell_terminal: Say = lambda text: None
    clock: Clock = field(default_factory=Clock)


class Guard:
    """Guards one server for one run.

    :arg resumed: an earlier guard of this receipt is gone.
    """

    def __init__(self, receipt: Receipt, world: World, rollback_seconds: int, resumed: bool) -> None:
        self.receipt = receipt
        self._world = world
        self._rollback_seconds = rollback_seconds
        self._deadline: Deadline | None = None
        # Only what an earlier guard has asked for can be under way when this one looks.
        self._ours_under_way = resumed and receipt.state == states.RESTORING
        self.is_over = False

    # --- what the run asks for

    def answer(self, request: dict[str, Any], say: Say) -> dict[str, Any]:
        """Do what the run asks for.

        :returns: C(receipt): the receipt's data afterwards.
        :raises RewindError: it can't be done from where the upgrade stands.
        """
        check_request(request, self.receipt)
        self._do(request, say)
        return {"receipt": self.receipt.data}

    def _do(self, request: dict[str, Any], say: Say) -> None:
        wish = request["do"]
        if wish == "move":
            self._move(request["to"], request["facts"])
            self._set_deadline(request.get("seconds"))
        elif wish == "note":
            self.receipt.note(**request["facts"])
        elif wish == "roll_back":
            if request["by_hand"] and self.receipt.state in (states.READY, states.CONFIRMED):
                self.receipt.move(states.ENDED, outcome=states.NOT_STARTED if self.receipt.state == states.READY else states.UPGRADED)
            self._roll_back(request["reason"], say, by_hand=request["by_hand"])
        elif wish == "end":
            self._end(request["outcome"], request["message"], request["proof"])
        elif wish == "told":
            self.receipt.note(acknowledged=self.receipt.state == states.ENDED)
        # Anything else asks for the receipt only.

    def _move(self, state: str, facts: dict[str, Any]) -> None:
        before = copy.deepcopy(self.receipt.data)
        try:
            self.receipt.move(state, **facts)
        except OSError:  # the run is told that this step has failed, so it is not taken here either
            self.receipt.data = before
            raise

    def _set_deadline(self, seconds: float | None) -> None:
        self._deadline = Deadline(seconds, self._world.clock) if seconds else None

    # --- what the guard does of itself

    def watch(self) -> None:
        """Look whether it has to act. Called a few times a second."""
        alive = self._world.run_is_alive()
        state = self.receipt.state
        if state in states.GUARDED and not alive:
            self._act("the run ended without a word")
        elif state in states.GUARDED and self._deadline is not None and self._deadline.left <= 0:
            self._act(f"it was not confirmed within its time ({self._deadline.seconds:.0f} s for this part)")
        elif state == states.RESTORED and not alive:
            self._end_unproven()
        if not self._world.run_is_alive() or (self.receipt.state == states.ENDED and self.receipt.data["acknowledged"]):
            self.is_over = True

    def _act(self, reason: str) -> None:
        label = self.receipt.server_label
        tell = self._world.tell_terminal
        tell(f"{label}: {reason}. Its guard restores snapshot {self.receipt.snapshot['name']} now.")
        self._roll_back(reason, tell)
        if not self._world.run_is_alive() and self.receipt.state == states.RESTORED:
            self._end_unproven()
        outcome = (self.receipt.outcome or "restored").replace("_", " ")
        tell(f"{label}: {outcome}. {self.receipt.data.get('message') or ''} See {self.receipt.path}")

    def _roll_back(self, reason: str, say: Say, *, by_hand: bool = False) -> None:
        """Restore the receipt's own snapshot, unless that is done. What is over is restored by hand only."""
        receipt = self.receipt
        if receipt.state == states.RESTORED or (receipt.state == states.ENDED and not by_hand):
            return
        snapshot_id = receipt.snapshot.get("id")
        if receipt.state in (*states.UNARMED, states.CONFIRMED):
            receipt.move(states.RESTORING)  # says what is the case, and that this can't be
        if receipt.state == states.ENDED and snapshot_id is None:
            raise RewindError(
                f"The guarded upgrade of server {receipt.server_label} came to no snapshot, so there is nothing to restore",
                kind=errors.NOT_FOUND, server=receipt.server_label, hint=f"see {receipt.path}",
            )
        if receipt.state != states.RESTORING:
            # A disk that is full must not keep a broken server broken.
            with contextlib.suppress(OSError):
                receipt.move(states.RESTORING, reason=reason, outcome=None, proof=[])
        self._deadline = None
        verdict = restore(
            lambda wait_seconds: self._world.ask_restore(snapshot_id, wait_seconds),
            Deadline(self._rollback_seconds, self._world.clock), say, ours_under_way=self._ours_under_way,
        )
        if verdict.done:
            self._restored(verdict.message)
            return
        outcome = states.ROLLBACK_FAILED if verdict.known else states.UNKNOWN
        with contextlib.suppress(OSError):
            receipt.move(states.ENDED, outcome=outcome, message=verdict.message, proof=[], acknowledged=False)

    def _restored(self, detail: str) -> None:
        with contextlib.suppress(OSError):
            self.receipt.move(states.RESTORED, restore_message=detail, proof=[BY_THE_CLOUD])

    def _end_unproven(self) -> None:
        self._end(
            states.ROLLED_BACK, f"{self.receipt.data['restore_message']}, and nobody has looked at the server since",
            [BY_THE_CLOUD, NOBODY_LOOKED],
        )

    def _end(self, outcome: str, message: str, proof: list[dict[str, str]]) -> None:
        if self.receipt.state != states.ENDED:  # else it has ended by itself
            self.receipt.move(states.ENDED, outcome=outcome, message=message, proof=proof, acknowledged=False)


def refusal(error: RewindError) -> dict[str, Any]:
    """An error as the run's side takes it."""
    return {"refused": {"message": error.message, "kind": error.kind, "outcome": error.outcome, "hint": error.hint}}
