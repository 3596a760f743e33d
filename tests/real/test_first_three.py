# SPDX-License-Identifier: GPL-3.0-or-later
"""The three upgrades of real machines that matter most, in make test too: one is confirmed, one rolled back, one killed.

Their machines run at the same time, and the three share one test: in emulation everything else would take minutes.
"""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, SLEEP, proven
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.duration(300)]


def test_confirmed_rolled_back_and_killed(real_three: RealUpgrades, subtests: pytest.Subtests) -> None:
    real = real_three
    real.offer("web1", "lab-good")
    real.offer("app1", "lab-good", "lab-postinst-fails")
    before = {host: real.inspect(host) for host in ("app1", "web2")}
    batch = real.start("web1,app1", "-e", "batch=2")
    killed = real.start("web2", tasks=real.tasks("long", CHANGE, SLEEP))
    real.wait_for_state("web2", "upgrading")
    real.wait_until(lambda: "new" in real.ssh("web2", "cat /etc/changed || true"), "the change")
    killed.kill()
    run = batch.finish(real.run_seconds)
    real.wait_until(lambda: not real.guards(), "the guards to finish")

    with subtests.test("a package is upgraded"):
        real.assert_upgraded("web1")
        assert real.inspect("web1").packages["lab-good"] == "2"
    with subtests.test("a failing package is rolled back exactly"):
        assert run.status == 2, run.output
        real.assert_restored("app1", before["app1"])
        assert {"marker", "boot", "files"} <= proven(real.record("app1"))
    with subtests.test("a killed run is rolled back by its guard"):
        real.assert_restored("web2", before["web2"])
