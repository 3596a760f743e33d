# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the upgrade, from arming the guard to closing the run and its report, and of its rollback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError, error_result, invalid_argument
from ....module_utils._module import snapshot as snapshot_operation
from ....module_utils._module import snapshot_info
from ....module_utils._redaction import Redactor
from .. import evidence, outcomes, package_locks, planning, probe, rescue
from .. import record as states
from ..record import write_private
from .base import GUARDED_CONNECTION, OperationFailed, Result
from .checks import SYSTEM_BEFORE, CheckSteps
from .rescue import RescueSteps

MAX_LOG_CHARS = 2_000_000  # characters; the end counts
NOT_SERIALIZABLE = "omitted: it can't be written as JSON"
CENSORED = "hidden, since the task has no_log: true"


def _deletion_message(pruned: list[Result], check_mode: bool = False) -> str:
    names = ", ".join(item["name"] for item in pruned)
    if not names:
        return "No older snapshot of this role to delete"
    return f"{'Would delete' if check_mode else 'Deleted'}: {names}"


class UpgradeSteps(CheckSteps):
    """From arming to the confirmation, an unexpected end of the run leads to a rollback."""

    def _arm(self) -> Result:
        if self._params["run"]["connection"] == "ssh" and self._context.connection != GUARDED_CONNECTION:
            raise invalid_argument(
                f"The connection of {self._context.host} is {self._context.connection} and not {GUARDED_CONNECTION}, so its loss would end the "
                "play for it without a rollback",
                "is ansible_connection set with -e, or at the role? Remove it there, or set it in the inventory",
            )
        self._wait_for_package_manager_again()
        write_private(self._record.path.parent / SYSTEM_BEFORE, json.dumps(self._describe_system()))
        seconds = self._params["timeout"]
        request = self._transition(states.ARMED, seconds)
        times = probe.parse_times(self._params["probe"]) or ({}, {})
        # The task before this one has written the marker and read it back.
        before = self._observe_restarts(self._record)
        request["fields"].update(
            marker_written=True, before=before, times_at_snapshot=times[0], times_after_snapshot=times[1], times_before_restore=times[1],
        )
        record = self._send(self._record, request)
        message = (
            f"Guard armed: {record.server_label} is rolled back to snapshot {record.snapshot['name']} unless the upgrade is confirmed, "
            f"even if this run is killed (guard PID {record.data['guard']['pid']}, run record {record.path})"
        )
        self._context.progress(message)
        record = self._send(record, self._transition(states.UPGRADING, seconds))
        return self._phase_result(record, seconds, message)

    def _wait_for_package_manager_again(self) -> None:
        """Wait for a package manager that has started during the snapshot. Raise RewindError if it stays busy; nothing is armed yet."""
        context = self._context
        package_locks.wait_while_busy(
            self._params["probe"] or "", lambda: str(context.server.run(package_locks.lock_script(), True)["stdout"]),
            seconds=min(package_locks.MAX_WAIT, self._params["timeout"]), clock=context.clock, progress=context.progress, host=context.host,
        )

    def _finish(self) -> Result:
        """Record the outcome. After an upgrade, delete expired snapshots too; an error there is a warning: the upgrade is confirmed."""
        params, record, pruned, warnings = self._params, self._record, [], []
        if record.state == states.AWAITING:
            return self._result(record, planning.awaiting_message(record), changed=False)
        if record.state == states.CONFIRMED:
            try:
                self._delete_expired(record.data["server"]["id"], pruned)
            except OperationFailed as failure:
                warnings.append(f"Older snapshots of this role may remain: {failure.result['msg']}")
        rescue.remove_if_empty(self._run.get("rescue_dir"))
        record = self._send(record, {
            "command": "finish", "outcome": params["outcome"], "message": params["message"], "verification": params["verification"],
        })
        message = f"Run {record.run_id} of server {record.server_label} is {states.describe_state(record)}. {_deletion_message(pruned)}"
        return {**self._result(record, message, changed=bool(pruned)), "pruned": pruned, "warnings": warnings}

    def _close_run(self) -> Result:
        """Record that the outcome was reported, so that the guard ends and the next run need not report it.

        Returns:
            A failed result if the outcome is not the one that this run was to reach.
        """
        record = self._send(self._record, {"command": "acknowledge"})
        failure = outcomes.failure_message(record, self._params["run"])
        if failure:  # Ansible prints the whole result of a failed task, and this is what a user reads first
            return {"failed": True, "changed": False, "msg": failure}
        return self._result(record, f"Run {record.run_id} of server {record.server_label} is closed", changed=False)

    def _rollout_table(self) -> Result:
        """Write the report of all hosts of this run, and show it in the step of the host of the batch that ended last."""
        context, records = self._context, states.latest_records(self._params["state_dir"])
        own_rows = {record.data["host"]: outcomes.row(record) for record in records if planning.is_same_run(record, context)}
        if not own_rows:
            return {"changed": False, "msg": "No upgrade was started"}
        rows = [own_rows.get(host) or outcomes.not_reached_row(host) for host in context.all_hosts]
        path = Path(self._params["state_dir"]) / "reports" / f"{min(item['run_id'] for item in own_rows.values())}.json"
        message: Any = f"The same as JSON: {path}"
        if not context.check_mode:
            try:
                write_private(path, json.dumps({"hosts": rows}, indent=2) + "\n")
            except OSError as error:  # the outcome is still to be shown
                message = f"The report can't be written to {path}: {error.strerror}"
        if not (self._params["show_report"] and self._is_last_of_batch(own_rows)):
            return {"changed": False, "msg": message}
        # Ansible shows the whole result of such a task, as it does for `debug`.
        return {"changed": False, "msg": [*outcomes.format_table(rows), message], "_ansible_verbose_always": True}

    def _is_last_of_batch(self, own_rows: dict[str, dict[str, Any]]) -> bool:
        rows = [row for host, row in own_rows.items() if host in self._context.batch]
        last = max(rows, key=lambda row: (row["ended_at"] or "", row["host"]), default=None)
        return last is not None and last["host"] == self._context.host and all(row["ended_at"] for row in rows)

    def _prune(self) -> Result:
        self._context.check_selection([], [])
        self._context.check_tasks(None, [], [])
        server = self._preflight(self._new_snapshot_name)["server"]
        server_records = self._server_records(server["id"])
        previous = self._latest_record(server_records)
        if previous is not None and previous.state != states.ENDED:
            raise RewindError(
                f"The guarded upgrade {previous.run_id} of server {previous.server_label} is {states.describe_state(previous)} "
                "and may need its snapshot",
                kind=errors.BUSY, server=previous.server_label, hint="run the guarded upgrade again first, which finishes it",
            )
        pruned: list[Result] = []
        try:
            self._delete_expired(server["id"], pruned)
        except OperationFailed as failure:
            return {**failure.result, "changed": bool(pruned), "pruned": pruned}
        return {"changed": bool(pruned), "msg": _deletion_message(pruned, self._context.check_mode), "pruned": pruned, "server": server}

    def _delete_expired(self, server_id: str, pruned: list[Result]) -> None:
        snapshots = self._run_operation(snapshot_info, {
            "server": server_id, "name": None, "match": self._name_pattern, "status": ["ready"], "older_than": None, "newer_than": None,
        })["snapshots"]
        undated = next((item for item in snapshots if item["created_at"] is None), None)
        if undated is not None:
            raise OperationFailed(error_result(RewindError(
                f"Snapshot {undated['name']} has no readable date, so it is unknown which snapshots of this role are the newest; none is deleted",
                kind=errors.NOT_READY, snapshot=undated["id"], hint="delete those that are not needed with rewind.vps.snapshot, state: absent and id",
            ), None))
        # One with a schedule is not this role's any more.
        for snapshot in [item for item in snapshots if not item["schedule"]][self._params["keep_snapshots"]:]:
            if not self._context.check_mode:
                self._run_operation(snapshot_operation, {
                    "server": server_id, "name": snapshot["name"], "id": snapshot["id"], "description": None, "state": "absent",
                    "max_age": None, "retain": None, "when_full": "fail", "stop_server": False, "wait": True, "wait_timeout": 600,
                })
            pruned.append(snapshot)


