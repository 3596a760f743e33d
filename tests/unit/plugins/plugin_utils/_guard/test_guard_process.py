# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard as a process: its start, its requests, and its work after its run was killed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from guard_builders import ACKNOWLEDGE, FINISH, RUN_ID, SNAPSHOT, record_data, take_snapshot, transition

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.client import is_guard_running, send_request, start_guard
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import process_identity
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

TOKEN = "vps_S3cretToken0123456789"
SECONDS = 20  # for whatever should happen soon
HAS_PROC = Path("/proc/self/stat").exists()
READ = {"command": "read"}


def wait_until(condition, what):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.05)


class Stage:
    """A state directory, a process that simulates the run, and the guards that were started for it."""

    def __init__(self, directory):
        self.path = directory / "state" / "vpsorg-12345-0" / RUN_ID / "run.json"
        self.run = subprocess.Popen(["sleep", "300"])
        self.parameters = {
            "provider": "vpsorg", "api_token": TOKEN, "access_key": None, "secret_key": None, "api_url": "http://127.0.0.1:9",
            "api_timeout": 5, "validate_certs": True, "ca_path": None,
        }

    def config(self, record=None, **changes):
        return {
            "record_path": str(self.path), "record": record,
            "run": {"process": process_identity.identity(self.run.pid), "command": "ansible-playbook"},
            "parameters": self.parameters, "rollback_seconds": 60, "terminal": None, **changes,
        }

    def start(self, state=states.PLANNED, **fields):
        return start_guard(self.config(record_data(state, **fields)))

    @property
    def record(self):
        return RunRecord.load(self.path)

    @property
    def lock(self):
        return self.path.parent.parent / "lock"

    def close(self):
        self.run.kill()
        self.run.wait()
        with contextlib.suppress(RewindError):
            guard = self.record.data.get("guard") or {}
            if process_identity.is_alive(guard):
                os.kill(guard["pid"], signal.SIGKILL)
            if guard:
                shutil.rmtree(Path(guard["socket"]).parent, ignore_errors=True)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # what one test's guard notes of a server is not for the next one's
    one = Stage(tmp_path)
    yield one
    one.close()


def is_gone(record, lock):
    """The guard's process, its lock and its socket."""
    guard = record.data["guard"]
    return not process_identity.is_alive(guard) and not is_guard_running(lock) and not Path(guard["socket"]).parent.exists()


# --- its life


def test_from_start_to_end(stage, monkeypatch):
    monkeypatch.setenv("VPS_API_TOKEN", TOKEN)
    monkeypatch.setenv("ANSIBLE_SOMETHING", "of the run")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert not is_guard_running(stage.lock)
    record = stage.start()
    guard = record.data["guard"]
    assert stage.record.data == record.data and record.state == states.PLANNED
    assert record.data["run"] == {**process_identity.identity(stage.run.pid), "command": "ansible-playbook"}
    assert guard == {**process_identity.identity(guard["pid"]), "socket": guard["socket"]}
    assert is_guard_running(stage.lock)
    directory = Path(guard["socket"]).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700 and os.listdir(directory) == ["socket"]
    assert os.getsid(guard["pid"]) == guard["pid"], "what ends the run's session does not end it"
    if HAS_PROC:
        process = Path("/proc", str(guard["pid"]))
        wait_until(lambda: [os.readlink(process / "fd" / number) for number in "012"] == [os.devnull] * 3, "it to let go of its starter's streams")
        assert os.readlink(process / "cwd") == "/"
        environment = (process / "environ").read_bytes()
        assert b"PATH=" in environment and b"HTTPS_PROXY=http://proxy.example:3128" in environment
        assert b"ANSIBLE" not in environment
        for shown in (environment, (process / "cmdline").read_bytes()):
            assert TOKEN.encode() not in shown
        assert str(stage.path).encode() in (process / "cmdline").read_bytes()

    with pytest.raises(RewindError) as caught:
        stage.start()
    assert caught.value.kind == "busy"
    assert stage.record.data == record.data, "the one that was refused has written nothing"

    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(guard["pid"], number)  # what a terminal sends is not for it
    answer = send_request(record, transition(states.SNAPSHOTTING, 10))
    assert answer.state == states.SNAPSHOTTING and stage.record.data == answer.data
    with pytest.raises(RewindError) as caught:
        send_request(record, transition(states.CONFIRMED))
    assert caught.value.kind == "busy" and "snapshotting" in caught.value.message
    assert send_request(record, {"command": "update", "fields": {"reason": "none"}}).data["reason"] == "none"

    assert send_request(record, {**FINISH, "outcome": states.NOT_STARTED}).data["acknowledged"] is False
    assert send_request(record, ACKNOWLEDGE).data["acknowledged"] is True
    wait_until(lambda: is_gone(record, stage.lock), "the guard to be gone")
    assert send_request(record, READ) is None
    for file in stage.path.parent.parent.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes(), file


