# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process a run is: alive only as itself, not as a zombie and not as another with its number."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.process_identity import controlling_terminal, identity, is_alive

HAS_PROC = Path("/proc/self/stat").exists()
UNUSED_PID = 2 ** 22 + 1  # above what a kernel gives out


@pytest.fixture(params=["proc", "ps"])
def lookup(request, monkeypatch):
    """Both ways to read it; the second is for systems without /proc."""
    if request.param == "proc":
        if not HAS_PROC:
            pytest.skip("this system has no /proc")
        return
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path, **how: str(path) != "/proc/self/stat" and exists(path, **how))


@pytest.fixture
def child():
    """A process that lives until its standard input is closed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.communicate()


def become_zombie(process):
    """End the process without reaping it."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_one_that_runs_is_alive_and_stays_the_same(lookup, child):
    found = identity(child.pid)
    assert found["pid"] == child.pid and found["started"]
    assert is_alive(found) and identity(child.pid) == found
    assert is_alive({**found, "command": "ansible-playbook site.yml"}), "more may be noted with it"


def test_one_that_has_ended_is_not_alive_even_before_it_is_collected(lookup, child):
    found = identity(child.pid)
    become_zombie(child)
    assert not is_alive(found)
    assert identity(child.pid)["started"] is None
    child.communicate()
    assert not is_alive(found)


def test_its_number_given_to_another_process_is_not_it(lookup, child):
    found = identity(child.pid)
    other = {**found, "started": identity(1)["started"]}
    assert other["started"] != found["started"]
    assert not is_alive(other)


@pytest.mark.parametrize("process", [
    None, {}, {"pid": os.getpid()}, {"pid": os.getpid(), "started": None}, {"pid": os.getpid(), "started": ""}, {"started": "1"},
    identity(UNUSED_PID),
    {"pid": str(os.getpid()), "started": "1"}, {"pid": None, "started": None}, {"pid": -1, "started": "x"}, {"pid": 0, "started": "x"},
])
def test_what_describes_no_process_is_not_alive(lookup, process):
    assert not is_alive(process)


@pytest.mark.skipif(not HAS_PROC, reason="this system has no /proc")
def test_a_process_of_an_earlier_boot_is_not_this_one(monkeypatch):
    found = identity(os.getpid())
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **how: "another-boot\n" if path.name == "boot_id" else read(path, **how))
    assert not is_alive(found)


@pytest.mark.skipif(not HAS_PROC, reason="this system has no /proc")
@pytest.mark.parametrize("name", ["evil) S 1 2 3", "((((", "a b c d", ") Z 0 0"])
def test_a_name_that_resembles_the_rest_of_the_line_does_not_deceive(name, tmp_path):
    program = tmp_path / name
    program.symlink_to(sys.executable)
    process = subprocess.Popen([str(program), "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while name[:15] not in Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8") and time.monotonic() < deadline:
            time.sleep(0.01)
        found = identity(process.pid)
        assert is_alive(found) and found["started"].split()[0].isdigit()
        become_zombie(process)
        assert not is_alive(found)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def fake_ps(tmp_path, monkeypatch):
    """Put a shell script in place of ps."""

    def install(script):
        (tmp_path / "ps").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "ps").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.mark.parametrize("lookup", ["ps"], indirect=True)
def test_the_output_of_a_strictly_posix_ps_is_parsed(lookup, fake_ps):
    """There, and on macOS, what follows a = in an argument is a heading, commas included."""
    fake_ps('case "$*" in *=,*) echo ",lstart="; echo "Ss+";; *) echo "Ss+  Thu Jan  1 00:00:00 2026";; esac')
    assert identity(5) == {"pid": 5, "started": "Thu Jan  1 00:00:00 2026"}


def test_programs_that_are_started_do_not_get_the_credentials(tmp_path, monkeypatch, fake_ps):
    fake_ps(f'env > "{tmp_path}/seen"')
    monkeypatch.setenv("VPS_API_TOKEN", "vps_S3cretToken")  # the task's own environment is put there
    assert controlling_terminal(os.getpid()) is None
    seen = (tmp_path / "seen").read_text("utf-8")
    assert "PATH=" in seen and "vps_S3cretToken" not in seen


def test_the_terminal_of_a_process_and_of_one_that_has_none():
    terminal, line = pty.openpty()
    # It takes the terminal by opening it, as the leader of a session without one.
    take_it = "import os, sys, time; os.open(sys.argv[1], os.O_RDWR); print(flush=True); time.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", take_it, os.ttyname(line)], start_new_session=True, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert controlling_terminal(child.pid) == os.ttyname(line)
        child.kill()
    os.close(terminal)
    os.close(line)
    with subprocess.Popen(["sleep", "30"], start_new_session=True) as without:
        assert controlling_terminal(without.pid) is None
        without.kill()
    assert controlling_terminal(without.pid) is None
