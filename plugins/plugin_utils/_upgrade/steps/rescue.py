# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps around the user's tasks that save data before a restore, and load it afterwards. None of them prevents the restore."""

from __future__ import annotations

import time
from pathlib import Path

from ....module_utils._errors import RewindError
from .. import record as states
from .. import rescue
from ..failure_reason import describe_failure
from ..record import RunRecord, make_private_directory
from ..server_access import ServerUnavailable
from .base import Result
from .controller import ControllerSteps

LOGIN_TIMEOUT = 20  # seconds; a server that is slower than this has no time for a rescue


class RescueSteps(ControllerSteps):
    """A failure here is a warning. The guard restores the server when the time for the rescue is over, whatever the run does."""

    # --- before the restore

    def _start_rescue(self) -> Result:
        """Find out whether the rescue tasks are to run, and give them their time. Never fails."""
        record = self._record
        if not self._will_restore(record):
            if self._was_restored_by_guard(record):
                return self._skip_rescue(record, "the guard had started the restore")
            return {"changed": False, "msg": "Nothing is to be restored, so there is nothing to rescue", "needed": False}
        problem = self._find_rescue_problem()
        if problem:
            return self._skip_rescue(record, problem)
        seconds, directory = self._params["rescue_timeout"], self._run["rescue_dir"]
        try:
            make_private_directory(Path(directory))
            record = self._send(record, {
                "command": "rescue", "reason": self._rollback_reason(record), "manual": self._is_manual, "directory": directory,
                "seconds": seconds + self._params["grace_period"],
            })
        except (OSError, RewindError) as error:
            return self._skip_rescue(record, error.message if isinstance(error, RewindError) else f"{directory} can't be created: {error.strerror}")
        message = f"The rescue tasks have {seconds} s before server {record.server_label} is restored; rescued data: {directory}"
        return {"changed": False, "msg": message, "needed": True, "deadline": int(time.time()) + seconds}

    def _find_rescue_problem(self) -> str | None:
        """Return why the rescue tasks can't run on the server."""
        try:
            self._context.shell.run("true", LOGIN_TIMEOUT)
        except ServerUnavailable as failure:
            return self._redactor.redact_text(f"the server does not answer ({failure})")
        # Then nothing is restored. Afterwards it would be too late to find out: a rescue may fill the controller's disk itself.
        cause = None if self._is_manual else self._find_controller_cause()
        return f"nothing is restored, because of a problem of the controller: {cause}" if cause else None

    def _skip_rescue(self, record: RunRecord, problem: str) -> Result:
        if rescue.was_started(record.data):  # by an earlier run
            return {"changed": False, "msg": "The rescue tasks ran in an earlier run", "needed": False}
        return self._record_end(record, "rescue", rescue.NOT_RUN, problem)

    def _end_rescue(self) -> Result:
        """Record how the rescue tasks have ended. Never fails."""
        return self._end("rescue")

    # --- after the restore

    def _start_restored(self) -> Result:
        """Record the verified outcome, so that the tasks on the restored server never run twice. Raise RewindError if that is not possible."""
        params = self._params
        record = self._send(self._record, {
            "command": "finish", "outcome": params["outcome"], "message": params["message"], "verification": params["verification"],
        })
        record = self._send(record, {"command": "update", "fields": {"restored": {"result": rescue.RUNNING, "detail": ""}}})
        return self._result(record, f"The tasks on the restored server {record.server_label} start", changed=False)

    def _end_restored(self) -> Result:
        """Record how the tasks on the restored server have ended. Never fails."""
        return self._end("restored")

    # --- the same for both

    def _rollback_reason(self, record: RunRecord) -> str:
        """Return why the upgrade is rolled back, in one line without secrets: as given, else from the failed task.

        After a rescue it is the recorded one: the last failed task may be one of the rescue's.
        """
        given = self._redactor.redact_text(self._params["reason"] or "")
        recorded = record.data.get("reason") if rescue.was_started(record.data) else None
        return given or recorded or self._describe_failed_task()

    def _describe_failed_task(self) -> str:
        return describe_failure(self._params["failed_task"], self._params["failed_result"], self._redactor.redact_text)

    def _end(self, name: str) -> Result:
        problem = self._describe_failed_task() if self._params["failed_task"] else ""
        return self._record_end(self._record, name, rescue.FAILED if problem else rescue.PASSED, problem)

    def _record_end(self, record: RunRecord, name: str, result: str, detail: str) -> Result:
        """Record it, and return the result of the step. That it can't be recorded, on a full disk, is a part of the warning."""
        field = {"result": result, "detail": detail}
        if name == "rescue" and not rescue.is_empty(self._run["rescue_dir"]):
            field["directory"] = self._run["rescue_dir"]
        data = {**record.data, name: field}
        warnings = [] if result == rescue.PASSED else rescue.messages(data, [name])
        try:
            self._send(record, {"command": "update", "fields": {name: field}})
        except RewindError as error:
            warnings.append(f"This is not in the run record: {error.message}")
        message = f"The {name} tasks of server {record.server_label}: {result.replace('_', ' ')}"
        return {"changed": False, "msg": message, "needed": False, "warnings": [f"{record.data['host']}: {text}" for text in warnings]}

    @property
    def _is_manual(self) -> bool:
        return bool(self._run.get("manual"))

    def _will_restore(self, record: RunRecord) -> bool:
        return record.state in states.ARMED_STATES or self._is_manual

    @staticmethod
    def _was_restored_by_guard(record: RunRecord) -> bool:
        return record.state in (states.RESTORING, states.RESTORED) or (record.state == states.ENDED and record.needs_verification)

    def _rescue_fields(self, record: RunRecord) -> dict[str, str]:
        """Return `rescue_dir` for the run. Raise OSError if it can't be created for a new run: nothing was changed yet.

        What an earlier rescue has saved is not overwritten.
        """
        if not (self._params["rescue_tasks"] or self._params["restored_tasks"]):
            return {"rescue_dir": ""}
        earlier = (record.data.get("rescue") or {}).get("directory")
        may_restore = record.state in states.UNARMED_STATES or self._will_restore(record)
        directory = Path(earlier) if earlier and not may_restore else rescue.free_directory(record.path.parent)
        try:
            make_private_directory(directory)
        except OSError:  # never a reason against a restore
            if not self._run["resumed"]:
                raise
        return {"rescue_dir": str(directory)}