class RollbackSteps(RescueSteps):
    """The guard restores. These steps send it requests, and verify the server."""

    def _save_diagnostics(self) -> Result:
        record, params = self._record, self._params
        files = save_diagnostics(record.path.parent, params["failed_task"], params["failed_result"], params["server_log"], self._redactor)
        if files:
            self._send(record, {"command": "update", "fields": {"diagnostics": files}})
        return self._result(record, f"Saved: {', '.join(files)}" if files else "There were no diagnostics to save", changed=False)

    def _roll_back(self) -> Result:
        """Have the guard restore the run's snapshot, if there is something to restore.

        The guards restore all failed servers of a batch at the same time.
        """
        record = self._record
        manual, reason = self._is_manual, self._rollback_reason(record)
        if record.state in states.UNARMED_STATES and not manual:
            with contextlib.suppress(RewindError):  # a full disk
                self._send(record, {"command": "update", "fields": {"reason": reason}})
            return self._result(record, f"Nothing was changed on server {record.server_label}, so nothing is restored", changed=False)
        if record.state in (states.CONFIRMED, states.ENDED) and not manual:
            return self._result(record, f"The guarded upgrade of server {record.server_label} is {states.describe_state(record)}", changed=False)
        # A rescue has found none before it started, and may have caused one, such as a full disk.
        cause = self._find_controller_cause() if record.state in states.ARMED_STATES and not rescue.was_started(record.data) else None
        if cause:
            message = f"the upgrade could not be finished, and nothing was restored, because of a problem of the controller: {cause}"
            with contextlib.suppress(RewindError):  # the guard has started a restore
                record = self._send(record, {"command": "abandon", "reason": reason, "message": message})
                return self._result(record, message, changed=False)
        observed = probe.parse_probe(self._params["probe"])
        if observed is not None and record.state in states.ARMED_STATES:  # else it may show the restored server
            with contextlib.suppress(RewindError):  # a full disk
                record = self._send(record, {"command": "update", "fields": evidence.observed_fields(observed)})
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
        params = self._params
        record = self._send(self._record, {"command": "read"})  # on a full disk its file may be older
        if record.needs_verification:
            checks = None if params["checks_result"] == "not_run" else params["checks_result"]
            # A person may have a server restored that does not answer. Then nothing can be observed just before the restore.
            is_unobserved = bool(params["run"].get("manual")) and record.data.get("times_before_restore") is None
            result = probe.verify_restore(
                record.data, probe.parse_probe(params["probe"]), checks,
                connection_error=self._redactor.redact_text(params["connection_error"] or ""), proof_required=not is_unobserved,
            )
        else:
            result = outcomes.outcome_of(record)
        result = outcomes.with_next_steps(record, result, params["reason"])
        return {**self._result(record, result["message"], changed=False), **result}


