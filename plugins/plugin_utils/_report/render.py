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
from .server_view import Known, server_lines
from .time_axis import Axis

_HERE = Path(__file__).parent
_OPEN_AT_MOST = 4  # rows that stand open from the start
_ATTENTION_AT_MOST = 12  # servers named at the top before the rest folds away


def render(gathered: dict[str, Any]) -> str:
    """The page.

    :arg gathered: C(made_at) (UTC, ISO 8601), C(accounts) (accounts.ask), C(upgrades) (upgrades.read_upgrades).
    """
    now = base.parse_timestamp(gathered["made_at"])
    accounts, told = gathered["accounts"], gathered["upgrades"]
    fleet = known_servers(gathered)
    axis = _axis(fleet, now)
    urgent = [known for known in fleet if known.level in (findings.BAD, findings.WARN)]
    by_account = [[known for known in fleet if known.account is account] for account in accounts]
    by_server = {_whose(known.account, known.server["id"]): known for known in fleet}
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return _template().render(
        version=VERSION, made=formatting.moment(gathered["made_at"]), made_at=gathered["made_at"], axis=axis,
        style=Markup(style), style_hash=_csp_hash(style),
        total=len(fleet), cards=summary_view.cards(fleet, accounts, told), urgent=urgent, named=_ATTENTION_AT_MOST,
        opened={known.anchor for known in urgent} if len(urgent) <= _OPEN_AT_MOST else set(),
        accounts=[
            {"label": formatting.shown(account["label"], 80), "error": formatting.shown(account["error"], 2000) if account["error"] else None,
             "servers": [server_lines(known, axis, now) for known in servers], "note": _account_note(account, servers)}
            for account, servers in zip(accounts, by_account)
        ],
        filters=_filters(fleet),
        upgrades=[summary_view.upgrade_line(run, _server_of(run, by_server), now) for run in told["runs"]],
        left_out=told["left_out"], problem=formatting.shown(told["problem"], 400) if told["problem"] else None,
    )


def known_servers(gathered: dict[str, Any]) -> list[Known]:
    """Every server of all accounts, what needs attention first."""
    now = base.parse_timestamp(gathered["made_at"])
    last = {}
    for run in gathered["upgrades"]["runs"]:
        if run["last"] and run["server"]:
            last[run["provider"], run["api_url"], run["server"]["id"]] = run
    fleet = []
    for place, account in enumerate(gathered["accounts"], 1):
        for number, (server, snapshots) in enumerate(_servers_of(account), 1):
            upgrade = last.get(_whose(account, server["id"]))
            found = findings.findings(snapshots, account, upgrade, now)
            fleet.append(Known(account, server, snapshots, upgrade, found, f"s{place}-{number}"))
    return sorted(fleet, key=lambda known: findings.LEVELS.index(known.level))  # stable: by name within a level


def _servers_of(account: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]] | None]]:
    """Each listed server, and each that only its snapshots tell of, with its snapshots."""
    servers = {server["id"]: server for server in account["servers"] or []}
    if account["snapshots"] is None:
        return [(server, None) for server in servers.values()]
    theirs: dict[str, list[dict[str, Any]] | None] = {server_id: None if server_id in account["unlisted"] else [] for server_id in servers}
    for item in account["snapshots"]:
        servers.setdefault(item["server"]["id"], item["server"])
        theirs[item["server"]["id"]] = [*(theirs.get(item["server"]["id"]) or []), item]
    return [(server, theirs[server_id]) for server_id, server in servers.items()]


def _whose(account: dict[str, Any], server_id: str) -> tuple[str, str | None, str]:
    """What tells servers of all accounts apart."""
    return account["provider"], account["api_url"], server_id


def _server_of(run: dict[str, Any], by_server: dict[Any, Known]) -> Known | None:
    return by_server.get((run["provider"], run["api_url"], run["server"]["id"])) if run["server"] else None


def _axis(fleet: list[Known], now: Any) -> Axis:
    items = [item for known in fleet for item in known.snapshots or []]
    coming = [formatting.seconds_until((item["schedule"] or {}).get("next_run"), now) for item in items]
    return Axis([item["age_seconds"] for item in items if item["age_seconds"] is not None], [left for left in coming if left is not None])


def _account_note(account: dict[str, Any], servers: list[Known]) -> str:
    count = sum(len(known.snapshots or []) for known in servers)
    limit = f", {account['limit']} a server at most" if account["limit"] else ""
    return f"{formatting.counted(len(servers), 'server')}, {formatting.counted(count, 'snapshot')}{limit}"


def _filters(fleet: list[Known]) -> list[tuple[str, str, int]]:
    """Id, label and number of servers of each choice."""
    return [
        ("all", "All", len(fleet)),
        ("attention", "Needs attention", sum(known.level in (findings.BAD, findings.WARN) for known in fleet)),
        ("none", "No ready snapshot", sum(known.has("none") for known in fleet)),
        ("limit", "Full or nearly", sum(known.has("full", "nearly_full") for known in fleet)),
    ]


def _csp_hash(style: str) -> str:
    """By which a browser knows this very style, and lets no other in."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


@functools.cache
def _template() -> Any:
    # Everything is escaped but what is marked, and only our own style is.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
