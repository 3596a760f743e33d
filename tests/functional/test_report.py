# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rewind.vps.report: one page on both providers and the run records of this controller. It changes nothing."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.cases import ago, credentials_environment, unscheduled_hour
from support.html import Element, assert_harmless, read_page
from support.playbook_runner import PlaybookRunner, Run
from support.secret_search import encodings_of

if TYPE_CHECKING:
    from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook

PLAYBOOK = "rewind.vps.report"


def report(runner: PlaybookRunner, sandbox: SandboxHandle, *arguments: str, environment: dict[str, str] | None = None, **variables: Any) -> Run:
    given = ("-e", json.dumps(variables)) if variables else ()
    environment = credentials_environment(sandbox) if environment is None else environment
    return runner.command("ansible-playbook", PLAYBOOK, *given, *arguments, environment=environment)


def record(directory: Path, outcome: str | None, days: float, state: str = "ended", **fields: Any) -> Path:
    """Write a run record of web1 below the controller's home in this directory."""
    started_at = datetime.now(timezone.utc) - timedelta(days=days)
    run_id = started_at.strftime("%Y%m%dT%H%M%SZ") + "ab12"
    path = directory / "home/.local/state/rewind.vps/vpsorg-12345-1a2b3c4d" / run_id / "run.json"
    timestamps = [(started_at + timedelta(seconds=seconds)).isoformat() for seconds in (0, 125)]
    data = {
        "version": 1, "run_id": run_id, "host": "web1", "provider": "vpsorg", "api_url": None, "cloud": "VPS.org",
        "server": {"id": "12345", "name": "web1", "address": None}, "snapshot": {"name": f"rewind{run_id}", "id": "801", "created_at": None},
        "marker": f"/var/tmp/rewind-guarded-upgrade-{run_id}", "state": state, "outcome": outcome, "message": f"it is {outcome}", "verification": [],
        "history": [{"at": timestamps[0], "state": "planned"}, {"at": timestamps[1], "state": state}], "run": {"pid": 1, "started": "never"},
        **fields,
    }
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def records(directory: Path, api_url: str) -> None:
    """Write one record of each kind; the newest run was interrupted."""
    record(directory, None, 0.1, "upgrading", api_url=api_url)
    record(directory, "upgraded", 1)
    record(directory, "rolled_back", 2, reason="Check <b>the shop</b>: {{ 7*7 }}",
           verification=[{"check": "marker", "result": "passed", "detail": ""}])
    record(directory, "rollback_failed", 3)
    record(directory, "unknown", 4)
    record(directory, "upgraded", 5).write_text("{ truncated", encoding="utf-8")
    record(directory, "upgraded", 6, run_id="20200101T000000Zzz99", marker="/var/tmp/rewind-guarded-upgrade-20200101T000000Zzz99")


def rows(page: Element) -> dict[str, Element]:
    """Return the row of each server by name."""
    return {row.one("h3").text: row for row in page.all("details", "server")}


