# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's story on real Debian machines: packages are upgraded by apt, and two of them break their server."""

from __future__ import annotations

import time
from pathlib import Path

from demo import checks
from demo.checks import DemoCheckFailed
from demo.console import DemoConsole
from demo.scenario import BROKEN, DISCONNECTED, HEALTHY, Scenario
from sandbox import SandboxHandle
from sandbox.machine_inspection import Inspection, MachineInspector

PLAYBOOK = "upgrade_packages.yml"
# The last package of each server decides how its upgrade ends.
OFFERED = {
    HEALTHY: ("lab-good",),
    BROKEN: ("lab-good", "lab-unit-fails"),
    DISCONNECTED: ("lab-good", "lab-removes-network"),
}


class RealScenario(Scenario):
    """Plays once on a new sandbox of QEMU machines. `scratch` is an empty directory."""

    def __init__(self, sandbox: SandboxHandle, console: DemoConsole, root: Path, scratch: Path) -> None:
        super().__init__(sandbox, console, root, scratch)
        self._machines = MachineInspector(sandbox)

    def play(self, *, restore_fails: bool = False) -> None:
        """Raises DemoCheckFailed. Restores that fail are shown on simulated servers only."""
        with self._playbooks:
            self._console.print_text(f"{self._sandbox.isolation_reason} Two are at VPS.org, one is at Ilkbyte. Without hardware "
                                     "virtualization each step takes a minute or two.")
            self._console.step("Offer new packages", f"{HEALTHY} gets a package that works, {BROKEN} one whose service does not start, and "
                                                     f"{DISCONNECTED} one that removes the network configuration.")
            before = {server: self._offer(server) for server in OFFERED}
            self._upgrade_in_turn(before)
            self._upgrade_disconnected(before)
            self._console.print_text(f"The demo succeeded in {time.monotonic() - self._started:.0f} seconds.")

    def _offer(self, server: str) -> Inspection:
        self._machines.offer(server, *OFFERED[server])
        return self._machines.inspect(server)

    def _upgrade_in_turn(self, before: dict[str, Inspection]) -> None:
        self._console.step("Upgrade all packages, one server after the other", f"{BROKEN}'s new service fails, which the role notices.")
        result = self._playbooks.run(PLAYBOOK)
        self._require_result(result, 2, [BROKEN])
        checks.check_recorded_outcomes(self._state_dir, {HEALTHY: "upgraded", BROKEN: "rolled_back"})
        upgraded = self._machines.inspect(HEALTHY)
        self._require(upgraded.packages["lab-good"] == "2", f"{HEALTHY} does not have the new package")
        self._console.verified(f"{HEALTHY} has the new package, and no restore was requested.")
        self._check_restored(BROKEN, before[BROKEN])
        self._require(self._machines.inspect(DISCONNECTED) == before[DISCONNECTED], f"{DISCONNECTED} has changed")
        self._console.verified(f"the roll-out stopped there; {DISCONNECTED} was not changed.")

    def _upgrade_disconnected(self, before: dict[str, Inspection]) -> None:
        self._console.step("Upgrade a server that cuts itself off", "The machine stays on but is unreachable, and Ansible cannot repair it.")
        result = self._playbooks.run(PLAYBOOK, "--limit", DISCONNECTED)
        self._require_result(result, 2, [DISCONNECTED])
        checks.check_recorded_outcomes(self._state_dir, {HEALTHY: "upgraded", BROKEN: "rolled_back", DISCONNECTED: "rolled_back"})
        self._check_restored(DISCONNECTED, before[DISCONNECTED])
        checks.check_changes(self._admin, [
            *(("snapshots.create", server) for server in OFFERED), *(("snapshots.restore", server) for server in (BROKEN, DISCONNECTED))])
        self._console.verified("the only changes requested were three snapshots and two restores.")

    def _check_restored(self, server: str, before: Inspection) -> None:
        self._machines.wait_for_login(server)
        now = self._machines.inspect(server)
        self._require(now.boot != before.boot, f"{server} was not rebooted")
        self._require((now.packages, now.tree) == (before.packages, before.tree), f"{server} is not as it was before the upgrade")
        self._console.verified(f"{server} was restored once, and /etc, /usr and /opt are as before: names, owners, modes, times and content.")

    @staticmethod
    def _require(condition: bool, message: str) -> None:
        if not condition:
            raise DemoCheckFailed(message)
