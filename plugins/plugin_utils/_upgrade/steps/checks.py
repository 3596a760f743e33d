# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the server: before the snapshot, after the upgrade until it has soaked, and after a restore.

What fails is checked again until the time for checks is over: services may need time to start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError
from .. import health, probe, system_changes
from .. import record as states
from ..attempts import Retry
from ..checks.base import WARN, Check, Target
from ..checks.runner import FAILED, PASSED, failures, is_observed, merge_results, observe_checks, result_of
from ..failure_reason import describe_failure
from ..record import RunRecord
from ..server_access import ServerUnavailable
from .base import Result
from .observe import PROBE_TIMEOUT, ObserveSteps

# In seconds.
MIN_SOAK_INTERVAL, MAX_SOAK_INTERVAL = 5, 20  # between two observations of a server that soaks; between them a third of the soak time
RESTARTED_SOAK_TIME = 60  # at least, if a service has restarted since the upgrade; it is doubled each time that it restarts again
MIN_TASKS_INTERVAL, MAX_TASKS_INTERVAL = 5, 30  # before a file of tasks is repeated; between them a quarter of the time since the checks started

SYSTEM_BEFORE = "system_before.json"  # beside the run record: the server's packages before the upgrade


class CheckSteps(ObserveSteps):
    """Nothing here changes the server."""

    # --- before the snapshot

    def _observe_baseline(self) -> list[str]:
        """Make each check once that has a baseline, and return warnings. Files of tasks are run by the role.

        Raises:
            RewindError: A required check fails, so after the upgrade it would roll back a healthy server.
        """
        try:
            results = self._observe_checks(lambda check: check["baseline"], lambda seconds: seconds)
        except ServerUnavailable as failure:
            results, problems = [], [str(failure)]
        else:
            problems = failures(results)
        if problems:
            raise self._baseline_error("; ".join(problems))
        return [f"Before the upgrade: {problem}" for problem in failures(results, WARN)]

    def _baseline_error(self, problem: str) -> RewindError:
        host = self._context.host
        return RewindError(
            f"On {host} a check fails before the upgrade, so after it the check would roll back a healthy server: {problem}",
            kind=errors.NOT_READY, server=host,
            hint="correct the check or the server, and run again. If the check only reports, give it level: warn; if it can only pass after the "
            "upgrade, give it baseline: false",
        )

    # --- after the upgrade

    def _start_checks(self) -> Result:
        """Start the time for the checks with those that need no task, over a new login. Later steps observe the server again.

        Raises:
            OperationFailed: A new login fails, no module runs any more, or a check fails until the time for the checks is over.
        """
        params = self._params
        record = self._send(self._record, self._transition(states.CHECKING, params["check_timeout"] + params["soak_time"]))
        before, retry = record.data["before"] or {}, Retry(params["check_timeout"])
        has_logged_in, is_open, results = False, True, []
        runs_modules = not (params["builtin_checks"] and before.get("modules_run"))
        while True:
            is_refused = False
            try:
                after = probe.parse_probe(self._run_probe(retry.limit(PROBE_TIMEOUT), new_login=not has_logged_in))
                record = record if has_logged_in else self._record_changes(record)
                has_logged_in = True
                problems = health.find_problems(before, after) if params["builtin_checks"] else []
                if not runs_modules:
                    module_problem = self._server.find_module_problem(retry.limit(PROBE_TIMEOUT))
                    runs_modules = module_problem is None
                    problems += [] if runs_modules else [f"no module of Ansible runs there any more, as before the upgrade ({module_problem})"]
                if not problems:
                    results = self._observe_checks(lambda check: True, retry.limit)
                    problems = failures(results)
            except ServerUnavailable as failure:
                is_refused = failure.is_refused
                problems = [_describe_login(failure, has_logged_in)]
                is_open = is_open and self._server.keep_open()
            if not problems:
                break
            self._pause_or_fail(record, retry, problems, is_refused, states.CHECKING)
        fields = {"after": {**after, "observed_at": time.monotonic()}, "check_results": results}
        record = self._send(record, {"command": "update", "fields": fields})
        message = "The server is as healthy as before the upgrade" if params["builtin_checks"] else "The server's checks pass"
        result = self._phase_result(record, params["check_timeout"] - int(retry.elapsed), message)
        facts = {**self._server.facts, **self._context.refresh_facts()}
        return {**result, **({"ansible_facts": facts} if facts else {})}

    def _soak(self) -> Result:
        """Repeat the checks for the soak time. The role runs files of tasks before and after it."""
        record, soak_time = self._observe_soak(self._record, self._params["soak_time"]), self._params["soak_time"]
        record = self._send(record, {"command": "update", "fields": {"soaked": True}})
        return self._phase_result(record, int(self._check_seconds_left(record)), f"All checks have passed for {soak_time} s")

    def _observe_soak(self, record: RunRecord, soak_time: float) -> RunRecord:
        """Log in again, and repeat the checks until all have passed for the soak time. A problem that ends restarts it.

        Raises:
            OperationFailed: A new login fails, a check fails, or the server restarts services or has rebooted, until the time for checks is over.
        """
        earlier, params = record.data.get("after"), self._params
        if earlier is None:
            return record
        is_builtin, results = params["builtin_checks"], record.data.get("check_results") or []
        before, retry = health.with_services_of(record.data["before"] or {}, earlier), Retry(self._check_seconds_left(record))
        if soak_time and is_builtin and health.has_restarted_since(before, earlier):
            soak_time = max(soak_time, RESTARTED_SOAK_TIME)
        has_logged_in, is_open, shortest = False, True, min(soak_time, params["soak_time"])
        while True:
            if earlier is not None:
                pause = earlier["observed_at"] + (soak_time if retry.left > 0 else shortest) - time.monotonic()
                time.sleep(max(0.0, min(pause, max(MIN_SOAK_INTERVAL, soak_time / 3), MAX_SOAK_INTERVAL)))
            is_refused = False
            try:
                output = self._run_probe(retry.limit(PROBE_TIMEOUT), new_login=not has_logged_in)
                has_logged_in = True
                later = {**probe.parse_probe(output), "observed_at": time.monotonic()}
                problems = health.find_problems(before, later) if is_builtin else []
                changes = health.find_changes(before, earlier, later) if earlier is not None and is_builtin else []
                if not problems and not changes:
                    results = merge_results(results, self._observe_checks(lambda check: True, retry.limit))
                    problems = failures(results)
                if not problems and not changes:
                    earlier = earlier or later
                    # A longer soak ends with the time for checks.
                    if later["observed_at"] - earlier["observed_at"] >= (soak_time if retry.left > 0 else shortest) - 0.01:
                        fields = {"after": later, "check_results": results}
                        return self._send(record, {"command": "update", "fields": fields})
                    continue
                if changes or is_builtin and health.restarting_units(before, later):
                    retry.require(min(soak_time, RESTARTED_SOAK_TIME))
                    soak_time = max(RESTARTED_SOAK_TIME, 2 * soak_time)
                earlier, soak_time, shortest = None if problems else later, max(soak_time, params["soak_time"]), params["soak_time"]
            except ServerUnavailable as failure:
                problems, changes, is_refused, earlier = [_describe_login(failure, has_logged_in)], [], failure.is_refused, None
                is_open = is_open and self._server.keep_open()
            self._pause_or_fail(record, retry, problems + changes, is_refused, states.CHECKING)

    def _check_failed(self) -> Result:
        """A file of tasks has failed. Pause before the role repeats it.

        Raises:
            RewindError: It fails before the upgrade, or the time for checks is over.
        """
        params, check, record = self._params, self._params["check"], self._record
        problem = describe_failure(params["failed_task"], params["failed_result"], self._redactor.redact_text)
        result = {"changed": False, "msg": f"Check {check['label']} fails: {problem}", "repeat": False}
        is_checking = record.state == states.CHECKING
        if check["level"] == WARN:
            if is_checking:
                self._record_results(record, [result_of(check, FAILED, problem)])
            return {**result, "warnings": [result["msg"]]}
        if record.state in states.UNARMED_STATES:
            raise self._baseline_error(f"check {check['label']}: {problem}")
        seconds = params["deadline"] - time.time()
        if seconds <= 1 or record.state in (states.RESTORING, *states.ARMED_STATES) and not is_checking:
            raise RewindError(
                f"On server {record.server_label} check {check['label']} fails: {problem}", kind=errors.OPERATION_FAILED, outcome=errors.FAILED,
                server=record.server_label,
            )
        if is_checking and record.data.get("soaked"):
            self._send(record, {"command": "update", "fields": {"soaked": False}})
        pause = min(max(MIN_TASKS_INTERVAL, (params["check_timeout"] - seconds) / 4), MAX_TASKS_INTERVAL, seconds)
        self._context.progress(f"{result['msg']}; repeating it in {pause:.0f} s")
        time.sleep(pause)
        return {**result, "repeat": True}

    # --- after a restore

    def _check_restored(self) -> Result:
        """Make the checks that could pass before the upgrade, until they pass or the time for checks is over. Does not fail."""
        record, retry = self._record, Retry(self._params["check_timeout"])
        while True:
            is_refused = False
            try:
                results = self._observe_checks(lambda check: check["baseline"], retry.limit)
                problems = failures(results)
            except ServerUnavailable as failure:
                problems, is_refused = [str(failure)], failure.is_refused
            pause = retry.next_pause(is_refused) if problems else None
            if pause is None:
                break
            self._context.progress(f"{'; '.join(problems)}; checking again in {pause:.0f} s")
            time.sleep(pause)
        has_checks = any(check["baseline"] for check in self._run.get("checks") or [])
        checks_result = FAILED if problems else PASSED if has_checks else "not_run"
        message = "; ".join(problems) or f"The checks have {checks_result.replace('_', ' ')}"
        return {**self._phase_result(record, int(retry.left), message), "checks_result": checks_result}

    # --- the same for all of them

    def _record_changes(self, record: RunRecord) -> RunRecord:
        """Record what the upgrade has changed, so that it is known whatever the checks find."""
        try:
            before = json.loads((record.path.parent / SYSTEM_BEFORE).read_text("utf-8"))
        except (OSError, ValueError):
            before = None
        changes = system_changes.compare(before, self._describe_system()) if before else None
        return self._send(record, {"command": "update", "fields": {"changes": changes}})

    def _observe_checks(self, is_wanted: Callable[[Check], bool], limit: Callable[[float], float]) -> list[dict[str, str]]:
        checks = [check for check in self._run.get("checks") or [] if is_observed(check) and is_wanted(check)]
        if not checks:
            return []
        target = Target(self._server, self._context.address or self._context.host)
        return observe_checks(checks, target, limit, self._redactor.redact_text)

    def _record_results(self, record: RunRecord, results: list[dict[str, str]]) -> RunRecord:
        merged = merge_results(record.data.get("check_results") or [], results)
        return self._send(record, {"command": "update", "fields": {"check_results": merged}})

    def _check_seconds_left(self, record: RunRecord) -> float:
        """Return what is left of the time for checks; the soak may follow it."""
        return self._seconds_left(record) - self._params["soak_time"]


def _describe_login(failure: ServerUnavailable, has_logged_in: bool) -> str:
    return str(failure) if has_logged_in else f"a new login is not possible ({failure})"
