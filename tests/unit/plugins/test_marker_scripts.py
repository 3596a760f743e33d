# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's shell scripts that write the marker and choose its directory; run by the shells that are installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.evidence import marker_path, run_fields
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import parse_probe, parse_times

VARIABLES = Path(__file__).resolve().parents[3] / "roles" / "guarded_upgrade" / "vars" / "main.yml"
RUN_ID = "20260101T000000Zab12"
SHELLS = [shell for shell in ("dash", "bash", "busybox sh", "zsh", "ksh") if shutil.which(shell.split()[0])]


class Scripts:
    """The role's variables, rendered for a marker's directory."""

    def __init__(self, directory: Path, mounts: Path | None = None, tmpfiles: Path | None = None, connection: str = "ssh") -> None:
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
        environment.filters.update(quote=lambda value: shlex.quote(str(value)), dirname=lambda value: str(Path(value).parent))
        fields = run_fields(marker_path(str(directory), RUN_ID))
        self.marker, self.proof_dirs = Path(fields["marker"]), [Path(path) for path in fields["proof_dirs"]]
        self.home = directory.parents[1] / "home of user"
        self.home.mkdir(exist_ok=True)
        options = {"verify_files": ["/etc/os-release"]}
        self.values: dict[str, Any] = {"__guarded_upgrade_run": {**fields, "run_id": RUN_ID, "connection": connection, "options": options}}
        self.values["__guarded_upgrade_marker_dirs"] = [str(directory)]
        sources = yaml.safe_load(VARIABLES.read_text("utf-8"))
        for name in ("times_script", "marker_dir_script", "marker_script", "rewrite_script", "probe_script"):
            name = f"__guarded_upgrade_{name}"
            text = environment.from_string(sources[name]).render(self.values)
            text = text.replace("/etc/tmpfiles.d/", f"{tmpfiles}/") if tmpfiles else text
            self.values[name] = text.replace("/proc/mounts", str(mounts)) if mounts else text

    def run(self, name: str, shell: str = "sh", programs: Path | None = None) -> subprocess.CompletedProcess[str]:
        script = self.values[f"__guarded_upgrade_{name}_script"]
        path = [str(programs)] * bool(programs) + [os.environ["PATH"]]
        return subprocess.run([*shell.split(), "-c", script], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "HOME": str(self.home), "PATH": ":".join(path)})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Like /var/tmp, on a disk of its own."""
    path = tmp_path / "it's a disk" / "var" / "tmp"
    path.mkdir(parents=True)
    (path.parents[1] / "srv").mkdir()
    return path


@pytest.mark.parametrize("shell", SHELLS)
def test_from_the_snapshot_to_a_boot_that_empties_the_directory(directory: Path, shell: str) -> None:
    scripts = Scripts(directory)
    (directory / "rewind-guarded-upgrade-of-an-earlier-run").touch()
    (directory / "other").touch()
    before = parse_probe(scripts.run("probe", shell).stdout)["times"]
    assert list(before) == [str(path) for path in (directory.parent, directory.parents[1], directory.parents[1] / "srv", scripts.home)]

    written = scripts.run("marker", shell)
    assert written.returncode == 0
    times, changed = parse_times(written.stdout)
    observed = parse_probe(scripts.run("probe", shell).stdout)
    assert (observed["markers"], observed["times"]) == ([str(scripts.marker)], changed)
    assert times == before and set(changed) == set(before)
    assert sorted(path.name for path in directory.iterdir()) == ["other", scripts.marker.name]

    scripts.marker.unlink()
    assert scripts.run("rewrite", shell).returncode == 0
    assert parse_probe(scripts.run("probe", shell).stdout)["markers"] == [str(scripts.marker)]
    unchanged = parse_probe(scripts.run("probe", shell).stdout)
    scripts.run("rewrite", shell)
    assert {**parse_probe(scripts.run("probe", shell).stdout), "disks": {}} == {**unchanged, "disks": {}}, "this machine's disk is in use"


SYSTEMCTL = """#!/bin/sh
block() { printf 'TriggeredBy=%s\\nWantedBy=%s\\nNRestarts=%s\\nId=%s\\nLoadState=%s\\nSubState=%s\\n\\n' "$@"; }
case $* in
  list-units*) echo 'bad.service loaded failed failed A service' ;;
  is-system-running) echo degraded; exit 1 ;;
  show*'*.service')
    block '' multi-user.target 0 ssh.service loaded running
    block '' multi-user.target 3 shop.service loaded auto-restart
    block '' multi-user.target 0 ended.service loaded dead
    block docker.socket multi-user.target 0 docker.service loaded running
    block anacron.timer multi-user.target 0 anacron.service loaded dead
    block '' '' 0 by-hand.service loaded running
    block '' multi-user.target 0 removed.service not-found dead
    block '' multi-user.target 1 bad.service loaded failed
    block '' multi-user.target 0 once.service loaded exited ;;
  list-jobs*) echo '7 slow.service start running' ;;
