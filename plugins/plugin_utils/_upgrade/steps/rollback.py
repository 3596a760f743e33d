# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps after a failed or interrupted upgrade: diagnostics, rollback, verification."""

from __future__ import annotations

from ....module_utils._redaction import Redactor
from .. import probe
from .. import record as states
from ..diagnostics import save_diagnostics
from ..options import credential_values
from ..outcomes import outcome_of, with_next_steps
from .base import Result, StepBase


class RollbackSteps(StepBase):
    """The guard restores. These steps send it requests, and verify the server."""

    def _save_diagnostics(self) -> Result:
        record, params = self._record, self._params
        redactor = Redactor([*credential_values(params), *self._context.more_secrets])
        files = save_diagnostics(record.path.parent, params["failed_task"], params["failed_result"], params["server_log"], redactor)
        boot_id = probe.parse_boot_id(params["server_log"])
        if files or boot_id:
            self._send(record, {"command": "update", "fields": {"diagnostics": files, "boot_before_restore": boot_id}})
        return self._result(record, f"Saved: {', '.join(files)}" if files else "There were no diagnostics to save", changed=False)

    def _roll_back(self) -> Result:
        """Have the guard restore the run's snapshot, if there is something to restore.

        The guards restore all failed servers of a batch at the same time.
        """
        record = self._record
        manual = bool(self._params["run"].get("manual"))
        if record.state in states.UNARMED_STATES and not manual:
            return self._result(record, f"Nothing was changed on server {record.server_label}, so nothing is restored", changed=False)
        if record.state in (states.CONFIRMED, states.ENDED) and not manual:
            return self._result(record, f"The guarded upgrade of server {record.server_label} is {states.describe_state(record)}", changed=False)
        redactor = Redactor([*credential_values(self._params), *self._context.more_secrets])
        reason = redactor.redact_text(self._params["reason"] or "it failed")
        record = self._send(record, {"command": "roll_back", "reason": reason, "manual": manual})
        return self._result(record, f"The guard restores snapshot {record.snapshot['name']} of server {record.server_label}", changed=True)

    def _wait_restore(self) -> Result:
        """Wait until the guard's restore has finished, if there is one."""
        record = self._record
        if record.state not in states.UNARMED_STATES or self._params["run"].get("manual"):
            record = self._wait_for_guard(record)
        message = record.data.get("message") if record.state == states.ENDED else record.data.get("restore_message")
        return self._result(record, message or states.describe_state(record), changed=False)

    def _verify(self) -> Result:
        """Compare the restored server with its state before the snapshot."""
        record = self._record
        if record.state == states.RESTORED:
            checks = {"not_run": None}.get(self._params["checks_result"], self._params["checks_result"])
            result = probe.verify_restore(record.data, probe.parse_probe(self._params["probe"]), checks)
        else:
            result = outcome_of(record)
        result = with_next_steps(record, result, self._params["reason"])
        return {**self._result(record, result["message"], changed=False), **result}
