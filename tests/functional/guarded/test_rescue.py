# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's tasks that save data before a restore and load it afterwards, with the real ansible-playbook."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

# A database: one row a line.
ROWS = "/srv/rows"
INSERT = {"name": "Customers order meanwhile", "ansible.builtin.shell": f"for id in 3 4 5; do echo order $id >>{ROWS}; done"}
DUMP = {"name": "Dump the rows", "ansible.builtin.fetch": {"src": ROWS, "dest": "{{ guarded_upgrade_rescue_dir }}/rows", "flat": True}}
LOAD = {"name": "Load the rows", "ansible.builtin.copy": {"src": "{{ guarded_upgrade_rescue_dir }}/rows", "dest": ROWS, "mode": "0600"}}
ALL_ROWS = "".join(f"order {number}\n" for number in range(1, 6))


def fill(upgrades: UpgradeRunner, host: str) -> Path:
    """Put two rows into the server's database."""
    rows = upgrades.disk(host) / "srv" / "rows"
    rows.parent.mkdir(exist_ok=True)
    rows.write_text("order 1\norder 2\n")
    return rows


@pytest.mark.duration(40)
def test_no_row_is_lost(upgrades: UpgradeRunner) -> None:
    """After a failed upgrade, and after a rollback that a person requests."""
    rows = fill(upgrades, "web1")
    how = {"rescue_tasks": [upgrades.tasks("rescue", DUMP)], "restored_tasks": [upgrades.tasks("restored", LOAD)]}
    failing = upgrades.tasks("upgrade", CHANGE, INSERT, FAIL)
    run = upgrades.run("web1", "--check", tasks=failing, **how)
    assert f"Before a restore, if the server answers: {how['rescue_tasks'][0]}, within 120 s" in run.stdout, run.output
    assert f"After a verified restore: {how['restored_tasks'][0]}" in run.stdout
    upgrades.assert_untouched("web1")

    run = upgrades.run("web1", tasks=failing, **how)
    assert run.status == 2 and outcomes(run) == {"web1": "rolled_back"}, run.output
    assert rows.read_text() == ALL_ROWS
    assert upgrades.count_requests("web1", "snapshots.restore") == 1 and not (upgrades.disk("web1") / "etc" / "changed").exists()
    record, directory = upgrades.record("web1"), upgrades.record_directory("web1") / "rescue"
    assert record["rescue"] == {"result": "passed", "detail": "", "directory": str(directory)} and record["restored"]["result"] == "passed"
    assert record["reason"].startswith("Break")
    assert f"The rescued data is in {directory}" in run.stdout
    assert directory.stat().st_mode & 0o777 == 0o700 and (directory / "rows").read_text() == ALL_ROWS

    with rows.open("a") as file:
        file.write("order 6\n")
    run = upgrades.run("web1", "-e", "rollback_confirm=yes", playbook="rewind.vps.rollback", **how)
    assert run.status == 0, run.output
    assert rows.read_text() == ALL_ROWS + "order 6\n" and upgrades.count_requests("web1", "snapshots.restore") == 2
    assert (directory / "rows").read_text() == ALL_ROWS, "the first dump is kept"
    assert upgrades.no_guard_left()


@pytest.mark.duration(60)
def test_the_restore_follows_in_any_case(upgrades: UpgradeRunner) -> None:
    """A rescue task fails, one takes too long, one takes too long for the guard, the server is lost, and a restored task fails."""
    limited = {"name": "Dump", "ansible.builtin.command": "sleep 300"}
    unlimited = {"name": "Wait for the dump", "ansible.builtin.command": "sleep 55", "async": 60, "poll": 1}
    rescue = upgrades.tasks("rescue", *(
        {**task, "when": f"inventory_hostname == '{host}'"} for host, task in {
            "web1": {"name": "Dump", "ansible.builtin.shell": "echo the database is locked >&2; exit 1"}, "web2": limited, "web3": unlimited,
            "web4": {"name": "Lose the server", "ansible.builtin.command": "touch /srv/never", "vars": {"ansible_host": "127.0.0.77"}}, "web5": DUMP,
        }.items()
    ))
    rows = fill(upgrades, "web5")
    load = upgrades.tasks("restored", {"name": "Load", "ansible.builtin.command": "test ! -e /srv/rows", "when": "inventory_hostname == 'web5'"})
    hosts = ["web1", "web2", "web3", "web4", "web5"]
    run = upgrades.run(
        ",".join(hosts), "--forks", "5", playbook=upgrades.host_pinned_playbook(), tasks=upgrades.tasks("upgrade", CHANGE, FAIL),
        rescue_tasks=[rescue], restored_tasks=[load], grace_period=10,
        # For web3 it ends after the asynchronous task has started, however slow the machine is.
        rescue_timeout="{{ {'web2': 4, 'web3': 25}[inventory_hostname] | default(60) }}",
    )
    assert outcomes(run) == dict.fromkeys(hosts, "rolled_back"), run.output
    results = {host: upgrades.record(host)["rescue"] for host in hosts}
    assert {host: result["result"] for host, result in results.items()} == {**dict.fromkeys(hosts, "failed"), "web5": "passed"}
    assert "the database is locked" in results["web1"]["detail"] and "Rescue tasks failed: Dump" in run.stdout
    assert "Timed out" in results["web2"]["detail"] or "time frame" in results["web2"]["detail"]
    for host in hosts:
        upgrades.assert_rolled_back(host)
        assert upgrades.record(host)["reason"].startswith("Break"), host
    assert "the rescue tasks have not ended within their time" in upgrades.record("web3")["reason"]
    assert rows.read_text() == "order 1\norder 2\n"
    message = " ".join(run.stdout.split())
    assert "Restored tasks failed: Load" in message and f"The rescued data is in {results['web5']['directory']}" in message, run.stdout


def test_what_is_rejected_and_when_nothing_is_rescued(upgrades: UpgradeRunner) -> None:
    rescue = [upgrades.tasks("rescue", DUMP)]
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), rescue_tasks=["missing.yml"])
    assert run.status == 2 and "guarded_upgrade_rescue_tasks: there is no file missing.yml" in run.stdout, run.output
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), rescue_tasks=rescue, rescue_timeout=0)
    assert run.status == 2 and "rescue_timeout must be from 1 to 3600" in run.stdout, run.output
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE), rescue_tasks=rescue, checks=[{"command": "false"}])
    assert run.status == 2 and "Dump the rows" not in run.stdout, run.output
    upgrades.assert_untouched("web1")
