# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rewind.vps.recover: what was cut off is ended, and nothing else is done, however the run before it has ended."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

PLAYBOOK = "rewind.vps.recover"


def changing(upgrades: UpgradeRunner, host: str) -> int:
    return len(upgrades.sandbox.admin.requests(changing=True, server=host))


@pytest.mark.duration(25)
def test_only_what_was_cut_off_is_ended(upgrades: UpgradeRunner) -> None:
    """Of four servers, one whose run was killed with its guard, one that is rolled back already, one that is upgraded, one never touched."""
    good = upgrades.run("web2", tasks=upgrades.tasks("good", CHANGE))
    assert good.status == 0, good.output
    bad = upgrades.run("web3", tasks=upgrades.tasks("bad", CHANGE, FAIL))
    assert bad.status == 2, bad.output
    upgrades.leave_upgrade_cut_off()
    before = {host: changing(upgrades, host) for host in ("web1", "web2", "web3", "web4")}

    planned = upgrades.run("web1,web2,web3,web4", "--check", playbook=PLAYBOOK)
    assert planned.status == 0, planned.output
    assert {host: changing(upgrades, host) for host in before} == before

    run = upgrades.run("web1,web2,web3,web4", playbook=PLAYBOOK)
    assert run.status == 2, "who reads that it went well takes the server for upgraded"
    assert "ROLLED_BACK: web1" in run.stdout
    upgrades.assert_rolled_back("web1")
    assert {"cloud", "marker"} <= proven(upgrades.record("web1"))
    for host in ("web2", "web3", "web4"):
        assert changing(upgrades, host) == before[host], host
    assert "there is nothing left to recover" in run.stdout and "no run record of a guarded upgrade of server web4" in run.stdout
    assert not upgrades.disk_matches_snapshot("web2"), "it is upgraded, and must stay so"

    again = upgrades.run("web1,web2,web3,web4", playbook=PLAYBOOK)
    assert again.status == 0, again.output
    assert upgrades.count_requests("web1", "snapshots.restore") == 1
    assert upgrades.no_guard_left()
