# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that fail while their servers can be reached: each is rolled back, verified and reported, and the roll-out stops."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

EVERYTHING = {"cloud", "marker", "boot", "files", "checks"}


def on(host: str, task: dict) -> dict:
    return {"name": f"{host} only", "when": f"inventory_hostname == '{host}'", **task}


@pytest.mark.duration(40)
def test_each_server_comes_to_its_own_end(upgrades: UpgradeRunner) -> None:
    """At once, in one batch: a check fails, a check hangs, a task hangs, a handler fails, a task fails, and one goes well.

    And there are secrets to be spilled.
    """
    token = upgrades.sandbox.vpsorg_token
    tasks = upgrades.tasks(
        "upgrade", CHANGE, on("web3", {"ansible.builtin.command": "sleep 300"}),
        {"name": "Write a log", "ansible.builtin.shell": "mkdir -p /var/log/apt; echo upgraded libc >> /var/log/apt/history.log"},
        on("web4", {"ansible.builtin.command": "true", "notify": "Fall over"}),
        on("app1", {"ansible.builtin.command": f"sh -c 'echo {token} spokenpassword; exit 3'"}),
    )
    checks = upgrades.tasks(
        "checks", on("web1", {"ansible.builtin.shell": "echo hunter2secret; test ! -e /etc/changed", "no_log": True}),
        on("web2", {"ansible.builtin.shell": "test ! -e /etc/changed || sleep 300"}),
    )
    playbook = upgrades.host_pinned_playbook(
        handlers=[{"name": "Fall over", "ansible.builtin.command": "false"}],
        vars={"vault_password": "spokenpassword", "ansible_become_password": "{{ vault_password }}"},
    )
    # Only those that hang wait for their limit, and no guard acts before its run has failed by itself, however slow the machine is.
    run = upgrades.run(
        "web1,web2,web3,web4,web5,app1", "--forks", "6", playbook=playbook, tasks=tasks, checks=checks, grace_period=120,
        timeout="{{ 40 if inventory_hostname == 'web3' else 120 }}", check_timeout="{{ 20 if inventory_hostname == 'web2' else 120 }}",
    )
    assert run.status == 2, run.output
    undone = ("web1", "web2", "web3", "web4", "app1")
    for host in undone:
        upgrades.assert_rolled_back(host)
        assert proven(upgrades.record(host)) == EVERYTHING, host
        assert f"ROLLED_BACK: {host}" in run.stdout
    assert outcomes(run) == {**dict.fromkeys(undone, "rolled_back"), "web5": "upgraded"}
    assert not upgrades.disk_matches_snapshot("web5")
    assert upgrades.count_requests("web5", "snapshots.restore") == 0
    reasons = {host: upgrades.record(host)["reason"] for host in undone}
    assert "web1 only" in reasons["web1"] and not reasons["web1"].startswith("Wait")
    for host in ("web2", "web3"):
        assert f"{host} only" in reasons[host] and ("Timed out" in reasons[host] or "time frame" in reasons[host])
    assert "Fall over" in reasons["web4"]
    assert_diagnostics_without_secrets(upgrades, token)
    assert "hunter2secret" not in run.output


def assert_diagnostics_without_secrets(upgrades: UpgradeRunner, token: str) -> None:
    assert "upgraded libc" in (upgrades.record_directory("app1") / "server.log").read_text("utf-8")
    failed = (upgrades.record_directory("app1") / "failed_task.json").read_text("utf-8")
    assert '"app1 only"' in failed and '"rc": 3' in failed
    assert "web1 only" in (upgrades.record_directory("web1") / "failed_task.json").read_text("utf-8")
    for path in upgrades.state_dir.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert not [secret for secret in (token, "spokenpassword", "hunter2secret") if secret in text], path
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.duration(40)
def test_trouble_with_the_restore_itself(upgrades: UpgradeRunner) -> None:
    """Once each, at the first try: 500 not applied, 500 applied, no answer after and (at Ilkbyte) before it was applied.

    What fails is the upgrade's last task, at web1 a port without a listener, and at web2 a URL that does not respond.
    """
    all_are_rolled_back_despite(upgrades, {
        "web1": {"kind": "status", "status": 500, "apply": False}, "web2": {"kind": "status", "status": 500, "apply": True},
        "web5": {"kind": "drop_after"}, "app1": {"kind": "drop_before"},
    })
    assert "check port 9: does not accept connections (Connection refused)" in upgrades.record("web1")["reason"]
    assert "check http://127.0.0.1:9/: no response (Connection refused)" in upgrades.record("web2")["reason"]


@pytest.mark.slow
@pytest.mark.duration(20)
def test_more_trouble_with_the_restore_itself(upgrades: UpgradeRunner) -> None:
    """429, and no answer before it was applied."""
    all_are_rolled_back_despite(upgrades, {"web3": {"kind": "status", "status": 429, "apply": False}, "web4": {"kind": "drop_before"}})


