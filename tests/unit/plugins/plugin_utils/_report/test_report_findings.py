# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs attention: findings of one server, the numbers of all, and the task's result."""

from __future__ import annotations

import pytest
from report_builders import DAY, HOUR, NOW, account, few, gathered, schedule, server, snapshot, unreadable, upgrade

from ansible_collections.rewind.vps.plugins.module_utils._text import REPLACEMENT
from ansible_collections.rewind.vps.plugins.plugin_utils._report import formatting, server_view, summary_view
from ansible_collections.rewind.vps.plugins.plugin_utils._report.formatting import Axis
from ansible_collections.rewind.vps.plugins.plugin_utils._report.server_view import build_server_reports


def found(snapshots, last_upgrade=None, **fields):
    return [(finding.level, finding.kind) for finding in server_view.server_findings(snapshots, account([], [], **fields), last_upgrade, NOW)]


def some_snapshots(count, **fields):
    return [snapshot(f"s{number}", HOUR * (number + 1), **fields) for number in range(count)]


@pytest.mark.parametrize(("snapshots", "expected"), [
    (None, [("warn", "unlisted")]),
    ([], [("warn", "none")]),
    (some_snapshots(1), []),
    (some_snapshots(3), []),
    (some_snapshots(4), [("note", "nearly_full")]),
    (some_snapshots(5), [("warn", "full")]),
    (some_snapshots(6), [("warn", "full")]),
    (some_snapshots(1, status="failed"), [("bad", "failed"), ("warn", "none")]),
    ([snapshot("new", 60, status="pending"), snapshot("old", DAY)], []),
    ([snapshot("new", 60, status="pending")], [("warn", "none")]),
    ([snapshot("new", HOUR, status="pending"), snapshot("old", DAY)], [("warn", "pending")]),
    ([snapshot("new", None)], []),
    ([snapshot("a", DAY, schedule=schedule(1, -2 * HOUR))], [("warn", "schedule")]),
    ([snapshot("a", DAY, schedule=schedule(1, -600))], []),
    ([snapshot("a", DAY, schedule=schedule(1, None))], []),
])
def test_snapshot_findings(snapshots, expected):
    assert found(snapshots) == expected
    assert not {"full", "nearly_full"} & {kind for level, kind in found(snapshots, limit=None)}


@pytest.mark.parametrize(("outcome", "expected"), [
    ("upgraded", []), ("rolled_back", []), ("not_started", []), ("in_progress", []),
    ("rollback_failed", [("bad", "upgrade")]), ("unknown", [("bad", "upgrade")]), ("interrupted", [("bad", "upgrade")]),
])
def test_upgrade_findings(outcome, expected):
    assert found(some_snapshots(1), upgrade(outcome)) == expected


def test_only_the_last_upgrade_of_a_server_counts():
    servers = [server("1", "web1"), server("2", "web2")]
    there = [snapshot("a", DAY, "1"), snapshot("b", DAY, "2")]
    mine, elsewhere = account(servers, there), account(servers, there, api_url="https://other.example")
    runs = [upgrade("rollback_failed", server_id="1"), upgrade("unreport", server_id="2", last=False), unreadable()]
    levels = {(report.account["api_url"], report.server["id"]): report.level for report in build_server_reports(gathered(mine, elsewhere, runs=runs))}
    assert levels == {("https://cloud.example", "1"): "bad", ("https://cloud.example", "2"): "ok",
                      ("https://other.example", "1"): "ok", ("https://other.example", "2"): "ok"}


def test_a_server_whose_snapshots_could_not_be_listed():
    """A server that only its snapshots mention is reported as well."""
    servers = [server("1", "web1"), server("2", "web2"), server("3", "web3")]
    listed = [snapshot("a", DAY, "3"), snapshot("left", DAY, "999")]
    reports = build_server_reports(gathered(account(servers, listed, unlisted=["2"], error="2: no")))
    assert {report.name: [finding.kind for finding in report.found] for report in reports} == {
        "web1": ["none"], "web2": ["unlisted"], "web3": [], "999": [],
    }


def cards(*accounts, runs=()):
    fleet = gathered(*accounts, runs=list(runs))
    return {card["label"]: card for card in summary_view.cards(build_server_reports(fleet), fleet["accounts"], fleet["upgrades"])}


