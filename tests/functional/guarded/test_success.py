# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that go well, and what the user's own tasks may do in them."""

from __future__ import annotations

import json

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner, outcomes

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

# What people do in upgrades; each must work as it does without the guard.
BUSY_TASKS = [
    CHANGE,
    {"name": "Become root", "become": True, "ansible.builtin.command": "id -u", "register": "who"},
    {"name": "Ask this machine", "delegate_to": "localhost", "ansible.builtin.command": "echo {{ ansible_connection | default('none') }}",
     "register": "here"},
    {"name": "Ask a neighbour", "delegate_to": "web2", "ansible.builtin.command": "hostname", "register": "neighbour"},
    {"name": "Notify", "ansible.builtin.copy": {"dest": "/etc/notified", "content": "once", "mode": "0644"}, "notify": "Take note"},
    {"name": "Copy a file that lies beside this one", "ansible.builtin.copy": {"src": "beside.txt", "dest": "/etc/beside", "mode": "0644"}},
    {"name": "Reboot", "ansible.builtin.reboot": {"reboot_timeout": 60}},
    {"name": "Wait", "ansible.builtin.wait_for_connection": {"timeout": 30}},
    {"name": "Work in the background", "ansible.builtin.command": "sleep 1", "async": 20, "poll": 1},
    {"name": "Look", "ansible.builtin.assert": {"that": ["who.stdout == '0'", "neighbour.stdout == 'web2'"]}},
]
# Without it every restore would seem proven.
MARKED = {"name": "Carry the marker", "ansible.builtin.shell":
          "test ! -e /etc/changed || grep -qx {{ __guarded_upgrade_run.run_id }} {{ __guarded_upgrade_run.marker }}"}
NOTE = {"name": "Take note", "ansible.builtin.copy": {"dest": "/etc/handled", "content": "yes", "mode": "0644"}}


@pytest.mark.duration(18)
def test_a_lively_upgrade(upgrades: UpgradeRunner) -> None:
    (upgrades.directory / "beside.txt").write_text("beside", encoding="utf-8")
    result_file = upgrades.directory / "result.json"
    notify = upgrades.tasks("notify", {
        "name": "Tell", "delegate_to": "localhost",
        "ansible.builtin.copy": {"dest": str(result_file), "content": "{{ guarded_upgrade_result | to_json }}", "mode": "0600"}})
    playbook = upgrades.playbook("book", {
        "hosts": "web1", "gather_facts": False, "roles": [{"role": "rewind.vps.guarded_upgrade"}], "handlers": [NOTE],
        "post_tasks": [{"name": "Go on as before", "ansible.builtin.ping": None}],
    })
    upgrades.tasks("upgrade", *BUSY_TASKS)
    # Lists of one, given as plain text; a file's path as it stands beside the playbook.
    run = upgrades.run("web1", "-v", playbook=playbook, tasks="upgrade.yml", after_tasks=notify, verify_files="/etc/os-release",
                       checks=[upgrades.tasks("checks", MARKED), {"url": f"{upgrades.sandbox.admin_url}/clock"}])
    assert run.status == 0, run.output
    disk = upgrades.disk("web1")
    assert (disk / "etc" / "handled").read_text() == "yes"
    assert (disk / "etc" / "beside").read_text() == "beside"
    assert not list(disk.glob("var/tmp/rewind-*"))
    assert upgrades.no_guard_left()
    assert upgrades.record("web1")["outcome"] == "upgraded"
    assert outcomes(run) == {"web1": "upgraded"}
    assert json.loads(result_file.read_text("utf-8"))["outcome"] == "upgraded"
    assert upgrades.count_requests("web1", "snapshots.restore") == 0
    assert list(upgrades.record("web1")["before"]["checksums"]) == ["/etc/os-release"]
    report = json.loads(next((upgrades.state_dir / "reports").iterdir()).read_text("utf-8"))
    assert [row["outcome"] for row in report["hosts"]] == ["upgraded"]