def all_are_rolled_back_despite(upgrades: UpgradeRunner, failures: dict[str, dict[str, Any]]) -> None:
    for host, failure in failures.items():
        cloud = "ilkbyte" if host == "app1" else "vpsorg"
        upgrades.sandbox.admin.fault(operation="snapshots.restore", server=host, cloud=cloud, **failure)
    run = upgrades.run(
        ",".join(failures), "--forks", "6", playbook=upgrades.host_pinned_playbook(), check_timeout=8, grace_period=120,
        tasks=upgrades.tasks("upgrade", CHANGE, {**FAIL, "when": "inventory_hostname not in ['web1', 'web2']"}),
        checks="{{ [{'port': 9, 'baseline': false}] if inventory_hostname == 'web1'"
               " else [{'url': 'http://127.0.0.1:9/', 'baseline': false}] if inventory_hostname == 'web2' else [] }}",
    )
    assert run.status == 2, run.output
    for host in failures:
        assert upgrades.record(host)["outcome"] == "rolled_back", (host, upgrades.record(host))
        assert upgrades.disk_matches_snapshot(host)
        assert len(upgrades.sandbox.admin.events("restore_started", server=host)) == 1, host
    assert upgrades.no_guard_left()


REFUSAL = {"status": False, "message": "", "error": "Snapshot is locked!", "data": None}


@pytest.mark.duration(20)
def test_a_restore_that_is_refused_for_good(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.fault("status", cloud="vpsorg", operation="snapshots.restore", status=400, apply=False, times=None)
    upgrades.sandbox.admin.fault("raw", cloud="ilkbyte", operation="snapshots.restore", body=json.dumps(REFUSAL), apply=False, times=None,
                                 content_type="application/json")
    assert_rollback_failure_reported(upgrades, "rollback_failed")


@pytest.mark.slow
@pytest.mark.duration(20)
def test_a_restore_that_fails_half_way_each_time(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.fault("restore_fails", operation="snapshots.restore", times=None)
    assert_rollback_failure_reported(upgrades, "rollback_failed", "unknown")


def assert_rollback_failure_reported(upgrades: UpgradeRunner, *fitting: str) -> None:
    run = upgrades.run("web1,app1", "--forks", "2", playbook=upgrades.host_pinned_playbook(), tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    for host in ("web1", "app1"):
        record = upgrades.record(host)
        assert record["outcome"] in fitting, record
        assert [item["id"] for item in upgrades.snapshots(host)] == [record["snapshot"]["id"]], "the snapshot must be kept"
        assert f"{record['outcome'].upper()}: {host}" in run.stdout
        assert record["snapshot"]["id"] in run.stdout and "provider's panel" in run.stdout
        assert "ROLLED_BACK" not in run.stdout
    assert outcomes(run) == {"web1": upgrades.record("web1")["outcome"], "app1": upgrades.record("app1")["outcome"]}
    assert upgrades.no_guard_left()


@pytest.mark.parametrize("keyword", ["force_handlers", "ignore_errors", "any_errors_fatal"])
def test_keywords_that_would_make_handlers_dangerous_are_refused(upgrades: UpgradeRunner, keyword: str) -> None:
    run = upgrades.run("web1,web2", playbook=upgrades.host_pinned_playbook(**{keyword: True}), tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 2, run.output
    assert f"The play has {keyword}, so" in run.stdout
    for host in ("web1", "web2"):
        upgrades.assert_untouched(host)


@pytest.mark.slow
def test_ignored_errors_around_the_role_hide_nothing(upgrades: UpgradeRunner) -> None:
    playbook = upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False, "serial": 1, "tasks": [
        {"ignore_errors": True, "block": [{"ansible.builtin.include_role": {"name": "rewind.vps.guarded_upgrade"}}]}]})
    run = upgrades.run("web1,web2", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert not upgrades.records("web2"), "the roll-out went on"


@pytest.mark.duration(15)
def test_nothing_more_is_done_on_a_server_that_its_guard_has_restored(upgrades: UpgradeRunner) -> None:
    """A task on this machine escapes every time limit, so the guard acts while the run goes on; its next task must not."""
    poll = {"name": "Poll from here", "delegate_to": "localhost", "ansible.builtin.command": "false", "register": "poll",
            "until": "poll is succeeded", "retries": 35, "delay": 1, "ignore_errors": True, "timeout": 60}
    late = {"name": "Come late", "ansible.builtin.copy": {"dest": "/etc/late", "content": "late", "mode": "0644"}}
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE, poll, late), timeout=18, grace_period=2)
    assert run.status == 2, run.output
    assert not (upgrades.disk("web1") / "etc" / "late").exists()
    upgrades.assert_rolled_back("web1")
    assert "not confirmed within its time" in upgrades.record("web1")["reason"]
