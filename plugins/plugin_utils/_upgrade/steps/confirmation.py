# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that confirm an upgrade: by themselves, or when a person says so."""

from __future__ import annotations

import time

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError
from .. import evidence, outcomes, planning, process_identity
from .. import record as states
from ..checks.base import WARN
from ..checks.runner import failures
from ..record import RunRecord
from .base import OperationFailed, Result
from .checks import CheckSteps
from .prepare import PrepareSteps

POLL_INTERVAL = 1  # seconds, between two reads of the run record while a person decides


class ConfirmationSteps(PrepareSteps, CheckSteps):
    """Nothing here changes the server."""

    def _confirm(self) -> Result:
        """Confirm the upgrade after its soak, or have a person confirm it; the guard rolls it back if that does not happen in time."""
        record, params = self._record, self._params
        # A file of tasks that has failed since, and passed again, restarts the soak.
        record = self._observe_soak(record, 0 if record.data.get("soaked") else params["soak_time"])
        warnings = failures(record.data.get("check_results") or [], WARN)
        if params["confirm"] == "automatic":
            record = self._send(record, self._transition(states.CONFIRMED, None))
            message = f"The upgrade of server {record.server_label} is confirmed; it is not rolled back any more"
        else:
            seconds = params["confirm_within"]
            record = self._send(record, {"command": "transition", "to": states.AWAITING, "seconds": seconds, "fields": {
                "seconds_allowed": seconds, "keep_snapshots": params["keep_snapshots"],
            }})
            message = planning.awaiting_message(record)
            self._context.progress(message)
        return {**self._result(record, message, changed=False), "warnings": warnings, **outcomes.outcome_of(record)}

    def _wait_confirmation(self) -> Result:
        """Wait until a person confirms the upgrade.

        Raises:
            OperationFailed: A person rolls it back, or its time is over.
        """
        record = self._record
        while record.state == states.AWAITING:
            time.sleep(POLL_INTERVAL)
            record = self._send(record, {"command": "read"})
        if record.state == states.CONFIRMED or record.outcome == states.UPGRADED:
            message = f"The upgrade of server {record.server_label} is confirmed; it is not rolled back any more"
            return {**self._result(record, message, changed=False), **outcomes.outcome_of(record)}
        error = RewindError(
            f"The upgrade of server {record.server_label} was not confirmed: {record.data.get('reason')}", kind=errors.OPERATION_FAILED,
            outcome=errors.FAILED, server=record.server_label,
        )
        raise OperationFailed({**self._result(record, error.format(), changed=False), "failed": True, "error": error.to_result()})

    # --- from another terminal, or after the run

    def _find_awaiting(self) -> Result:
        """Return the upgrade that awaits its confirmation, and whether its run is waiting: then the run finishes it."""
        files, warnings = self._validate_files("after_tasks")
        cloud = self._preflight(self._new_snapshot_name)
        record = self._server_records(cloud["server"]["id"]).latest()
        run: Result = {
            "next": planning.NONE, "resumed": True, "tasks": [], **files, "server": cloud["server"], "cloud": cloud["cloud"],
            "match": self._name_pattern, "connection": self._context.connection, "login": self._context.login, "options": self._role_options,
            "preview": self._context.check_mode,
        }
        if record is None or record.state != states.AWAITING:
            lines = [_nothing_to_confirm(record, cloud["server"])]
            return {"changed": False, "msg": lines[0], "plan": lines, "run": run, "warnings": warnings}
        is_run_waiting = process_identity.is_alive(record.data["run"])
        run.update(
            next=planning.CONFIRM, is_run_waiting=is_run_waiting, run_id=record.run_id, run_record=str(record.path),
            snapshot_name=record.snapshot["name"], include_file=self._include_file(record.path), **evidence.run_fields(record.data["marker"]),
        )
        # As the run had them, so that its options need not be repeated.
        prefix = record.snapshot["name"][:-len(record.run_id)]
        run["options"] = {**run["options"], "keep_snapshots": record.data.get("keep_snapshots") or 0, "snapshot_prefix": prefix}
        after = f"; its run (process {record.data['run']['pid']}) finishes it" if is_run_waiting else ""
        lines = [f"Confirm the upgrade {record.run_id} of server {record.server_label}, so that it is not rolled back any more{after}"]
        return {"changed": False, "msg": lines[0], "plan": lines, "run": run, "warnings": warnings}

    def _confirm_manually(self) -> Result:
        record = self._send(self._record, self._transition(states.CONFIRMED, None))
        message = f"The upgrade of server {record.server_label} is confirmed; it is not rolled back any more"
        result = self._result(record, message, changed=True)
        result["run"].update(self._connection_fields())
        return result


def _nothing_to_confirm(record: RunRecord | None, server: Result) -> str:
    """Return why there is nothing to confirm, if that is no error: it is confirmed already.

    Raises:
        RewindError: There is no upgrade, or it has another outcome.
    """
    label = server["name"] or server["id"]
    if record is not None and (record.state == states.CONFIRMED or record.outcome == states.UPGRADED):
        return f"The upgrade {record.run_id} of server {record.server_label} is confirmed already"
    last = f": the last one, {record.run_id}, is {states.describe_state(record)}" if record is not None else " here"
    raise RewindError(
        f"No guarded upgrade of server {label} awaits its confirmation{last}", kind=errors.NOT_FOUND, server=label,
        hint="see its run record" if record is not None else "run this where the upgrade was run, with the same guarded_upgrade_state_dir",
    )
