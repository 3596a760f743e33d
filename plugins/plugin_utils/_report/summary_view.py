# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the numbers at the top, the rows of the guarded upgrades and the task's result. Pure functions."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from ...module_utils._provider import base
from ...module_utils._text import sanitize
from .._upgrade import system_changes
from . import formatting, upgrade_history
from .formatting import duration, duration_or_none, pluralize, truncate, truncate_or_none
from .server_view import BAD, NOTE, OK, WARN, ServerReport, build_server_reports

# The text and the level of each outcome.
OUTCOMES = {
    upgrade_history.states.UPGRADED: ("upgraded", OK),
    upgrade_history.states.ROLLED_BACK: ("rolled back", NOTE),
    upgrade_history.states.ROLLBACK_FAILED: ("rollback failed", BAD),
    upgrade_history.states.UNKNOWN: ("unknown", BAD),
    upgrade_history.states.NOT_STARTED: ("not started", NOTE),
    upgrade_history.states.AWAITING: ("awaits confirmation", WARN),
    upgrade_history.IN_PROGRESS: ("in progress", NOTE),
    upgrade_history.INTERRUPTED: ("interrupted", BAD),
    upgrade_history.UNREADABLE: ("unreadable run record", WARN),
}


def build_result(gathered: dict[str, Any], path: str, check_mode: bool) -> dict[str, Any]:
    """Return the task's result. It is a failure if an account could not be read, so that the exit status shows it."""
    reports = build_server_reports(gathered)
    urgent = [report for report in reports if report.needs_attention]
    accounts = [
        {"label": account["label"], "provider": account["provider"], "error": account["error"],
         "servers": len(account["servers"]) if account["servers"] is not None else None,
         "snapshots": len(account["snapshots"]) if account["snapshots"] is not None else None}
        for account in gathered["accounts"]
    ]
    errors = [f"{account['label']}: {account['error']}" for account in accounts if account["error"]]
    snapshots = sum(account["snapshots"] or 0 for account in accounts)
    attention = f"{len(urgent)} {'needs' if len(urgent) == 1 else 'need'} attention"
    msg = f"{pluralize(len(reports), 'server')} with {pluralize(snapshots, 'snapshot')}, {attention}. " \
        f"{'Would write' if check_mode else 'Written to'} {path}"
    result = {
        "changed": True, "path": path, "accounts": accounts,
        "attention": [
            {"account": report.account["label"], "server": {"id": report.server["id"], "name": report.server["name"]}, "level": report.level,
             "findings": [finding.text for finding in report.found]}
            for report in urgent
        ],
    }
    if errors:
        return {**result, "failed": True, "msg": sanitize(f"Some accounts could not be read completely. {' '.join(errors)} In total: {msg}")}
    return {**result, "msg": sanitize(msg)}


def cards(reports: list[ServerReport], accounts: list[dict[str, Any]], history: dict[str, Any]) -> list[dict[str, Any]]:
    listed = [report for report in reports if report.snapshots is not None]
    snapshots = [(report, item) for report in listed for item in report.snapshots or []]
    items = [item for dummy, item in snapshots]
    return [
        _card("Servers", len(reports), f"in {pluralize(len(accounts), 'account')}"),
        _card("Snapshots", len(items), _sizes(items)),
        _oldest(snapshots),
        _not_ready(items),
        _without_snapshot(listed, len(reports) - len(listed)),
        _limits(listed),
        _upgrades(history["runs"]),
    ]


def _card(label: str, value: Any, note: str, level: str = OK, href: str | None = None) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "level": level, "href": href}


def _sizes(items: list[dict[str, Any]]) -> str:
    sizes = [item["size_mb"] for item in items if item["size_mb"] is not None]
    if not sizes:
        return "sizes unknown" if items else "nothing stored"
    total = formatting.size(sum(sizes))
    return total if len(sizes) == len(items) else f"{total} in {len(sizes)}; {len(items) - len(sizes)} unknown"