def test_older_snapshots_of_this_role_go_and_no_others(upgrades: UpgradeRunner) -> None:
    for name, day in (("rewind20260101T000000Zaaaa", 1), ("rewind20260102T000000Zbbbb", 2), ("rewindbyhand", 1), ("before-php", 1)):
        upgrades.sandbox.admin.add_snapshot("vpsorg", "web1", name, created_at=f"2026-01-0{day}T00:00:00Z")
    upgrades.sandbox.admin.add_snapshot("vpsorg", "web2", "rewind20260101T000000Zaaaa", created_at="2026-01-01T00:00:00Z")
    upgrade = upgrades.tasks("upgrade", CHANGE)
    run = upgrades.run("web1", tasks=upgrade, keep_snapshots=2)
    assert run.status == 0, run.output
    own = upgrades.record("web1")["snapshot"]["name"]
    assert {item["name"] for item in upgrades.snapshots("web1")} == {"rewindbyhand", "before-php", "rewind20260102T000000Zbbbb", own}
    assert [item["name"] for item in upgrades.snapshots("web2")] == ["rewind20260101T000000Zaaaa"]
    run = upgrades.run("web1", "--check", playbook="rewind.vps.prune", keep_snapshots=1)
    assert run.status == 0, run.output
    assert "Would delete: rewind20260102T000000Zbbbb" in run.stdout
    assert len(upgrades.snapshots("web1")) == 4
    run = upgrades.run("web1", playbook="rewind.vps.prune", keep_snapshots=1)
    assert run.status == 0, run.output
    assert {item["name"] for item in upgrades.snapshots("web1")} == {"rewindbyhand", "before-php", own}


@pytest.mark.slow
def test_a_full_server_makes_room_with_its_own_old_ones(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.add_snapshot("vpsorg", "web1", "rewind20260101T000000Zaaaa", created_at="2026-01-01T00:00:00Z")
    for number in range(4):
        upgrades.sandbox.admin.add_snapshot("vpsorg", "web1", f"by-hand-{number}")
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 0, run.output
    names = {item["name"] for item in upgrades.snapshots("web1")}
    assert names == {*(f"by-hand-{number}" for number in range(4)), upgrades.record("web1")["snapshot"]["name"]}


def test_the_server_is_found_by_its_address_or_its_name(upgrades: UpgradeRunner) -> None:
    """The sandbox's inventory names its servers' ids; without those, the host's name does it."""
    for host in ("web1", "app1"):
        run = upgrades.run(host, "--check", "-e", "rewind_server_id=", "-e", "batch=2", tasks=upgrades.tasks("upgrade", CHANGE))
        assert run.status == 0, run.output
        assert f"of server {host} at" in run.stdout
        assert "reserved name" not in run.output


def test_a_role_and_task_files_whose_paths_have_an_apostrophe_and_a_space(upgrades: UpgradeRunner) -> None:
    """Ansible splits the argument of an include like a shell, so the path must be passed as one value."""
    role = upgrades.directory / "bob's roles" / "upgrade" / "tasks"
    role.mkdir(parents=True)
    (role / "main.yml").write_text(json.dumps([{**CHANGE, "ansible.builtin.copy": {"dest": "/etc/of-the-role", "content": "new", "mode": "0644"}}]))
    (upgrades.directory / "bob's files").mkdir()
    run = upgrades.run("web1", tasks=upgrades.tasks("bob's files/upgrade", CHANGE), checks=upgrades.tasks("bob's files/checks", CHANGE),
                       roles=["upgrade"], environment={"ANSIBLE_ROLES_PATH": str(upgrades.directory / "bob's roles")})
    assert run.status == 0, run.output
    assert (upgrades.disk("web1") / "etc" / "of-the-role").read_text() == "new"
    assert (upgrades.record("web1")["outcome"], upgrades.record("web1")["roles"]) == ("upgraded", ["upgrade"])
