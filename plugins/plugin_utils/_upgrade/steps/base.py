# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps share: the run, its record, its guard and the modules' operations."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ....module_utils import _argspec as argspec
from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError, invalid_argument
from ....module_utils._execute import execute as run_operation
from ....module_utils._module import upgrade_preflight
from ....module_utils._redaction import Redactor
from ....module_utils._wait.polling import Deadline, wait_until
from ..._guard.client import is_guard_running, send_request, start_guard
from .. import evidence, planning, process_identity
from .. import record as states
from ..options import ROLE_OPTIONS, RunContext, credential_values, select_provider_options
from ..record import RUN_ID_GLOB, RunRecord, ServerRecords

Result = dict[str, Any]

GUARD_EXIT_TIMEOUT = 10  # seconds
GUARDED_CONNECTION = "rewind.vps.guarded_ssh"


class OperationFailed(Exception):
    """An operation of the modules failed; `result` is its whole result."""

    def __init__(self, result: Result) -> None:
        super().__init__(result["msg"])
        self.result = result


class StepBase:
    """Takes validated parameters: those of `options.OPTIONS`, with those of `options.ROLE_OPTIONS` beside them."""

    def __init__(self, parameters: dict[str, Any], context: RunContext) -> None:
        self._params = parameters
        self._context = context

    @property
    def _run(self) -> dict[str, Any]:
        """The plan."""
        if not self._params["run"]:
            raise invalid_argument("run is missing: it takes the result of the plan")
        return self._params["run"]

    @property
    def _record(self) -> RunRecord:
        return RunRecord.load(Path(self._run["run_record"]))

    @property
    def _redactor(self) -> Redactor:
        """Knows the credentials, and the passwords with which Ansible logs in."""
        return Redactor([*credential_values(self._params), *self._context.more_secrets])

    @property
    def _endpoint(self) -> dict[str, str]:
        """The provider that the options name, and the address of its API."""
        options = argspec.normalize_params(select_provider_options(self._params))
        return {name: options[name] for name in ("provider", "api_url")}

    def _server_records(self, server_id: str) -> ServerRecords:
        endpoint = self._endpoint
        return ServerRecords(self._params["state_dir"], endpoint["provider"], server_id, endpoint["api_url"])

    @property
    def _name_pattern(self) -> str:
        """Only names that this role creates. A name like `rewind-before-php` does not match."""
        return self._params["snapshot_prefix"] + RUN_ID_GLOB

    @property
    def _new_snapshot_name(self) -> str:
        return f"{self._params['snapshot_prefix']}{states.new_run_id()}"

    @property
    def _role_options(self) -> dict[str, Any]:
        """For the run, so that the later steps have them too."""
        return {name: self._params[name] for name in ROLE_OPTIONS}

    def _preflight(self, snapshot_name: str) -> Result:
        return self._run_operation(upgrade_preflight, {
            "server": self._params["server"] or None, "host": self._context.host, "address": self._context.address,
            "name": snapshot_name, "match": self._name_pattern,
        })

    def _latest_record(self, server_records: ServerRecords) -> RunRecord | None:
        """Return the newest run record when no guard is active.

        Raises:
            RewindError: `busy`: another run is upgrading the server, or an upgrade awaits its confirmation.
        """
        if not is_guard_running(server_records.lock_path):
            return server_records.latest()
        previous = server_records.latest()
        if previous is not None and previous.state == states.AWAITING:
            raise planning.awaiting_error(previous)
        if self._context.check_mode or previous is None or process_identity.is_alive(previous.data["run"]):
            raise planning.guarded_by_other_run_error(previous, self._context)
        self._context.progress(f"the guard of an earlier run is active on server {previous.server_label}; waiting for it")
        wait_until(
            lambda: None if is_guard_running(server_records.lock_path) else True, description=f"the guard of run {previous.run_id} to finish",
            deadline=Deadline(max(self._params["rollback_timeout"], self._params["snapshot_timeout"])), expected_seconds=60,
            on_progress=self._context.progress, timeout_hint=f"see {previous.path}",
        )
        return server_records.latest()

    def _transition(self, state: str, seconds: int | None) -> dict[str, Any]:
        """Return the request to enter a state, with the seconds that this phase may take."""
        seconds_allowed = seconds + self._params["grace_period"] if seconds else None
        return {"command": "transition", "to": state, "seconds": seconds_allowed, "fields": {"seconds_allowed": seconds}}

    def _launch_guard(self, path: Path, record: dict[str, Any] | None) -> RunRecord:
        context, params = self._context, self._params
        return start_guard({
            "record_path": str(path), "record": record, "run": {"process": context.process, "command": context.command},
            # As cleaned here: addresses may come from this task's environment, which the guard does not have.
            "parameters": {**select_provider_options(params), "api_url": self._endpoint["api_url"]},
            "rollback_seconds": params["rollback_timeout"], "terminal": process_identity.controlling_terminal(context.process["pid"]),
        })

    def _wait_for_guard(self, record: RunRecord) -> RunRecord:
        """Wait until the guard has finished its work, and report its progress."""
        last_progress = None

        def report_progress() -> None:
            nonlocal last_progress
            with contextlib.suppress(RewindError):
                progress = RunRecord.load(record.path).data.get("progress")
                if progress and progress != last_progress:
                    self._context.progress(progress)
                    last_progress = progress

        return self._send(record, {"command": "wait"}, report_progress)

    def _send(self, record: RunRecord, request: dict[str, Any], on_idle: Callable[[], None] = lambda: None) -> RunRecord:
        """Send a request to the guard. If it has stopped, another one resumes the run record first.

        A task may briefly outlive its run. Then it must not continue: the guard or the next run does.
        """
        self._require_live_run(record)
        response = send_request(record, request, on_idle)
        if response is None:
            self._require_live_run(record)
            self._wait_for_lock(record)
            self._context.progress(f"the guard of server {record.server_label} has stopped; starting another one")
            response = send_request(self._launch_guard(record.path, None), request, on_idle)
        if response is None:
            raise RewindError(
                f"The guard of server {record.server_label} stopped twice", kind=errors.INTERNAL, outcome=errors.UNKNOWN,
                server=record.server_label, snapshot=record.snapshot["name"], hint=f"see {record.path}, then run again",
            )
        return response

    @staticmethod
    def _wait_for_lock(record: RunRecord) -> None:
        """Wait for a guard that is about to end: it has closed its socket, and holds its lock for a moment."""
        deadline, lock_path = time.monotonic() + GUARD_EXIT_TIMEOUT, record.path.parent.parent / "lock"
        while is_guard_running(lock_path) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _require_live_run(self, record: RunRecord) -> None:
        if not process_identity.is_alive(self._context.process):
            raise RewindError(f"The run has ended; the guard continues for {record.data['host']}", kind=errors.INTERRUPTED, outcome=errors.UNKNOWN)

    def _run_operation(self, operation: Any, options: dict[str, Any]) -> Result:
        """Run one of the modules' operations here."""
        result = run_operation(
            operation, {**select_provider_options(self._params), **options}, check_mode=False, diff_mode=False, progress=self._context.progress,
        )
        if result.get("failed"):
            raise OperationFailed(result)
        return result

    def _current_facts(self) -> Result:
        """What Ansible knew of the host may be of the time before the upgrade, the reboot or the restore."""
        facts = self._context.refresh_facts()
        return {"ansible_facts": facts} if facts else {}

    def _result(self, record: RunRecord, message: str, *, changed: bool) -> Result:
        run = {
            **(self._params["run"] or {}), "state": record.state, "outcome": record.outcome, "snapshot": record.snapshot,
            "run_record": str(record.path), "marker_written": bool(record.data.get("marker_written")),
            "needs_verification": record.needs_verification, **evidence.run_fields(record.data["marker"]),
        }
        return {"changed": changed, "msg": message, "run": run}
