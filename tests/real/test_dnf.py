# SPDX-License-Identifier: GPL-3.0-or-later
"""A second family of distributions: dnf and rpm packages."""

from __future__ import annotations

import pytest
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


def test_packages_are_upgraded(real_rpm: RealUpgrades) -> None:
    real_rpm.offer("web1", "lab-good", "lab-config")
    real_rpm.ssh("web1", "echo 'setting = mine' >/etc/lab/config.conf")
    real_rpm.assert_upgraded("web1", real_rpm.run("web1"))
    packages = real_rpm.inspect("web1").packages
    assert (packages["lab-good"], packages["lab-config"]) == ("2", "2")
    assert real_rpm.ssh("web1", "cat /etc/lab/config.conf") == "setting = mine"


@pytest.mark.parametrize(("options", "versions"), [
    ({"exclude": ["lab-config"]}, {"lab-good": "2", "lab-config": "1", "lab-security": "2"}),
    ({"packages": "security"}, {"lab-good": "1", "lab-config": "1", "lab-security": "2"}),
    ({"packages": ["lab-good"]}, {"lab-good": "2", "lab-config": "1", "lab-security": "1"}),
])
def test_selected_packages(real_rpm: RealUpgrades, options: dict[str, object], versions: dict[str, str]) -> None:
    real_rpm.offer("web1", *versions)
    real_rpm.assert_upgraded("web1", real_rpm.run("web1", **options))
    packages = real_rpm.inspect("web1").packages
    assert {name: packages[name] for name in versions} == versions


@pytest.mark.parametrize("package", ["lab-unit-fails", "lab-removes-python", "lab-rejects-logins"])
def test_a_package_that_breaks_the_server_is_rolled_back(real_rpm: RealUpgrades, package: str) -> None:
    real_rpm.offer("web1", package)
    before = real_rpm.inspect("web1")
    run = real_rpm.run("web1")
    assert run.status == 2, run.output
    real_rpm.assert_restored("web1", before)
