# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts are meant, which receipts are read, and how the file is written."""

from __future__ import annotations

import os

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._report import accounts, options
from ansible_collections.rewind.vps.plugins.plugin_utils._report.page_file import write_page
from ansible_collections.rewind.vps.plugins.plugin_utils._report.upgrade_history import read_upgrades
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import process_identity
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

VARIABLES = ("REWIND_PROVIDER", "VPS_API_TOKEN", "ILKBYTE_ACCESS_KEY", "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRET_KEY", "ILKBYTE_SECRETKEY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def meant(hosts=None, hostvars=None, **given):
    parameters = {**dict.fromkeys(options.PROVIDER_OPTIONS), "accounts": None, "hosts": hosts, **given}
    return options.accounts_of(parameters, lambda host, name: (hostvars or {}).get(host, {}).get(name))


def test_without_a_word_every_cloud_whose_credentials_are_there(monkeypatch):
    with pytest.raises(RewindError, match="There is no account"):
        meant()
    monkeypatch.setenv("VPS_API_TOKEN", "a-token-of-mine")
    assert [account["provider"] for account in meant()] == ["vpsorg"]
    monkeypatch.setenv("ILKBYTE_SECRET_KEY", "half")  # and not the other: the account is meant, and asking it says what is missing
    assert [account["provider"] for account in meant()] == ["vpsorg", "ilkbyte"]


def test_the_nearest_word_counts(monkeypatch):
    monkeypatch.setenv("VPS_API_TOKEN", "a-token-of-mine")
    listed = [{"provider": "ilkbyte"}]
    hostvars = {"web1": {"rewind_provider": "ilkbyte", "rewind_api_url": "https://a.example"}}
    assert meant(["web1"], hostvars, accounts=listed, provider="vpsorg") is listed
    (of_hosts,) = meant(["web1"], hostvars, provider="vpsorg")
    assert (of_hosts["provider"], of_hosts["api_url"]) == ("ilkbyte", "https://a.example")
    assert [account["provider"] for account in meant(provider="ilkbyte")] == ["ilkbyte"]


def test_each_account_of_hosts_once():
    shared = {"rewind_provider": "vpsorg", "guarded_upgrade_api_token": "one"}
    hostvars = {"web1": shared, "web2": shared, "web3": {**shared, "guarded_upgrade_api_token": "two"},
                "app1": {"rewind_provider": "vpsorg", "guarded_upgrade_provider": "ilkbyte"}}
    found = meant(["web1", "web2", "web3", "app1"], hostvars)
    assert [(account["provider"], account["api_token"]) for account in found] == [("vpsorg", "one"), ("vpsorg", "two"), ("ilkbyte", None)]
    with pytest.raises(RewindError, match="host bare: missing required arguments: provider"):
        meant(["bare"], hostvars)


def test_labels_tell_accounts_apart():
    given = [{"provider": "vpsorg"}, {"provider": "vpsorg", "label": "Shop"}, {"provider": "ilkbyte"}, {"provider": "vpsorg", "label": ""}]
    assert [account["label"] for account in accounts.labelled(given)] == ["VPS.org 1", "Shop", "Ilkbyte", "VPS.org 2"]


def run(folder, run_id, server="vpsorg-1-a", state="ended", outcome="upgraded", **facts):
    """A receipt below the folder."""
    data = {
        "run_id": run_id, "host": "web1", "provider": "vpsorg", "server": {"id": "1", "name": "web1"}, "snapshot": {"name": "s", "id": "8"},
        "marker": f"/var/tmp/rewind-guarded-upgrade-{run_id}", "state": state, "outcome": outcome, "message": None, "verification": [],
        "history": [{"at": "2026-01-01T00:00:00Z", "state": "planned"}, {"at": "2026-01-01T00:01:30Z", "state": state}], "run": {}, **facts,
    }
    record = RunRecord(folder / server / run_id / "run.json", data)
    record.update()
    return record.path


def test_receipts_newest_first_and_every_kind_of_outcome(tmp_path):
    run(tmp_path, "20260101T000000Zaaaa", outcome="rolled_back")
    run(tmp_path, "20260103T000000Zaaaa", state="upgrading", outcome=None, guard=process_identity.identity(os.getpid()))
    run(tmp_path, "20260102T000000Zaaaa", server="vpsorg-2-b", state="checking", outcome=None, guard={"pid": os.getpid(), "started": "long ago"})
    run(tmp_path, "20251231T000000Zaaaa", server="vpsorg-2-b").write_bytes(b"\xff{")
    (tmp_path / "reports").mkdir()
    (tmp_path / "stray file").write_text("")
    told = read_upgrades(str(tmp_path), 10)
    assert [(item["run_id"][:8], item["outcome"], item["last"]) for item in told["runs"]] == [
        ("20260103", "under_way", True), ("20260102", "cut_off", True), ("20260101", "rolled_back", False), ("20251231", "unreadable", False),
    ]
    assert told["runs"][0]["seconds"] == 90 and told["runs"][3]["began_at"] == "2025-12-31T00:00:00Z"
    assert told["left_out"] == 0 and told["problem"] is None


def test_a_receipt_of_another_run_is_not_taken_for_this_one(tmp_path):
    copied = run(tmp_path, "20260101T000000Zaaaa")
    copied.parent.rename(copied.parent.with_name("20260102T000000Zbbbb"))
    (told,) = read_upgrades(str(tmp_path), 10)["runs"]
    assert told["outcome"] == "unreadable" and "20260101T000000Zaaaa" in told["message"] and told["host"] is None


def test_only_so_many_and_each_server_that_was_left_in_doubt(tmp_path):
    for day in range(1, 8):
        run(tmp_path, f"2026020{day}T000000Zaaaa")
    run(tmp_path, "20200101T000000Zaaaa", server="vpsorg-2-b", outcome="rollback_failed")
    run(tmp_path, "20200102T000000Zaaaa", server="vpsorg-3-c", outcome="rolled_back")
    told = read_upgrades(str(tmp_path), 3)
    assert [item["run_id"][:8] for item in told["runs"]] == ["20260207", "20260206", "20260205", "20200101"]
    assert told["left_out"] == 5


def test_a_folder_that_is_none(tmp_path):
    assert read_upgrades(str(tmp_path / "none"), 3) == {"runs": [], "left_out": 0, "problem": None}
    (tmp_path / "file").write_text("")
    assert "can't be read" in read_upgrades(str(tmp_path / "file"), 3)["problem"]


def test_a_page_that_can_not_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    write_page(str(path), "first")
    assert path.stat().st_mode & 0o777 == 0o600

    def no_space(*dummy):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="No space"):
        write_page(str(path), "second")
    assert path.read_text() == "first" and [one.name for one in tmp_path.iterdir()] == ["page.html"]
