# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade that fails while the server can be reached: it is undone, proven, told, and the roll-out stops."""

from __future__ import annotations

import pytest
from support.rollout import CHANGE, FAIL, Rollout

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]


def is_undone(upgrades: Rollout, host: str) -> None:
    """The cloud was asked for one snapshot and one restore of the server, and its disk is as it was."""
    assert upgrades.asked(host, "snapshots.create") == 1
    assert upgrades.asked(host, "snapshots.restore") == 1
    assert upgrades.is_as_at_snapshot(host)
    assert upgrades.no_guard_left()


@pytest.mark.parametrize("host", ["web1", "app1"])
def test_a_task_fails(upgrades: Rollout, host: str) -> None:
    run = upgrades.run(f"{host},web2", tasks=upgrades.tasks("upgrade", CHANGE, FAIL))
    assert run.status == 2, run.output
    is_undone(upgrades, host)
    receipt = upgrades.receipt(host)
    assert receipt["outcome"] == "rolled_back"
    assert {finding["what"]: finding["result"] for finding in receipt["proof"]} == dict.fromkeys(
        ("cloud", "marker", "boot", "fingerprints", "checks"), "proven")
    assert f"ROLLED_BACK: {host}" in run.stdout
    assert not upgrades.receipts("web2"), "the roll-out went on"
