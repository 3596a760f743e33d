# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What receipts on this controller tell of guarded upgrades. Reads only; a receipt that can't be read is told as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...module_utils._errors import RewindError
from .._upgrade import process_identity
from .._upgrade import record as states
from .._upgrade.record import RunRecord
from .._upgrade.record_schema import is_run_id, parse_timestamp

# Beside the outcomes of receipts:
UNDER_WAY = "under_way"  # not over, and its guard is there
CUT_OFF = "cut_off"  # not over, and nobody is at work on it
UNREADABLE = "unreadable"

# Nobody knows, or it is known, that the server is not as it should be.
UNSETTLED = (states.ROLLBACK_FAILED, states.UNKNOWN, CUT_OFF, UNREADABLE)


def read_upgrades(state_dir: str, newest: int) -> dict[str, Any]:
    """The newest runs, newest first, and of each server the last one if it needs a person, however long ago it was.

    :returns: C(runs), C(left_out) (how many more receipts there are), C(problem) (why there is none to read, or None).
    """
    try:
        folders = [_runs_of(folder) for folder in Path(state_dir).iterdir() if folder.is_dir()]
    except FileNotFoundError:
        return {"runs": [], "left_out": 0, "problem": None}
    except OSError as error:
        return {"runs": [], "left_out": 0, "problem": f"{state_dir} can't be read ({error.strerror})"}
    last = {runs[-1] for runs in folders if runs}
    every = sorted((path for runs in folders for path in runs), key=lambda path: (path.parent.name, str(path)), reverse=True)
    chosen = [_told(path, path in last) for path in every[:newest]]
    chosen += [run for run in (_told(path, True) for path in every[newest:] if path in last) if run["outcome"] in UNSETTLED]
    return {"runs": chosen, "left_out": len(every) - len(chosen), "problem": None}


def _runs_of(folder: Path) -> list[Path]:
    """The receipts of one server, oldest first."""
    return sorted(folder.glob("[0-9]*/run.json"))


def _told(path: Path, is_last: bool) -> dict[str, Any]:
    """One run as plain data; always the same keys.

    :arg is_last: whether it is the newest of its server.
    """
    run_id = path.parent.name
    run: dict[str, Any] = {
        "run_id": run_id, "run_record": str(path), "last": is_last, "outcome": UNREADABLE, "host": None, "cloud": None, "provider": None,
        "api_url": None, "server": None, "snapshot": None, "began_at": _moment_of(run_id), "seconds": None, "message": None,
        "reason": None, "verification": [],
    }
    try:
        record = RunRecord.load(path)
    except RewindError:
        return run
    if record.run_id != run_id:
        return {**run, "message": f"it is of another run ({record.run_id})"}
    data, history = record.data, record.data["history"]
    return {
        **run, "outcome": _outcome(record), "host": data["host"], "cloud": data.get("cloud") or data["provider"],
        "provider": data["provider"], "api_url": data.get("api_url"), "server": data["server"],
        "snapshot": record.snapshot["name"] if record.snapshot.get("id") else None, "began_at": history[0]["at"],
        "seconds": max(0.0, (parse_timestamp(history[-1]["at"]) - parse_timestamp(history[0]["at"])).total_seconds()),
        "message": data.get("message"), "reason": data.get("reason"), "verification": data["verification"],
    }


def _outcome(record: RunRecord) -> str:
    if record.state == states.ENDED:
        return record.outcome or states.UNKNOWN
    # Not by the guard's lock: to try it is to hold it for a moment, in which another guard could not begin.
    return UNDER_WAY if process_identity.is_alive(record.data.get("guard") or {}) else CUT_OFF


def _moment_of(run_id: str) -> str | None:
    """A run's id begins with its moment."""
    if not is_run_id(run_id):
        return None
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T{run_id[9:11]}:{run_id[11:13]}:{run_id[13:15]}Z"
