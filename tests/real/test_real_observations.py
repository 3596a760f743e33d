# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that an upgrade has broken although all of its tasks succeed, and healthy ones that fail a check and recover."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE, proven
from support.real_upgrades import RealUpgrades, shell, unit

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]

NEW_LOGIN = "a new login is not possible"


@pytest.mark.parametrize(("command", "reason"), [
    pytest.param("echo 'AllowUsers operator' >/etc/ssh/sshd_config.d/lab.conf; systemctl reload ssh", NEW_LOGIN, id="AllowUsers"),
    pytest.param("mv /root/.ssh/authorized_keys /root/.ssh/old", NEW_LOGIN, id="authorized_keys"),
    pytest.param("sed -i '1i account required pam_deny.so' /etc/pam.d/sshd", NEW_LOGIN, id="PAM"),
    pytest.param("systemctl stop ssh ssh.socket", NEW_LOGIN, id="sshd stopped"),
    pytest.param("mv /usr/bin/python3 /usr/bin/python3.old", "no module of Ansible runs there any more", id="Python"),
    pytest.param("chmod a-x /usr/bin/systemctl", "systemd can't be queried any more", id="systemctl"),
    pytest.param(unit("lab", "ExecStart=/bin/sh -c \"sleep 10; exit 1\""), "failed since the upgrade: lab.service", id="dies later"),
    pytest.param(unit("lab", "ExecStart=/bin/sleep 3\\nRestart=always\\nRestartSec=1"), "lab.service", id="restarts for ever"),
    pytest.param(unit("lab", "Type=notify\\nExecStart=/bin/sleep 900\\nTimeoutStartSec=infinity"), "still starting: lab.service", id="never ready"),
])
def test_a_broken_server_is_restored(real: RealUpgrades, command: str, reason: str) -> None:
    before = real.inspect("web1")
    run = real.run("web1", tasks=real.tasks("break", CHANGE, shell(command)), check_timeout=60, reboot="never")
    assert run.status == 2, run.output
    assert reason in real.record("web1")["reason"]
    real.assert_restored("web1", before)
    assert "units" in proven(real.record("web1"))
    assert real.record_directory("web1").joinpath("server.log").stat().st_size > 1000, "the open connection still works"


def test_a_unit_that_fails_while_the_server_is_still_starting(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    slow = unit("lab", "Type=oneshot\\nExecStart=/bin/sh -c \"sleep 25; exit 1\"", start="true")
    run = real.run("web1", tasks=real.tasks("break", CHANGE, shell(slow)), reboot="always")
    assert run.status == 2, run.output
    assert "failed since the upgrade: lab.service" in real.record("web1")["reason"]
    real.assert_restored("web1", before)


@pytest.mark.parametrize("command", [
    pytest.param(unit("lab", "ExecStart=/bin/sh -c \"test -e /run/lab && exec sleep 900\"")
                 + "; setsid sh -c 'sleep 15; touch /run/lab; systemctl restart lab' >/dev/null 2>&1 </dev/null &", id="fails and recovers"),
    pytest.param("systemctl stop ssh ssh.socket; setsid sh -c 'sleep 15; systemctl start ssh' >/dev/null 2>&1 </dev/null &",
                 id="no login at first"),
    pytest.param("systemd-run --no-block --unit lab --property Type=oneshot sleep 900", id="a long job"),
])
def test_a_healthy_server_is_confirmed(real: RealUpgrades, command: str) -> None:
    real.assert_upgraded("web1", real.run("web1", tasks=real.tasks("change", CHANGE, shell(command)), reboot="never"))


def test_what_was_broken_before_restores_nothing(real: RealUpgrades) -> None:
    """A failed unit, a service that restarts for ever, and no Python."""
    real.ssh("web1", unit("lab-loop", "ExecStart=/bin/sleep 3\\nRestart=always\\nRestartSec=1"))
    real.ssh("web1", unit("lab-failed", "ExecStart=/bin/false"))
    real.ssh("web1", "mv /usr/bin/python3 /usr/bin/python3.old")
    run = real.run("web1", tasks=real.tasks("change", {"ansible.builtin.raw": "echo new >/etc/changed"}))
    real.assert_upgraded("web1", run)


def test_a_newer_kernel_needs_a_reboot_that_no_program_can_hold_up(real: RealUpgrades) -> None:
    """As molly-guard, the command asks at a terminal; and it waits for input."""
    before = real.inspect("web1")
    ask = "#!/bin/sh\\n[ ! -t 0 ] || read -r answer\\nwhile read -r answer; do :; done\\nexec systemctl reboot\\n"
    kernel = shell("release=$(uname -r); touch /boot/vmlinuz-$release /boot/vmlinuz-9$release; "
                   f"printf '{ask}' >/usr/local/sbin/ask; chmod +x /usr/local/sbin/ask")
    run = real.run("web1", tasks=real.tasks("kernel", kernel), reboot_command="/usr/local/sbin/ask")
    real.assert_upgraded("web1", run)
    assert real.inspect("web1").boot != before.boot