def test_another_guard_resumes_what_a_killed_one_has_left(stage):
    first = stage.start()
    send_request(first, transition(states.SNAPSHOTTING))
    left = Path(first.data["guard"]["socket"]).parent
    os.kill(first.data["guard"]["pid"], signal.SIGKILL)
    wait_until(lambda: not is_guard_running(stage.lock), "the guard to be gone")
    assert send_request(first, READ) is None
    second = start_guard(stage.config())
    shutil.rmtree(left)
    assert second.data["guard"] != first.data["guard"] and second.state == states.SNAPSHOTTING
    assert second.data["history"][-1]["note"] == "resumed, snapshotting"
    assert send_request(second, READ).data == stage.record.data
    stage.run.kill()
    stage.run.wait()
    wait_until(lambda: is_gone(second, stage.lock), "the guard to follow its run")
    assert stage.record.state == states.SNAPSHOTTING, "there was nothing to roll back"


@pytest.mark.parametrize("problem", ["no directory", "no record", "garbage"])
def test_a_guard_that_cannot_start_reports_it(stage, problem, tmp_path):
    if problem == "no directory":
        (tmp_path / "state").write_text("a file", encoding="utf-8")
    if problem == "garbage":
        stage.path.parent.mkdir(parents=True)
        stage.path.write_bytes(b"[" * 100_000)
    with pytest.raises(RewindError) as caught:
        start_guard(stage.config())
    assert caught.value.kind == "internal" and "status 1" in caught.value.message and str(stage.path) in caught.value.hint
    assert not is_guard_running(stage.lock) if problem != "no directory" else True


# --- what the run's side makes of a guard that goes away


@pytest.mark.parametrize("content", ["", "{", "5", "[]", "null", "[" * 100_000, '{"pid": 1}', '{"pid": 1, "started": "long ago"}'])
def test_a_lock_file_without_a_live_process_is_no_guard(tmp_path, content):
    (tmp_path / "lock").write_text(content, encoding="utf-8")
    assert not is_guard_running(tmp_path / "lock") and not is_guard_running(tmp_path / "nowhere")


def test_checking_for_a_guard_takes_no_lock(stage, monkeypatch):
    """Not for an instant: a guard that starts then would report that another run guards the server."""
    stage.start()

    def fail(*arguments):
        raise AssertionError(arguments)

    for name in ("flock", "lockf", "fcntl"):
        monkeypatch.setattr(fcntl, name, fail)
    assert is_guard_running(stage.lock)


# --- when it acts


@pytest.fixture(scope="module")
def box():
    from sandbox import launch

    with launch(vpsorg_servers=1, ilkbyte_servers=0, speed=100, ssh=False) as one:
        one.admin.settings(seconds={"vpsorg.snapshots.restore": 30})
        yield one


RUN = """
import json, sys, time
config, *requests = json.loads(sys.stdin.readline())
sys.path[:] = config.pop("path")
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import process_identity
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.client import send_request, start_guard
import os
config["run"]["process"] = process_identity.identity(os.getpid())
record = start_guard(config)
for request in requests:
    record = send_request(record, request)
print(record.state, flush=True)
time.sleep(300)
"""


