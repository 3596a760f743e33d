# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found on a server before its snapshot: the script in real shells with real locks, and what its output means."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import package_locks, preflight_script, server_check
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import ROLE_OPTIONS
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.package_selection import Selection
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_check import Needs

SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"], ["zsh"], ["ksh"]) if shutil.which(shell[0])]
DEFAULTS = {name: spec.get("default") for name, spec in ROLE_OPTIONS.items()}
NOTHING = Needs((), (), False)
PACKAGES = Needs(("the upgrade of packages", "a reboot"), ("the upgrade of packages",), True)
MARKER = "/var/tmp/rewind-guarded-upgrade-20260101T000000Zab12"
FINE = "uid 0\nspace 5000000 /\ninodes 100000 50000 /\nmount rw /\nend\n"


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return request.param


def run(shell: list[str], script: str) -> str:
    # The input stays open: a program that reads it would hang.
    reader, writer = os.pipe()
    try:
        done = subprocess.run([*shell, "-c", f"{script}echo end\n"], stdin=reader, capture_output=True, text=True, timeout=60, check=False)
    finally:
        os.close(reader)
        os.close(writer)
    assert done.stdout.endswith("end\n"), done
    return done.stdout


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the lock files of all package managers, none of which is locked."""
    for module, names in ((package_locks, "LOCK_FILES"), (package_locks, "PID_FILES"), (package_locks, "EXISTING_FILES"),
                          (preflight_script, "PACKAGE_DIRECTORIES")):
        paths = tuple(f"{tmp_path}{path}" for path in getattr(module, names))
        monkeypatch.setattr(module, names, paths)
        for path in map(Path, paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            if names == "LOCK_FILES":
                path.touch()
            elif names == "PACKAGE_DIRECTORIES":
                path.mkdir(parents=True, exist_ok=True)
    return tmp_path


def script(system: Path, **options: Any) -> str:
    return preflight_script.preflight_script(f"{system}/{MARKER.rpartition('/')[2]}", **{"packages": None, "test_write": True, **options})


HOLD = """import fcntl, sys, time
file = open(sys.argv[1], "a")
getattr(fcntl, sys.argv[2])(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hold() -> Iterator[Any]:
    """Lock a file in another process. Its name there is `python3` or the like."""
    processes = []

    def start(path: str, function: str = "lockf") -> int:
        process = subprocess.Popen([sys.executable, "-c", HOLD, path, function], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"locked\n"
        return process.pid

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("function", ["lockf", "flock"])
def test_a_lock_is_seen_with_its_process(system: Path, shell: list[str], hold: Any, function: str) -> None:
    path = package_locks.LOCK_FILES[0]
    assert package_locks.holders(run(shell, script(system))) == []
    pid = hold(path, function)
    assert [(holder.pid, holder.path) for holder in package_locks.holders(run(shell, script(system)))] == [(str(pid), path)]


def test_each_lock_file_counts(system: Path, hold: Any) -> None:
    for path in package_locks.LOCK_FILES:
        hold(path)
    assert {holder.path for holder in package_locks.holders(run(["dash"], script(system)))} == set(package_locks.LOCK_FILES)


def test_a_reader_is_no_package_manager_at_work(system: Path, shell: list[str]) -> None:
    with open(package_locks.LOCK_FILES[0]) as file:
        fcntl.lockf(file, fcntl.LOCK_SH)
        assert package_locks.holders(run(shell, script(system))) == []


def test_the_lock_of_another_file_with_the_same_inode_does_not_count(system: Path, hold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inodes are unique in a file system only."""
    other = system / "other"
    other.touch()
    hold(str(other))
    path = package_locks.LOCK_FILES[0]
    text = script(system).replace('inode=$(echo "$inode" | { read -r number rest; echo "$number"; })', f"inode={other.stat().st_ino}")
    assert f"inode={other.stat().st_ino}" in text
    assert package_locks.holders(run(["dash"], text)) == []
    os.unlink(path)
    os.link(other, path)
    assert {holder.path for holder in package_locks.holders(run(["dash"], text))} == {path}


@pytest.mark.parametrize("number", range(len(package_locks.PID_FILES)))
def test_each_file_with_a_process_id_counts(system: Path, number: int) -> None:
    path = Path(package_locks.PID_FILES[number].replace("*", "x"))
    path.write_text(f"{os.getpid()}\n")
    assert [holder.path for holder in package_locks.holders(run(["sh"], package_locks.lock_script()))] == [str(path)]


def test_a_process_id_counts_while_the_process_lives(system: Path, shell: list[str]) -> None:
    path = Path(package_locks.PID_FILES[0].replace("*", "x"))
    for content, expected in ((str(os.getpid()), 1), ("", 0), ("999999999\n", 0), ("\0x\n", 0)):
        path.write_text(content)
        assert len(package_locks.holders(run(shell, package_locks.lock_script()))) == expected, content


def test_a_database_that_is_locked_by_a_file(system: Path, shell: list[str]) -> None:
    path = Path(package_locks.EXISTING_FILES[0])
    path.touch()
    holder, = package_locks.holders(run(shell, script(system)))
    assert str(holder) == f"{path} exists"
    assert "remove that file" in str(package_locks.busy_error([holder], 5, "web1").hint)


def test_where_no_package_manager_is_installed(tmp_path: Path, shell: list[str]) -> None:
    text = run(shell, preflight_script.preflight_script(f"{tmp_path}/marker", packages=None, test_write=True))
    assert server_check.find_obstacle(text, NOTHING, f"{tmp_path}/marker", "web1") is None
    assert f"uid {os.getuid()}\n" in text and list(tmp_path.iterdir()) == []


def test_the_real_space_of_this_machine_is_enough(system: Path, shell: list[str]) -> None:
    text = run(shell, script(system))
    assert server_check.find_obstacle(text, Needs((), (), True), f"{system}/marker", "web1") is None
    assert "\nspace " in text and "\ninodes " in text and "\nmount rw " in text


# --- where the marker can't be written


def obstacle(text: str, needs: Needs = NOTHING, marker: str = MARKER) -> str | None:
    error = server_check.find_obstacle(text, needs, marker, "web1")
    return error and error.format()


@pytest.mark.parametrize(("where", "problem"), [
    ("missing", "nonexistent|No such file|No such directory|can't create"), ("/proc", "nonexistent|No such file|can't create|denied"),
    ("/dev/full/x", "Not a directory|nonexistent|No such file"),
])
def test_a_directory_in_which_no_file_can_be_created(system: Path, shell: list[str], where: str, problem: str) -> None:
    directory = where if where.startswith("/") else f"{system}/{where}"
    text = run(shell, preflight_script.preflight_script(f"{directory}/marker", packages=None, test_write=True))
    found = obstacle(text, marker=f"{directory}/marker")
    assert found and f"the marker can't be written to {directory}: " in found and "guarded_upgrade_marker_dir" in found


def test_a_full_disk(system: Path, shell: list[str]) -> None:
    """A file can be created, but nothing written to it."""
    text = script(system).replace('>"$file")', '>/dev/full)').replace("echo \"written", ": >\"$file\"; echo \"written")
    assert "marker can't be written" in str(obstacle(run(shell, text))) and "No space left" in str(obstacle(run(shell, text)))


def test_in_check_mode_nothing_is_written(system: Path) -> None:
    assert ".test-of-" not in script(system, test_write=False) and "apt-get" not in script(system)


@pytest.mark.parametrize("directory", ["/var/tmp/$(touch owned)", "/var/tmp/`touch owned`; touch 'owned", "/"])
def test_the_directory_is_quoted(tmp_path: Path, shell: list[str], monkeypatch: pytest.MonkeyPatch, directory: str) -> None:
    monkeypatch.chdir(tmp_path)
    run(shell, preflight_script.preflight_script(f"{directory}/marker", packages=None, test_write=directory != "/"))
    assert list(tmp_path.iterdir()) == []


# --- what the output means


@pytest.mark.parametrize(("options", "root", "python"), [
    ({}, ("the upgrade of packages", "a reboot"), ("the upgrade of packages",)),
    ({"tasks": ["a.yml"]}, ("a reboot",), ()),
    ({"roles": ["a"], "reboot": "never"}, (), ()),
    ({"roles": ["a"], "reboot_command": "sudo reboot"}, (), ()),
    ({"tasks": ["a.yml"], "reboot": "always"}, ("a reboot",), ()),
    ({"tasks": ["a.yml"], "reboot": "never", "quiesce_services": ["db"]}, ("guarded_upgrade_quiesce_services",),
     ("guarded_upgrade_quiesce_services",)),
])
def test_needs(options: dict[str, Any], root: tuple[str, ...], python: tuple[str, ...]) -> None:
    needs = server_check.needs_of({**DEFAULTS, **options})
    assert (needs.root, needs.python, needs.packages) == (root, python, not options)


def test_a_forgotten_become() -> None:
    found = obstacle(FINE.replace("uid 0", "uid 1000"), PACKAGES)
    assert found and "without root privileges (uid 1000), which the upgrade of packages and a reboot would need" in found and "-b" in found
    found = server_check.find_obstacle("uid 33\n", PACKAGES, MARKER, "web1", "sudo")
    assert found and found.hint == "set become_user to root"
    assert "guarded_upgrade_reboot: never" in str(obstacle("uid 1000\n", Needs(("a reboot",), (), False)))
    for text, needs in ((FINE, PACKAGES), (FINE.replace("uid 0", "uid 1000"), NOTHING), (FINE.replace("uid 0", "uid "), PACKAGES)):
        assert obstacle(text, needs) is None


@pytest.mark.parametrize(("line", "expected"), [
    ("space 10239 /var", "/var has 10239 kB of free space"), ("space 0 /with space", "/with space has 0 kB of free space"),
    ("inodes 1000 99 /var", "/var has 99 free inodes"), ("mount ro /", "/ is mounted read-only"),
    ("apt E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.", "apt reports: E: dpkg was interrupted"),
    ("apt E: Unmet dependencies. Try 'apt --fix-broken install'", "apt reports: E: Unmet dependencies"),
    ("apt After this operation, 6,000 MB of additional disk space will be used.", "the packages need 6000 MB on /, and 5000 MB are free"),
    ("apt Need to get 5.1 GB of archives.", "the packages need 5100 MB on /, and 5000 MB are free"),
    ("apt Need to get 2.0 GB/9.0 GB of archives.\napt After this operation, 3,001 MB of additional disk space will be used.", "need 5001 MB on /"),
    ("mount rw /usr\nspace 20000 /usr\napt After this operation, 21.0 MB of additional disk space will be used.", "need 21 MB on /usr"),
    ("mount rw /var\nspace 20000 /var\napt Need to get 21.0 MB of archives.", "need 21 MB on /var"),
])
def test_no_room_for_packages(line: str, expected: str) -> None:
    assert expected in str(obstacle(f"{FINE}{line}\n", PACKAGES))
    if "apt" not in line:
        assert obstacle(f"{FINE}{line}\n") is None, "the user's own tasks may need no room"


@pytest.mark.skipif(not shutil.which("apt-get"), reason="this system has no apt")
def test_apt_is_only_asked(shell: list[str]) -> None:
    before = subprocess.run(["dpkg", "-l"], capture_output=True, text=True, check=True).stdout
    text = run(shell, preflight_script.preflight_script("/tmp/marker", packages=Selection(), test_write=False))
    assert "--print-uris" in preflight_script.preflight_script("/tmp/marker", packages=Selection(), test_write=False)
    assert all(line.startswith(("E:", "Need to get", "After this operation")) for line in server_check._values(text, "apt"))
    assert subprocess.run(["dpkg", "-l"], capture_output=True, text=True, check=True).stdout == before


def test_apt_is_asked_for_what_is_selected() -> None:
    def question(selection: Selection) -> str:
        return preflight_script.preflight_script("/tmp/marker", packages=selection, test_write=False)

    assert "dist-upgrade 2>&1" in question(Selection()) and "Need* | After*" in question(Selection())
    assert "--only-upgrade install nginx php 2>&1" in question(Selection(names=("nginx", "php")))
    assert "Need*" not in question(Selection(security=True)), "the size of all updates says nothing about it"


@pytest.mark.parametrize("line", [
    "space 10240 /var", "space Available Mounted on", "inodes 0 0 /btrfs", "inodes - - /btrfs", "inodes 1000 100 /var", "mount ro /snap/core",
    "mount rw /", "apt E: Unable to locate package", "apt After this operation, 6,000 kB of additional disk space will be used.",
    "apt After this operation, 6,000 GB disk space will be freed.", "apt W: something", "apt Need to get 0 B/9.0 GB of archives.",
    "mount rw /usr\nspace 20000 /usr\napt Need to get 21.0 MB of archives.", "mount rw /us\nspace 20000 /us\napt Need to get 21.0 MB of archives.",
    "mount rw /us\nspace 20000 /us\napt After this operation, 21.0 MB of additional disk space will be used.",
])
def test_room_enough(line: str) -> None:
    assert obstacle(f"{FINE}{line}\n", PACKAGES) is None


def test_the_last_mount_of_a_place_counts() -> None:
    assert obstacle("uid 0\nspace 5000000 /\nmount rw /\nmount ro /\n", PACKAGES)
    assert obstacle("uid 0\nspace 5000000 /\nmount ro /\nmount rw /\n", PACKAGES) is None


@pytest.mark.parametrize(("shell_test", "become", "kind", "expected"), [
    ("", None, errors.NOT_READY, "The login shell of Ansible's user on web1 does not run sh commands; it printed: no"),
    ("login-shell /usr/bin/fish\n", "sudo", errors.NOT_READY, "on web1 (/usr/bin/fish) does not run sh commands"),
    ("sh-compatible 42\nlogin-shell /bin/bash\n", "sudo", errors.FORBIDDEN, "can't run commands on web1 with sudo; it printed: no"),
    ("sh-compatible 42\r\nlogin-shell /bin/bash\r\n", None, errors.NOT_READY, "The probe of server web1 did not complete; it printed: no"),
])
def test_why_a_script_did_not_run(shell_test: str, become: str | None, kind: str, expected: str) -> None:
    error = server_check.incomplete_error(shell_test, "no", become, "web1")
    assert expected in error.message and error.kind == kind and error.hint


def test_the_test_of_the_shell(shell: list[str]) -> None:
    environment = {"SHELL": "/bin/x", "PATH": os.environ["PATH"]}
    printed = "".join(subprocess.run([*shell, "-c", text], capture_output=True, text=True, check=True, env=environment).stdout
                      for text in (server_check.SHELL_TEST, server_check.LOGIN_SHELL))
    assert server_check.incomplete_error(printed, "", None, "web1").message == "The probe of server web1 did not complete"
    for other in filter(shutil.which, ("fish", "tcsh", "csh", "false")):
        printed = "".join(subprocess.run([other, "-c", text], capture_output=True, text=True, check=False, env=environment).stdout
                          for text in (server_check.SHELL_TEST, server_check.LOGIN_SHELL))
        assert "login shell" in server_check.incomplete_error(printed, "", "sudo", "web1").message, other
    python = subprocess.run([sys.executable, "-c", server_check.SHELL_TEST], capture_output=True, text=True, check=False).stdout
    assert "login shell" in server_check.incomplete_error(python, "", "sudo", "web1").message


def test_no_message_obeys_a_server() -> None:
    for error in (
        server_check.package_manager_error("\x1b[2J", Selection(), "web1"), server_check.packages_error("\x1b", "web1"),
        server_check.unreachable_error("a\x1b\nb", "\x1b", "web1"),
        package_locks.busy_error(package_locks.holders("held 7 \x1b[2J /a\n"), 5, "web1"),
        server_check.find_obstacle("uid 0\nunwritable \x1b[2J\n", NOTHING, MARKER, "web1"),
    ):
        assert "\x1b" not in error.message and "\n" not in error.message
