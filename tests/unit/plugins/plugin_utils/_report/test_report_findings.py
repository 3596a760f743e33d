# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person should look at first: of one server, of the fleet, and at the end of the task."""

from __future__ import annotations

import pytest
from report_builders import DAY, HOUR, NOW, account, few, gathered, many, schedule, server, snapshot, unreadable, upgrade

from ansible_collections.rewind.vps.plugins.plugin_utils._report import findings, summary_view
from ansible_collections.rewind.vps.plugins.plugin_utils._report.render import server_reports
from ansible_collections.rewind.vps.plugins.plugin_utils._report.result import outcome_of


def found(snapshots, last_upgrade=None, **fields):
    return [(one.level, one.kind) for one in findings.findings(snapshots, account([], [], **fields), last_upgrade, NOW)]


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
def test_findings_of_snapshots(snapshots, expected):
    assert found(snapshots) == expected


def test_without_a_known_limit_no_server_is_full():
    assert found(some_snapshots(40), limit=None) == []


@pytest.mark.parametrize(("outcome", "expected"), [
    ("upgraded", []), ("rolled_back", []), ("not_started", []), ("under_way", []),
    ("rollback_failed", [("bad", "upgrade")]), ("unknown", [("bad", "upgrade")]), ("cut_off", [("bad", "upgrade")]),
])
def test_findings_of_the_last_upgrade(outcome, expected):
    assert found(some_snapshots(1), upgrade(outcome)) == expected


def test_an_upgrade_counts_for_its_own_server_and_only_the_last_one():
    servers = [server("1", "web1"), server("2", "web2")]
    there = [snapshot("a", DAY, "1"), snapshot("b", DAY, "2")]
    mine, elsewhere = account(servers, there), account(servers, there, api_url="https://other.example")
    runs = [upgrade("rollback_failed", server_id="1"), upgrade("unknown", server_id="2", last=False), unreadable()]
    levels = {(known.account["api_url"], known.server["id"]): known.level for known in server_reports(gathered(mine, elsewhere, runs=runs))}
    assert levels == {("https://cloud.example", "1"): "bad", ("https://cloud.example", "2"): "ok",
                      ("https://other.example", "1"): "ok", ("https://other.example", "2"): "ok"}


def test_the_worst_comes_first_and_then_the_order_that_there_was():
    assert [known.name for known in server_reports(few())] == ["api1", "mail1", "shop1", "staging", "db1", "app1"]
    levels = [findings.LEVELS.index(known.level) for known in server_reports(many(100))]
    assert levels == sorted(levels)


def test_a_server_that_only_its_snapshots_tell_of_is_there():
    fleet = server_reports(gathered(account([], [snapshot("left", DAY, "999")])))
    assert [(known.name, len(known.snapshots)) for known in fleet] == [("999", 1)]


def test_one_server_whose_snapshots_could_not_be_listed():
    servers = [server("1", "web1"), server("2", "web2"), server("3", "web3")]
    fleet = server_reports(gathered(account(servers, [snapshot("a", DAY, "3")], unlisted=["2"], error="2: no")))
    assert {known.name: [one.kind for one in known.found] for known in fleet} == {"web1": ["none"], "web2": ["unlisted"], "web3": []}


def cards(*accounts, runs=()):
    fleet = gathered(*accounts, runs=list(runs))
    return {card["label"]: card for card in summary_view.cards(server_reports(fleet), fleet["accounts"], fleet["upgrades"])}


def test_the_numbers_at_the_top():
    told = few()
    numbers = {label: (card["value"], card["note"], card["level"]) for label, card in cards(*told["accounts"], runs=told["upgrades"]["runs"]).items()}
    assert numbers == {
        "Servers": (6, "in 2 accounts", "ok"),
        "Snapshots": (13, "65.6 GB in 7; 6 not told", "ok"),
        "Oldest": ("140 d", "base of app1", "ok"),
        "Not ready": (2, "1 failed, 1 being made", "bad"),
        "No snapshot": (1, "there is no way back", "warn"),
        "At their limit": (1, "no other is near it", "warn"),
        "Upgrades": (5, "2 upgraded, 1 rolled back, 1 rollback failed, 1 unreadable receipt", "bad"),
    }


def test_what_is_not_known_is_not_counted():
    numbers = cards(account([server()], None, error="no"), account(None, None, error="no"))
    assert (numbers["No snapshot"]["value"], numbers["No snapshot"]["note"]) == (0, "not known of 1 more")
    assert numbers["Snapshots"]["note"] == "nothing stored" and numbers["Oldest"]["value"] == "none"


def test_what_the_task_says():
    result = outcome_of(few(), "/srv/page.html", check_mode=False)
    assert result["changed"] and not result.get("failed")
    assert result["msg"] == "6 servers with 13 snapshots, 5 of them need attention. The page is /srv/page.html"
    assert [item["server"]["name"] for item in result["attention"]] == ["api1", "mail1", "shop1", "staging", "db1"]
    assert result["attention"][0] == {"account": "VPS.org production", "server": {"id": "12346", "name": "api1"}, "level": "bad",
                                      "findings": ["last upgrade: rollback failed"]}
    failed = outcome_of(gathered(account(None, None, error="It said no.")), "/srv/page.html", check_mode=True)
    assert failed["failed"] and "VPS.org: It said no." in failed["msg"] and "The page would be" in failed["msg"]
    assert failed["accounts"] == [{"label": "VPS.org", "provider": "vpsorg", "error": "It said no.", "servers": None, "snapshots": None}]
