# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps that observe a server share."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import Any

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError, invalid_argument
from .. import health, probe, system_changes
from ..attempts import Retry
from ..record import RunRecord, parse_timestamp
from ..server_access import ServerAccess, ServerUnavailable
from .base import OperationFailed, Result, StepBase

PROBE_TIMEOUT = 120  # seconds, of one probe, on a server that is busy


class ObserveSteps(StepBase):
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

    def _observe_restarts(self, record: RunRecord) -> dict[str, Any]:
        """Return the observation before the upgrade, with the services that have restarted since: they do so without an upgrade, too."""
        before = record.data["before"] or {}
        if not any((before.get("restarts") or {}).values()):
            return before
        try:
            return health.with_restarts_between(before, probe.parse_probe(self._run_probe(PROBE_TIMEOUT)))
        except ServerUnavailable:
            return before

    def _describe_system(self) -> system_changes.Description | None:
        """Return the server's packages, kernel and configuration files; None if it does not list them. That never fails an upgrade."""
        try:
            return system_changes.parse_description(self._server.run(system_changes.SCRIPT, PROBE_TIMEOUT))
        except ServerUnavailable:
            return None

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