def test_cards():
    fleet = few()
    numbers = cards(*fleet["accounts"], runs=fleet["upgrades"]["runs"])
    assert {label: (card["value"], card["note"], card["level"]) for label, card in numbers.items()} == {
        "Servers": (6, "in 2 accounts", "ok"),
        "Snapshots": (13, "65.6 GB in 7; 6 unknown", "ok"),
        "Oldest": ("140 d", "base of app1", "ok"),
        "Not ready": (2, "1 failed, 1 pending", "bad"),
        "No snapshot": (1, "nothing to restore", "warn"),
        "At their limit": (1, "no other is close", "warn"),
        "Upgrades": (5, "2 upgraded, 1 rolled back, 1 rollback failed, 1 unreadable run record", "bad"),
    }


def test_cards_do_not_count_what_is_unknown():
    numbers = cards(account([server()], None, error="no"), account(None, None, error="no"))
    assert (numbers["No snapshot"]["value"], numbers["No snapshot"]["note"]) == (0, "unknown for 1 more")
    assert numbers["Snapshots"]["note"] == "nothing stored" and numbers["Oldest"]["value"] == "none"


def test_result():
    result = summary_view.build_result(few(), "/srv/page.html", check_mode=False)
    assert result["changed"] and not result.get("failed")
    assert result["msg"] == "6 servers with 13 snapshots, 5 need attention. Written to /srv/page.html"
    assert [item["server"]["name"] for item in result["attention"]] == ["api1", "mail1", "shop1", "staging", "db1"]
    assert result["attention"][0] == {"account": "VPS.org production", "server": {"id": "12346", "name": "api1"}, "level": "bad",
                                      "findings": ["last upgrade: rollback failed"]}
    failed = summary_view.build_result(gathered(account(None, None, error="Rejected.")), "/srv/page.html", check_mode=True)
    assert failed["failed"] and "VPS.org: Rejected." in failed["msg"] and "Would write /srv/page.html" in failed["msg"]
    assert failed["accounts"] == [{"label": "VPS.org", "provider": "vpsorg", "error": "Rejected.", "servers": None, "snapshots": None}]


# --- durations, sizes, text and the time axis


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (755, "12 min 35 s"), (HOUR, "1 h"), (HOUR + 59, "1 h"), (4 * HOUR + 720, "4 h 12 min"),
    (3 * DAY + 4 * HOUR, "3 d 4 h"), (3 * DAY + 59, "3 d"), (140 * DAY, "140 d"), (400 * DAY, "1 y 35 d"), (-5, "0 s"),
])
def test_duration(seconds, text):
    assert formatting.duration(seconds) == text


def test_external_text_becomes_one_line_and_is_truncated():
    assert formatting.truncate("one\u202etwo\nthree\x1b[2J") == f"one{REPLACEMENT}two{REPLACEMENT}three{REPLACEMENT}[2J"
    long = formatting.truncate("x" * 10_000)
    assert long == "x" * 160 + "… (10000 characters)"
    assert formatting.truncate("x" * 160) == "x" * 160


def test_the_axis_is_as_long_as_needed():
    assert [tick.label for tick in Axis([]).ticks] == ["1 d", "6 h", "1 h", "now"]
    assert [tick.label for tick in Axis([8 * DAY], [HOUR]).ticks] == ["1 mo", "1 w", "3 d", "1 d", "6 h", "1 h", "now", "in 6 h"]
    assert [tick.label for tick in Axis([7 * DAY]).ticks][0] == "1 w", "an age on a tick is within the axis"
    assert Axis([40 * 365 * DAY]).ticks[0].label == "5 y"
    assert Axis([60], [-DAY]).ticks[-1].label == "now", "an overdue run is not in the future"


def test_positions_on_the_axis():
    axis = Axis([DAY], [6 * HOUR])  # four steps of a quarter each: 1 d, 6 h, 1 h, now, in 6 h
    positions = {age: axis.position(age) for age in (2 * DAY, DAY, 6 * HOUR, 3.5 * HOUR, HOUR, 0, -3 * HOUR, -DAY)}
    assert list(positions.values()) == [0, 0, 25, 37.5, 50, 75, 87.5, 100]
    assert axis.now == 75 and [tick.position for tick in axis.ticks] == [0, 25, 50, 75, 100]
    assert [tick.label for tick in axis.ticks if not tick.minor] == ["6 h", "now"]
