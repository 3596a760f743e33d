# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands above and below the servers: the numbers, what needs attention, the guarded upgrades. Pure functions."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from ...module_utils._provider import base
from . import formatting, upgrade_history
from .findings import BAD, NOTE, OK, WARN
from .formatting import duration, pluralize, truncate
from .server_view import ServerReport

# Each outcome in words, and how much of a person's attention it needs.
OUTCOMES = {
    upgrade_history.states.UPGRADED: ("upgraded", OK),
    upgrade_history.states.ROLLED_BACK: ("rolled back", NOTE),
    upgrade_history.states.ROLLBACK_FAILED: ("rollback failed", BAD),
    upgrade_history.states.UNKNOWN: ("unknown", BAD),
    upgrade_history.states.NOT_STARTED: ("not started", NOTE),
    upgrade_history.UNDER_WAY: ("under way", NOTE),
    upgrade_history.CUT_OFF: ("cut off, not over", BAD),
    upgrade_history.UNREADABLE: ("unreadable receipt", WARN),
}


def cards(reports: list[ServerReport], accounts: list[dict[str, Any]], history: dict[str, Any]) -> list[dict[str, Any]]:
    """The numbers at the top."""
    listed = [report for report in reports if report.snapshots is not None]
    every = [(report, item) for report in listed for item in report.snapshots or []]
    return [
        _card("Servers", len(reports), f"in {pluralize(len(accounts), 'account')}"),
        _card("Snapshots", len(every), _sizes([item for dummy, item in every])),
        _oldest(every),
        _not_ready([item for dummy, item in every]),
        _without(listed, len(reports) - len(listed)),
        _limits(listed),
        _upgrades(history["runs"]),
    ]


def _card(label: str, value: Any, note: str, level: str = OK, href: str | None = None) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "level": level, "href": href}


def _sizes(items: list[dict[str, Any]]) -> str:
    sizes = [item["size_mb"] for item in items if item["size_mb"] is not None]
    if not sizes:
        return "sizes not told" if items else "nothing stored"
    whole = formatting.size(sum(sizes))
    return whole if len(sizes) == len(items) else f"{whole} in {len(sizes)}; {len(items) - len(sizes)} not told"


def _oldest(every: list[tuple[ServerReport, dict[str, Any]]]) -> dict[str, Any]:
    dated = [(item["age_seconds"], report, item) for report, item in every if item["age_seconds"] is not None]
    if not dated:
        return _card("Oldest", "none", "no snapshot with a date")
    age, report, item = max(dated, key=lambda one: one[0])
    return _card("Oldest", duration(age), f"{truncate(item['name'], 40)} of {truncate(report.name, 40)}", href=report.anchor)


def _not_ready(items: list[dict[str, Any]]) -> dict[str, Any]:
    by_status = Counter(item["status"] for item in items)
    failed, pending = by_status[base.FAILED], by_status[base.PENDING]
    return _card("Not ready", failed + pending, f"{failed} failed, {pending} being made", BAD if failed else NOTE if pending else OK)


def _without(listed: list[ServerReport], unlisted: int) -> dict[str, Any]:
    bare = [report for report in listed if not report.snapshots]
    note = f"not known of {unlisted} more" if unlisted else "there is no way back" if bare else "every server has one"
    return _card("No snapshot", len(bare), note if listed or unlisted else "no servers", WARN if bare or unlisted else OK)


def _limits(listed: list[ServerReport]) -> dict[str, Any]:
    full, nearly = ([report for report in listed if report.has(kind)] for kind in ("full", "nearly_full"))
    limited = any(report.account["limit"] for report in listed)
    note = (f"{len(nearly)} nearly" if nearly else "no other is near it") if limited else "no limit known"
    return _card("At their limit", len(full), note, WARN if full else NOTE if nearly else OK)


def _upgrades(runs: list[dict[str, Any]]) -> dict[str, Any]:
    by_outcome = Counter(run["outcome"] for run in runs)
    parts = [f"{by_outcome[outcome]} {word}" for outcome, (word, dummy) in OUTCOMES.items() if by_outcome[outcome]]
    last_ones = [OUTCOMES[run["outcome"]][1] for run in runs if run["last"]]
    level = next((level for level in (BAD, WARN) if level in last_ones), OK)
    return _card("Upgrades", len(runs), ", ".join(parts) or "no receipt here", level, "upgrades")


def upgrade_line(run: dict[str, Any], report: ServerReport | None, now: datetime) -> dict[str, Any]:
    """One guarded upgrade.

    :arg known: its server, where the page has it.
    """
    word, level = OUTCOMES[run["outcome"]]
    ago = formatting.seconds_since(run["began_at"], now)
    texts = [run["reason"], run["message"] if run["outcome"] != upgrade_history.states.UPGRADED else None]
    return {
        "outcome": run["outcome"], "word": word, "level": level, "anchor": report.anchor if report else None,
        "host": truncate(run["host"], 80) if run["host"] else None, "cloud": truncate(run["cloud"], 40) if run["cloud"] else None,
        "when": formatting.format_timestamp(run["began_at"]), "ago": duration(ago) if ago is not None else None,
        "seconds": duration(run["seconds"]) if run["seconds"] is not None else None,
        "why": [truncate(text, 400) for text in texts if text], "snapshot": truncate(run["snapshot"], 80) if run["snapshot"] else None,
        "verification": _proof(run["verification"]), "run_record": truncate(run["run_record"], 300),
    }


def _proof(proof: list[dict[str, str]]) -> list[str]:
    """What was found on the restored server, by how it was found."""
    lines = []
    for result in ("failed", "inconclusive", "passed"):
        what = ", ".join(finding["check"] for finding in proof if finding["result"] == result)
        lines += [f"{result}: {truncate(what, 120)}"] if what else []
    return lines
