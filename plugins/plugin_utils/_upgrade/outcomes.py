# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run ended, what a person does next, and the report of a roll-out. Pure functions over run records."""

from __future__ import annotations

from typing import Any

from ...module_utils._text import sanitize
from . import record as states
from . import rescue, system_changes
from .record import RunRecord

# Outcomes of a row beside those that a run can end with.
IN_PROGRESS, NOT_REACHED = "in_progress", "not_reached"

_COLUMNS = ("host", "cloud", "snapshot", "outcome", "changes", "upgrade time", "rollback time", "reason", "verification")
_OPTIONAL_COLUMNS = ("changes", "reason")
MAX_REASON_CELL = 120  # characters; the failure message and the report as JSON have all


def outcome_of(record: RunRecord) -> dict[str, Any]:
    """Return the outcome of a run without a restore to verify: `outcome`, `message`, `verification`, `reason`, `next`."""
    outcome, message = record.outcome or states.NOT_STARTED, record.data["message"] or "nothing was changed on the server"
    if record.state == states.CONFIRMED:
        outcome, message = states.UPGRADED, "the upgrade is confirmed"
    if record.state == states.AWAITING:
        outcome, message = states.AWAITING, "the checks have passed, and a person has to confirm"
    return with_next_steps(record, {"outcome": outcome, "message": message, "verification": record.data["verification"]})


def with_next_steps(record: RunRecord, result: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """Add the reason, what to do next, and the last results of the checks after the upgrade."""
    return {
        **result, "message": result["message"].rstrip("."), "reason": record.data.get("reason") or reason or "",
        "next": _next_for(result["outcome"], record), "checks": record.data.get("check_results") or [],
        "changes": record.data.get("changes"), "rescue": record.data.get("rescue"),
    }


def failure_message(record: RunRecord, run: dict[str, Any]) -> str | None:
    """Why a run fails whose record has ended; None if it has the outcome that it was to reach."""
    result = outcome_of(record)
    if result["outcome"] == states.AWAITING:
        return None
    host = record.data["host"]
    reason = f"Reason: {record.data['reason'].rstrip('.')}." if record.data.get("reason") else ""
    rescued = [f"{text[0].upper()}{text[1:]}." for text in rescue.messages(record.data)]
    parts = [f"{result['outcome'].upper()}: {host}: {result['message']}.", reason, *rescued, result["next"]]
    if result["outcome"] == (states.ROLLED_BACK if run.get("manual") else states.UPGRADED):
        if run.get("is_this_upgrade", True):
            return None
        parts.append(f"That was the run {record.run_id}, which was interrupted. Nothing was upgraded in this run: run again.")
    return " ".join(part for part in parts if part)


def _next_for(outcome: str, record: RunRecord) -> str:
    snapshot = f"{record.snapshot['name']} ({record.snapshot['id']})"
    diagnostics_note = f" Diagnostics from before the restore are in {record.path.parent}." if record.data.get("diagnostics") else ""
    next_steps = {
        states.UPGRADED: "",
        states.AWAITING: "",
        states.NOT_STARTED: "Fix the cause that the failed task names, and run again.",
        states.ROLLED_BACK: f"Snapshot {record.snapshot['name']} is kept.{diagnostics_note}",
        states.ROLLBACK_FAILED: f"The server is NOT as it was. Snapshot {snapshot} is kept: check the server in the provider's panel, and "
        f"restore that snapshot there or with the playbook rewind.vps.rollback.{diagnostics_note}",
        states.UNKNOWN: f"Check the server in the provider's panel now. Snapshot {snapshot} is kept: if the server is not as it was, restore it "
        f"there or with the playbook rewind.vps.rollback.{diagnostics_note}",
    }
    return next_steps[outcome]


# --- the report of a roll-out, as a table and as data

def row(record: RunRecord) -> dict[str, Any]:
    """One host's part of the report as data; seconds are None where that did not happen."""
    data = record.data
    return {
        "host": data["host"],
        "cloud": data.get("cloud") or data["provider"],
        "server": data["server"],
        "snapshot": record.snapshot,
        "outcome": record.outcome or (states.AWAITING if record.state == states.AWAITING else IN_PROGRESS),
        "state": record.state,
        "message": data.get("message"),
        "reason": data.get("reason"),
        "seconds_upgrading": record.seconds_between(states.UPGRADING, states.AWAITING, states.CONFIRMED, states.RESTORING),
        "seconds_rolling_back": record.seconds_between(states.RESTORING, states.RESTORED, states.ENDED),
        "verification": data.get("verification") or [],
        "checks": data.get("check_results") or [],
        "changes": data.get("changes"),
        "rescue": data.get("rescue"),
        "restored": data.get("restored"),
        "ended_at": data["history"][-1]["at"] if record.state in (states.ENDED, states.AWAITING) else None,
        "run_record": str(record.path),
        "run_id": record.run_id,
    }


def not_reached_row(host: str) -> dict[str, Any]:
    """A host that the roll-out did not come to."""
    nothing = dict.fromkeys((
        "cloud", "server", "snapshot", "state", "message", "reason", "seconds_upgrading", "seconds_rolling_back", "ended_at", "run_record", "run_id",
        "changes", "rescue", "restored",
    ))
    return {**nothing, "host": host, "outcome": NOT_REACHED, "verification": [], "checks": []}


def format_table(rows: list[dict[str, Any]]) -> list[str]:
    """The same as lines of text, columns aligned. There is a column for reasons and for changes only if a row has one."""
    cells = [_COLUMNS, *(_cells(item) for item in rows)]
    empty = {_COLUMNS.index(name) for name in _OPTIONAL_COLUMNS if all(line[_COLUMNS.index(name)] == "-" for line in cells[1:])}
    cells = [tuple(cell for column, cell in enumerate(line) if column not in empty) for line in cells]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    snapshot = item["snapshot"]["name"] if item["snapshot"] and item["snapshot"].get("id") else "-"
    changes = system_changes.count(item["changes"] if item["outcome"] == states.UPGRADED else None)
    outcome = item["outcome"].replace("_", " ") + (f" ({item['state']})" if item["outcome"] == IN_PROGRESS else "")
    return (
        item["host"], item["cloud"] or "-", snapshot, outcome, changes, _seconds(item["seconds_upgrading"]),
        _seconds(item["seconds_rolling_back"]), _reason(item["reason"]), _verification(item),
    )


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f} s"


def _reason(reason: str | None) -> str:
    text = sanitize(" ".join((reason or "-").split()))
    return text if len(text) <= MAX_REASON_CELL else text[:MAX_REASON_CELL - 1] + "…"


def _verification(item: dict[str, Any]) -> str:
    """Return what was found on a restored server, and the checks of an upgraded one that only warn."""
    labels = {"passed": "", "inconclusive": ": inconclusive", "failed": ": FAILED"}
    findings = [f"{finding['check']}{labels.get(finding['result'], ': unknown')}" for finding in item["verification"]]
    failed = [check["check"] for check in item["checks"] if check["result"] == "failed"] if item["outcome"] == states.UPGRADED else []
    warnings = [sanitize(f"{name}: warning") for name in failed]
    return ", ".join([*findings, *warnings]) or "-"
