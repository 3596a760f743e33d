# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole page: what was gathered in, one HTML file out, which needs nothing else and runs nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...module_utils._provider import base
from ...module_utils._version import VERSION
from . import findings, formatting, summary_view
from .server_view import ServerReport, server_lines
from .time_axis import Axis

_HERE = Path(__file__).parent
MAX_OPEN_ROWS = 4  # rows that stand open from the start
MAX_ATTENTION = 12  # servers named at the top before the rest folds away


def render(gathered: dict[str, Any]) -> str:
    """The page.

    :arg gathered: C(made_at) (UTC, ISO 8601), C(accounts) (accounts.ask), C(upgrades) (upgrades.read_upgrades).
    """
    now = base.parse_timestamp(gathered["made_at"])
    accounts, history = gathered["accounts"], gathered["upgrades"]
    reports = server_reports(gathered)
    axis = _axis(reports, now)
    urgent = [report for report in reports if report.level in (findings.BAD, findings.WARN)]
    by_account = [[report for report in reports if report.account is account] for account in accounts]
    by_server = {_server_key(report.account, report.server["id"]): report for report in reports}
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return _template().render(
        version=VERSION, made=formatting.format_timestamp(gathered["made_at"]), made_at=gathered["made_at"], axis=axis,
        style=Markup(style), style_hash=_csp_hash(style),
        total=len(reports), cards=summary_view.cards(reports, accounts, history), urgent=urgent, named=MAX_ATTENTION,
        opened={report.anchor for report in urgent} if len(urgent) <= MAX_OPEN_ROWS else set(),
        accounts=[
            {"label": formatting.truncate(account["label"], 80), "error": formatting.truncate(account["error"], 2000) if account["error"] else None,
             "servers": [server_lines(report, axis, now) for report in servers], "note": _account_note(account, servers)}
            for account, servers in zip(accounts, by_account)
        ],
        filters=_filters(reports),
        upgrades=[summary_view.upgrade_line(run, _server_of(run, by_server), now) for run in history["runs"]],
        left_out=history["left_out"], problem=formatting.truncate(history["problem"], 400) if history["problem"] else None,
    )


def server_reports(gathered: dict[str, Any]) -> list[ServerReport]:
    """Every server of all accounts, what needs attention first."""
    now = base.parse_timestamp(gathered["made_at"])
    last = {}
    for run in gathered["upgrades"]["runs"]:
        if run["last"] and run["server"]:
            last[run["provider"], run["api_url"], run["server"]["id"]] = run
    reports = []
    for place, account in enumerate(gathered["accounts"], 1):
        for number, (server, snapshots) in enumerate(_servers_of(account), 1):
            upgrade = last.get(_server_key(account, server["id"]))
            found = findings.findings(snapshots, account, upgrade, now)
            reports.append(ServerReport(account, server, snapshots, upgrade, found, f"s{place}-{number}"))
    return sorted(reports, key=lambda report: findings.LEVELS.index(report.level))  # stable: by name within a level


def _servers_of(account: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]] | None]]:
    """Each listed server, and each that only its snapshots tell of, with its snapshots."""
    servers = {server["id"]: server for server in account["servers"] or []}
    if account["snapshots"] is None:
        return [(server, None) for server in servers.values()]
    by_server: dict[str, list[dict[str, Any]] | None] = {server_id: None if server_id in account["unlisted"] else [] for server_id in servers}
    for item in account["snapshots"]:
        servers.setdefault(item["server"]["id"], item["server"])
        by_server[item["server"]["id"]] = [*(by_server.get(item["server"]["id"]) or []), item]
    return [(server, by_server[server_id]) for server_id, server in servers.items()]


def _server_key(account: dict[str, Any], server_id: str) -> tuple[str, str | None, str]:
    """What tells servers of all accounts apart."""
    return account["provider"], account["api_url"], server_id


def _server_of(run: dict[str, Any], by_server: dict[Any, ServerReport]) -> ServerReport | None:
    return by_server.get((run["provider"], run["api_url"], run["server"]["id"])) if run["server"] else None


def _axis(reports: list[ServerReport], now: Any) -> Axis:
    items = [item for report in reports for item in report.snapshots or []]
    coming = [formatting.seconds_until((item["schedule"] or {}).get("next_run"), now) for item in items]
    return Axis([item["age_seconds"] for item in items if item["age_seconds"] is not None], [left for left in coming if left is not None])


def _account_note(account: dict[str, Any], servers: list[ServerReport]) -> str:
    count = sum(len(report.snapshots or []) for report in servers)
    limit = f", {account['limit']} a server at most" if account["limit"] else ""
    return f"{formatting.pluralize(len(servers), 'server')}, {formatting.pluralize(count, 'snapshot')}{limit}"


def _filters(reports: list[ServerReport]) -> list[tuple[str, str, int]]:
    """Id, label and number of servers of each choice."""
    return [
        ("all", "All", len(reports)),
        ("attention", "Needs attention", sum(report.level in (findings.BAD, findings.WARN) for report in reports)),
        ("none", "No ready snapshot", sum(report.has("none") for report in reports)),
        ("limit", "Full or nearly", sum(report.has("full", "nearly_full") for report in reports)),
    ]


def _csp_hash(style: str) -> str:
    """By which a browser knows this very style, and lets no other in."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


@functools.cache
def _template() -> Any:
    # Everything is escaped but what is marked, and only our own style is.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