def test_a_page_on_both_providers(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    admin = sandbox.admin
    for number in range(5):
        admin.add_snapshot("vpsorg", "web1", f"full{number}", created_at=ago(days=number + 1, hours=4))
    admin.add_snapshot("ilkbyte", "app1", "nightly", created_at=ago(hours=5), is_cron=True, day=1, hour=unscheduled_hour(), min=3)
    records(tmp_path, sandbox.vpsorg_url)
    path = tmp_path / "fleet.html"

    run = report(runner, sandbox, report_path=str(path))
    assert run.status == 0, run.output
    assert "4 servers with 6 snapshots" in run.stdout and f"Written to {path}" in run.stdout
    assert not admin.requests(changing=True)
    assert path.stat().st_mode & 0o777 == 0o600

    html = path.read_text("utf-8")
    for secret in (sandbox.vpsorg_token, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key):
        assert not [name for name, form in encodings_of(secret).items() if form in html]
    page = read_page(html)
    assert_harmless(page)
    assert [heading.text for heading in page.all("h2")] == ["Needs attention", "VPS.org", "Ilkbyte", "Guarded upgrades"]
    servers = rows(page)
    assert set(servers) == {"web1", "web2", "app1", "app2"}
    assert list(servers)[0] == "web1", "servers that need attention are first"
    assert {"bad", "k-full", "k-upgrade"} <= servers["web1"].classes and "k-none" in servers["web2"].classes
    assert "5 of 5" in servers["web1"].text and len(servers["web1"].one("tbody").all("tr")) == 5
    assert re.search(r"1 d 4 h", servers["web1"].one("tbody").text)
    assert "every day at" in servers["app1"].text and "current" in servers["app1"].text
    assert [use.attributes["href"] for use in servers["app1"].one("svg", "line").all("use")] == \
        ["#grid", "#m-ring", "#m-current", "#m-ready", "#m-next"]
    upgrades = page.by_id("upgrades").one("tbody").all("tr")
    assert [run.one("span", "tag").text for run in upgrades] == [
        "interrupted", "upgraded", "rolled back", "rollback failed", "unknown", "unreadable run record", "unreadable run record",
    ]
    assert "Check <b>the shop</b>: {{ 7*7 }}" in upgrades[2].text and "passed: marker" in upgrades[2].text and "2 min 5 s" in upgrades[2].text


@pytest.mark.slow
def test_an_account_that_cannot_be_read(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    """The page has the other accounts and the reason, and the run fails."""
    accounts = [
        {"label": "Shop", "provider": "vpsorg"}, {"provider": "ilkbyte"},
        {"label": "Old", "provider": "vpsorg", "api_token": "wrong-token-0123456789"},
    ]
    (tmp_path / "accounts.yml").write_text(json.dumps({"report_accounts": accounts}), encoding="utf-8")
    run = report(runner, sandbox, "-e", f"@{tmp_path / 'accounts.yml'}", "-vvvv")
    assert run.status == 2
    assert "Some accounts could not be read completely. Old:" in run.stdout and "4 servers with 0 snapshots" in run.stdout
    page = read_page((tmp_path / "rewind-report.html").read_text("utf-8"))
    assert [heading.text for heading in page.all("h2")][1:4] == ["Shop", "Ilkbyte", "Old"]
    assert "could not be read completely" in page.one("div", "notice").text
    for text in (run.output, (tmp_path / "rewind-report.html").read_text("utf-8")):
        for secret in ("wrong-token-0123456789", sandbox.vpsorg_token, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key):
            assert secret not in text


@pytest.mark.slow
def test_the_accounts_of_hosts(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    """Each account of the hosts' variables is read once."""
    environment = {name: value for name, value in credentials_environment(sandbox).items() if name not in ("VPS_API_URL", "ILKBYTE_HOST")}
    run = report(runner, sandbox, "-i", sandbox.inventory, "-e", "target=sandbox", environment=environment)
    assert run.status == 0, run.output
    page = read_page((tmp_path / "rewind-report.html").read_text("utf-8"))
    assert set(rows(page)) == {"web1", "web2", "app1", "app2"} and len(page.all("h2")) == 4
    assert len(sandbox.admin.requests(operation="snapshots.list", cloud="vpsorg")) == 1
    only = report(runner, sandbox, "-i", sandbox.inventory, "-e", "target=app1", environment=environment)
    assert only.status == 0, only.output
    assert set(rows(read_page((tmp_path / "rewind-report.html").read_text("utf-8")))) == {"app1", "app2"}


@pytest.mark.slow
def test_invalid_options_are_rejected_before_any_request(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    none = report(runner, sandbox, environment={})
    assert none.status == 2 and "There is no account to report on" in none.stdout
    half = report(runner, sandbox, environment={"ILKBYTE_ACCESS_KEY": sandbox.ilkbyte_access_key, "ILKBYTE_HOST": sandbox.ilkbyte_url})
    assert half.status == 2 and "not given: secret_key" in half.stdout
    directory = report(runner, sandbox, report_path=str(tmp_path))
    assert directory.status == 2 and "is a directory" in directory.stdout
    assert not sandbox.admin.requests()
    missing = report(runner, sandbox, report_path=str(tmp_path / "none" / "page.html"))
    assert missing.status == 2 and "Cannot write the page: No such file or directory" in missing.stdout
    for run in (none, half, directory, missing):
        assert "Traceback" not in run.output


@pytest.mark.slow
def test_an_existing_page_keeps_its_mode_and_link(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("old")
    real.chmod(0o644)
    link.symlink_to(real)
    checked = report(runner, sandbox, "--check", report_path=str(link))
    assert checked.status == 0 and f"Would write {link}" in checked.stdout and real.read_text("utf-8") == "old", checked.output
    run = report(runner, sandbox, report_path=str(link))
    assert run.status == 0 and "changed=1" in run.stdout, run.output
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o644
    read_page(real.read_text("utf-8"))
    assert not list(tmp_path.glob(".*.new"))
