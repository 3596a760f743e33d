# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback proves on the server: a restore that did nothing is never reported as rolled back, and the guard's own is verified later."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]


def ignore_restores(upgrades: UpgradeRunner) -> None:
    upgrades.sandbox.admin.fault("restore_ignored", operation="snapshots.restore", times=None)


@pytest.mark.duration(30)
def test_a_restore_that_did_nothing(upgrades: UpgradeRunner) -> None:
    """With the marker in the usual directory, in one that a boot empties, and removed by the upgrade itself with all that is beside it."""
    ignore_restores(upgrades)
    clean = {"name": "Clean", "ansible.builtin.shell": "rm -rf /var/tmp/*", "when": "inventory_hostname == 'web3'"}
    run = upgrades.run(
        "web1,web2,web3,app1", "--forks", "6", playbook=upgrades.host_pinned_playbook(), tasks=upgrades.tasks("upgrade", CHANGE, clean, FAIL),
        marker_dir="{{ '/run' if inventory_hostname == 'web2' else '/var/tmp' }}",
    )
    assert run.status == 2, run.output
    assert outcomes(run) == dict.fromkeys(("web1", "web2", "web3", "app1"), "rollback_failed")
    assert "guarded_upgrade_marker_dir (/run) of server web2" in run.output
    assert "ROLLED_BACK" not in run.stdout
    assert "the time of /var" in upgrades.record("web3")["message"]
    assert upgrades.no_guard_left()


@pytest.mark.duration(20)
def test_an_upgrade_that_removes_the_marker_is_rolled_back_all_the_same(upgrades: UpgradeRunner) -> None:
    clean = {"name": "Clean", "ansible.builtin.shell": "rm -rf /var/tmp/*"}
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE, clean, FAIL))
    assert run.status == 2, run.output
    upgrades.assert_rolled_back("web1")
    assert proven(upgrades.record("web1")) >= {"cloud", "boot", "files"}


@pytest.mark.duration(40)
def test_the_next_run_verifies_what_the_guard_has_restored_alone(upgrades: UpgradeRunner) -> None:
    for playbook, outcome in (("rewind.vps.guarded_upgrade", "rolled_back"), ("rewind.vps.recover", "rollback_failed")):
        if outcome == "rollback_failed":
            upgrades.sandbox.admin.reset()
            ignore_restores(upgrades)
        upgrades.start_long_upgrade().kill()
        record = upgrades.wait_for_state("web1", "ended")
        assert (record["outcome"], proven(record)) == ("rolled_back", {"cloud"})
        restores = upgrades.count_requests("web1", "snapshots.restore")
        run = upgrades.run("web1", playbook=playbook, tasks=upgrades.tasks("upgrade", CHANGE))
        assert run.status == 2, run.output
        assert f"{outcome.upper()}: web1" in run.stdout
        assert upgrades.record("web1")["outcome"] == outcome
        if outcome == "rolled_back":
            assert proven(upgrades.record("web1")) >= {"cloud", "marker", "files"}
        assert upgrades.count_requests("web1", "snapshots.restore") == restores
        assert upgrades.no_guard_left()


@pytest.mark.duration(15)
def test_a_marker_that_can_not_be_written_leaves_nothing(upgrades: UpgradeRunner) -> None:
    """The disk is full just after the snapshot. Another controller must not find a marker then."""
    upgrades.sandbox.admin.settings(seconds={"vpsorg.snapshots.create": 20})
    before = sorted(path.name for path in (upgrades.disk("web1") / "var" / "tmp").iterdir())
    running = upgrades.start("web1", tasks=upgrades.tasks("upgrade", CHANGE))
    upgrades.wait_for_state("web1", "snapshotting", "snapshot_ready")
    marker = upgrades.disk("web1") / upgrades.record("web1")["marker"].lstrip("/")
    marker.mkdir()  # `rm -f` removes no directory
    run = running.finish()
    assert run.status == 2, run.output
    assert "NOT_STARTED: web1" in run.stdout
    marker.rmdir()
    assert sorted(path.name for path in (upgrades.disk("web1") / "var" / "tmp").iterdir()) == before
    assert upgrades.no_guard_left()
