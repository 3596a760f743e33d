# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that fail while their servers can be reached: each is undone, proven and told, and the roll-out stops."""

from __future__ import annotations

import json

import pytest
from support.rollout import CHANGE, FAIL, Rollout, outcomes, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

EVERYTHING = {"cloud", "marker", "boot", "fingerprints", "checks"}


@pytest.mark.parametrize("host", ["web1", "app1"])
def test_a_failed_task_is_undone_and_stops_the_rollout(upgrades: Rollout, host: str) -> None:
    run = upgrades.run(f"{host},web2", tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    upgrades.assert_undone(host)
    assert proven(upgrades.receipt(host)) == EVERYTHING
    assert f"ROLLED_BACK: {host}" in run.stdout
    assert not upgrades.receipts("web2"), "the roll-out went on"
    assert upgrades.asked("web2", "snapshots.create") == 0


def on(host: str, task: dict) -> dict:
    return {"name": f"{host} only", "when": f"inventory_hostname == '{host}'", **task}


def test_each_server_comes_to_its_own_end(upgrades: Rollout) -> None:
    """At once, in one batch: a check fails, a check hangs, a task hangs, a handler fails, a task fails, and one goes well."""
    tasks = upgrades.tasks(
        "upgrade", CHANGE, on("web3", {"ansible.builtin.command": "sleep 300"}),
        on("web4", {"ansible.builtin.command": "true", "notify": "Fall over"}), on("app1", {"ansible.builtin.command": "false"}),
    )
    checks = upgrades.tasks(
        "checks", on("web1", {"ansible.builtin.command": "test ! -e /etc/changed"}),
        on("web2", {"ansible.builtin.shell": "test ! -e /etc/changed || sleep 300"}),
    )
    book = upgrades.book("book", {
        "hosts": "{{ hosts }}", "gather_facts": False, "strategy": "ansible.builtin.host_pinned", "any_errors_fatal": True,
        "roles": [{"role": "rewind.vps.guarded_upgrade"}],
        "handlers": [{"name": "Fall over", "ansible.builtin.command": "false"}],
    })
    run = upgrades.run("web1,web2,web3,web4,web5,app1", "--forks", "6", book=book, tasks=tasks, checks=checks, timeout=25, check_timeout=15)
    assert run.status == 2, run.output
    for host in ("web1", "web2", "web3", "web4", "app1"):
        upgrades.assert_undone(host)
    assert upgrades.receipt("web5")["outcome"] == "upgraded"
    assert not upgrades.is_as_at_snapshot("web5")
    assert upgrades.asked("web5", "snapshots.restore") == 0
    reasons = {host: upgrades.receipt(host)["reason"] for host in ("web1", "web2", "web3", "web4", "app1")}
    assert reasons["web1"].startswith("web1 only")
    assert "web2 only" in reasons["web2"] and ("Timed out" in reasons["web2"] or "time frame" in reasons["web2"])
    assert "web3 only" in reasons["web3"] and ("Timed out" in reasons["web3"] or "time frame" in reasons["web3"])
    assert "Fall over" in reasons["web4"]
    for host in reasons:
        assert proven(upgrades.receipt(host)) == EVERYTHING, host


def test_trouble_with_the_restore_itself(upgrades: Rollout) -> None:
    """Once each, at the first try: 500 not applied, 500 applied, 429, no answer before and after it was applied."""
    troubles = {
        "web1": {"kind": "status", "status": 500, "apply": False}, "web2": {"kind": "status", "status": 500, "apply": True},
        "web3": {"kind": "status", "status": 429, "apply": False}, "web4": {"kind": "drop_before"}, "web5": {"kind": "drop_after"},
    }
    for host, trouble in troubles.items():
        upgrades.box.control.fault(operation="snapshots.restore", server=host, cloud="vpsorg", **trouble)
    upgrades.box.control.fault("drop_before", operation="snapshots.restore", cloud="ilkbyte", server="app1")
    run = upgrades.run("web1,web2,web3,web4,web5,app1", "--forks", "6", book=upgrades.pinned_book(), tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    for host in (*troubles, "app1"):
        assert upgrades.receipt(host)["outcome"] == "rolled_back", (host, upgrades.receipt(host))
        assert upgrades.is_as_at_snapshot(host)
        assert len(upgrades.box.control.effects("restore_started", server=host)) == 1, host
    assert upgrades.no_guard_left()


REFUSAL = {"status": False, "message": "", "error": "Snapshot is locked!", "data": None}


def test_a_restore_that_is_refused_for_good(upgrades: Rollout) -> None:
    upgrades.box.control.fault("status", cloud="vpsorg", operation="snapshots.restore", status=400, apply=False, times=None)
    upgrades.box.control.fault("raw", cloud="ilkbyte", operation="snapshots.restore", body=json.dumps(REFUSAL), apply=False, times=None,
                               content_type="application/json")
    it_is_said_that_the_rollback_failed(upgrades, "rollback_failed")


@pytest.mark.patient
def test_a_restore_that_fails_half_way_each_time(upgrades: Rollout) -> None:
    upgrades.box.control.fault("restore_fails", operation="snapshots.restore", times=None)
    it_is_said_that_the_rollback_failed(upgrades, "rollback_failed", "unknown")


def it_is_said_that_the_rollback_failed(upgrades: Rollout, *fitting: str) -> None:
    run = upgrades.run("web1,app1", "--forks", "2", book=upgrades.pinned_book(), tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    for host in ("web1", "app1"):
        receipt = upgrades.receipt(host)
        assert receipt["outcome"] in fitting, receipt
        assert [item["id"] for item in upgrades.snapshots(host)] == [receipt["snapshot"]["id"]], "the snapshot must be kept"
        assert f"{receipt['outcome'].upper()}: {host}" in run.stdout
        assert receipt["snapshot"]["id"] in run.stdout and "cloud's panel" in run.stdout
        assert "ROLLED_BACK" not in run.stdout
    assert outcomes(run) == {"web1": upgrades.receipt("web1")["outcome"], "app1": upgrades.receipt("app1")["outcome"]}
    assert upgrades.no_guard_left()


def test_evidence_is_kept_without_secrets_and_ignored_errors_hide_nothing(upgrades: Rollout) -> None:
    """web1 speaks out of turn; web2 hides its failure with no_log; and the play ignores errors, which must not matter."""
    token = upgrades.box.vpsorg_token
    tasks = upgrades.tasks(
        "upgrade", {"name": "Write a log", "ansible.builtin.shell": "mkdir -p /var/log/apt; echo upgraded libc >> /var/log/apt/history.log"},
        {"name": "Speak", "ansible.builtin.command": f"sh -c 'echo {token}; exit 3'", "when": "inventory_hostname == 'web1'"},
        {"name": "Hide", "ansible.builtin.command": "sh -c 'echo hunter2secret; exit 4'", "no_log": True},
    )
    run = upgrades.run("web1,web2", book=upgrades.pinned_book(ignore_errors=True), tasks=tasks)
    assert run.status == 2, run.output
    upgrades.assert_undone("web1")
    upgrades.assert_undone("web2")
    folder = upgrades.folder_of("web1")
    assert "upgraded libc" in (folder / "server.log").read_text("utf-8")
    failed = (folder / "failed_task.json").read_text("utf-8")
    assert '"Speak"' in failed and '"rc": 3' in failed
    assert '"Hide"' in (upgrades.folder_of("web2") / "failed_task.json").read_text("utf-8")
    assert "hunter2secret" not in run.output
    for path in upgrades.state_dir.rglob("*"):
        if path.is_file():
            assert token not in path.read_text("utf-8"), path
            assert "hunter2secret" not in path.read_text("utf-8"), path
            assert path.stat().st_mode & 0o077 == 0, path


def test_force_handlers_is_refused(upgrades: Rollout) -> None:
    run = upgrades.run("web1", "--force-handlers", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 2
    assert "force_handlers is on" in run.stdout
    upgrades.assert_untouched("web1")
