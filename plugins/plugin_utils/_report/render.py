# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the report as one HTML file without scripts and external resources, and writes it."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...module_utils._provider.values import parse_timestamp
from ...module_utils._version import VERSION
from . import formatting, summary_view
from .formatting import Axis
from .server_view import ServerReport, build_server_reports, server_key, server_row

_HERE = Path(__file__).parent
MAX_OPEN_ROWS = 4  # rows that are open when the page loads
MAX_ATTENTION = 12  # servers listed at the top; the others are collapsed
FILE_MODE = 0o600  # of a new file, since it holds names and addresses of servers


def render(gathered: dict[str, Any]) -> str:
    """Return the page.

    Args:
        gathered: `made_at` (UTC, ISO 8601), `accounts` (of `accounts.read_account`) and `upgrades` (of `upgrade_history.read_upgrades`).
    """
    now = parse_timestamp(gathered["made_at"])
    accounts, history = gathered["accounts"], gathered["upgrades"]
    reports = build_server_reports(gathered)
    axis = _axis(reports, now)
    urgent = [report for report in reports if report.needs_attention]
    by_server = {server_key(report.account, report.server): report for report in reports}
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return _template().render(
        version=VERSION, made=formatting.format_timestamp(gathered["made_at"]), made_at=gathered["made_at"], axis=axis,
        style=Markup(style),
        # With this hash, the content security policy allows this style and no other.
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        total=len(reports), cards=summary_view.cards(reports, accounts, history), urgent=urgent, max_attention=MAX_ATTENTION,
        open_rows={report.anchor for report in urgent} if len(urgent) <= MAX_OPEN_ROWS else set(),
        accounts=[_account_section(account, [report for report in reports if report.account is account], axis, now) for account in accounts],
        filters=_filters(reports),
        upgrades=[summary_view.upgrade_row(run, by_server.get(server_key(run, run["server"])) if run["server"] else None, now)
                  for run in history["runs"]],
        omitted=history["omitted"], error=formatting.truncate_or_none(history["error"], 400),
    )


def write_page(path: str, text: str) -> None:
    """Write the page atomically. An existing file keeps its mode, and a symbolic link its target.

    Raises:
        OSError: The file cannot be written; an existing file is unchanged.
    """
    target = Path(path).resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else FILE_MODE
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            os.fchmod(handle, mode)
            file.write(text)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _axis(reports: list[ServerReport], now: Any) -> Axis:
    items = [item for report in reports for item in report.snapshots or []]
    next_runs = [formatting.seconds_since((item["schedule"] or {}).get("next_run"), now) for item in items]
    return Axis([item["age_seconds"] for item in items if item["age_seconds"] is not None], [-age for age in next_runs if age is not None])


def _account_section(account: dict[str, Any], reports: list[ServerReport], axis: Axis, now: Any) -> dict[str, Any]:
    count = sum(len(report.snapshots or []) for report in reports)
    limit = f", at most {account['limit']} per server" if account["limit"] else ""
    return {
        "label": formatting.truncate(account["label"], 80), "error": formatting.truncate_or_none(account["error"], 2000),
        "servers": [server_row(report, axis, now) for report in reports],
        "note": f"{formatting.pluralize(len(reports), 'server')}, {formatting.pluralize(count, 'snapshot')}{limit}",
    }


def _filters(reports: list[ServerReport]) -> list[tuple[str, str, int]]:
    """Return the ID, the label and the number of servers of each filter."""
    return [
        ("all", "All", len(reports)),
        ("attention", "Needs attention", sum(report.needs_attention for report in reports)),
        ("none", "No ready snapshot", sum(report.has("none") for report in reports)),
        ("limit", "Full or nearly", sum(report.has("full", "nearly_full") for report in reports)),
    ]


@functools.cache
def _template() -> Any:
    # Everything is escaped, except our own style, which is marked as safe.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
