# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table at the end of a roll-out, for a person and as data. Pure functions over receipts."""

from __future__ import annotations

from typing import Any

from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade import receipt as states
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.receipt import Receipt

_COLUMNS = ("host", "cloud", "snapshot", "outcome", "upgrading", "rolling back", "proof")


def row(receipt: Receipt) -> dict[str, Any]:
    """One host's part of the report as data; seconds are None where that did not happen."""
    data = receipt.data
    return {
        "host": data["host"],
        "cloud": data.get("cloud") or data["provider"],
        "server": data["server"],
        "snapshot": receipt.snapshot,
        "outcome": receipt.outcome or f"unfinished ({receipt.state})",
        "message": data.get("message"),
        "reason": data.get("reason"),
        "seconds_upgrading": receipt.seconds_between(states.UPGRADING, states.CONFIRMED, states.RESTORING),
        "seconds_rolling_back": receipt.seconds_between(states.RESTORING, states.RESTORED, states.ENDED),
        "proof": data.get("proof") or [],
        "ended_at": data["history"][-1]["at"] if receipt.state == states.ENDED else None,
        "receipt": str(receipt.path),
        "run_id": receipt.run_id,
    }


def untouched_row(host: str) -> dict[str, Any]:
    """A host that the roll-out did not come to."""
    return {
        "host": host, "cloud": None, "server": None, "snapshot": None, "outcome": "not started", "message": None, "reason": None,
        "seconds_upgrading": None, "seconds_rolling_back": None, "proof": [], "ended_at": None, "receipt": None, "run_id": None,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The same as lines of text, columns aligned."""
    cells = [_COLUMNS, *(_cells(item) for item in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    snapshot = item["snapshot"]["name"] if item["snapshot"] and item["snapshot"].get("id") else "-"
    return (
        item["host"], item["cloud"] or "-", snapshot, item["outcome"].replace("_", " "), _seconds(item["seconds_upgrading"]),
        _seconds(item["seconds_rolling_back"]), _proof(item["proof"]),
    )


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f} s"


def _proof(proof: list[dict[str, str]]) -> str:
    words = {"proven": "", "not_proven": "?", "disproven": " NOT"}
    return ", ".join(f"{finding['what']}{words.get(finding['result'], '?')}" for finding in proof) or "-"
