# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` from start to end, and the checks with which it would detect a failure of the collection."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# pytest may read this file before tests/conftest.py has made these importable.
sys.path[:0] = [str(ROOT / "extensions")]
from demo import checks  # noqa: E402
from demo.ansible_output import filter_lines  # noqa: E402
from demo.checks import DemoCheckFailed  # noqa: E402

DEMO_SECONDS = 600
NEEDS_SSH = pytest.mark.skipif(not shutil.which("ssh"), reason="the demo needs an SSH client")

# --- the whole demo


@pytest.fixture
def workspace() -> Iterator[Path]:
    """The demo's directory for temporary files; the demo must leave nothing there."""
    directory = Path(tempfile.mkdtemp(prefix="rwt-", dir="/tmp"))  # short: sockets lie below it
    yield directory
    left = [str(path) for path in directory.rglob("*")]
    shutil.rmtree(directory)
    assert not left
    assert not processes_naming(directory)


def start_demo(workspace: Path, *options: str) -> subprocess.Popen[str]:
    """Start it without the tooling, for a user with real accounts and Ansible settings."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TMPDIR": str(workspace), "COLUMNS": "100",
        "VPS_API_TOKEN": "a-real-token", "VPS_API_URL": "https://vps.invalid", "ILKBYTE_HOST": "https://ilkbyte.invalid",
        "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_INVENTORY": "/nonexistent", "ANSIBLE_REMOTE_USER": "root2",
    }
    return subprocess.Popen([sys.executable, str(ROOT / "extensions/demo/run.py"), *options], env=environment, cwd="/", text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")


def output_and_status(demo: subprocess.Popen[str]) -> tuple[str, int]:
    try:
        output = demo.communicate(timeout=DEMO_SECONDS)[0]
    finally:
        demo.kill()
    return output, demo.returncode


def processes_naming(directory: Path) -> list[str]:
    """The processes with this directory in their arguments or environment; waits up to 20 s for their end."""
    deadline = time.monotonic() + 20
    while (found := _processes_naming(os.fsencode(directory))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _processes_naming(directory: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if directory in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:  # it has ended, or belongs to another user
            continue
    return found


def table_rows(output: str) -> dict[str, list[str]]:
    """The table's cells by server: the cells' lines are joined by blanks."""
    rows: dict[str, list[str]] = {}
    server = ""
    for line in output.splitlines():
        if not line.startswith("│"):
            continue
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        server = cells[0] or server
        rows[server] = [f"{old} {new}".strip() for old, new in zip(rows.get(server, [""] * len(cells)), cells, strict=True)]
    return rows


@NEEDS_SSH
@pytest.mark.duration(60)
@pytest.mark.ssh
@pytest.mark.playbook
@pytest.mark.parametrize("isolation", ["auto", pytest.param("directory", marks=pytest.mark.slow)])
def test_one_upgrade_goes_well_and_two_are_undone(workspace: Path, isolation: str) -> None:
    output, status = output_and_status(start_demo(workspace, "--isolation", isolation))
    assert status == 0, output
    rows = table_rows(output)
    assert {server: row[1] for server, row in rows.items() if server in ("web1", "web2", "app1")} == {
        "web1": "VPS.org", "web2": "VPS.org", "app1": "Ilkbyte"}
    for server in ("web1", "web2"):
        before, upgraded, at_end = rows[server][3:]
        assert rows[server][2].startswith("rolled back")
        assert upgraded != before
        assert at_end == f"{before} = before"
    before, upgraded, at_end = rows["app1"][3:]
    assert rows["app1"][2] == "upgraded"
    assert upgraded != before
    assert at_end == f"{upgraded} = upgraded"
    assert "guestbook 2.0 is unhealthy: 5 guests signed, 2 are left" in output
    assert "server web2 was lost" in output
    assert output.count("Checked: ") == 6
    assert "What to do next: read README.md" in output
    assert "Traceback" not in output


@NEEDS_SSH
@pytest.mark.duration(30)
@pytest.mark.ssh
@pytest.mark.playbook
@pytest.mark.slow
def test_a_restore_that_fails_makes_the_demo_fail(workspace: Path) -> None:
    output, status = output_and_status(start_demo(workspace, "--restore-fails", "--isolation", "directory", "--speed", "600"))
    assert status == 1, output
    flat = " ".join(output.split())
    assert "The demo failed: the disk of web1 is not as it was before the upgrade" in flat
    assert "ROLLBACK_FAILED: web1" in output or "UNKNOWN: web1" in output
    assert "ROLLED_BACK" not in output
    assert "What to do next" not in output
    assert not table_rows(output)
    assert "Traceback" not in output


@NEEDS_SSH
@pytest.mark.duration(12)
@pytest.mark.ssh
@pytest.mark.playbook
@pytest.mark.slow
def test_an_interrupt_while_armed_leaves_nothing_behind(workspace: Path) -> None:
    demo = start_demo(workspace)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "Guard armed: app1 is rolled back to snapshot" in line:
            break
    assert [process for process in _processes_naming(os.fsencode(workspace)) if "_guard/__main__.py" in process]
    demo.send_signal(signal.SIGINT)
    output, status = output_and_status(demo)
    assert status == 130
    assert "Stopped. The sandbox was removed." in output


def test_it_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, "-S", str(ROOT / "extensions/demo/run.py")], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 2
    assert "rich" in done.stderr
    assert "make demo" in done.stderr


# --- what it shows of Ansible's output


def shown(output: str) -> str:
    return "".join(filter_lines(line + "\n" for line in output.splitlines()))


@pytest.mark.parametrize(("output", "left"), [
    ("PLAY [Upgrade] **\n\nTASK [Check] **\nok: [web1]\n\nTASK [Leave out] **\nskipping: [web1]\n\nTASK [Read] **\n"
     "included: /a/b.yml for web1 => (item=b.yml)\n\nTASK [Change] **\n\x1b[0;33mchanged: [web1]\x1b[0m\n\nTASK [Say] **\n"
     'ok: [web1] => {\n    "msg": "well"\n}\n\nPLAY RECAP **\nweb1 : ok=1\n',
     "PLAY [Upgrade] **\nTASK [Change] **\n\x1b[0;33mchanged: [web1]\x1b[0m\nTASK [Say] **\n"
     'ok: [web1] => {\n    "msg": "well"\n}\nPLAY RECAP **\nweb1 : ok=1\n'),
    *((f"TASK [Fail] **\n{error}fatal: [web1]: FAILED! => {{}}\n...ignoring\n[WARNING]: odd\n",
       "TASK [Fail] **\nfatal: [web1]: FAILED! => {}\n...ignoring\n[WARNING]: odd\n")
      for error in ("[ERROR]: Task failed: no\nOrigin: /a/b.yml:2:3\n\n1 ---\n2 - name: Fail\n    ^ column 3\n\n", "")),
    *((line, line) for line in ("[ERROR]: the playbook could not be found\n", "Traceback (most recent call last):\n")),
    ("TASK [Restore] **\nweb1: restoring\nchanged: [web1]\n", "web1: restoring\nTASK [Restore] **\nchanged: [web1]\n"),
], ids=["changes and messages only", "a failure once", "a failure", "an error", "a traceback", "progress at once"])
def test_what_is_shown(output: str, left: str) -> None:
    assert shown(output) == left


# --- its checks, each in a state in which it passes, and in one in which it must fail


class FakeAdmin:
    """The sandbox's admin API with the servers, requests and events that a test gives it."""

    def __init__(self, disk: Path, digest: str, *, asked: tuple[str, ...] = (), events: dict[str, list[dict[str, str]]] | None = None) -> None:
        self._server = {"name": "web1", "digest": digest, "disk": str(disk), "powered_on": True, "network": "up", "ssh_port": 1}
        self._requests = [{"operation": operation, "server": "web1"} for operation in asked]
        self._events = events or {}

    def servers(self) -> list[dict[str, object]]:
        return [self._server]

    def server(self, name: str) -> dict[str, object]:
        return self._server

    def requests(self, operation: str | None = None, **dummy: object) -> list[dict[str, str]]:
        return [request for request in self._requests if operation in (None, request["operation"])]

    def events(self, kind: str, **dummy: object) -> list[dict[str, str]]:
        return self._events.get(kind, [])


