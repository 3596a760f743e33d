# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits until a server answers again. A shell there is enough, since the server may have no Python."""

from __future__ import annotations

from collections.abc import Callable

from ...module_utils._wait.polling import Clock, Deadline
from .probe import parse_probe
from .server_access import ServerUnavailable, is_wrong_host_key

# In seconds.
RETRY_INTERVAL = 1.0
REFUSED_INTERVALS = (5.0, 15.0, 30.0)  # between refused logins; the last one is repeated. A server refuses logins while it boots
MAX_ATTEMPT = 120  # a server may accept the login and then hang
MIN_ATTEMPT = 20


def wait_for_server(run_probe: Callable[[float], str], seconds: float, clock: Clock | None = None) -> tuple[str, str]:
    """Run a probe over new connections until it is complete, the time is up, or the server has another host key.

    Args:
        run_probe: Returns the probe's output within some seconds, or raises ServerUnavailable with the reason.

    Returns:
        The output of a complete probe, else an empty text; and the last error.
    """
    deadline, refusals = Deadline(seconds, clock or Clock()), 0
    while True:
        pause = RETRY_INTERVAL
        try:
            output = run_probe(max(MIN_ATTEMPT, min(MAX_ATTEMPT, deadline.remaining)))
            error = "the probe did not complete" if parse_probe(output) is None else ""
        except ServerUnavailable as failure:
            output, error = "", str(failure)
            if failure.is_refused:
                pause = REFUSED_INTERVALS[min(refusals, len(REFUSED_INTERVALS) - 1)]
                refusals += 1
        if not error:
            return output, ""
        if is_wrong_host_key(error) or deadline.remaining <= 0:
            return "", error
        deadline.clock.sleep(min(pause, max(RETRY_INTERVAL, deadline.remaining)))
