# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages on the guard's socket: the check of requests, and errors as responses."""

from __future__ import annotations

from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError
from .._upgrade.record import RunRecord

# Fields that only the guard sets, or that are fixed when the run starts.
_IMMUTABLE_FIELDS = frozenset({
    "version", "run_id", "host", "provider", "api_url", "cloud", "server", "marker", "state", "history", "run", "guard", "tasks", "checks", "roles",
    "snapshot_params", "snapshot_result", "progress",
})
_SNAPSHOT_PARAMS = {"match", "stop_server", "seconds"}
_MAX_SECONDS = 7 * 86400  # seconds


def error_response(error: RewindError) -> dict[str, Any]:
    """Return an error as the run's side reads it."""
    return {"error": {"message": error.message, "kind": error.kind, "outcome": error.outcome, "hint": error.hint}}


def check_request(request: Any, record: RunRecord) -> None:
    """Raise RewindError if it is not a request that a run sends. Half a request would leave half a run record."""
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise _invalid_request("no command")
    command = request["command"]
    if command in ("transition", "update"):
        fields = request.get("fields")
        if not isinstance(fields, dict) or _IMMUTABLE_FIELDS & set(fields) or not record.accepts(fields):
            raise _invalid_request("fields that do not belong in a run record")
    if command == "transition":
        seconds = request.get("seconds")
        if not isinstance(request.get("to"), str) or not (seconds is None or _is_duration(seconds)):
            raise _invalid_request("missing state, or invalid time")
    if command == "take_snapshot":
        params = request.get("params")
        if not isinstance(params, dict) or set(params) != _SNAPSHOT_PARAMS or not _is_duration(params["seconds"]) or not record.accepts(
            {"snapshot_params": params}
        ):
            raise _invalid_request("missing snapshot parameters")
    if command == "roll_back" and not (isinstance(request.get("reason"), str) and isinstance(request.get("manual"), bool)):
        raise _invalid_request("missing reason")
    if command == "rescue" and not (
        isinstance(request.get("reason"), str) and isinstance(request.get("manual"), bool) and isinstance(request.get("directory"), str)
        and _is_duration(request.get("seconds"))
    ):
        raise _invalid_request("missing reason, directory or time of the rescue")
    if command == "abandon" and not (isinstance(request.get("reason"), str) and isinstance(request.get("message"), str)):
        raise _invalid_request("missing reason or message")
    if command == "finish":
        final_fields = {key: request.get(key) for key in ("outcome", "message", "verification")}
        if not isinstance(final_fields["outcome"], str) or not isinstance(final_fields["message"], str) or not record.accepts(final_fields):
            raise _invalid_request("missing outcome")


def _is_duration(seconds: Any) -> bool:
    return isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds <= _MAX_SECONDS


def _invalid_request(problem: str) -> RewindError:
    return RewindError(f"Invalid request to the guard ({problem})", kind=errors.INTERNAL)
