# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore that does not give up at the first trouble: the last resort of an upgrade that went wrong.

The module's own operation is asked, again where nothing happened or where what happened is known to have failed, until
the server is restored, the cloud's no is final, or the time is up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._wait.polling import Deadline

MAX_ATTEMPTS = 3  # restores that were asked for and did not come to a good end
MAX_REJECTIONS = 4  # clear refusals that may be about the moment (a server in a state that is not valid)
INITIAL_INTERVAL = 2.0  # seconds; each further pause is twice as long
MAX_INTERVAL = 60.0
_TRANSIENT = frozenset({*errors.TRANSIENT, errors.BUSY})


@dataclass(frozen=True)
class RestoreResult:
    """How a restore ended.

    :ivar done: the cloud has restored the snapshot, by all that it shows.
    :ivar known: False where nobody can tell whether it has.
    :ivar message: what happened, for a person; free of secrets.
    """

    done: bool
    known: bool
    message: str


def restore_with_retry(
    operation: Callable[[int], dict[str, Any]], deadline: Deadline, progress: Callable[[str], None], *, own_restore_in_progress: bool,
) -> RestoreResult:
    """Restore, with patience.

    :arg operation: runs the operation with a C(wait_timeout) in seconds, and returns its result.
    :arg progress: tells a person how it goes.
    :arg own_restore_in_progress: a restore that is found under way was asked for by this very upgrade.
    """
    attempts = rejections = 0
    known = True  # whether what became of the restores that were asked for is known
    interval = INITIAL_INTERVAL
    while True:
        result = operation(max(1, int(deadline.remaining)))
        if not result.get("failed") and (not result["already_in_progress"] or own_restore_in_progress):
            return RestoreResult(True, True, " ".join([result["msg"], *result.get("warnings", ())]))
        if result.get("failed"):
            error = result["error"]
            if error["outcome"] != errors.NOT_APPLIED:
                attempts, own_restore_in_progress, known = attempts + 1, True, error["outcome"] != errors.UNKNOWN
            elif error["kind"] not in _TRANSIENT:
                rejections += 1
            exhausted = deadline.remaining <= interval or attempts >= MAX_ATTEMPTS or rejections >= MAX_REJECTIONS
            if exhausted or (error["outcome"] == errors.NOT_APPLIED and error["kind"] not in (*_TRANSIENT, errors.PROVIDER_REJECTED)):
                return RestoreResult(False, known, result["msg"])
            progress(f"{result['msg']} Trying again in {interval:.0f} s.")
        elif deadline.remaining <= 0:
            return RestoreResult(False, known, result["msg"])
        else:
            # Somebody else's, maybe of another snapshot: it is over now, and ours is asked for.
            progress(f"{result['msg']} It was not this upgrade's, so this upgrade's own is asked for now.")
        deadline.clock.sleep(min(interval, deadline.remaining))
        interval = min(MAX_INTERVAL, 2 * interval)
