# SPDX-License-Identifier: GPL-3.0-or-later
"""The three tests of real machines that matter most: an upgrade, a rollback, and a run that is killed."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, SLEEP, proven
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


def test_a_package_is_upgraded(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good")
    run = real.run("web1")
    real.assert_upgraded("web1", run)
    assert real.inspect("web1").packages["lab-good"] == "2"


def test_a_failing_package_is_rolled_back_exactly(real: RealUpgrades) -> None:
    real.offer("app1", "lab-good", "lab-postinst-fails")
    before = real.inspect("app1")
    run = real.run("app1")
    assert run.status == 2, run.output
    real.assert_restored("app1", before)
    assert {"marker", "boot", "files"} <= proven(real.record("app1"))


def test_a_killed_run_is_rolled_back_by_the_guard(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    running = real.start("web1", tasks=real.tasks("long", CHANGE, SLEEP))
    real.wait_for_state("web1", "upgrading")
    real.wait_until(lambda: "new" in real.ssh("web1", "cat /etc/changed || true"), "the change")
    running.kill()
    real.wait_until(lambda: not real.guards(), "the guard to finish")
    real.assert_restored("web1", before)
