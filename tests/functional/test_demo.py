# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` from end to end, and whether it would notice if the collection had not done its work."""

from __future__ import annotations

import json
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
import requests

ROOT = Path(__file__).resolve().parents[2]
# pytest may read this file before tests/conftest.py has made these importable.
sys.path[:0] = [str(ROOT / "extensions")]
from demo import checks  # noqa: E402
from demo.ansible_output import filter_lines  # noqa: E402
from demo.checks import DemoCheckFailed  # noqa: E402
from demo.observer import ServerObserver, ServerState, read_server_state  # noqa: E402

from sandbox import SandboxHandle, launch  # noqa: E402

DEMO_SECONDS = 240
NEEDS_SSH = pytest.mark.skipif(not shutil.which("ssh"), reason="the demo needs an SSH client")

# --- The whole demo


@pytest.fixture
def workspace() -> Iterator[Path]:
    """The demo's folder for temporary files; whatever the demo does, nothing of it may be left there."""
    directory = Path(tempfile.mkdtemp(prefix="rwt-", dir="/tmp"))  # short: sockets lie below it
    yield directory
    left = [str(path) for path in directory.rglob("*")]
    shutil.rmtree(directory)
    assert not left
    assert not processes_naming(directory)


def start_demo(workspace: Path, *options: str) -> subprocess.Popen[str]:
    """Start it as it is without the tooling, in the hands of somebody who has real clouds and an Ansible set up."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TMPDIR": str(workspace), "COLUMNS": "100",
        "VPS_API_TOKEN": "somebodys-own", "VPS_API_URL": "https://vps.invalid", "ILKBYTE_HOST": "https://ilkbyte.invalid",
        "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_INVENTORY": "/nonexistent", "ANSIBLE_REMOTE_USER": "somebody",
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
    """The processes that have this folder in their arguments or environment, for up to 5 s while they are ending."""
    deadline = time.monotonic() + 5
    while (found := _processes_naming(os.fsencode(directory))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _processes_naming(directory: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if directory in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:  # it has ended, or is somebody else's
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
def test_an_interrupt_behind_the_guard_leaves_nothing_behind(workspace: Path) -> None:
    demo = start_demo(workspace)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "From here on server app1 goes back to snapshot" in line:
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


# --- What it shows of Ansible's output


def shown(output: str) -> list[str]:
    return list(filter_lines(line + "\n" for line in output.splitlines()))


def test_tasks_that_change_nothing_are_not_shown() -> None:
    assert shown("""
PLAY [Upgrade] ****

TASK [Look] ****
ok: [web1]

TASK [Leave out] ****
skipping: [web1]

TASK [Read] ****
included: /a/b.yml for web1 => (item=b.yml)

