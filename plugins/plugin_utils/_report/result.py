# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action C(report) returns, for a person and for a program. Pure functions."""

from __future__ import annotations

from typing import Any

from ...module_utils._text import sanitize
from .findings import BAD, WARN
from .formatting import pluralize
from .render import server_reports


def outcome_of(gathered: dict[str, Any], path: str, check_mode: bool) -> dict[str, Any]:
    """The result. It has failed where an account could not be asked: who only looks at the exit status must notice."""
    reports = server_reports(gathered)
    urgent = [report for report in reports if report.level in (BAD, WARN)]
    accounts = [
        {"label": account["label"], "provider": account["provider"], "error": account["error"],
         "servers": len(account["servers"]) if account["servers"] is not None else None,
         "snapshots": len(account["snapshots"]) if account["snapshots"] is not None else None}
        for account in gathered["accounts"]
    ]
    missing = [f"{account['label']}: {account['error']}" for account in accounts if account["error"]]
    snapshots = sum(account["snapshots"] or 0 for account in accounts)
    page = f"The page would be {path}" if check_mode else f"The page is {path}"
    said = f"{pluralize(len(reports), 'server')} with {pluralize(snapshots, 'snapshot')}, {_attention(len(urgent))}. {page}"
    result = {
        "changed": True, "path": path, "accounts": accounts,
        "attention": [
            {"account": report.account["label"], "server": {"id": report.server["id"], "name": report.server["name"]}, "level": report.level,
             "findings": [one.text for one in report.found]}
            for report in urgent
        ],
    }
    if missing:
        return {**result, "failed": True, "msg": sanitize(f"Not every account could be asked. {' '.join(missing)} Of the others: {said}")}
    return {**result, "msg": sanitize(said)}


def _attention(number: int) -> str:
    return f"{number} of them {'needs' if number == 1 else 'need'} attention" if number else "none of which needs attention"
