# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard of one server decides. It alone writes the run record and requests the restore, so neither happens twice.

The guard is a process of its own (see _guard/__main__.py), which outlives the run that it guards.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from ...module_utils._wait.polling import Deadline
from .._upgrade import record as states
from .._upgrade import rescue
from .._upgrade.record import RunRecord
from .protocol import check_request
from .retry import ProgressCallback, restore_with_retry, take_with_retry

if TYPE_CHECKING:
    from .server import ProviderActions


NOT_VERIFIED = {
    "check": "server", "result": "inconclusive",
    "detail": "the run had ended, so the server was not probed; only the provider confirms the restore",
}
SNAPSHOT_RESULT_KEYS = ("failed", "changed", "msg", "error", "pruned", "snapshot", "warnings")  # of the operation's result
PROVIDER_CONFIRMED = {"check": "cloud", "result": "passed", "detail": "the provider has restored this snapshot"}

# States of a run record, each with those that may follow it.
TRANSITIONS = {
    states.PLANNED: {states.SNAPSHOTTING, states.ENDED},
    states.SNAPSHOTTING: {states.SNAPSHOTTING, states.READY, states.ENDED},
    states.READY: {states.READY, states.SNAPSHOTTING, states.ARMED, states.ENDED},
    states.ARMED: {states.UPGRADING, states.RESTORING},
    states.UPGRADING: {states.CHECKING, states.RESTORING},
    states.CHECKING: {states.AWAITING, states.CONFIRMED, states.RESTORING},
    states.AWAITING: {states.CONFIRMED, states.RESTORING},
    states.CONFIRMED: {states.CONFIRMED, states.ENDED},
    states.RESTORING: {states.RESTORED, states.ENDED},
    states.RESTORED: {states.ENDED},
    states.ENDED: {states.RESTORING},
}


def transition(record: RunRecord, state: str, **fields: Any) -> None:
    """Enter another state, on the disk before anything else happens.

    Raises:
        RewindError: that state can't follow.
    """
    if state not in TRANSITIONS[record.state]:
        raise _transition_error(record, state)
    _enter(record, state, **fields)


def _transition_error(record: RunRecord, state: str) -> RewindError:
    return RewindError(
        f"The guarded upgrade of server {record.server_label} is {states.describe_state(record)} and can't become {state}",
        kind=errors.BUSY, server=record.server_label, hint=f"see {record.path}",
    )


def _enter(record: RunRecord, state: str, **fields: Any) -> None:
    record.data["state"] = state
    record.data["history"].append({"at": states.utc_timestamp(), "state": state})
    record.update(**fields)