esac
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_services(directory: Path, shell: str) -> None:
    """Only those that a boot starts, and no socket or timer: others may stop by themselves."""
    programs = directory / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL, encoding="utf-8")
    (programs / "systemctl").chmod(0o700)
    found = parse_probe(Scripts(directory).run("probe", shell, programs).stdout)
    assert (found["running"], found["stopped"], found["restarting"]) == (["ssh.service"], ["ended.service"], ["shop.service"])
    assert (found["failed_units"], found["restarts"]) == (["bad.service"], {"shop.service": 3, "bad.service": 1})
    assert (found["system_state"], found["jobs"]) == ("degraded", {"slow.service": "other"})


def test_nothing_is_written_again_over_another_connection(directory: Path) -> None:
    scripts = Scripts(directory, connection="paramiko")
    assert scripts.run("rewrite").returncode == 0
    assert not scripts.marker.exists()


def test_a_marker_that_can_not_be_written_leaves_nothing(directory: Path) -> None:
    scripts = Scripts(directory)
    scripts.marker.mkdir()  # not removed by `rm -f`
    assert scripts.run("marker").returncode == 1
    scripts.marker.rmdir()
    assert list(directory.iterdir()) == []


def test_a_full_disk_leaves_no_empty_file(directory: Path) -> None:
    """`printf` fails after the shell has created the file."""
    scripts = Scripts(directory)
    scripts.values["__guarded_upgrade_marker_script"] = "printf() { return 1; }\n" + scripts.values["__guarded_upgrade_marker_script"]
    assert scripts.run("marker").returncode == 1
    assert list(directory.iterdir()) == []


def test_no_symbolic_link_is_followed(directory: Path) -> None:
    scripts = Scripts(directory)
    target = directory / "target"
    target.write_text("precious")
    scripts.marker.symlink_to(target)
    assert scripts.run("marker").returncode == 0
    assert target.read_text() == "precious" and not scripts.marker.is_symlink()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("mounts", "chosen"), [
    ("/dev/vda1 / ext4 rw 0 0", True), ("/dev/vda1 / ext4 rw 0 0\ntmpfs {} tmpfs rw 0 0", False),
    ("/dev/vda1 / ext4 rw 0 0\nramfs {} ramfs rw 0 0", False),
    ("/dev/vda1 / ext4 rw 0 0\n/dev/zram1 {} ext4 rw 0 0", False), ("/dev/vda1 / xfs rw 0 0\nserver:/export {} nfs4 rw 0 0", False),
    ("/dev/vda1 / xfs rw 0 0\nx {} fuse.sshfs rw 0 0", False), ("tmpfs {} tmpfs rw 0 0\n/dev/vda1 / ext4 rw 0 0", False),
    ("tmpfs {} tmpfs rw 0 0\n/dev/vdb1 {} ext4 rw 0 0", True), ("/dev/vda1 / btrfs rw 0 0\n/dev/vda1 {} btrfs rw,subvol=/@tmp 0 0", True),
    ("overlay / overlay rw,lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work 0 0\ntmpfs /rw tmpfs rw 0 0", False),
    ("overlay / overlay rw,lowerdir=/l,upperdir=/var/lib/containers/upper,workdir=/w 0 0", True),
    ("/dev/vda1 / ext4 rw 0 0\noverlay {} overlay rw,lowerdir=/l,upperdir=/run/u,workdir=/w 0 0\ntmpfs /run tmpfs rw 0 0", False),
    ("tmpfs / tmpfs rw 0 0", True), ("/dev/vda1 / ext4 rw 0 0\ntmpfs {}-beside tmpfs rw 0 0", True),
])
def test_the_directory_survives_a_boot(tmp_path: Path, mounts: str, chosen: bool, shell: str) -> None:
    table = tmp_path / "mounts"
    directory = tmp_path / "tmp"
    directory.mkdir()
    table.write_text(mounts.replace("{}", str(directory.resolve())) + "\n", encoding="utf-8")
    probe = parse_probe(Scripts(directory, table).run("probe", shell).stdout)
    assert probe is not None
    assert probe["marker_dir"] == (str(directory) if chosen else None)


def test_a_link_into_memory_is_not_chosen(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "link").symlink_to("memory")
    (tmp_path / "mounts").write_text(f"/dev/vda1 / ext4 rw 0 0\ntmpfs {tmp_path.resolve()}/memory tmpfs rw 0 0\n")
    assert parse_probe(Scripts(tmp_path / "link", tmp_path / "mounts").run("probe").stdout)["marker_dir"] is None


@pytest.mark.parametrize(("rule", "chosen"), [
    ("D {} 1777 root root -", False), ("D! {}/ 1777", False), ("R! {}/*", False), ("R {}", False),
    ("q {} 1777 root root 30d", True), ("d {} 1777", True), ("R! {}/systemd-private-*", True), ("D {}/below", True), ("# D {}", True),
])
def test_a_directory_that_systemd_empties_at_boot_is_not_chosen(tmp_path: Path, rule: str, chosen: bool) -> None:
    directory = tmp_path / "tmp"
    directory.mkdir()
    (tmp_path / "mounts").write_text("/dev/vda1 / ext4 rw 0 0\n")
    (tmp_path / "tmp.conf").write_text(f"# comment\n{rule.format(directory.resolve())}\n")
    probe = parse_probe(Scripts(directory, tmp_path / "mounts", tmp_path).run("probe").stdout)
    assert probe["marker_dir"] == (str(directory) if chosen else None)
