# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking the snapshot with the patience that a fleet needs.

The guards of a whole batch ask one cloud within the same second, and it may have had too many requests for a while. That
is no reason to give up an upgrade: such a request did not happen, so it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._wait.polling import Deadline

INITIAL_INTERVAL = 2.0  # seconds; each further pause is twice as long
MAX_INTERVAL = 30.0


def take_with_retry(
    operation: Callable[[int], dict[str, Any]], deadline: Deadline, progress: Callable[[str], None], *, stops_server: bool,
) -> dict[str, Any]:
    """Take the snapshot, again where the cloud has had too many requests and nothing was asked for.

    :arg operation: runs the operation with a C(wait_timeout) in seconds, and returns its result.
    :arg progress: tells a person how it goes.
    :arg stops_server: each try stops the server and starts it, which is not done again and again.
    :returns: the last result; with all snapshots in C(pruned) that went to make room, in whichever try.
    """
    interval = INITIAL_INTERVAL
    pruned: list[dict[str, Any]] = []
    while True:
        result = operation(max(1, int(deadline.remaining)))
        pruned = [*pruned, *result.get("pruned", ())]
        result = {**result, "changed": result["changed"] or bool(pruned), "pruned": pruned}
        error = result["error"] if result.get("failed") else {}
        is_rate_limited = error.get("kind") == errors.RATE_LIMITED and error.get("outcome") == errors.NOT_APPLIED
        # Spread out: guards that were turned away together must not come back together.
        wait_seconds = interval * deadline.clock.jitter(0.5, 1.0)
        if not is_rate_limited or stops_server or deadline.remaining <= wait_seconds:
            return result
        progress(f"{result['msg']} Trying again in {wait_seconds:.0f} s.")
        deadline.clock.sleep(wait_seconds)
        interval = min(MAX_INTERVAL, 2 * interval)
