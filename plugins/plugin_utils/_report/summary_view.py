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
from .formatting import counted, duration, shown
from .server_view import Known

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


def cards(fleet: list[Known], accounts: list[dict[str, Any]], told: dict[str, Any]) -> list[dict[str, Any]]:
    """The numbers at the top."""
    listed = [known for known in fleet if known.snapshots is not None]
    every = [(known, item) for known in listed for item in known.snapshots or []]
    return [
        _card("Servers", len(fleet), f"in {counted(len(accounts), 'account')}"),
        _card("Snapshots", len(every), _sizes([item for dummy, item in every])),
        _oldest(every),
        _not_ready([item for dummy, item in every]),
        _without(listed, len(fleet) - len(listed)),
        _limits(listed),
        _upgrades(told["runs"]),
    ]


def _card(label: str, value: Any, note: str, level: str = OK, href: str | None = None) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "level": level, "href": href}


def _sizes(items: list[dict[str, Any]]) -> str:
    sizes = [item["size_mb"] for item in items if item["size_mb"] is not None]
    if not sizes:
        return "sizes not told" if items else "nothing stored"
    whole = formatting.size(sum(sizes))
    return whole if len(sizes) == len(items) else f"{whole} in {len(sizes)}; {len(items) - len(sizes)} not told"


def _oldest(every: list[tuple[Known, dict[str, Any]]]) -> dict[str, Any]:
    dated = [(item["age_seconds"], known, item) for known, item in every if item["age_seconds"] is not None]
    if not dated:
        return _card("Oldest", "none", "no snapshot with a date")
    age, known, item = max(dated, key=lambda one: one[0])
    return _card("Oldest", duration(age), f"{shown(item['name'], 40)} of {shown(known.name, 40)}", href=known.anchor)


def _not_ready(items: list[dict[str, Any]]) -> dict[str, Any]:
    by_status = Counter(item["status"] for item in items)
    failed, pending = by_status[base.FAILED], by_status[base.PENDING]
    return _card("Not ready", failed + pending, f"{failed} failed, {pending} being made", BAD if failed else NOTE if pending else OK)


def _without(listed: list[Known], unlisted: int) -> dict[str, Any]:
    bare = [known for known in listed if not known.snapshots]
    note = f"not known of {unlisted} more" if unlisted else "there is no way back" if bare else "every server has one"
    return _card("No snapshot", len(bare), note if listed or unlisted else "no servers", WARN if bare or unlisted else OK)


def _limits(listed: list[Known]) -> dict[str, Any]:
    full, nearly = ([known for known in listed if known.has(kind)] for kind in ("full", "nearly_full"))
    limited = any(known.account["limit"] for known in listed)
    note = (f"{len(nearly)} nearly" if nearly else "no other is near it") if limited else "no limit known"
    return _card("At their limit", len(full), note, WARN if full else NOTE if nearly else OK)


def _upgrades(runs: list[dict[str, Any]]) -> dict[str, Any]:
    by_outcome = Counter(run["outcome"] for run in runs)
    parts = [f"{by_outcome[outcome]} {word}" for outcome, (word, dummy) in OUTCOMES.items() if by_outcome[outcome]]
    last_ones = [OUTCOMES[run["outcome"]][1] for run in runs if run["last"]]
    level = next((level for level in (BAD, WARN) if level in last_ones), OK)
    return _card("Upgrades", len(runs), ", ".join(parts) or "no receipt here", level, "upgrades")


def upgrade_line(run: dict[str, Any], known: Known | None, now: datetime) -> dict[str, Any]:
    """One guarded upgrade.

    :arg known: its server, where the page has it.
    """
    word, level = OUTCOMES[run["outcome"]]
    ago = formatting.seconds_since(run["began_at"], now)
    texts = [run["reason"], run["message"] if run["outcome"] != upgrade_history.states.UPGRADED else None]
    return {
        "outcome": run["outcome"], "word": word, "level": level, "anchor": known.anchor if known else None,
        "host": shown(run["host"], 80) if run["host"] else None, "cloud": shown(run["cloud"], 40) if run["cloud"] else None,
        "when": formatting.moment(run["began_at"]), "ago": duration(ago) if ago is not None else None,
        "seconds": duration(run["seconds"]) if run["seconds"] is not None else None,
        "why": [shown(text, 400) for text in texts if text], "snapshot": shown(run["snapshot"], 80) if run["snapshot"] else None,
        "verification": _proof(run["verification"]), "run_record": shown(run["run_record"], 300),
    }


def _proof(proof: list[dict[str, str]]) -> list[str]:
    """What was found on the restored server, by how it was found."""
    lines = []
    for result in ("failed", "inconclusive", "passed"):
        what = ", ".join(finding["check"] for finding in proof if finding["result"] == result)
        lines += [f"{result}: {shown(what, 120)}"] if what else []
    return lines
