# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots and restores that are tried again: where nothing happened, or where what happened is known to have failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._wait.polling import Deadline

ProgressCallback = Callable[[str], None]
Operation = Callable[[int], "dict[str, Any]"]  # runs with a `wait_timeout` in seconds, and returns its result

# Seconds; each interval is twice as long as the one before.
INITIAL_INTERVAL = 2.0
MAX_SNAPSHOT_INTERVAL = 30.0
MAX_RESTORE_INTERVAL = 60.0
MAX_ATTEMPTS = 3  # restores that were requested and failed
MAX_REJECTIONS = 4  # clear rejections that may be temporary, such as a server in a state that is not valid
_TRANSIENT = frozenset({*errors.TRANSIENT, errors.BUSY})


@dataclass(frozen=True)
class RestoreResult:
    done: bool  # the provider has restored the snapshot, by all that it shows
    known: bool  # False if it is unknown whether it has
    message: str


def take_with_retry(operation: Operation, deadline: Deadline, progress: ProgressCallback, *, stops_server: bool) -> dict[str, Any]:
    """Take the snapshot, again if the provider's rate limit was reached and nothing was requested.

    The guards of a whole batch send their requests within the same second, and the limit is no reason to give up an upgrade.
    If `stops_server`, there is one attempt: each of them would stop and start the server.

    Returns:
        The last result, with the snapshots that all attempts have deleted to make room in `pruned`.
    """
    interval = INITIAL_INTERVAL
    pruned: list[dict[str, Any]] = []
    while True:
        result = operation(max(1, int(deadline.remaining)))
        pruned = [*pruned, *result.get("pruned", ())]
        result = {**result, "changed": result["changed"] or bool(pruned), "pruned": pruned}
        error = result["error"] if result.get("failed") else {}
        is_rate_limited = error.get("kind") == errors.RATE_LIMITED and error.get("outcome") == errors.NOT_APPLIED
        # Guards that were rejected together must not come back together.
        wait_seconds = interval * deadline.clock.jitter(0.5, 1.0)
        if not is_rate_limited or stops_server or deadline.remaining <= wait_seconds:
            return result
        progress(f"{result['msg']} Trying again in {wait_seconds:.0f} s.")
        deadline.clock.sleep(wait_seconds)
        interval = min(MAX_SNAPSHOT_INTERVAL, 2 * interval)


def restore_with_retry(
    operation: Operation, deadline: Deadline, progress: ProgressCallback, *, own_restore_in_progress: bool,
) -> RestoreResult:
    """Restore until it is done, until the provider's rejection is final, or until the time is up.

    With `own_restore_in_progress`, a restore that is found in progress was requested by this upgrade.
    """
    attempts = rejections = 0
    known = True  # whether the outcome of the requested restores is known
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
            # The finished restore may have been of another snapshot.
            progress(f"{result['msg']} This upgrade had not requested it, so it requests its own restore now.")
        deadline.clock.sleep(min(interval, deadline.remaining))
        interval = min(MAX_RESTORE_INTERVAL, 2 * interval)
