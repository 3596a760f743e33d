# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy servers that can't be upgraded now: this is known before the snapshot, and nothing is restored."""

from __future__ import annotations

import threading

import pytest
from support.guarded_upgrade import CHANGE
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]

SUDO = ("-e", "ansible_user=deploy", "-e", "ansible_become=true")
# As apt does: a lock of fcntl, for some seconds.
LOCK = ("nohup python3 -c 'import fcntl, time; f = open(\"{path}\", \"a\"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep({seconds})' "
        ">/dev/null 2>&1 </dev/null & sleep 1")


def lock(real: RealUpgrades, seconds: int, path: str = "/var/lib/dpkg/lock-frontend") -> None:
    real.ssh("web1", LOCK.format(path=path, seconds=seconds))


def test_a_busy_package_manager(real: RealUpgrades) -> None:
    """It is waited for, and what stays busy ends the run. A process that is killed has no lock any more."""
    real.offer("web1", "lab-good")
    lock(real, 3600)
    real.assert_not_started("web1", "has locked /var/lib/dpkg/lock-frontend", timeout=20)
    real.ssh("web1", "pkill -f [f]cntl.lockf")
    lock(real, 30, "/var/lib/apt/lists/lock")
    run = real.run("web1")
    real.assert_upgraded("web1", run)
    assert real.inspect("web1").packages["lab-good"] == "2"


@pytest.mark.parametrize("path", ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"])
def test_a_package_manager_that_becomes_busy_during_the_snapshot(real: RealUpgrades, path: str) -> None:
    real.offer("web1", "lab-good")
    running = real.start("web1")

    def lock_during_the_snapshot() -> None:
        real.wait_for_state("web1", "snapshotting", "snapshot_ready")
        lock(real, 90, path)

    thread = threading.Thread(target=lock_during_the_snapshot)
    thread.start()
    run = running.finish(real.run_seconds)
    thread.join()
    real.assert_upgraded("web1", run)
    assert real.inspect("web1").packages["lab-good"] == "2"


def test_a_server_without_python(real: RealUpgrades) -> None:
    real.ssh("web1", "mkdir /root/away; mv /usr/bin/python3* /root/away/")
    real.assert_not_started("web1", "Ansible's modules do not run on web1, which the upgrade of packages would need")
    # What needs no module is upgraded.
    run = real.run("web1", tasks=real.tasks("raw", {"name": "Change", "ansible.builtin.raw": "echo new >/etc/changed"}))
    real.assert_upgraded("web1", run)


@pytest.mark.parametrize("shell", ["/usr/sbin/nologin", "/bin/false", "/usr/bin/python3"])
@pytest.mark.parametrize("arguments", [SUDO, ("-e", "ansible_user=deploy")])
def test_a_login_shell_that_is_not_sh(real: RealUpgrades, shell: str, arguments: tuple[str, ...]) -> None:
    real.ssh("web1", f"usermod -s {shell} deploy")
    real.assert_not_started("web1", "The login shell of Ansible's user on web1", *arguments, tasks=real.tasks("change", CHANGE), reboot="never")


def test_become_that_does_not_work(real: RealUpgrades) -> None:
    real.assert_not_started("web1", "without root privileges (uid ", "-e", "ansible_user=deploy", tasks=real.tasks("change", CHANGE))
    admin = ("-e", "ansible_user=admin", "-e", "ansible_become=true")
    for arguments in (admin, (*admin, "-e", "ansible_become_password=wrong")):
        real.assert_not_started("web1", "can't become another user on web1 with sudo: ", *arguments)
    real.ssh("web1", "mv /usr/bin/sudo /usr/bin/no-sudo")
    real.assert_not_started("web1", "can't run commands on web1 with sudo", *SUDO)


@pytest.mark.parametrize(("script", "expected"), [
    ("fallocate -l $(($(df -Pk / | awk 'NR==2 {print $4}') - 4000))K /var/full", "kB of free space"),
    ("mount -t tmpfs -o size=4k tmpfs /var/tmp && head -c 4096 /dev/zero >/var/tmp/full", "the marker can't be written to /var/tmp"),
    ("mount -o bind,ro /usr /usr", "/usr is mounted read-only"),
    ("mount -o bind,ro /var/tmp /var/tmp", "the marker can't be written to /var/tmp: Read-only file system"),
    ("echo >/var/lib/dpkg/updates/0001", "apt reports: E: dpkg was interrupted"),
])
def test_no_room(real: RealUpgrades, script: str, expected: str) -> None:
    real.ssh("web1", script)
    real.assert_not_started("web1", expected)