class Guard:
    """Guards one server for one run. If `resumed`, an earlier guard of this run record is gone."""

    def __init__(self, record: RunRecord, actions: ProviderActions, rollback_seconds: int, resumed: bool) -> None:
        self.record = record
        self._actions = actions
        self._rollback_seconds = rollback_seconds
        self._deadline: Deadline | None = None
        confirm_before = states.confirmation_deadline(record)
        if confirm_before is not None:  # an earlier guard is gone
            self._deadline = Deadline(max(1.0, confirm_before - time.time()), actions.clock)
        # Only a restore that an earlier guard requested can be in progress already.
        self._restore_in_progress = resumed and record.state == states.RESTORING
        self._pending: Callable[[], None] | None = None
        self._has_rescued = False  # the run was given time to rescue data
        self._awaits_manual_restore = False  # since then, for a rollback that a person has requested
        self._has_restored_manually = False
        self.finished = False

    # --- requests of the run

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the run requests. What takes long continues after the response.

        Returns:
            `record`: the data of the run record afterwards.

        Raises:
            RewindError: The request does not fit the state of the upgrade.
        """
        check_request(request, self.record)
        self._run_pending()
        self._dispatch(request)
        return {"record": self.record.data}

    def _dispatch(self, request: dict[str, Any]) -> None:
        command = request["command"]
        if command == "transition":
            self._transition(request["to"], request["fields"])
            self._set_deadline(request.get("seconds"))
        elif command == "update":
            self.record.update(**request["fields"])
        elif command == "take_snapshot":
            params = request["params"]
            self._transition(states.SNAPSHOTTING, {"seconds_allowed": params["seconds"], "snapshot_params": params, "snapshot_result": None})
            self._set_deadline(None)
            self._pending = self._take_snapshot
        elif command == "roll_back":
            if self._start_rollback(request["reason"], manual=request["manual"]):
                self._pending = self._restore
        elif command == "rescue":
            self._start_rescue(request)
        elif command == "abandon":
            self._abandon(request["reason"], request["message"])
        elif command == "wait":
            self._resume_pending()
        elif command == "finish":
            self._finish(request["outcome"], request["message"], request["verification"])
        elif command == "acknowledge":
            with contextlib.suppress(OSError):  # on a full disk the next run reports it again
                self.record.update(acknowledged=self.record.state == states.ENDED)
        # Any other command only reads the run record.

    def _abandon(self, reason: str, message: str) -> None:
        """End an armed upgrade without a restore: the controller is the cause of its failure, and the server's state is unknown."""
        if self.record.state not in states.ARMED_STATES:
            raise _transition_error(self.record, "abandoned")
        self._deadline = None
        with contextlib.suppress(OSError):
            _enter(self.record, states.ENDED, reason=reason, outcome=states.UNKNOWN, message=message, verification=[], acknowledged=False)

    def _start_rescue(self, request: dict[str, Any]) -> None:
        """Give the run time to rescue data: once, since the restore must follow."""
        record, manual = self.record, request["manual"]
        is_armed = record.state in states.ARMED_STATES
        if self._has_rescued or record.state in (states.RESTORING, states.RESTORED) or not (is_armed or manual):
            raise _transition_error(record, "restored after a rescue")
        self._has_rescued, self._awaits_manual_restore = True, not is_armed
        with contextlib.suppress(OSError):
            record.update(reason=request["reason"], rescue={"result": rescue.RUNNING, "detail": "", "directory": request["directory"]})
        self._set_deadline(request["seconds"])

    def _transition(self, state: str, fields: dict[str, Any]) -> None:
        before = copy.deepcopy(self.record.data)
        try:
            transition(self.record, state, **fields)
        except OSError:  # the run learns that this step has failed, so it must not count here either
            self.record.data = before
            raise

    def _set_deadline(self, seconds: float | None) -> None:
        self._deadline = Deadline(seconds, self._actions.clock) if seconds else None

    # --- work that continues after a response

    def _run_pending(self) -> None:
        """Finish the pending work. Nothing else happens before."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending()

    def _resume_pending(self) -> None:
        """Finish what an earlier guard has started."""
        if self.record.state == states.SNAPSHOTTING and self.record.data.get("snapshot_result") is None:
            self._take_snapshot()
        elif self.record.state == states.RESTORING:
            self._restore()

    def _take_snapshot(self) -> None:
        """Take the run's snapshot, or adopt a pending one of this name; the run record has the result."""
        params = self.record.data.get("snapshot_params")
        if params is None or not self._actions.is_run_alive():
            return
        result = take_with_retry(
            lambda wait_seconds: self._actions.take_snapshot(params, wait_seconds, self._update_progress),
            Deadline(params["seconds"], self._actions.clock), self._update_progress, stops_server=params["stop_server"],
        )
        fields: dict[str, Any] = {"snapshot_result": {key: result[key] for key in SNAPSHOT_RESULT_KEYS if key in result}, "progress": None}
        if result.get("failed"):
            with contextlib.suppress(OSError):
                self.record.update(**fields)
            return
        try:
            self._transition(states.READY, {"snapshot": {key: result["snapshot"][key] for key in ("id", "name", "created_at")}, **fields})
        except OSError as error:
            # Without its id on the disk it could not be restored, so the upgrade must not start.
            self.record.data["snapshot_result"] = _record_write_error(self.record, error, changed=result["changed"])

    def _update_progress(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.record.update(progress=text)

    # --- what the guard does by itself

    def tick(self) -> None:
        """Finish pending work, and roll back if the run has ended or a phase takes too long. Called a few times a second."""
        self._run_pending()
        alive = self._actions.is_run_alive()
        state = self.record.state
        is_late = self._deadline is not None and self._deadline.remaining <= 0
        if state in states.ARMED_STATES and state != states.AWAITING and not alive:
            self._trigger_rollback("the run ended unexpectedly")
        elif self._has_rescued and is_late and (state in states.ARMED_STATES or self._awaits_manual_restore):
            self._trigger_rollback(f"the rescue tasks have not ended within their time ({self._deadline.seconds:.0f} s)")
        elif state in states.ARMED_STATES and is_late:
            self._trigger_rollback(
                "it was not confirmed in time" if state == states.AWAITING
                else f"it was not confirmed within its time ({self._deadline.seconds:.0f} s for this phase)"
            )
        elif state == states.RESTORED and not alive:
            self._finish_unverified()
            self._notify_outcome()
        # A run need not live while a person decides.
        is_run_over = not self._actions.is_run_alive() and self.record.state != states.AWAITING
        if is_run_over or (self.record.state == states.ENDED and self.record.data["acknowledged"]):
            self.finished = True

    def _trigger_rollback(self, reason: str) -> None:
        if self._has_rescued and self.record.data.get("reason"):  # why the upgrade has failed
            reason = f"{self.record.data['reason']}; {reason}"
        self._actions.notify_terminal(
            f"{self.record.server_label}: {reason}. Its guard restores snapshot {self.record.snapshot['name']} now."
        )
        if self._start_rollback(reason, manual=self._awaits_manual_restore):
            self._restore(self._actions.notify_terminal)
        if not self._actions.is_run_alive() and self.record.state == states.RESTORED:
            self._finish_unverified()
        self._notify_outcome()

    def _notify_outcome(self) -> None:
        outcome = (self.record.outcome or "restored").replace("_", " ")
        self._actions.notify_terminal(f"{self.record.server_label}: {outcome}. {self.record.data.get('message') or ''} See {self.record.path}")

    def _start_rollback(self, reason: str, *, manual: bool = False) -> bool:
        """Record that the run's snapshot is to be restored. Return False if that is done. An ended run is restored manually only, and once."""
        record = self.record
        self._awaits_manual_restore = False
        if manual and record.state in (states.READY, states.CONFIRMED):
            transition(record, states.ENDED, outcome=states.NOT_STARTED if record.state == states.READY else states.UPGRADED)
        if record.state == states.RESTORED or (record.state == states.ENDED and (not manual or self._has_restored_manually)):
            return False
        if record.state in (*states.UNARMED_STATES, states.CONFIRMED):
            transition(record, states.RESTORING)  # raises the error
        if record.state == states.ENDED and record.snapshot.get("id") is None:
            raise RewindError(
                f"The guarded upgrade of server {record.server_label} has no snapshot, so there is nothing to restore",
                kind=errors.NOT_FOUND, server=record.server_label, hint=f"see {record.path}",
            )
        if record.state != states.RESTORING:
            # A full disk must not prevent the restore.
            with contextlib.suppress(OSError):
                transition(
                    record, states.RESTORING, reason=reason, outcome=None, verification=[], progress=None, restored=None,
                    rescue=rescue.interrupted(record.data.get("rescue")),
                )
        self._deadline, self._has_restored_manually = None, manual
        return True

    def _restore(self, progress: ProgressCallback | None = None) -> None:
        """Restore the snapshot. Errors are reported to `progress`, else in the run record."""
        record = self.record
        snapshot_id = record.snapshot.get("id")
        result = restore_with_retry(
            lambda wait_seconds: self._actions.restore_snapshot(snapshot_id, wait_seconds, self._update_progress),
            Deadline(self._rollback_seconds, self._actions.clock), progress or self._update_progress,
            own_restore_in_progress=self._restore_in_progress,
        )
        if result.done:
            with contextlib.suppress(OSError):
                transition(record, states.RESTORED, restore_message=result.message, verification=[PROVIDER_CONFIRMED], progress=None)
            return
        outcome = states.ROLLBACK_FAILED if result.known else states.UNKNOWN
        with contextlib.suppress(OSError):
            transition(record, states.ENDED, outcome=outcome, message=result.message, verification=[], acknowledged=False, progress=None)

    def _finish_unverified(self) -> None:
        """End the run without a probe. The next run verifies the server."""
        self._finish(
            states.ROLLED_BACK, f"{self.record.data['restore_message']}, and the server was not probed since",
            [PROVIDER_CONFIRMED, NOT_VERIFIED], verified=False,
        )

    def _finish(self, outcome: str, message: str, verification: list[dict[str, str]], *, verified: bool = True) -> None:
        fields = {"outcome": outcome, "message": message, "verification": verification, "acknowledged": False, "verified": verified}
        if self.record.state != states.ENDED:
            transition(self.record, states.ENDED, **fields)
        elif self.record.needs_verification:
            self.record.update(**fields)
        # Else the guard has ended the run by itself, and its outcome stands.


def _record_write_error(record: RunRecord, write_error: OSError, *, changed: bool) -> dict[str, Any]:
    """Return the result of a snapshot that is ready, but whose id could not be recorded."""
    error = RewindError(
        f"Snapshot {record.snapshot['name']} of server {record.server_label} is ready, but the run record could not be written "
        f"({write_error.strerror})",
        kind=errors.INTERNAL, outcome=errors.FAILED, server=record.server_label, snapshot=record.snapshot["name"],
        hint=f"free disk space for {record.path}, and run again: the snapshot is used then",
    )
    return {"failed": True, "changed": changed, "msg": error.format(already_changed=changed), "error": error.to_result(), "pruned": []}