TASK [Change] ****
\x1b[0;33mchanged: [web1]\x1b[0m

TASK [Say] ****
ok: [web1] => {
    "msg": "well"
}

PLAY RECAP ****
web1 : ok=1
""") == [
        "PLAY [Upgrade] ****\n", "TASK [Change] ****\n", "\x1b[0;33mchanged: [web1]\x1b[0m\n", "TASK [Say] ****\n", "ok: [web1] => {\n",
        '    "msg": "well"\n', "}\n", "PLAY RECAP ****\n", "web1 : ok=1\n"]


@pytest.mark.parametrize("error", [
    "[ERROR]: Task failed: no\nOrigin: /a/b.yml:2:3\n\n1 ---\n2 - name: Fail\n    ^ column 3\n\n", "[ERROR]: Task failed: no\n", "",
])
def test_a_failure_is_shown_once_and_whole(error: str) -> None:
    assert shown(f"TASK [Fail] ****\n{error}fatal: [web1]: FAILED! => {{}}\n...ignoring\n[WARNING]: odd\n") == [
        "TASK [Fail] ****\n", "fatal: [web1]: FAILED! => {}\n", "...ignoring\n", "[WARNING]: odd\n"]


@pytest.mark.parametrize("line", ["[ERROR]: the playbook could not be found\n", "Traceback (most recent call last):\n"])
def test_what_is_not_a_task_is_shown(line: str) -> None:
    assert shown(line) == [line]


def test_progress_is_shown_at_once_and_its_task_when_it_is_done() -> None:
    output = "TASK [Restore] ****\nweb1: restoring\nchanged: [web1]\n"
    assert shown(output) == ["web1: restoring\n", "TASK [Restore] ****\n", "changed: [web1]\n"]


# --- Its checks, each against a world in which what it looks for is so, and then one in which it is not


@pytest.fixture(scope="module")
def demo_sandbox() -> Iterator[SandboxHandle]:
    with launch(vpsorg_servers=2, ilkbyte_servers=0, ssh=False, speed=600) as sandbox:
        yield sandbox


class DemoState:
    """web1 and web2 at VPS.org, each with a snapshot, and web2 restored: what the demo comes to, without Ansible."""

    def __init__(self, sandbox: SandboxHandle) -> None:
        self.admin = sandbox.admin
        self._url = sandbox.vpsorg_url
        self._headers = {"Authorization": f"Bearer {sandbox.vpsorg_token}"}
        self.admin.reset()
        self.ids = {server["name"]: server["id"] for server in self.admin.servers()}
        self.before = checks.disk_digests(self.admin)
        self.snapshots = {server: self._snapshot(server) for server in self.ids}

    def upgrade(self) -> None:
        for server in self.ids:
            self.write(server, "2.0")

    def write(self, server: str, text: str) -> None:
        Path(self.admin.server(server)["disk"], "srv/version").write_text(text, encoding="utf-8")

    def restore(self, server: str) -> None:
        done = len(self.admin.events("restore_done"))
        self._post(f"/snapshots/{self.snapshots[server]}/restore/")
        self.admin.advance(1000)
        self.wait_until(lambda: len(self.admin.events("restore_done")) > done)

    def _snapshot(self, server: str) -> int:
        answer = self._post("/snapshots/", {"server_id": self.ids[server], "name": "beforeupgrade"})
        self.admin.advance(1000)
        self.wait_until(lambda: bool(self.admin.events("snapshot_ready", server=server)))
        return answer.json()["id"]

    def _post(self, path: str, body: object = None) -> requests.Response:
        answer = requests.post(self._url + path, json=body, headers=self._headers, timeout=10)
        assert answer.ok, answer.text
        return answer

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def demo(demo_sandbox: SandboxHandle) -> DemoState:
    return DemoState(demo_sandbox)


def lose_guests(demo: DemoState, server: str, *, signed: int, left: int) -> None:
    data = Path(demo.admin.server(server)["disk"], "var/lib/guestbook")
    (data / "guests").mkdir(parents=True)
    (data / "signed").write_text(f"{signed}\n", encoding="utf-8")
    for number in range(left):
        (data / "guests" / str(number)).touch()


def test_check_snapshot(demo: DemoState) -> None:
    checks.check_snapshot(demo.admin, "web1", demo.before["web1"])
    with pytest.raises(DemoCheckFailed, match="the snapshot of web1 differs from its disk"):
        checks.check_snapshot(demo.admin, "web1", "0" * 64)
    with pytest.raises(DemoCheckFailed, match="expected one snapshot of web3, found 0"):
        checks.check_snapshot(demo.admin, "web3", "0" * 64)


def test_check_untouched(demo: DemoState) -> None:
    with pytest.raises(DemoCheckFailed, match=r"expected no changes of web1; requested: snapshots\.create"):
        checks.check_untouched(demo.admin, "web1", demo.before["web1"])
    demo.admin.clear_request_log()
    checks.check_untouched(demo.admin, "web1", demo.before["web1"])
    demo.write("web1", "touched")
    with pytest.raises(DemoCheckFailed, match="the disk of web1 has changed"):
        checks.check_untouched(demo.admin, "web1", demo.before["web1"])


def test_check_upgraded(demo: DemoState) -> None:
    with pytest.raises(DemoCheckFailed, match="did not change the disk of web1"):
        checks.check_upgraded(demo.admin, "web1", demo.before["web1"])
    demo.upgrade()
    checks.check_upgraded(demo.admin, "web1", demo.before["web1"])
    lose_guests(demo, "web1", signed=3, left=2)
    with pytest.raises(DemoCheckFailed, match="web1 has lost 1 guests"):
        checks.check_upgraded(demo.admin, "web1", demo.before["web1"])
    demo.restore("web2")
    with pytest.raises(DemoCheckFailed, match="but a restore was requested"):
        checks.check_upgraded(demo.admin, "web2", "0" * 64)


def test_check_broken() -> None:
    broken = ServerState("new", guests_lost=3, is_on=True, network_is_up=True)
    disconnected = ServerState("new", guests_lost=0, is_on=True, network_is_up=False)
    assert checks.check_broken("web1", broken, "old", lost=3) == broken
    assert checks.check_broken("web2", disconnected, "old", disconnected=True) == disconnected
    for state in (None, ServerState("old", 3, True, True)):
        with pytest.raises(DemoCheckFailed, match="did not change the disk of web1"):
            checks.check_broken("web1", state, "old", lost=3)
    with pytest.raises(DemoCheckFailed, match="expected 3 lost guests on web2, found 0"):
        checks.check_broken("web2", disconnected, "old", lost=3, disconnected=True)
    with pytest.raises(DemoCheckFailed, match="expected the network of web2 to be down"):
        checks.check_broken("web2", ServerState("new", 0, True, True), "old", disconnected=True)


def test_check_rolled_back(demo: DemoState) -> None:
    def check() -> None:
        checks.check_rolled_back(demo.admin, "web2", demo.before["web2"], "rolled_back")

    with pytest.raises(DemoCheckFailed, match="expected one restore of web2, requested: 0"):
        check()
    demo.upgrade()
    with pytest.raises(DemoCheckFailed, match="the disk of web2 is not as it was .*; the role's outcome: rolled_back"):
        check()
    demo.restore("web2")
    check()
    demo.restore("web2")
    with pytest.raises(DemoCheckFailed, match="requested: 2"):
        check()


def test_the_observer_keeps_the_state_before_the_restore(demo: DemoState) -> None:
    with ServerObserver(demo.admin) as observer:
        demo.upgrade()
        lose_guests(demo, "web2", signed=3, left=1)
        broken = read_server_state(demo.admin.server("web2"))
        demo.wait_until(lambda: observer.before_restore.get("web2") == broken)
        demo.restore("web2")
        demo.write("web2", "written after the restore")
        demo.write("web1", "last")
        last = read_server_state(demo.admin.server("web1"))
        demo.wait_until(lambda: observer.before_restore["web1"] == last)
    assert observer.before_restore["web2"] == broken
    assert (broken.guests_lost, broken.is_on, broken.network_is_up) == (2, True, True)


@NEEDS_SSH
@pytest.mark.ssh
def test_check_ssh() -> None:
    with launch(vpsorg_servers=1, ilkbyte_servers=0) as sandbox:
        checks.check_ssh(sandbox.admin, "web1")
        sandbox.admin.update_server("vpsorg", sandbox.admin.server("web1")["id"], network="down")
        with pytest.raises(DemoCheckFailed, match="no SSH server responds on web1"):
            checks.check_ssh(sandbox.admin, "web1")


def test_check_changes(demo: DemoState) -> None:
    wanted = [("snapshots.create", "web1"), ("snapshots.create", "web2")]
    checks.check_changes(demo.admin, wanted)
    with pytest.raises(DemoCheckFailed, match="unexpected changes requested: snapshots.create of web2"):
        checks.check_changes(demo.admin, wanted[:1])
    with pytest.raises(DemoCheckFailed, match="changes not requested: snapshots.delete of web1"):
        checks.check_changes(demo.admin, [*wanted, ("snapshots.delete", "web1")])


def test_check_disks(demo: DemoState) -> None:
    checks.check_disks(demo.admin, demo.before)
    demo.write("web2", "touched")
    with pytest.raises(DemoCheckFailed, match="the disk of web2 has changed"):
        checks.check_disks(demo.admin, demo.before)


def test_check_recorded_outcomes(tmp_path: Path) -> None:
    record = tmp_path / "vpsorg-1" / "20260101" / "run.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"host": "web1", "outcome": "unknown"}), encoding="utf-8")
    checks.check_recorded_outcomes(tmp_path, {"web1": "unknown"})
    for wanted in ({"web1": "rolled_back"}, {"web1": "unknown", "web2": "upgraded"}, {}):
        with pytest.raises(DemoCheckFailed, match="found {'web1': 'unknown'}"):
            checks.check_recorded_outcomes(tmp_path, wanted)
