# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the run records of guarded upgrades on this controller. It changes nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ...module_utils._errors import RewindError
from ...module_utils._provider.values import parse_timestamp
from .._upgrade import process_identity
from .._upgrade import record as states
from .._upgrade.record import RunRecord, is_run_id

# In addition to the outcomes of run records:
IN_PROGRESS = "in_progress"  # not finished, and its guard is alive
INTERRUPTED = "interrupted"  # not finished, and no guard is alive
UNREADABLE = "unreadable"

# After these outcomes the state of the server is wrong or unknown.
NEEDS_ATTENTION = (states.ROLLBACK_FAILED, states.UNKNOWN, INTERRUPTED, UNREADABLE)


def read_upgrades(state_dir: str, limit: int) -> dict[str, Any]:
    """Read the newest runs, newest first, and the last run of each server that needs attention, whatever its age.

    Returns:
        `runs`, `omitted` (the number of other run records) and `error` (why none could be read, or None).
    """
    try:
        by_server = [sorted(directory.glob("[0-9]*/run.json")) for directory in Path(state_dir).iterdir() if directory.is_dir()]
    except FileNotFoundError:
        return {"runs": [], "omitted": 0, "error": None}
    except OSError as error:
        return {"runs": [], "omitted": 0, "error": f"{state_dir} cannot be read ({error.strerror})"}
    last = {paths[-1] for paths in by_server if paths}
    newest_first = sorted((path for paths in by_server for path in paths), key=lambda path: (path.parent.name, str(path)), reverse=True)
    runs = [_load_run(path, path in last) for path in newest_first[:limit]]
    runs += [run for run in (_load_run(path, True) for path in newest_first[limit:] if path in last) if run["outcome"] in NEEDS_ATTENTION]
    return {"runs": runs, "omitted": len(newest_first) - len(runs), "error": None}


def _load_run(path: Path, is_last: bool) -> dict[str, Any]:
    """Return one run as plain data, always with the same keys. `last` is true for the newest run of its server."""
    run_id = path.parent.name
    run: dict[str, Any] = {
        "run_id": run_id, "run_record": str(path), "last": is_last, "outcome": UNREADABLE, "host": None, "provider_name": None, "provider": None,
        "api_url": None, "server": None, "snapshot": None, "started_at": _start_time(run_id), "seconds": None, "message": None,
        "reason": None, "verification": [], "changes": None,
    }
    try:
        record = RunRecord.load(path)
    except RewindError:
        return run
    if record.run_id != run_id:
        return {**run, "message": f"the file belongs to another run ({record.run_id})"}
    data, history = record.data, record.data["history"]
    started_at, changed_at = (parse_timestamp(entry["at"]) for entry in (history[0], history[-1]))
    return {
        **run, "outcome": _outcome(record), "host": data["host"], "provider_name": data.get("cloud") or data["provider"],
        "provider": data["provider"], "api_url": data.get("api_url"), "server": data["server"],
        "snapshot": record.snapshot["name"] if record.snapshot.get("id") else None, "started_at": history[0]["at"],
        "seconds": max(0.0, (changed_at - started_at).total_seconds()) if started_at and changed_at else None,
        "message": data.get("message") or _deadline_message(record), "reason": data.get("reason"), "verification": data["verification"],
        "changes": data.get("changes"),
    }


def _deadline_message(record: RunRecord) -> str | None:
    deadline = states.confirmation_deadline(record)
    return None if deadline is None else time.strftime("confirm it before %Y-%m-%d %H:%M UTC, or it is rolled back", time.gmtime(deadline))


def _outcome(record: RunRecord) -> str:
    if record.state == states.ENDED:
        return record.outcome or states.UNKNOWN
    if record.state == states.AWAITING:
        return states.AWAITING
    # Not by the guard's lock: a guard that starts while this process probes the lock would fail.
    return IN_PROGRESS if process_identity.is_alive(record.data.get("guard") or {}) else INTERRUPTED


def _start_time(run_id: str) -> str | None:
    if not is_run_id(run_id):
        return None
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T{run_id[9:11]}:{run_id[11:13]}:{run_id[13:15]}Z"