CREATE, RESTORE = "snapshots.create", "snapshots.restore"
TAKEN = {"snapshot": "s", "digest": "old"}


@pytest.mark.parametrize(("check", "arguments", "good", "bad"), [
    (checks.check_untouched, ("web1", "old"), {"digest": "old"}, [{"digest": "new"}, {"digest": "old", "asked": (CREATE,)}]),
    (checks.check_snapshot, ("web1", "old"), {"digest": "new", "events": {"snapshot_ready": [TAKEN]}},
     [{"digest": "old"}, *({"digest": "old", "events": {"snapshot_ready": taken}} for taken in ([TAKEN] * 2, [{**TAKEN, "digest": "new"}]))]),
    (checks.check_upgraded, ("web1", "old"), {"digest": "new", "asked": (CREATE,)}, [{"digest": "old"}, {"digest": "new", "asked": (RESTORE,)}]),
    (checks.check_rolled_back, ("web1", "old", "rolled_back"),
     {"digest": "old", "asked": (RESTORE,), "events": {"snapshot_ready": [TAKEN], "restore_done": [TAKEN]}},
     [{"digest": digest, "asked": (RESTORE,) * restores, "events": {"snapshot_ready": [TAKEN], "restore_done": [{"snapshot": restored}]}}
      for digest, restores, restored in (("new", 1, "s"), ("old", 2, "s"), ("old", 0, "s"), ("old", 1, "another"))]),
    (checks.check_changes, ([(CREATE, "web1")],), {"digest": "old", "asked": (CREATE,)},
     [{"digest": "old", "asked": asked} for asked in ((), (CREATE, CREATE), (CREATE, RESTORE))]),
    (checks.check_disks, ({"web1": "old"},), {"digest": "old"}, [{"digest": "new"}]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_checks_of_servers(tmp_path: Path, check: Callable[..., object], arguments: tuple[object, ...], good: dict, bad: list[dict]) -> None:
    check(FakeAdmin(tmp_path, **good), *arguments)
    for state in bad:
        with pytest.raises(DemoCheckFailed, match="web1"):
            check(FakeAdmin(tmp_path, **state), *arguments)
