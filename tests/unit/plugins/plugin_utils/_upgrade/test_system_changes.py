# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade changes: the shell script on this machine and with made-up package managers, and the comparison."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.system_changes import SCRIPT, compare, count, parse_description

BEFORE = {"kernel": "6.1.0-1", "boot_id": "a", "packages": {"php": "8.3", "old": "1", "same": "2"}, "config_files": ["/etc/known.dpkg-dist"]}
AFTER = {"kernel": "6.1.0-2", "boot_id": "b", "packages": {"php": "8.4", "new": "1", "same": "2"},
         "config_files": ["/etc/known.dpkg-dist", "/etc/php.ini.dpkg-dist"]}


def describe(path: str, script: str = SCRIPT) -> dict:
    output = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": path}).stdout
    return parse_description(output)


@pytest.mark.skipif(not os.path.exists("/usr/bin/dpkg-query"), reason="this system has no dpkg")
def test_this_machine() -> None:
    found = describe(os.environ["PATH"])
    assert found["kernel"] == os.uname().release and found["packages"]["dpkg"][0].isdigit() and found["boot_id"]
    assert compare(found, found) == {"packages": {"added": {}, "removed": {}, "upgraded": {}}, "kernel": None, "config_files": [], "rebooted": False}


@pytest.mark.parametrize(("program", "output", "packages"), [
    ("rpm", "package kernel 0:6.1-1.x86_64\\npackage kernel 0:6.2-1.x86_64\\npackage php (none):8.4-1.noarch\\n",
     {"kernel": "0:6.1-1.x86_64, 0:6.2-1.x86_64", "php": "(none):8.4-1.noarch"}),
    ("apk", "musl-1.2.4-r2\\nca-certificates-20240705-r0\\n", {"musl": "1.2.4-r2", "ca-certificates": "20240705-r0"}),
    ("pacman", "linux 6.9-1\\n", {"linux": "6.9-1"}),
    ("dpkg-query", "package ii php 8.4\\npackage rc old 1\\npackage iF half 2\\n", {"php": "8.4"}),
    ("none", "", None),
])
def test_package_managers(tmp_path: Path, program: str, output: str, packages: dict[str, str] | None) -> None:
    for name in ("sh", "cat", "sed", "find", "uname"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    (tmp_path / program).write_text(f"#!/bin/sh\nprintf '{output}'\n")
    (tmp_path / program).chmod(0o755)
    assert describe(str(tmp_path))["packages"] == packages


def test_the_script_finds_files_beside_configuration(tmp_path: Path) -> None:
    for name in ("php.ini", "php.ini.dpkg-dist", "sub/my.cnf.rpmnew", "plain.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = describe(os.environ["PATH"], SCRIPT.replace("find /etc", f"find {tmp_path}"))
    assert found["config_files"] == [f"{tmp_path}/php.ini.dpkg-dist", f"{tmp_path}/sub/my.cnf.rpmnew"]


def test_what_has_changed() -> None:
    changes = compare(BEFORE, AFTER)
    assert changes == {
        "packages": {"added": {"new": "1"}, "removed": {"old": "1"}, "upgraded": {"php": {"from": "8.3", "to": "8.4"}}},
        "kernel": {"from": "6.1.0-1", "to": "6.1.0-2"}, "config_files": ["/etc/php.ini.dpkg-dist"], "rebooted": True,
    }
    assert count(changes) == "3 packages, kernel, reboot, 1 config file"
    assert count(compare(BEFORE, BEFORE)) == "-"


@pytest.mark.parametrize(("before", "after"), [(None, AFTER), (BEFORE, None), (None, None)])
def test_what_is_unknown(before: dict | None, after: dict | None) -> None:
    assert compare(before, after) is None and count(None) == "-"
    unknown = compare({**BEFORE, "packages": None, "kernel": None, "boot_id": None}, AFTER)
    assert (unknown["packages"], unknown["kernel"], unknown["rebooted"]) == (None, None, False) and count(unknown) == "1 config file"


@pytest.mark.parametrize("text", ["", "begin\n", "end\n", "end\nbegin\n", "begin\npackage a 1\n"])
def test_an_incomplete_description(text: str) -> None:
    assert parse_description(text) is None
