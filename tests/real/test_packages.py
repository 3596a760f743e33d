# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that break a server, each in its own way: the outcome that the user sees is what happened to the machine."""

from __future__ import annotations

import pytest
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]

BROKEN = {
    "lab-postinst-fails": {},
    "lab-asks": {},
    "lab-unit-fails": {},
    "lab-unit-dies": {},
    "lab-unit-restarts": {},
    "lab-unit-fails-late": {"reboot": "always"},
    "lab-removes-network": {},
    "lab-rejects-logins": {},
    "lab-replaces-init": {"reboot": "always"},
    "lab-bad-fstab": {"reboot": "always"},
    "lab-removes-python": {},
    "lab-fills-disk": {},
}


@pytest.mark.parametrize("package", BROKEN)
def test_a_package_that_breaks_the_server_is_rolled_back(real: RealUpgrades, package: str) -> None:
    real.offer("web1", package)
    before = real.inspect("web1")
    run = real.run("web1", **BROKEN[package])
    assert run.status == 2, run.output
    real.assert_restored("web1", before)


def test_a_required_reboot_is_done(real: RealUpgrades) -> None:
    real.offer("web1", "lab-requires-reboot")
    before = real.inspect("web1")
    run = real.run("web1")
    real.assert_upgraded("web1", run)
    after = real.inspect("web1")
    assert after.packages["lab-requires-reboot"] == "2"
    assert after.boot != before.boot


def test_a_configuration_file_of_the_user_is_kept(real: RealUpgrades) -> None:
    real.ssh("web1", "echo 'setting = mine' >/etc/lab/config.conf")
    real.offer("web1", "lab-config")
    run = real.run("web1")
    real.assert_upgraded("web1", run)
    assert real.inspect("web1").packages["lab-config"] == "2"
    assert real.ssh("web1", "cat /etc/lab/config.conf") == "setting = mine"


def test_all_packages_without_an_excluded_one(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good", "lab-config")
    real.ssh("web1", "apt-mark hold lab-requires-reboot")
    real.assert_upgraded("web1", real.run("web1", exclude=["lab-config"]))
    packages = real.inspect("web1").packages
    assert (packages["lab-good"], packages["lab-config"]) == ("2", "1")
    assert real.ssh("web1", "apt-mark showhold") == "lab-requires-reboot"


def test_security_updates_alone(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good", "lab-security")
    real.assert_upgraded("web1", real.run("web1", packages="security"))
    packages = real.inspect("web1").packages
    assert (packages["lab-good"], packages["lab-security"]) == ("1", "2")


def test_named_packages_alone(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good", "lab-config")
    real.assert_not_started("web1", "not installed on web1: lab-absent", packages=["lab-good", "lab-absent"])
    real.assert_upgraded("web1", real.run("web1", packages=["lab-good"]))
    packages = real.inspect("web1").packages
    assert (packages["lab-good"], packages["lab-config"]) == ("2", "1")


def test_a_disk_that_a_task_fills(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    fill = {"name": "Fill the disk", "ansible.builtin.command": "dd if=/dev/zero of=/var/lib/full bs=1M"}
    run = real.run("web1", tasks=real.tasks("fill", fill))
    assert run.status == 2, run.output
    real.assert_restored("web1", before)
