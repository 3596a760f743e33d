# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rewind.vps.rollback: a person puts servers back to the snapshot of their last guarded upgrade."""

from __future__ import annotations

import pytest
from support.rollout import CHANGE, Rollout, proven

pytestmark = [pytest.mark.ssh, pytest.mark.playbook]

BOOK = "rewind.vps.rollback"


@pytest.fixture
def upgraded(upgrades: Rollout) -> Rollout:
    run = upgrades.run("web1", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 0, run.output
    return upgrades


def test_it_asks_restores_and_proves(upgraded: Rollout) -> None:
    asked = upgraded.run("web1", book=BOOK)
    assert asked.status == 2, "without a terminal and without a yes it must not go on"
    assert "Nothing was restored" in asked.stdout
    assert upgraded.asked("web1", "snapshots.restore") == 0
    checked = upgraded.run("web1", "--check", "-e", "confirm=yes", book=BOOK)
    assert checked.status == 0, checked.output
    assert upgraded.asked("web1", "snapshots.restore") == 0
    done = upgraded.run("web1", "-e", "confirm=yes", book=BOOK)
    assert done.status == 0, done.output
    assert "would go back to snapshot rewind" in done.stdout and "Everything written on it since then is lost" in done.stdout
    upgraded.assert_undone("web1")
    assert {"cloud", "marker", "boot"} <= proven(upgraded.receipt("web1"))


def test_a_missing_or_foreign_snapshot_is_refused(upgraded: Rollout) -> None:
    snapshot = upgraded.receipt("web1")["snapshot"]
    upgraded.box.control.remove_snapshot("vpsorg", "web1", snapshot["id"])
    upgraded.box.control.plant_snapshot("vpsorg", "web1", snapshot["name"])
    run = upgraded.run("web1", "-e", "confirm=yes", book=BOOK)
    assert run.status == 2, run.output
    assert "is not there any more" in run.stdout
    none = upgraded.run("web2", "-e", "confirm=yes", book=BOOK)
    assert none.status == 2, none.output
    assert "There is no receipt of a guarded upgrade of web2" in none.stdout
    assert not upgraded.box.control.requests(operation="snapshots.restore")


def test_a_server_out_of_reach_is_restored_all_the_same(upgraded: Rollout) -> None:
    (upgraded.disk("web1") / "etc" / "network" / "interfaces").write_text("# none\n")
    run = upgraded.run("web1", "-e", "confirm=yes", book=BOOK)
    assert run.status == 0, run.output
    upgraded.assert_undone("web1")
