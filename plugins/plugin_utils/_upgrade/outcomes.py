# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run ended, and what a person does next. Pure functions over a run record."""

from __future__ import annotations

from typing import Any

from . import record as states
from .record import RunRecord


def outcome_of(record: RunRecord) -> dict[str, Any]:
    """Return the outcome of a run without a restore to verify: `outcome`, `message`, `verification`, `reason`, `next`."""
    outcome, message = record.outcome or states.NOT_STARTED, record.data["message"] or "nothing was changed on the server"
    if record.state == states.CONFIRMED:
        outcome, message = states.UPGRADED, "the upgrade is confirmed"
    return with_next_steps(record, {"outcome": outcome, "message": message, "verification": record.data["verification"]})


def with_next_steps(record: RunRecord, result: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """Add the reason and what to do next."""
    return {
        **result, "message": result["message"].rstrip("."), "reason": record.data.get("reason") or reason or "",
        "next": _next_for(result["outcome"], record),
    }


def failure_message(record: RunRecord, run: dict[str, Any]) -> str | None:
    """Why a run fails whose record has ended; None if it has the outcome that it was to reach."""
    result = outcome_of(record)
    host = record.data["host"]
    parts = [f"{result['outcome'].upper()}: {host}: {result['message']}.", result["next"]]
    if result["outcome"] == (states.ROLLED_BACK if run.get("manual") else states.UPGRADED):
        if run.get("is_this_upgrade", True):
            return None
        parts.append(f"That was the run {record.run_id}, which was interrupted. Nothing was upgraded in this run: run again.")
    return " ".join(part for part in parts if part)


def _next_for(outcome: str, record: RunRecord) -> str:
    """Return what a person does next."""
    snapshot = f"{record.snapshot['name']} ({record.snapshot['id']})"
    diagnostics_note = f" Diagnostics from before the restore are in {record.path.parent}." if record.data.get("diagnostics") else ""
    next_steps = {
        states.UPGRADED: "",
        states.NOT_STARTED: "Fix the cause that the failed task names, and run again.",
        states.ROLLED_BACK: f"Snapshot {record.snapshot['name']} is kept.{diagnostics_note}",
        states.ROLLBACK_FAILED: f"The server is NOT as it was. Snapshot {snapshot} is kept: check the server in the provider's panel, and "
        f"restore that snapshot there or with the playbook rewind.vps.rollback.{diagnostics_note}",
        states.UNKNOWN: f"Check the server in the provider's panel now. Snapshot {snapshot} is kept: if the server is not as it was, restore it "
        f"there or with the playbook rewind.vps.rollback.{diagnostics_note}",
    }
    return next_steps[outcome]
