# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a report, the run records it reads, and the file it writes."""

from __future__ import annotations

import os

import pytest
from guard_builders import record_data

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._report import accounts
from ansible_collections.rewind.vps.plugins.plugin_utils._report.render import write_page
from ansible_collections.rewind.vps.plugins.plugin_utils._report.upgrade_history import read_upgrades
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import process_identity
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

VARIABLES = ("REWIND_PROVIDER", "VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRET_KEY", "ILKBYTE_SECRETKEY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def select(hosts=None, hostvars=None, **given):
    parameters = {**dict.fromkeys(accounts.PROVIDER_OPTIONS), "accounts": None, "hosts": hosts, **given}
    return accounts.select_accounts(parameters, lambda host, name: (hostvars or {}).get(host, {}).get(name))


def test_by_default_every_provider_with_credentials_in_the_environment(monkeypatch):
    with pytest.raises(RewindError, match="There is no account"):
        select()
    monkeypatch.setenv("VPS_API_TOKEN", "a-token-of-mine")
    assert [account["provider"] for account in select()] == ["vpsorg"]
    monkeypatch.setenv("ILKBYTE_SECRET_KEY", "half")  # the error of this account will name the missing key
    assert [account["provider"] for account in select()] == ["vpsorg", "ilkbyte"]


def test_precedence_of_accounts_hosts_and_provider(monkeypatch):
    monkeypatch.setenv("VPS_API_TOKEN", "a-token-of-mine")
    listed = [{"provider": "ilkbyte"}]
    hostvars = {"web1": {"rewind_provider": "ilkbyte", "rewind_api_url": "https://a.example"}}
    assert select(["web1"], hostvars, accounts=listed, provider="vpsorg") is listed
    (of_hosts,) = select(["web1"], hostvars, provider="vpsorg")
    assert (of_hosts["provider"], of_hosts["api_url"]) == ("ilkbyte", "https://a.example")
    assert [account["provider"] for account in select(provider="ilkbyte")] == ["ilkbyte"]


def test_hosts_select_each_account_once():
    shared = {"rewind_provider": "vpsorg", "guarded_upgrade_api_token": "one"}
    hostvars = {"web1": shared, "web2": shared, "web3": {**shared, "guarded_upgrade_api_token": "two"},
                "app1": {"rewind_provider": "vpsorg", "guarded_upgrade_provider": "ilkbyte"}}
    found = select(["web1", "web2", "web3", "app1"], hostvars)
    assert [(account["provider"], account["api_token"]) for account in found] == [("vpsorg", "one"), ("vpsorg", "two"), ("ilkbyte", None)]
    with pytest.raises(RewindError, match="host bare: missing required arguments: provider"):
        select(["bare"], hostvars)


def test_labels_are_unique():
    given = [{"provider": "vpsorg"}, {"provider": "vpsorg", "label": "Shop"}, {"provider": "ilkbyte"}, {"provider": "vpsorg", "label": ""}]
    assert [account["label"] for account in accounts.with_labels(given)] == ["VPS.org 1", "Shop", "Ilkbyte", "VPS.org 2"]


def write_run(directory, run_id, server="vpsorg-1-a", state="ended", outcome="upgraded", **fields):
    """Write a run record and return its path."""
    history = [{"at": "2026-01-01T00:00:00Z", "state": "planned"}, {"at": "2026-01-01T00:01:30Z", "state": state}]
    data = record_data(state, run_id=run_id, outcome=outcome, history=history, **fields)
    record = RunRecord(directory / server / run_id / "run.json", data)
    record.update()
    return record.path


def test_run_records_newest_first_with_their_outcomes(tmp_path):
    write_run(tmp_path, "20260101T000000Zaaaa", outcome="rolled_back")
    write_run(tmp_path, "20260103T000000Zaaaa", state="upgrading", outcome=None, guard=process_identity.identity(os.getpid()))
    other_process = {"pid": os.getpid(), "started": "long ago"}
    write_run(tmp_path, "20260102T000000Zaaaa", server="vpsorg-2-b", state="checking", outcome=None, guard=other_process)
    write_run(tmp_path, "20251231T000000Zaaaa", server="vpsorg-2-b").write_bytes(b"\xff{")
    (tmp_path / "reports").mkdir()
    (tmp_path / "stray file").write_text("")
    history = read_upgrades(str(tmp_path), 10)
    assert [(item["run_id"][:8], item["outcome"], item["last"]) for item in history["runs"]] == [
        ("20260103", "in_progress", True), ("20260102", "interrupted", True), ("20260101", "rolled_back", False), ("20251231", "unreadable", False),
    ]
    assert history["runs"][0]["seconds"] == 90 and history["runs"][3]["started_at"] == "2025-12-31T00:00:00Z"
    assert history["omitted"] == 0 and history["error"] is None


def test_a_run_record_of_another_run_is_unreadable(tmp_path):
    copied = write_run(tmp_path, "20260101T000000Zaaaa")
    copied.parent.rename(copied.parent.with_name("20260102T000000Zbbbb"))
    (run,) = read_upgrades(str(tmp_path), 10)["runs"]
    assert run["outcome"] == "unreadable" and "20260101T000000Zaaaa" in run["message"] and run["host"] is None


def test_the_limit_does_not_omit_a_server_that_needs_attention(tmp_path):
    for day in range(1, 8):
        write_run(tmp_path, f"2026020{day}T000000Zaaaa")
    write_run(tmp_path, "20200101T000000Zaaaa", server="vpsorg-2-b", outcome="rollback_failed")
    write_run(tmp_path, "20200102T000000Zaaaa", server="vpsorg-3-c", outcome="rolled_back")
    history = read_upgrades(str(tmp_path), 3)
    assert [item["run_id"][:8] for item in history["runs"]] == ["20260207", "20260206", "20260205", "20200101"]
    assert history["omitted"] == 5


def test_a_missing_or_unreadable_state_directory(tmp_path):
    assert read_upgrades(str(tmp_path / "none"), 3) == {"runs": [], "omitted": 0, "error": None}
    (tmp_path / "file").write_text("")
    assert "cannot be read" in read_upgrades(str(tmp_path / "file"), 3)["error"]


def test_a_failed_write_keeps_the_old_page(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    write_page(str(path), "first")
    assert path.stat().st_mode & 0o777 == 0o600

    def no_space(*dummy):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="No space"):
        write_page(str(path), "second")
    assert path.read_text() == "first" and [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
