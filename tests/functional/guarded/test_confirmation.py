# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that a person confirms: in time, too late, from another terminal, after the run, and after the run was killed."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner, outcomes

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

AWAITING = "awaiting_confirmation"
HOSTS = ("web1", "web2", "web3")
WITHIN = "{{ 15 if inventory_hostname == 'web3' else 600 }}"


def is_confirmed(upgrades: UpgradeRunner, host: str) -> None:
    assert upgrades.record(host)["outcome"] == "upgraded", upgrades.record(host)
    assert upgrades.count_requests(host, "snapshots.restore") == 0
    assert (upgrades.disk(host) / "etc" / "changed").exists()
    assert not list(upgrades.disk(host).glob("var/tmp/rewind-*"))


@pytest.mark.duration(40)
def test_a_run_that_waits(upgrades: UpgradeRunner) -> None:
    """web1 is confirmed, web2 is rolled back by a person, and web3 is left alone."""
    running = upgrades.start(
        ",".join(HOSTS), "--forks", "3", playbook=upgrades.host_pinned_playbook(), tasks=upgrades.tasks("upgrade", CHANGE), confirm="manual",
        confirm_within=WITHIN,
    )
    for host in HOSTS:
        upgrades.wait_for_state(host, AWAITING, "restoring", "restored", "ended")
    for playbook in ("rewind.vps.guarded_upgrade", "rewind.vps.recover"):
        other = upgrades.run("web1", playbook=playbook)
        assert other.status == 2 and "awaits its confirmation until 2" in other.output and "rewind.vps.confirm -e target=web1" in other.output
    confirm = upgrades.run("web1", playbook="rewind.vps.confirm")
    assert confirm.status == 0, confirm.output
    rollback = upgrades.run("web2", "-e", "rollback_confirm=yes", playbook="rewind.vps.rollback")
    assert rollback.status == 0, rollback.output
    run = running.finish(upgrades.run_seconds)
    assert run.status == 2 and outcomes(run) == {"web1": "upgraded", "web2": "rolled_back", "web3": "rolled_back"}, run.output
    is_confirmed(upgrades, "web1")
    for host, reason in (("web2", "requested manually"), ("web3", "it was not confirmed in time")):
        upgrades.assert_rolled_back(host)
        assert reason in upgrades.record(host)["reason"]
        assert {item["check"] for item in upgrades.record(host)["verification"]} >= {"marker", "files"}
    assert "To decide now, confirm it with ansible-playbook rewind.vps.confirm -e target=web1" in run.output
    late = upgrades.run("web3", playbook="rewind.vps.confirm")
    assert late.status == 2 and "No guarded upgrade of server web3 awaits its confirmation: the last one, " in late.output, late.output
    again = upgrades.run("web1", playbook="rewind.vps.confirm")
    assert again.status == 0 and "is confirmed already" in again.output, again.output


@pytest.mark.duration(40)
def test_after_the_run(upgrades: UpgradeRunner) -> None:
    """The run ends with status 0, and the guards keep the time."""
    run = upgrades.run(
        ",".join(HOSTS), "--forks", "3", playbook=upgrades.host_pinned_playbook(), tasks=upgrades.tasks("upgrade", CHANGE), confirm="manual",
        confirm_within=WITHIN, confirm_wait=False, keep_snapshots=3,
    )
    assert run.status == 0 and outcomes(run) == dict.fromkeys(HOSTS, AWAITING), run.output
    preview = upgrades.run("web1", "--check", playbook="rewind.vps.confirm")
    assert preview.status == 0 and "Would confirm" in preview.stdout, preview.output
    assert upgrades.record("web1")["state"] == AWAITING
    after = upgrades.tasks("after", {"name": "Tell", "ansible.builtin.debug": {"msg": "it is {{ guarded_upgrade_result.outcome }}"}})
    confirm = upgrades.run("web1", playbook="rewind.vps.confirm", after_tasks=after)
    assert confirm.status == 0 and "it is upgraded" in confirm.output, confirm.output
    is_confirmed(upgrades, "web1")
    rollback = upgrades.run("web2", "-e", "rollback_confirm=yes", playbook="rewind.vps.rollback")
    assert rollback.status == 0 and outcomes(rollback)["web2"] == "rolled_back", rollback.output
    upgrades.wait_for_state("web3", "ended")
    upgrades.wait_until(lambda: not upgrades.guards(), "the guards to be gone")
    for host in ("web2", "web3"):
        upgrades.assert_rolled_back(host)
    report = upgrades.run("web3", playbook="rewind.vps.recover")
    assert report.status == 2 and "it was not confirmed in time" in report.output and upgrades.record("web3")["verified"], report.output


@pytest.mark.duration(20)
def test_after_the_run_was_killed(upgrades: UpgradeRunner) -> None:
    """A person may still confirm it, even if its guard is gone too."""
    for kill_guards in (False, True):
        running = upgrades.start("web1", tasks=upgrades.tasks("upgrade", CHANGE), confirm="manual")
        upgrades.wait_for_state("web1", AWAITING)
        running.kill()
        if kill_guards:
            upgrades.kill_guards()
        confirm = upgrades.run("web1", playbook="rewind.vps.confirm")
        assert confirm.status == 0, confirm.output
        is_confirmed(upgrades, "web1")
        assert upgrades.no_guard_left()
