# SPDX-License-Identifier: GPL-3.0-or-later
"""When nothing is changed at all: every obstacle is found before the upgrade starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]


def is_refused(upgrades: UpgradeRunner, said: str, host: str = "web1", status: int = 2, **how: object) -> None:
    how.setdefault("tasks", upgrades.tasks("upgrade", CHANGE))
    before = upgrades.digest(host)
    run = upgrades.run(host, **how)
    assert run.status == status, run.output
    assert said in run.output
    assert "Traceback" not in run.output
    assert upgrades.digest(host) == before
    assert not upgrades.sandbox.admin.events("restore_started")
    assert upgrades.no_guard_left()


@pytest.mark.parametrize("host", ["web1", "app1"])
def test_a_wrong_key(upgrades: UpgradeRunner, host: str) -> None:
    wrong = {"VPS_API_TOKEN": "vps_wrong", "ILKBYTE_SECRET_KEY": "wrong"}
    is_refused(upgrades, "unauthorized", host, environment=wrong)
    upgrades.assert_untouched(host)


def test_a_key_that_may_only_read(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.add_credentials(vpsorg_token={"token": "vps_reader", "permissions": ["servers:read"]})
    is_refused(upgrades, "do not permit changes of servers and snapshots (permissions: servers:read)", environment={"VPS_API_TOKEN": "vps_reader"})
    upgrades.assert_untouched("web1")
    key = {"access_key": "reader", "secret_key": "secret-of-reader", "permission": "Read Only", "seen_address": "203.0.113.7"}
    upgrades.sandbox.admin.add_credentials(ilkbyte_key=key)
    environment = {"ILKBYTE_ACCESS_KEY": "reader", "ILKBYTE_SECRET_KEY": "secret-of-reader"}
    is_refused(upgrades, "Ilkbyte sees this machine as 203.0.113.7", "app1", environment=environment)
    upgrades.assert_untouched("app1")


def test_files_that_are_missing_or_broken(upgrades: UpgradeRunner) -> None:
    is_refused(upgrades, "there is no file nowhere.yml", tasks="nowhere.yml")
    broken = upgrades.directory / "broken.yml"
    broken.write_text("- name: Broken\n  no.such.module: {}\n", encoding="utf-8")
    is_refused(upgrades, "no.such.module", tasks=str(broken))
    is_refused(upgrades, "no.such.module", checks=str(broken))
    role = upgrades.directory / "roles" / "broken" / "tasks"
    role.mkdir(parents=True)
    (role / "main.yml").write_text(broken.read_text("utf-8"), encoding="utf-8")
    is_refused(upgrades, "no.such.module", roles=["broken"], environment={"ANSIBLE_ROLES_PATH": str(upgrades.directory / "roles")})
    upgrades.assert_untouched("web1")


def test_the_server_is_busy_or_off(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.update_server("vpsorg", "web1", status="restoring")
    is_refused(upgrades, "is busy (restoring)")
    upgrades.sandbox.admin.update_server("vpsorg", "web1", status="stopped")
    is_refused(upgrades, "is stopped at VPS.org")
    upgrades.assert_untouched("web1")


def test_the_limit_is_full_of_snapshots_that_are_not_ours(upgrades: UpgradeRunner) -> None:
    for number in range(5):
        upgrades.sandbox.admin.add_snapshot("vpsorg", "web1", f"rewind-by-hand-{number}")
    is_refused(upgrades, "only 0 of them may be deleted")
    assert len(upgrades.snapshots("web1")) == 5
    upgrades.assert_untouched("web1")


def test_the_snapshot_fails_or_takes_too_long(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.fault("snapshot_fails", cloud="vpsorg", operation="snapshots.create", server="web1")
    is_refused(upgrades, "failed to create snapshot")
    assert upgrades.record("web1")["outcome"] == "not_started"
    upgrades.sandbox.admin.settings(seconds={"vpsorg.snapshots.create": 100000})
    is_refused(upgrades, "NOT_STARTED: web2", "web2", snapshot_timeout=1)
    assert upgrades.record("web2")["outcome"] == "not_started"
    assert not (upgrades.disk("web2") / "etc" / "changed").exists()
    assert upgrades.no_guard_left()


def test_another_controllers_marker(upgrades: UpgradeRunner) -> None:
    marker = upgrades.disk("web1") / "var" / "tmp" / "rewind-guarded-upgrade-20260101T000000Zabcd"
    marker.parent.mkdir(exist_ok=True)
    marker.write_text("")
    is_refused(upgrades, "has the marker of a guarded upgrade that is unknown to this controller")
    upgrades.assert_untouched("web1")


def test_check_mode_prints_the_plan(upgrades: UpgradeRunner) -> None:
    before = upgrades.digest("web1")
    run = upgrades.run("web1", "--check", "--diff", tasks=upgrades.tasks("upgrade", CHANGE), checks=upgrades.tasks("checks", CHANGE))
    assert run.status == 0, run.output
    for words in ("Take snapshot rewind", "upgrade.yml, within 60 s", "built-in checks,", "keep the newest 1"):
        assert words in run.stdout
    assert upgrades.digest("web1") == before
    assert not upgrades.state_dir.exists()
    upgrades.assert_untouched("web1")


def test_two_hosts_that_are_one_server(upgrades: UpgradeRunner) -> None:
    run = upgrades.run("web1,web2", server="12345", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 2, run.output
    assert "Hosts web2 and web1 resolve to the same server (web1 (12345))" in run.output
    assert upgrades.record("web1")["outcome"] == "upgraded"
    assert upgrades.count_requests("web1", "snapshots.create") == 1
    upgrades.assert_untouched("web2")


def test_a_play_that_can_not_be_guarded(upgrades: UpgradeRunner) -> None:
    for keywords, said in (({"when": "1 == 1"}, "has a condition"), ({"delegate_to": "web2"}, "delegated to web2")):
        playbook = upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False,
                                              "roles": [{"role": "rewind.vps.guarded_upgrade", **keywords}]})
        is_refused(upgrades, said, playbook=playbook)
    is_refused(upgrades, "has meta: end_host", tasks=upgrades.tasks("ends", {"name": "End", "ansible.builtin.meta": "end_host"}))
    playbook = upgrades.playbook("local", {"hosts": "{{ target }}", "gather_facts": False, "connection": "local",
                                           "roles": [{"role": "rewind.vps.guarded_upgrade"}]})
    is_refused(upgrades, "on the server that it guards", playbook=playbook)
    upgrades.assert_untouched("web1")
    # Nothing was changed, the marker aside: the guarded connection is not in force, which is seen before the guard is armed.
    is_refused_at_arming = upgrades.run("web1", "-e", "ansible_connection=ssh", tasks=upgrades.tasks("upgrade", CHANGE))
    assert is_refused_at_arming.status == 2
    assert "is ansible_connection set with -e" in is_refused_at_arming.output
    assert upgrades.record("web1")["outcome"] == "not_started"
    assert not (upgrades.disk("web1") / "etc" / "changed").exists()


def test_a_server_that_is_called_like_a_command(upgrades: UpgradeRunner) -> None:
    is_refused(upgrades, "There is no server", server="-oProxyCommand=touch /tmp/owned-by-a-name; $(touch /tmp/owned-by-a-name)")
    upgrades.assert_untouched("web1")
    assert not Path("/tmp/owned-by-a-name").exists()


@pytest.mark.slow
def test_a_directory_named_like_a_command(upgrades: UpgradeRunner) -> None:
    """The marker's directory is quoted wherever a shell on the server reads it."""
    directory = "/var/tmp/$(touch owned) `touch owned`; touch 'owned"
    (upgrades.disk("web1") / directory[1:]).mkdir(parents=True)
    run = upgrades.run("web1", marker_dir=directory, tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 0, run.output
    assert not list(upgrades.disk("web1").rglob("owned"))
    assert upgrades.record("web1")["outcome"] == "upgraded"