def restores(box):
    return box.admin.requests(operation="snapshots.restore")


def test_it_outlives_the_run_that_started_it_and_rolls_back_what_that_left(stage, box):
    admin = box.admin
    server = admin.servers("vpsorg")[0]
    admin.add_snapshot("vpsorg", server["id"], "by-hand-before")
    planted = admin.add_snapshot("vpsorg", server["id"], SNAPSHOT["name"])
    admin.add_snapshot("vpsorg", server["id"], "by-hand-after")
    admin.fault("status", operation="snapshots.restore", status=409, times=1, body=json.dumps({"detail": f"not for {box.vpsorg_token}"}))
    admin.clear_request_log()
    stage.parameters.update(api_token=box.vpsorg_token, api_url=box.vpsorg_url)
    terminal, line = pty.openpty()
    record = record_data(server={"id": str(server["id"]), "name": "web1", "address": None})
    config = stage.config(record, terminal=os.ttyname(line), path=[path for path in sys.path if path])
    requests = [transition(states.SNAPSHOTTING), transition(states.READY, snapshot={**SNAPSHOT, "id": str(planted["id"])}),
                transition(states.ARMED, 300), transition(states.UPGRADING, 300)]
    run = subprocess.Popen([sys.executable, "-c", RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        run.stdin.write(json.dumps([config, *requests]) + "\n")
        run.stdin.flush()
        assert run.stdout.readline() == "upgrading\n"
        time.sleep(1.2)
        assert stage.record.state == states.UPGRADING and not restores(box), "it has time, and its run lives"
        os.killpg(run.pid, signal.SIGKILL)
        killed = time.monotonic()
        assert run.stdout.read() == "", "a reader of the run's output must not wait for the guard"
        assert time.monotonic() - killed < 2 and not stage.record.state == states.ENDED
        wait_until(lambda: stage.record.state == states.ENDED, "the rollback")
        wait_until(lambda: is_gone(stage.record, stage.lock), "the guard to be gone")
    finally:
        run.kill()
        run.communicate()
    data = stage.record.data
    assert (data["outcome"], data["acknowledged"], data["reason"]) == (states.ROLLED_BACK, False, "the run ended unexpectedly")
    assert len(restores(box)) == 2, "once more after a refusal"
    assert [event["snapshot"] for event in admin.events("restore_done")] == [SNAPSHOT["name"]]
    os.set_blocking(terminal, False)
    output = os.read(terminal, 65536).decode()
    os.close(terminal)
    os.close(line)
    assert output.count("[rewind.vps guard]") >= 3 and "not for ***" in output and "rolled back" in output and SNAPSHOT["name"] in output
    for text in (output, stage.path.read_text(encoding="utf-8")):
        assert box.vpsorg_token not in text


def test_a_server_that_it_has_stopped_for_the_snapshot_runs_again_though_its_run_is_killed(stage, box):
    admin = box.admin
    admin.reset()
    admin.settings(seconds={"vpsorg.snapshots.create": 300})
    planted = admin.servers("vpsorg")[0]
    server = planted["name"]
    stage.parameters.update(api_token=box.vpsorg_token, api_url=box.vpsorg_url)
    record = stage.start(server={"id": str(planted["id"]), "name": "web1", "address": None})
    assert send_request(record, take_snapshot(stop_server=True)).state == states.SNAPSHOTTING
    wait_until(lambda: admin.events("snapshot_started"), "the start of the snapshot")
    assert not admin.events("snapshot_ready"), "it answers before that is done"
    assert not admin.server(server)["powered_on"]
    stage.run.kill()
    stage.run.wait()
    wait_until(lambda: is_gone(record, stage.lock), "the guard to follow its run")
    assert admin.server(server)["powered_on"]
    assert stage.record.state == states.READY, "the next run goes on with it"
    assert [len(admin.requests(operation=name)) for name in ("snapshots.create", "servers.power")] == [1, 2]
