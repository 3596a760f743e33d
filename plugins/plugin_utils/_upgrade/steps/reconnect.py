# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step that waits for a server after a restart by the provider."""

from __future__ import annotations

import contextlib
import time

from ..health import STARTING_STATES
from ..probe import parse_probe
from ..reconnect import MIN_ATTEMPT, wait_for_server
from ..server_access import ServerUnavailable
from .base import Result, StepBase

# In seconds. What has not started by then is inconclusive.
STARTUP_TIMEOUT = 120
STARTUP_INTERVAL = 10  # each attempt logs in again


class ReconnectStep(StepBase):
    """A shell on the server is enough."""

    def _reconnect(self) -> Result:
        """Wait until the server answers, and probe it. Does not fail: `connection_error` states why it does not answer."""
        context, params = self._context, self._params
        run = params["run"] or {}
        output, error = wait_for_server(self._probe, params["connection_timeout"])
        output = output if error else self._wait_for_startup(output)
        message = f"Server {context.host} does not answer: {error}" if error else f"Server {context.host} answers"
        result = {"changed": False, "msg": message, "stdout": output, "connection_error": error}
        # Modules may write files, and a restored server stays as its snapshot unless the user's checks run there.
        has_modules_to_run = bool(run.get("checks") or params["quiesce_services"])
        return {**result, **self._current_facts()} if has_modules_to_run and not error else result

    def _wait_for_startup(self, output: str) -> str:
        """Return the output of a probe after systemd has started the restored server: units that fail at the boot are evidence too."""
        deadline = time.monotonic() + min(STARTUP_TIMEOUT, self._params["connection_timeout"])
        while (parse_probe(output) or {}).get("system_state") in STARTING_STATES and time.monotonic() < deadline:
            time.sleep(STARTUP_INTERVAL)
            with contextlib.suppress(ServerUnavailable):
                output = self._probe(max(MIN_ATTEMPT, deadline - time.monotonic()))
        return output

    def _probe(self, seconds: float) -> str:
        return self._context.probe_as_planned(self._params["script"], seconds, (self._params["run"] or {}).get("login") or {})
