# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a guard can do what it is asked for, seen before it does any of it: half a request would leave half a receipt."""

from __future__ import annotations

from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from .._upgrade.record import RunRecord

# What is the guard's own, or was settled when the run began.
_SETTLED = frozenset({
    "version", "run_id", "host", "provider", "api_url", "cloud", "server", "marker", "state", "history", "run", "guard", "tasks", "checks", "roles",
    "snapshot_wishes", "snapshot_result", "progress",
})
_WISHES = {"match", "stop_server", "seconds"}
_LONGEST = 7 * 86400  # seconds


def check_request(request: Any, record: RunRecord) -> None:
    """:raises RewindError: it is not one that a run sends."""
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        raise _not_understood("no request")
    wish = request["do"]
    if wish in ("move", "note"):
        fields = request.get("facts")
        if not isinstance(fields, dict) or _SETTLED & set(fields) or not record.accepts(fields):
            raise _not_understood("facts that don't belong in a receipt")
    if wish == "move":
        seconds = request.get("seconds")
        if not isinstance(request.get("to"), str) or not (seconds is None or _is_time(seconds)):
            raise _not_understood("no state, or no time, to go on with")
    if wish == "snapshot":
        wishes = request.get("wishes")
        if not isinstance(wishes, dict) or set(wishes) != _WISHES or not _is_time(wishes["seconds"]) or not record.accepts(
            {"snapshot_wishes": wishes}
        ):
            raise _not_understood("no wishes for a snapshot")
    if wish == "roll_back" and not (isinstance(request.get("reason"), str) and isinstance(request.get("manual"), bool)):
        raise _not_understood("no reason")
    if wish == "end":
        ends = {key: request.get(key) for key in ("outcome", "message", "verification")}
        if not isinstance(ends["outcome"], str) or not isinstance(ends["message"], str) or not record.accepts(ends):
            raise _not_understood("no outcome")


def _is_time(seconds: Any) -> bool:
    return isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds <= _LONGEST


def _not_understood(what: str) -> RewindError:
    return RewindError(f"The guard does not understand what it is asked for ({what})", kind=errors.INTERNAL)
