# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known of real machines without starting one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.playbook_runner import ROOT


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built, and the user can paste the command."""
    from sandbox.machines import MachinesUnavailable
    from sandbox.machines.qemu import image

    monkeypatch.setattr(image.shutil, "which", lambda name, path=None: None if name in ("mmdebstrap", "qemu-img") else f"/usr/bin/{name}")
    with pytest.raises(MachinesUnavailable, match="sudo apt-get install mmdebstrap qemu-utils$"):
        asyncio.run(image.get_image(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_the_sandbox_says_why_it_does_not_start(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    done = subprocess.run([sys.executable, "-m", "sandbox", "--machines", "qemu", "--servers", "1", "--state", str(tmp_path / "state")],
                          env={"PATH": str(empty), "PYTHONPATH": str(ROOT / "extensions"), "HOME": str(tmp_path)}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "sandbox: cannot start: real machines need more packages; install them with: sudo apt-get install" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [
    ("--machines=qemu", "--no-ssh"), ("--machines=qemu", "--no-disks"), ("--machines=qemu", "--isolation=directory"), ("--snapshots=memory",),
    ("--distribution=rpm",),
])
def test_options_of_the_other_kind_of_machines_are_rejected(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", "sandbox", "--state", str(tmp_path / "state"), *options], stdin=subprocess.DEVNULL,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "extensions")}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "sandbox: cannot start: " in done.stderr and "--" in done.stderr and "Traceback" not in done.stderr


def test_each_test_package_breaks_one_thing() -> None:
    """Version 1 is the same for all but services and configuration; names are unique and fit apt and dnf."""
    from sandbox.machines.qemu.lab_packages import PACKAGES

    names = [package.name for package in PACKAGES]
    assert len(set(names)) == len(names) and all(name.startswith("lab-") for name in names)
    for package in PACKAGES:
        assert package.old.files.keys() <= package.new.files.keys(), package.name
        assert package.old.files[f"/usr/share/lab/{package.name}"] != package.new.files[f"/usr/share/lab/{package.name}"]
