# SPDX-License-Identifier: GPL-3.0-or-later
"""The same upgrade through every way to log in: root, sudo with and without a password, pipelining and control masters on and off."""

from __future__ import annotations

from typing import Any

import pytest
from support.guarded_upgrade import proven
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]

SUDO = {"ansible_user": "deploy", "ansible_become": True}
SUDO_WITH_PASSWORD = {"ansible_user": "admin", "ansible_become": True, "ansible_become_password": "admin"}


@pytest.mark.parametrize("outcome", ["upgraded", "rolled_back"])
@pytest.mark.parametrize(("variables", "environment"), [
    pytest.param({}, {"ANSIBLE_PIPELINING": "false"}, id="root-without-pipelining"),
    pytest.param({}, {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"}, id="root-without-control-master"),
    pytest.param(SUDO, {}, id="sudo"),
    pytest.param(SUDO_WITH_PASSWORD, {}, id="sudo-with-password"),
    pytest.param(SUDO_WITH_PASSWORD, {"ANSIBLE_PIPELINING": "false", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"},
                 id="sudo-with-password-without-pipelining-and-control-master"),
])
def test_upgrade(real: RealUpgrades, variables: dict[str, Any], environment: dict[str, str], outcome: str) -> None:
    package = "lab-good" if outcome == "upgraded" else "lab-postinst-fails"
    real.offer("web1", package)
    before = real.inspect("web1")
    arguments = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    run = real.run("web1", *arguments, environment=environment)
    if outcome == "upgraded":
        real.assert_upgraded("web1", run)
        assert real.inspect("web1").packages["lab-good"] == "2"
    else:
        assert run.status == 2, run.output
        real.assert_restored("web1", before)
        assert {"marker", "boot", "files"} <= proven(real.record("web1"))
    assert "admin" not in real.record_directory("web1").joinpath("run.json").read_text().replace("administrator", "")


def test_forgotten_become_changes_nothing(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good")
    real.assert_not_started("web1", "become", "-e", "ansible_user=deploy")


def test_wrong_become_password_changes_nothing(real: RealUpgrades) -> None:
    real.offer("web1", "lab-good")
    real.assert_not_started("web1", "password", "-e", "ansible_user=admin", "-e", "ansible_become=true", "-e", "ansible_become_password=wrong")
