# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end of a roll-out, and what is kept of a failed upgrade."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from guard_builders import RUN_ID, SNAPSHOT, record_in

from ansible_collections.rewind.vps.plugins.module_utils._redaction import MASK, Redactor
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import outcomes
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import upgrade

PROOF = [{"check": "marker", "result": "passed", "detail": "gone"}, {"check": "boot", "result": "inconclusive", "detail": "same"},
         {"check": "checks", "result": "failed", "detail": "failed"}]


def at(*entries):
    return [{"at": f"2026-01-01T00:{minute}:00.000Z", "state": state} for minute, state in entries]


def test_the_table(tmp_path):
    rows = [
        outcomes.row(record_in(
            tmp_path, states.ENDED, outcome=states.ROLLED_BACK, verification=PROOF,
            history=at(("00", "upgrading"), ("10", "restoring"), ("14", "restored"), ("50", "ended")),
        )),
        outcomes.row(record_in(tmp_path, states.PLANNED, cloud=None)), outcomes.not_reached_row("a-host-with-a-long-name"),
    ]
    assert (rows[0]["seconds_upgrading"], rows[0]["seconds_rolling_back"], rows[0]["ended_at"]) == (600.0, 240.0, "2026-01-01T00:50:00.000Z")
    assert (rows[0]["run_id"], rows[0]["server"]["id"], rows[0]["state"], rows[1]["state"]) == (RUN_ID, "12345", states.ENDED, states.PLANNED)
    assert set(rows[2]) == set(rows[0]) and json.dumps(rows)
    head, rule, *lines = outcomes.format_table(rows)
    assert head.split("  ")[0].strip() == "host" and set(rule) == {"-", " "}
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert cells == [
        ["web1", "VPS.org", SNAPSHOT["name"], "rolled back", "600 s", "240 s", "marker, boot: inconclusive, checks: FAILED"],
        ["web1", "vpsorg", "-", "in progress (planned)", "-", "-", "-"],
        ["a-host-with-a-long-name", "-", "-", "not reached", "-", "-", "-"],
    ]
    starts = [position for position, sign in enumerate(rule) if sign == "-" and rule[position - 1:position] in ("", " ")]
    for line in (head, *lines):
        assert all(line[position] != " " and line[max(0, position - 2):position].isspace() for position in starts[1:]), "columns"
    assert not any(line != line.rstrip() for line in lines)
    assert len(outcomes.format_table([])) == 2


def test_the_table_says_why_something_failed(tmp_path):
    def row(host, outcome, reason):
        return {**outcomes.row(record_in(tmp_path, states.ENDED, outcome=outcome, reason=reason)), "host": host}

    rows = [row("web1", states.UPGRADED, None), row("web2", states.ROLLED_BACK, "Upgrade: dpkg: error\x1b processing\nbad"),
            row("web3", states.NOT_STARTED, "x" * 500)]
    head, dummy, *lines = outcomes.format_table(rows)
    assert head.split()[-2:] == ["reason", "verification"]
    assert [line.split("  ")[0] for line in lines] == ["web1", "web2", "web3"]
    assert "Upgrade: dpkg: error\N{REPLACEMENT CHARACTER} processing bad" in lines[1]
    assert "x" * (outcomes.MAX_REASON_CELL - 1) + "…" in lines[2] and "x" * outcomes.MAX_REASON_CELL not in lines[2]
    assert "reason" not in outcomes.format_table(rows[:1])[0]


# --- evidence

TOKEN = "vps_S3cret/Tok+n-0123456789"


def saved(directory, task=None, result=None, log=None):
    files = upgrade.save_diagnostics(directory, task, result, log, Redactor([TOKEN]))
    return {name: Path(file).read_text(encoding="utf-8") for file in files for name in [file.rpartition("/")[2]]}


@pytest.mark.parametrize("form", [TOKEN, TOKEN.encode().hex()], ids=["plain", "hex"])
def test_no_form_of_a_secret_is_kept(tmp_path, form):
    files = saved(tmp_path, {"name": f"Use {form}", "action": f"shell {form}"},
                  {"msg": f"failed with {form}", "results": [{"cmd": ["curl", f"-H{form}"], form: {"deep": (form,)}}], "error": ValueError(form)},
                  f"line\nGET /?key={form} HTTP/1.1\n")
    assert sorted(files) == ["failed_task.json", "server.log"]
    for text in files.values():
        assert form not in text and MASK in text and json.dumps(form)[1:-1] not in text
    assert "line\n" in files["server.log"]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in files} == {0o600}


@pytest.mark.parametrize(("task", "result"), [
    ({"name": "Login", "action": "uri", "no_log": True}, {"msg": "password: hunter2"}),
    ({"name": "Login", "action": "uri"}, {"censored": "the output has been hidden", "password": "hunter2"}),
    ({"name": "Login", "action": "uri", "no_log": "yes"}, None),
])
def test_what_ansible_hides_stays_hidden(tmp_path, task, result):
    text = saved(tmp_path, task, result)["failed_task.json"]
    assert "hunter2" not in text and json.loads(text) == {"task": "Login", "action": "uri", "result": upgrade.CENSORED}


def test_a_log_without_end_is_cut_and_its_end_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(upgrade, "MAX_LOG_CHARS", 1000)
    text = saved(tmp_path, log="a" * 5000 + "the end")["server.log"]
    assert len(text) == 1000 and text.endswith("athe end")


@pytest.mark.parametrize("cut", range(1, len(TOKEN)))
def test_a_cut_through_a_secret_leaves_nothing_of_it(tmp_path, monkeypatch, cut):
    rest = "x" * 100
    monkeypatch.setattr(upgrade, "MAX_LOG_CHARS", len(rest) + len(TOKEN) - cut)
    text = saved(tmp_path, log=f"before {TOKEN}{rest}")["server.log"]
    assert text.endswith(rest)
    rest_of_secret = text[:-len(rest)]
    assert not any(part in rest_of_secret for part in (TOKEN[-3:], TOKEN[cut:cut + 3])), rest_of_secret


def test_nothing_to_keep(tmp_path):
    assert saved(tmp_path / "run") == {} == saved(tmp_path / "run", log="")
    assert not (tmp_path / "run").exists()


def deep(levels):
    value = {}
    for _level in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("result", [{"a": deep(5000)}, {("a", "b"): 1}, {"a": {1, 2}}, {"a": "\x1b[2J\ud800\0"}, {"a": float("nan")}, {"a": b"\xff"}],
                         ids=["deep", "a key that is no text", "a set", "controls", "NaN", "bytes"])
def test_diagnostics_of_any_result(tmp_path, result):
    files = saved(tmp_path, {"name": "x", "action": "command"}, result, "boot \x1b[2J\0\ud800\n")
    assert json.loads(files["failed_task.json"])["task"] == "x" and len(files) == 2