def _oldest(snapshots: list[tuple[ServerReport, dict[str, Any]]]) -> dict[str, Any]:
    dated = [(item["age_seconds"], report, item) for report, item in snapshots if item["age_seconds"] is not None]
    if not dated:
        return _card("Oldest", "none", "no snapshot with a date")
    age, report, item = max(dated, key=lambda entry: entry[0])
    return _card("Oldest", duration(age), f"{truncate(item['name'] or 'unnamed snapshot', 40)} of {truncate(report.name, 40)}", href=report.anchor)


def _not_ready(items: list[dict[str, Any]]) -> dict[str, Any]:
    by_status = Counter(item["status"] for item in items)
    failed, pending, unknown = by_status[base.FAILED], by_status[base.PENDING], by_status[base.UNKNOWN]
    note = f"{failed} failed, {pending} pending" + (f", {unknown} unknown" if unknown else "")
    return _card("Not ready", failed + pending + unknown, note, BAD if failed else WARN if unknown else NOTE if pending else OK)


def _without_snapshot(listed: list[ServerReport], unlisted: int) -> dict[str, Any]:
    bare = [report for report in listed if not report.snapshots]
    note = f"unknown for {unlisted} more" if unlisted else "nothing to restore" if bare else "every server has one"
    return _card("No snapshot", len(bare), note if listed or unlisted else "no servers", WARN if bare or unlisted else OK)


def _limits(listed: list[ServerReport]) -> dict[str, Any]:
    full, nearly = ([report for report in listed if report.has(kind)] for kind in ("full", "nearly_full"))
    limited = any(report.account["limit"] for report in listed)
    note = (f"{len(nearly)} nearly" if nearly else "no other is close") if limited else "no limit known"
    return _card("At their limit", len(full), note, WARN if full else NOTE if nearly else OK)


def _upgrades(runs: list[dict[str, Any]]) -> dict[str, Any]:
    by_outcome = Counter(run["outcome"] for run in runs)
    parts = [f"{by_outcome[outcome]} {text}" for outcome, (text, dummy) in OUTCOMES.items() if by_outcome[outcome]]
    levels = [OUTCOMES[run["outcome"]][1] for run in runs if run["last"]]
    level = next((level for level in (BAD, WARN) if level in levels), OK)
    return _card("Upgrades", len(runs), ", ".join(parts) or "no run records", level, "upgrades")


def upgrade_row(run: dict[str, Any], report: ServerReport | None, now: datetime) -> dict[str, Any]:
    """Return the row of one guarded upgrade.

    Args:
        run: The upgrade.
        report: Its server, if the page has it.
        now: The time of the report.
    """
    text, level = OUTCOMES[run["outcome"]]
    reasons = [run["reason"], run["message"] if run["outcome"] != upgrade_history.states.UPGRADED else None]
    return {
        "text": text, "level": level, "anchor": report.anchor if report else None,
        "host": truncate_or_none(run["host"], 80), "provider": truncate_or_none(run["provider_name"], 40),
        "started": formatting.format_timestamp(run["started_at"]), "ago": duration_or_none(formatting.seconds_since(run["started_at"], now)),
        "duration": duration_or_none(run["seconds"]), "reasons": [truncate(reason, 400) for reason in reasons if reason],
        "snapshot": truncate_or_none(run["snapshot"], 80), "verification": [*_verification(run["verification"]), *_changes(run)],
        "run_record": truncate(run["run_record"], 300),
    }


def _changes(run: dict[str, Any]) -> list[str]:
    """Return what a confirmed upgrade has changed, as numbers."""
    text = system_changes.count(run["changes"] if run["outcome"] == upgrade_history.states.UPGRADED else None)
    return [] if text == "-" else [f"changed: {text}"]


def _verification(checks: list[dict[str, str]]) -> list[str]:
    """Return the checks of the restored server, one line per result."""
    lines = []
    for result in ("failed", "inconclusive", "passed"):
        names = ", ".join(check["check"] for check in checks if check["result"] == result)
        lines += [f"{result}: {truncate(names, 120)}"] if names else []
    return lines
