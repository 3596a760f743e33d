# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an upgraded server needs a reboot: the script on made-up systems, and what its output means."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.reboot import decide_reboot, is_newer_kernel
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps.reboot import REBOOT_CHECK_TIMEOUT

ROOT = Path(__file__).resolve().parents[5]
SCRIPT = yaml.safe_load((ROOT / "roles" / "guarded_upgrade" / "vars" / "main.yml").read_text("utf-8"))["__guarded_upgrade_reboot_script"]
RUNNING = "6.1.0-18-amd64"

NO_REBOOT = "No core libraries or services have been updated since boot-up.\nReboot should not be necessary."
REBOOT = "Core libraries or services have been updated since boot-up:\n  * systemd\n\nReboot is required to fully utilize these updates."


class System:
    """A directory with programs and files, in path of a server's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "bin").mkdir()
        self.program("uname", f"echo {RUNNING}")
        for name in ("grep", "cat"):
            os.symlink(shutil.which(name), directory / "bin" / name)

    def program(self, name: str, body: str) -> None:
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def file(self, path: str) -> None:
        (self.directory / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (self.directory / path.lstrip("/")).touch()

    def decide(self, kernel_before: str | None = None) -> dict:
        script = SCRIPT.replace(":/usr/sbin:/sbin", "")
        for path in ("/run/", "/var/run/", "/boot/", "/lib/modules/", "/proc/"):
            script = script.replace(f" {path}", f" {self.directory}{path}")
        run = subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(self.directory / "bin")}, text=True, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        return decide_reboot(run.stdout, kernel_before)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_programs_that_hang_decide_nothing_and_end_within_the_time_of_the_step(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package manager that waits for its repositories or a lock is no reason to roll back."""
    for name in ("timeout", "sleep", "true"):
        os.symlink(shutil.which(name), system.directory / "bin" / name)
    for name in ("dnf5", "needs-restarting", "dnf", "zypper"):
        system.program(name, "exec sleep 600")
    (seconds,) = re.findall(r'timeout ([0-9]+) "\$@"', SCRIPT)
    assert 4 * int(seconds) < REBOOT_CHECK_TIMEOUT
    monkeypatch.setitem(globals(), "SCRIPT", SCRIPT.replace(f'timeout {seconds} "$@"', 'timeout 0.2 "$@"'))
    assert system.decide() == {"required": False, "known": False, "reason": ""}
    system.file("/run/reboot-required")
    assert system.decide()["required"]


def test_nothing_can_tell(system: System) -> None:
    assert system.decide() == {"required": False, "known": False, "reason": ""}


@pytest.mark.parametrize("path", ["/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed"])
def test_a_file(system: System, path: str) -> None:
    system.file(path)
    decision = system.decide()
    assert decision["required"] and path in decision["reason"]


@pytest.mark.parametrize(("name", "arguments"), [("needs-restarting", "-r"), ("dnf", "needs-restarting -r"), ("dnf5", "needs-restarting")])
def test_needs_restarting(system: System, name: str, arguments: str) -> None:
    answers = [(0, NO_REBOOT, False, True), (1, REBOOT, True, True)]
    errors = [(1, "No such command", False, False), (1, "", False, False), (3, REBOOT, False, False)]
    for status, text, required, known in answers + errors:
        system.program(name, f'[ "$*" = "{arguments}" ] || exit 9\necho "{text}"\nexit {status}')
        decision = system.decide()
        assert (decision["required"], decision["known"]) == (required, known), (status, text)


@pytest.mark.parametrize(("status", "required", "known"), [(0, False, True), (102, True, True), (1, False, False), (7, False, False)])
def test_zypper(system: System, status: int, required: bool, known: bool) -> None:
    system.program("zypper", f"exit {status}")
    decision = system.decide()
    assert (decision["required"], decision["known"]) == (required, known)


@pytest.mark.parametrize("path", ["/boot/vmlinuz-{}", "/boot/vmlinux-{}", "/lib/modules/{}/modules.builtin"])
def test_a_newer_kernel(system: System, path: str) -> None:
    system.file(path.format(RUNNING))
    assert system.decide() == {"required": False, "known": True, "reason": ""}
    system.file(path.format("6.1.0-9-amd64"))
    system.file(path.format("6.1.0-18-cloud-amd64"))
    assert not system.decide()["required"]
    system.file(path.format("6.1.0-20-amd64"))
    assert system.decide()["reason"] == f"the kernel 6.1.0-20-amd64 is installed, and {RUNNING} is running"


def test_a_kernel_of_the_provider_is_not_compared(system: System) -> None:
    system.file("/boot/vmlinuz-6.9.0-1-amd64")
    assert system.decide() == {"required": False, "known": False, "reason": ""}
    assert system.decide(kernel_before=RUNNING)["required"]
    (system.directory / "boot" / "vmlinuz-6.9.0-1-amd64").rename(system.directory / "boot" / "vmlinuz-6.0.0-1-amd64")
    assert system.decide(kernel_before=RUNNING)["reason"] == f"the running kernel {RUNNING} is not installed any more"


def test_in_a_container_kernels_are_the_hosts(system: System) -> None:
    system.file(f"/boot/vmlinuz-{RUNNING}")
    system.file("/boot/vmlinuz-9.9.9-1-amd64")
    assert system.decide()["required"]
    system.file("/run/systemd/container")
    assert system.decide() == {"required": False, "known": False, "reason": ""}


@pytest.mark.parametrize(("version", "running", "newer"), [
    ("6.1.0-20-amd64", RUNNING, True), ("6.10.0-1-amd64", "6.9.0-1-amd64", True), ("6.1.0-20-cloud-amd64", RUNNING, True), (RUNNING, RUNNING, False),
    ("6.1.0-18-rt-amd64", RUNNING, False), ("6.1.0-0.deb11.18-amd64", "6.1.0-0.deb11.17-amd64", True), ("0-rescue-4f", "5.14.0-70.el9.x86_64", False),
    ("5.14.0-427.16.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64", True), ("6.9.1-arch1-2", "6.9.1-arch1-1", True),
    ("6.6.31-0-lts", "6.6.30-0-lts", True), ("lts", RUNNING, False), (RUNNING, "", False), ("", RUNNING, False),
    ("6.4.0-150600.23.7-default", "6.4.0-150600.21-default", True),
])
def test_versions(version: str, running: str, newer: bool) -> None:
    assert is_newer_kernel(version, running) is newer


def test_output_that_is_cut_off_decides_nothing() -> None:
    assert decide_reboot("reboot file /run/reboot-required\n", None) is None
    assert decide_reboot("reboot file /run/reboot-required\r\nend\r\n", None)["required"]