def save_diagnostics(
    directory: Path, failed_task: Mapping[str, Any] | None, failed_result: Mapping[str, Any] | None, server_log: str | None, redactor: Redactor,
) -> list[str]:
    """Write what the restore would discard: the failed task with its result, and the server's logs. Return the paths of the files."""
    files = []
    if failed_task is not None:
        hidden = bool(failed_task.get("no_log")) or "censored" in (failed_result or {})
        summary = {
            "task": str(failed_task.get("name") or ""),
            "action": str(failed_task.get("action") or ""),
            "result": CENSORED if hidden else failed_result,
        }
        files.append((directory / "failed_task.json", _as_json(summary, redactor)))
    if server_log:
        # Cut afterwards: the redactor does not know the end of a secret that was cut in two.
        files.append((directory / "server.log", redactor.redact_text(server_log)[-MAX_LOG_CHARS:]))
    for path, text in files:
        write_private(path, text)
    return [str(path) for path, dummy in files]


def _as_json(summary: dict[str, Any], redactor: Redactor) -> str:
    """A module on a server that is not the user's any more may return what no JSON can be made of."""
    try:
        return json.dumps(redactor.redact(json.loads(json.dumps(summary, default=str))), indent=2) + "\n"
    except (TypeError, ValueError, RecursionError):
        return json.dumps({**summary, "result": NOT_SERIALIZABLE}, default=str, indent=2) + "\n"
