# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rewind.vps.rollback: a person puts servers back to the snapshot of their last guarded upgrade."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, UpgradeRunner, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

PLAYBOOK = "rewind.vps.rollback"


@pytest.mark.duration(30)
def test_from_the_question_to_the_refusal(upgrades: UpgradeRunner) -> None:
    """One upgraded server after the other: not asked, checked, restored, restored while out of reach, failing, and refused."""
    none = upgrades.run("web1", "-e", "rollback_confirm=yes", playbook=PLAYBOOK)
    assert none.status == 2, none.output
    assert "There is no run record of a guarded upgrade of web1" in none.stdout

    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 0, run.output

    asked = upgrades.run("web1", playbook=PLAYBOOK)
    assert asked.status == 2, "without a terminal and without a yes it must not go on"
    assert "Nothing was restored" in asked.stdout
    checked = upgrades.run("web1", "--check", "-e", "rollback_confirm=yes", playbook=PLAYBOOK)
    assert checked.status == 0, checked.output
    assert upgrades.count_requests("web1", "snapshots.restore") == 0

    done = upgrades.run("web1", "-e", "rollback_confirm=yes", playbook=PLAYBOOK)
    assert done.status == 0, done.output
    assert "would be restored to snapshot rewind" in done.stdout and "All data written on it since then would be lost" in done.stdout
    upgrades.assert_rolled_back("web1")
    assert {"cloud", "marker", "boot"} <= proven(upgrades.record("web1"))

    (upgrades.disk("web1") / "etc" / "network" / "interfaces").write_text("# none\n")
    again = upgrades.run("web1", "-e", "rollback_confirm=yes", playbook=PLAYBOOK)
    assert again.status == 0, again.output
    assert upgrades.disk_matches_snapshot("web1")
    assert upgrades.count_requests("web1", "snapshots.restore") == 2

    upgrades.sandbox.admin.fault("status", cloud="vpsorg", operation="snapshots.restore", status=403, apply=False, times=None)
    failed = upgrades.run("web1", "-e", "rollback_confirm=yes", playbook=PLAYBOOK)
    assert failed.status == 2, failed.output
    assert "ROLLBACK_FAILED: web1" in failed.stdout

    snapshot = upgrades.record("web1")["snapshot"]
    upgrades.sandbox.admin.remove_snapshot("vpsorg", "web1", snapshot["id"])
    upgrades.sandbox.admin.add_snapshot("vpsorg", "web1", snapshot["name"])  # of that name, by another client
    refused = upgrades.run("web1", "-e", "rollback_confirm=yes", playbook=PLAYBOOK)
    assert refused.status == 2, refused.output
    assert "no longer exists" in refused.stdout
    assert upgrades.count_requests("web1", "snapshots.restore") == 3
    assert upgrades.no_guard_left()
