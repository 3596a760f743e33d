# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of checks and the soak, with the real ansible-playbook: what is checked when, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner, outcomes

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

# The seconds since the upgrade; none before it.
AGE = "$(( $(date +%s) - $(cat /etc/since) ))"
SINCE = {"name": "Note the time", "ansible.builtin.shell": "date +%s >/etc/since"}


def results(upgrades: UpgradeRunner, host: str) -> dict[str, str]:
    return {item["check"]: item["result"] for item in upgrades.record(host)["check_results"]}


@pytest.mark.duration(20)
def test_all_types_of_checks(upgrades: UpgradeRunner) -> None:
    url = f"{upgrades.sandbox.admin_url}/clock"
    new = upgrades.tasks("new", {"name": "Look for the new file", "ansible.builtin.command": "test -e /etc/changed"})
    same = upgrades.tasks("same", {"name": "Look for the system", "ansible.builtin.command": "test -e /etc/os-release"})
    checks: list[Any] = [
        {"url": url, "contains": "now"}, {"command": "test -r /etc/os-release"}, same, {"tasks": new, "baseline": False},
        {"command": "echo it is closed; exit 3", "level": "warn"}, {"container": "shop", "level": "warn"}, {"systemd": "shop", "level": "warn"},
        {"tasks": upgrades.tasks("closed", {"name": "Ask", "ansible.builtin.command": "false"}), "level": "warn"},
    ]
    run = upgrades.run("web1", "--check", tasks=upgrades.tasks("upgrade", CHANGE), checks=checks, soak_time=6)
    assert run.status == 0 and f"Check before the snapshot: {url}, test -r /etc/os-release, " in run.stdout, run.output
    assert "echo it is closed; exit 3 (a warning only)" in run.stdout and "within 30 s, and repeatedly for 6 s" in run.stdout
    upgrades.assert_untouched("web1")
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), checks=checks, soak_time=6)
    assert outcomes(run) == {"web1": "upgraded"}, run.output
    assert results(upgrades, "web1") == {
        url: "passed", "test -r /etc/os-release": "passed", "echo it is closed; exit 3": "failed", "container shop": "failed",
        "shop.service": "failed", str(upgrades.directory / "closed.yml"): "failed",
    }
    assert "check echo it is closed; exit 3: status 3: it is closed" in run.output and "shop.service: warning" in run.stdout
    assert run.stdout.count("Look for the system") == 3, "before the upgrade, and at both ends of the soak"


@pytest.mark.duration(25)
def test_the_soak(upgrades: UpgradeRunner) -> None:
    """web1 fails during the soak, web2 recovers, and so does a file of tasks of web3."""
    upgrade = upgrades.tasks("upgrade", CHANGE, SINCE)
    late = upgrades.tasks("late", {"name": "Ask the shop", "ansible.builtin.shell": f"[ ! -e /etc/since ] || [ {AGE} -ge 8 ]"})
    checks = (
        f"{{{{ [{{'command': '[ ! -e /etc/since ] || [ {AGE} -lt 6 ]'}}] if inventory_hostname == 'web1' else "
        f"[{{'command': '[ ! -e /etc/since ] || [ {AGE} -lt 5 ] || [ {AGE} -ge 8 ]'}}] if inventory_hostname == 'web2' else ['{late}'] }}}}"
    )
    run = upgrades.run("web1,web2,web3", "--forks", "3", playbook=upgrades.host_pinned_playbook(), tasks=upgrade, checks=checks, soak_time=9,
                       check_timeout=20)
    assert outcomes(run) == {"web1": "rolled_back", "web2": "upgraded", "web3": "upgraded"}, run.output
    upgrades.assert_rolled_back("web1")
    assert "check [ ! -e /etc/since ]" in upgrades.record("web1")["reason"]
    for host in ("web2", "web3"):
        assert upgrades.count_requests(host, "snapshots.restore") == 0


@pytest.mark.parametrize(("checks", "expected"), [
    ([{"port": 22, "prot": "tcp"}], "unknown key: prot"), ([{"port": 22, "url": "http://a.example"}], "more than one type of check"),
    (["missing.yml"], "there is no file missing.yml"),
])
def test_what_the_plan_rejects(upgrades: UpgradeRunner, checks: Any, expected: str) -> None:
    run = upgrades.run("web1", "--check", tasks=upgrades.tasks("upgrade", CHANGE), checks=checks)
    assert run.status == 2 and expected in run.output, run.output
    upgrades.assert_untouched("web1")
