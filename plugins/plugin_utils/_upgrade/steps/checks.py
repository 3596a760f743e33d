# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that observe the server: before the snapshot, after the upgrade, and just before the confirmation.

What is worse than before the upgrade is observed again until the time for checks is over, as ports and URLs are: services may need time to start.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import Any

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError, invalid_argument
from .. import health, outcomes, probe
from .. import record as states
from ..failure_reason import describe_failure
from ..record import RunRecord, parse_timestamp
from ..server_access import ServerAccess, ServerUnavailable
from .base import OperationFailed, Result, StepBase

# In seconds.
PROBE_TIMEOUT = 120  # of one probe, on a server that is busy
MIN_PROBE_TIMEOUT = 20  # of the last one; two of them end before the guard's grace period
SETTLE_TIME = 15  # between two probes that must show the same; at most half of the time for the checks
LONGER_SETTLE_FACTOR = 4  # for a service that has restarted since the upgrade; it is doubled each time that it restarts again
RETRY_INTERVALS = (2, 4, 8, 15)  # the last one is repeated
REFUSED_INTERVALS = (5, 15, 30)  # between refused logins, and no more of them


class CheckSteps(StepBase):
    """Nothing here changes the server, the files of the role aside."""

    @property
    def _server(self) -> ServerAccess:
        if self._context.shell is None:
            raise invalid_argument("This step needs the host's connection")
        return self._context.shell

    def _observe_login(self, output: str, *, modules_run: bool) -> dict[str, Any]:
        """Log in to the server with a connection of its own, and run a module: the open connection does not exist after a restore.

        Args:
            output: Of the probe.
            modules_run: A module has run just now, so none needs to be run again.

        Returns:
            For the result: `stdout`, the same with what was found out, `requires_terminal`, and `ansible_facts`.

        Raises:
            RewindError: A new login is not possible, so after a restore nothing could be verified.
        """
        try:
            self._server.run("true", PROBE_TIMEOUT, new_login=True)
            if modules_run or self._server.find_module_problem(PROBE_TIMEOUT) is None:
                output = re.sub("^begin\r?$", "begin\nmodules run", output, count=1, flags=re.MULTILINE)
        except ServerUnavailable as failure:
            raise RewindError(
                f"{self._context.host} can't be probed over a new connection: {failure}", kind=errors.NOT_READY, server=self._context.host,
                hint="nothing was started. Ansible must be able to log in without a person, also after a restore: try "
                f"ansible -m ansible.builtin.raw -a true {self._context.host}, with ANSIBLE_SSH_ARGS='-o ControlPath=none'",
            ) from None
        return {"stdout": output, "requires_terminal": self._server.requires_terminal, **self._found_facts()}

    def _fail_baseline(self) -> Result:
        """Fail with what a check has observed before the upgrade."""
        raise RewindError(
            f"On server {self._record.server_label} a check fails before the upgrade, so after it the check would roll back a healthy server: "
            f"{describe_failure(self._params['failed_task'], self._params['failed_result'], self._redactor.redact_text)}",
            kind=errors.NOT_READY, server=self._record.server_label,
            hint="correct the check or the server, and run again; if the upgrade is to repair the server, set guarded_upgrade_baseline to false",
        )

    def _start_checks(self) -> Result:
        """Start the time for the checks with the built-in ones, over a new login. The next step observes the server again.

        Raises:
            OperationFailed: A new login fails, no module runs any more, or systemd shows a problem until the time for the checks is over.
        """
        params = self._params
        record = self._send(self._record, self._transition(states.CHECKING, params["check_timeout"]))
        before, retry = record.data["before"] or {}, Retry(params["check_timeout"])
        has_logged_in, runs_modules, is_open = False, not before.get("modules_run"), True
        while True:
            is_refused = False
            try:
                after = probe.parse_probe(self._run_probe(retry.limit(PROBE_TIMEOUT), new_login=not has_logged_in))
                has_logged_in = True
                problems = health.find_problems(before, after, check_units=params["check_units"])
                if not runs_modules:
                    module_problem = self._server.find_module_problem(retry.limit(PROBE_TIMEOUT))
                    runs_modules = module_problem is None
                    problems += [] if runs_modules else [f"no module of Ansible runs there any more, as before the upgrade ({module_problem})"]
            except ServerUnavailable as failure:
                is_refused = failure.is_refused
                problems = [_describe_login(failure, has_logged_in)]
                is_open = is_open and self._server.keep_open()
            if not problems:
                break
            self._pause_or_fail(record, retry, problems, is_refused, states.CHECKING)
        record = self._send(record, {"command": "update", "fields": {"after": {**after, "observed_at": time.monotonic()}}})
        result = self._phase_result(record, params["check_timeout"] - int(retry.elapsed), "The server is as healthy as before the upgrade")
        facts = {**self._server.facts, **self._context.refresh_facts()}
        return {**result, **({"ansible_facts": facts} if facts else {})}

    def _confirm(self) -> Result:
        self._require_stable_server(self._record)
        record = self._send(self._record, self._transition(states.CONFIRMED, None))
        message = f"The upgrade of server {record.server_label} is confirmed; it is not rolled back any more"
        return {**self._result(record, message, changed=False), **outcomes.outcome_of(record)}

    def _require_stable_server(self, record: RunRecord) -> None:
        """Log in and observe the server once more; with systemd some seconds after the first time. A service that restarts is observed longer.

        Raises:
            OperationFailed: A new login fails, or the server is worse than before the upgrade, restarts services, or has rebooted, until the time for
                the checks is over.
        """
        earlier, params = record.data.get("after"), self._params
        if earlier is None:
            return
        before, retry = health.with_services_of(record.data["before"] or {}, earlier), Retry(self._seconds_left(record))
        check_units = params["check_units"] and before.get("failed_units") is not None
        shortest = min(SETTLE_TIME, params["check_timeout"] // 2) if check_units else 0
        settle_seconds = shortest * (LONGER_SETTLE_FACTOR if health.has_restarted_since(before, earlier) else 1)
        has_logged_in, is_open = False, True
        while True:
            if earlier is not None:
                pause = earlier["observed_at"] + settle_seconds - time.monotonic()
                time.sleep(max(0.0, min(pause, max(shortest, retry.left))))
            is_refused = False
            try:
                output = self._run_probe(retry.limit(PROBE_TIMEOUT), new_login=not has_logged_in)
                has_logged_in = True
                later = {**probe.parse_probe(output), "observed_at": time.monotonic()}
                problems = health.find_problems(before, later, check_units=check_units)
                changes = health.find_changes(before, earlier, later, check_units=check_units) if earlier is not None else []
                if earlier is not None and not problems and not changes:
                    return
                if changes or health.restarting_units(before, later):
                    retry.require(min(settle_seconds, shortest * LONGER_SETTLE_FACTOR))
                    settle_seconds *= 2
                earlier = None if problems else later
            except ServerUnavailable as failure:
                problems, changes, is_refused, earlier = [_describe_login(failure, has_logged_in)], [], failure.is_refused, None
                is_open = is_open and self._server.keep_open()
            if problems or changes:
                self._pause_or_fail(record, retry, problems + changes, is_refused, states.CHECKING)

    def _observe_restarts(self, record: RunRecord) -> dict[str, Any]:
        """Return the observation before the upgrade, with the services that have restarted since: they do so without an upgrade, too."""
        before = record.data["before"] or {}
        if not any((before.get("restarts") or {}).values()):
            return before
        try:
            return health.with_restarts_between(before, probe.parse_probe(self._run_probe(PROBE_TIMEOUT)))
        except ServerUnavailable:
            return before

    def _run_probe(self, seconds: float, *, new_login: bool = False) -> str:
        text = self._server.run(self._params["script"], seconds, new_login=new_login)
        if probe.parse_probe(text) is None:
            raise ServerUnavailable(f"the probe did not complete; its output ends with: {' '.join(text[-300:].split()) or 'nothing'}")
        return text

    def _found_facts(self) -> Result:
        return {"ansible_facts": self._server.facts} if self._server.facts else {}

    def _pause_or_fail(self, record: RunRecord, retry: Retry, problems: list[str], is_refused: bool, state: str) -> None:
        """Wait before the next attempt, or raise OperationFailed if it is the last one or the guard has acted.

        The result has the run, as that of a step that succeeds: the rollback then fetches the server's logs.
        """
        seconds = retry.next_pause(is_refused)
        current = RunRecord.load(record.path)
        if seconds is None or current.state != state:
            error = RewindError(
                f"Server {record.server_label} is worse than before its upgrade, observed for {retry.elapsed:.0f} s: {'; '.join(problems)}",
                kind=errors.OPERATION_FAILED, outcome=errors.FAILED, server=record.server_label,
            )
            raise OperationFailed({**self._result(current, error.format(), changed=False), "failed": True, "error": error.to_result()})
        self._context.progress(f"{'; '.join(problems)}; observing again in {seconds:.0f} s")
        time.sleep(seconds)

    @staticmethod
    def _seconds_left(record: RunRecord) -> float:
        """Return what is left of the time of the phase that the upgrade is in."""
        started_at = parse_timestamp(record.data["history"][-1]["at"])
        return (record.data.get("seconds_allowed") or 0) - (datetime.now(timezone.utc) - started_at).total_seconds()

    def _phase_result(self, record: RunRecord, seconds: int, message: str) -> Result:
        result = self._result(record, message, changed=False)
        result["run"]["deadline"] = int(time.time()) + max(1, seconds)
        return result


def _describe_login(failure: ServerUnavailable, has_logged_in: bool) -> str:
    return str(failure) if has_logged_in else f"a new login is not possible ({failure})"


class Retry:
    """Pauses between attempts within some time. The last pause is cut, so that an attempt is made at its end."""

    def __init__(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._seconds = seconds
        self._attempts = 0
        self._refusals = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        return self._seconds - self.elapsed

    def require(self, seconds: float) -> None:
        """Make no more attempts if less time is left: a shorter observation would prove nothing."""
        if self.left < seconds:
            self.stop()

    def stop(self) -> None:
        """Make no more attempts."""
        self._seconds = 0

    def limit(self, seconds: float) -> float:
        """Return the limit of one attempt: otherwise one that hangs would outlast the time, and the guard would act before the reason is known."""
        return max(MIN_PROBE_TIMEOUT, min(seconds, self.left))

    def next_pause(self, is_refused: bool) -> float | None:
        """Return the seconds until the next attempt; None if there is none."""
        left = self.left
        self._refusals += is_refused
        if left <= 0 or self._refusals > len(REFUSED_INTERVALS):
            return None
        interval = REFUSED_INTERVALS[self._refusals - 1] if is_refused else RETRY_INTERVALS[min(self._attempts, len(RETRY_INTERVALS) - 1)]
        self._attempts += 1
        return min(interval, left)
