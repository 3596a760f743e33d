# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` from end to end, and whether it would notice if the collection had not done its work."""

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
import requests

ROOT = Path(__file__).resolve().parents[2]
# pytest may read this file before tests/conftest.py has made these importable.
sys.path[:0] = [str(ROOT / "extensions")]
from demo import checks  # noqa: E402
from demo.checks import NotAsItShouldBe  # noqa: E402

from sandbox import Box, launch  # noqa: E402

DEMO_SECONDS = 240
NEEDS_SSH = pytest.mark.skipif(not shutil.which("ssh"), reason="the demo needs an SSH client")

# --- The whole demo


@pytest.fixture
def workspace() -> Iterator[Path]:
    """The demo's folder for temporary files; whatever the demo does, nothing of it may be left there."""
    folder = Path(tempfile.mkdtemp(prefix="rwt-", dir="/tmp"))  # short: sockets lie below it
    yield folder
    left = [str(path) for path in folder.rglob("*")]
    shutil.rmtree(folder)
    assert not left
    assert not processes_naming(folder)


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


def processes_naming(folder: Path) -> list[str]:
    """The processes that have this folder in their arguments or environment, for up to 5 s while they are ending."""
    deadline = time.monotonic() + 5
    while (found := _processes_naming(os.fsencode(folder))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _processes_naming(folder: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
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
@pytest.mark.slow
@pytest.mark.ssh
@pytest.mark.playbook
@pytest.mark.parametrize("isolation", ["auto", "folder"])
def test_the_broken_server_is_put_back_and_the_others_keep_their_upgrade(workspace: Path, isolation: str) -> None:
    output, status = output_and_status(start_demo(workspace, "--isolation", isolation))
    assert status == 0, output
    rows = table_rows(output)
    assert {server: row[1] for server, row in rows.items() if server in ("web1", "web2", "app1")} == {
        "web1": "VPS.org", "web2": "VPS.org", "app1": "Ilkbyte"}
    before, upgraded, at_end = rows["web2"][3:]
    assert upgraded != before
    assert at_end == f"{before} = before"
    for server in ("web1", "app1"):
        before, upgraded, at_end = rows[server][3:]
        assert upgraded != before
        assert at_end == f"{upgraded} = upgraded"
    assert "guestbook 2.0 is ill: 5 guests have signed, 2 are left" in output
    assert output.count("Checked: ") == 4
    assert "What to do next: read README.md" in output
    assert "Traceback" not in output


@NEEDS_SSH
@pytest.mark.slow
@pytest.mark.ssh
@pytest.mark.playbook
def test_a_restore_that_fails_makes_the_demo_fail(workspace: Path) -> None:
    output, status = output_and_status(start_demo(workspace, "--restore-fails", "--speed", "400"))
    assert status == 1, output
    assert "The demo failed: restore.yml failed on web2" in output
    assert "What to do next" not in output
    assert not table_rows(output)
    assert "Traceback" not in output


@NEEDS_SSH
@pytest.mark.slow
@pytest.mark.ssh
@pytest.mark.playbook
def test_an_interrupt_leaves_nothing_behind(workspace: Path) -> None:
    demo = start_demo(workspace, "--speed", "20")  # so that there is a wait to interrupt
    assert demo.stdout is not None
    for line in demo.stdout:
        if "under way, by the clouds' clock" in line:
            break
    assert list(workspace.iterdir())
    demo.send_signal(signal.SIGINT)
    output, status = output_and_status(demo)
    assert status == 130
    assert "Stopped. The sandbox and all that was in it are gone." in output


def test_it_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, "-S", str(ROOT / "extensions/demo/run.py")], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 2
    assert "rich" in done.stderr
    assert "make demo" in done.stderr


# --- Its checks, each against a world in which what it looks for is so, and then one in which it is not


@pytest.fixture(scope="module")
def demo_box() -> Iterator[Box]:
    with launch(vpsorg_servers=2, ilkbyte_servers=0, ssh=False, speed=600) as box:
        yield box


class Scene:
    """web1 and web2 at VPS.org, each with a snapshot, and web2 restored: what the demo comes to, without Ansible."""

    def __init__(self, box: Box) -> None:
        self.control = box.control
        self._url = box.vpsorg_url
        self._headers = {"Authorization": f"Bearer {box.vpsorg_token}"}
        self.control.reset()
        self.ids = {server["name"]: server["id"] for server in self.control.servers()}
        self.before = checks.disk_digests(self.control)
        self.snapshots = {server: self._snapshot(server) for server in self.ids}

    def upgrade(self) -> None:
        for server in self.ids:
            self.write(server, "2.0")
        self.upgraded = checks.disk_digests(self.control)

    def write(self, server: str, text: str) -> None:
        Path(self.control.server(server)["disk"], "srv/version").write_text(text, encoding="utf-8")

    def restore(self, server: str) -> None:
        done = len(self.control.effects("restore_done"))
        self._post(f"/snapshots/{self.snapshots[server]}/restore/")
        self._until(lambda: len(self.control.effects("restore_done")) > done)

    def _snapshot(self, server: str) -> int:
        answer = self._post("/snapshots/", {"server_id": self.ids[server], "name": "beforeupgrade"})
        self._until(lambda: bool(self.control.effects("snapshot_ready", server=server)))
        return answer.json()["id"]

    def _post(self, path: str, body: object = None) -> requests.Response:
        answer = requests.post(self._url + path, json=body, headers=self._headers, timeout=10)
        assert answer.ok, answer.text
        return answer

    def _until(self, condition: Callable[[], bool]) -> None:
        self.control.advance(1000)
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def scene(demo_box: Box) -> Scene:
    return Scene(demo_box)


def test_snapshots_hold(scene: Scene) -> None:
    checks.snapshots_hold(scene.control, scene.before)
    with pytest.raises(NotAsItShouldBe, match="the snapshot of web1 does not hold the disk"):
        checks.snapshots_hold(scene.control, {**scene.before, "web1": "0" * 64})
    with pytest.raises(NotAsItShouldBe, match="web3 should have been given one snapshot, and was given 0"):
        checks.snapshots_hold(scene.control, {**scene.before, "web3": "0" * 64})
    scene.write("web2", "other")
    with pytest.raises(NotAsItShouldBe, match="a disk has changed while"):
        checks.snapshots_hold(scene.control, scene.before)


def test_upgrade_broke_only(scene: Scene) -> None:
    for server, guests in (("web1", 2), ("web2", 1)):
        data = Path(scene.control.server(server)["disk"], "var/lib/guestbook")
        (data / "guests").mkdir(parents=True)
        (data / "signed").write_text("2\n", encoding="utf-8")
        for number in range(guests):
            (data / "guests" / str(number)).touch()
    lost = checks.guests_lost(scene.control)
    assert lost == {"web1": 0, "web2": 1}
    now = checks.disk_digests(scene.control)
    checks.upgrade_broke_only("web2", ["web2"], lost, scene.before, now)
    with pytest.raises(NotAsItShouldBe, match="has not changed the disk of web1"):
        checks.upgrade_broke_only("web2", ["web2"], lost, scene.before, {**now, "web1": scene.before["web1"]})
    with pytest.raises(NotAsItShouldBe, match="should have failed on web2 alone, and failed on none"):
        checks.upgrade_broke_only("web2", [], lost, scene.before, now)
    with pytest.raises(NotAsItShouldBe, match="should have failed on web2 alone, and failed on web1, web2"):
        checks.upgrade_broke_only("web2", ["web1", "web2"], lost, scene.before, now)
    with pytest.raises(NotAsItShouldBe, match="guests should have been lost on web2 alone, and were lost on none"):
        checks.upgrade_broke_only("web2", ["web2"], {"web1": 0, "web2": 0}, scene.before, now)


def test_only_this_was_restored(scene: Scene) -> None:
    def check() -> None:
        checks.only_this_was_restored(scene.control, "web2", scene.before, scene.upgraded)

    scene.upgrade()
    with pytest.raises(NotAsItShouldBe, match="the disk of web2 is not as it was"):
        check()
    scene.restore("web2")
    check()
    scene.write("web1", "touched")
    with pytest.raises(NotAsItShouldBe, match="the disk of web1 has changed"):
        check()


@pytest.mark.parametrize("also", ["web1", "web2"])
def test_a_second_restore_is_noticed(scene: Scene, also: str) -> None:
    scene.upgraded = scene.before  # nothing was changed: only the ledger can tell
    scene.restore("web2")
    checks.only_this_was_restored(scene.control, "web2", scene.before, scene.upgraded)
    scene.restore(also)
    with pytest.raises(NotAsItShouldBe, match="one restore should have been asked for, of web2"):
        checks.only_this_was_restored(scene.control, "web2", scene.before, scene.upgraded)


def test_what_the_clouds_were_asked_for(scene: Scene) -> None:
    wanted = [("snapshots.create", "web1"), ("snapshots.create", "web2")]
    checks.clouds_were_asked_only_for(scene.control, wanted)
    with pytest.raises(NotAsItShouldBe, match="asked for more than they should have been: snapshots.create of web2"):
        checks.clouds_were_asked_only_for(scene.control, wanted[:1])
    with pytest.raises(NotAsItShouldBe, match="were not asked for: snapshots.delete of web1"):
        checks.clouds_were_asked_only_for(scene.control, [*wanted, ("snapshots.delete", "web1")])


def test_snapshots_left(scene: Scene) -> None:
    checks.snapshots_left(scene.control, {"web1": ["beforeupgrade"], "web2": ["beforeupgrade"]})
    with pytest.raises(NotAsItShouldBe, match="web1 should have these snapshots: none; it has: beforeupgrade"):
        checks.snapshots_left(scene.control, {"web1": [], "web2": ["beforeupgrade"]})
