# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages on the socket of a guard and a run: invalid ones neither end the guard nor change what it does or when."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes.malformed import ANYTHING, RAW_BODIES
from guard_builders import SNAPSHOT_PARAMS, FakeActions, guard_in, history, on_disk, record_data, take_snapshot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._guard import client, server
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.client import send_request
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

FIELDS = st.dictionaries(st.sampled_from([*record_data(), "reason", "seconds_allowed", "marker_written", "diagnostics", "odd"]), ANYTHING, max_size=3)
REQUESTS = ANYTHING | st.fixed_dictionaries({}, optional={
    "command": st.sampled_from(["transition", "update", "roll_back", "finish", "acknowledge", "read", "take_snapshot", "wait"]) | ANYTHING,
    "to": st.sampled_from([states.RESTORING, states.CHECKING, states.UPGRADING, states.ENDED, states.ARMED]) | ANYTHING, "fields": FIELDS | ANYTHING,
    "seconds": st.integers(-1, 60) | ANYTHING, "reason": ANYTHING, "manual": ANYTHING, "outcome": st.sampled_from(states.OUTCOMES) | ANYTHING,
    "message": ANYTHING, "verification": ANYTHING,
    "params": st.fixed_dictionaries({"match": ANYTHING, "stop_server": ANYTHING, "seconds": ANYTHING}) | ANYTHING,
})
# Each of them writes files to the disk, so fewer than usual.
with_files = settings(max_examples=max(20, settings().max_examples // 3), suppress_health_check=[HealthCheck.function_scoped_fixture])


class Caller:
    """A fake socket: what the guard receives and what it answers."""

    def __init__(self, *parts):
        self.parts, self.answer = list(parts), ""

    def settimeout(self, seconds):
        assert seconds > 0

    def recv(self, size):
        return self.parts.pop(0) if self.parts else b""

    @contextlib.contextmanager
    def makefile(self, mode, encoding):
        yield self

    def write(self, text):
        self.answer += text

    def flush(self):
        pass


def send_line(guard, line):
    caller = Caller(line)
    server._handle_connection(guard, caller)
    return [json.loads(answer) for answer in caller.answer.splitlines()]


@with_files
@given(requests=st.lists(REQUESTS.map(lambda request: json.dumps(request).encode() + b"\n") | RAW_BODIES.map(lambda body: body + b"\n"), min_size=1,
                         max_size=4))
@example(requests=[b'{"command": "update", "fields": {"before": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}\n"])
@example(requests=[b'{"command": "update", "fields": {"snapshot": 5, "history": [], "state": "confirmed"}}\n'])
@example(requests=[b'{"command": "transition", "to": "checking", "fields": {}, "seconds": "soon"}\n'])
def test_a_guard_goes_on_guarding_whatever_it_receives(tmp_path, requests):
    """Afterwards the run is gone: exactly the recorded snapshot is restored, once, unless a valid request restored it before."""
    actions = FakeActions()
    guard = guard_in(tmp_path, states.UPGRADING, actions, acknowledged=False)
    for line in requests:
        answers = send_line(guard, line)
        assert len(answers) <= 1
    assert on_disk(guard) == guard.record.data, "the disk still holds a valid run record"
    immutable = ("run_id", "host", "provider", "server", "marker", "run")
    assert {key: guard.record.data[key] for key in immutable} == {key: record_data()[key] for key in immutable}
    ids = guard.record.snapshot.get("id")
    actions.alive = False
    guard.tick()
    assert actions.restore_calls == [(ids, 600)] and states.CONFIRMED not in history(guard.record.data)
    assert guard.record.state == states.ENDED and guard.finished


def test_what_goes_wrong_in_the_guard_is_reported_without_the_exceptions_text():
    """Its process has no terminal to write to; the run shows its responses."""

    def handle(request):
        raise RuntimeError("https://host/?secret=vps_S3cretToken")

    (answer,) = send_line(SimpleNamespace(handle=handle), b'{"command": "read"}\n')
    assert "RuntimeError" in answer["error"]["message"] and "S3cret" not in repr(answer) and "host" not in repr(answer)


class IdleListener:
    """A listener without connections."""

    def accept(self):
        raise TimeoutError


def test_an_error_in_a_tick_does_not_end_it():
    guard = SimpleNamespace(finished=False, ticks=0)

    def tick():
        guard.ticks += 1
        if guard.ticks == 1:
            raise KeyError("a mistake of its own")
        if guard.ticks == 2:
            raise OSError(28, "No space left on device")
        guard.finished = True

    guard.tick = tick
    server._loop(guard, IdleListener())
    assert guard.ticks == 3


FORBIDDEN_FIELDS = [
    {"state": "confirmed"}, {"history": []}, {"run": {"pid": 1, "started": None}}, {"snapshot": None}, {"server": {"id": "1"}}, {"outcome": "odd"},
    {"verification": "yes"}, {"marker": "/etc/passwd"}, {"acknowledged": "yes"}, {"before": 5}, [5],
]


@pytest.mark.parametrize(("line", "is_answered"), [
    *((line, False) for line in (b"", b"\n", b'{"command": "read"}', b"GET / HTTP/1.1\r\n\r\n", b"x" * 5_000_000)),
    *((json.dumps(request).encode() + b"\n", True) for request in (
        {"command": "transition", "to": []}, {"command": "roll_back"}, {"command": "finish"},
        *({"command": "update", "fields": fields} for fields in FORBIDDEN_FIELDS),
        *({"command": "transition", "to": states.CHECKING, "seconds": 5, "fields": fields} for fields in FORBIDDEN_FIELDS),
    )),
], ids=lambda value: str(value)[:60])
def test_a_request_that_no_run_sends_changes_nothing(tmp_path, line, is_answered):
    guard = guard_in(tmp_path, states.UPGRADING, FakeActions())
    before = on_disk(guard)
    answers = send_line(guard, line)
    assert len(answers) == is_answered and all("Invalid request to the guard" in answer["error"]["message"] for answer in answers)
    assert on_disk(guard) == before == guard.record.data


@pytest.mark.parametrize("params", [
    None, {}, {"match": "*"}, {"match": "????????T??????Z????"}, {"match": "re*ind????????T??????Z????"}, {"stop_server": 1}, {"seconds": 0},
    {"seconds": True}, {"more": 1},
])
def test_snapshot_params_that_a_run_does_not_send(tmp_path, params):
    """Only snapshots that the role created may be deleted for a new one."""
    actions = FakeActions()
    guard = guard_in(tmp_path, states.PLANNED, actions)
    request = {"command": "take_snapshot", "params": params and {**SNAPSHOT_PARAMS, **params}}
    (answer,) = send_line(guard, json.dumps(request).encode() + b"\n")
    assert "Invalid request to the guard" in answer["error"]["message"]
    guard.tick()
    assert actions.snapshot_calls == [] and guard.record.state == states.PLANNED
    (answer,) = send_line(guard, json.dumps(take_snapshot()).encode() + b"\n")
    assert answer["result"]["record"]["state"] == states.SNAPSHOTTING


def test_a_caller_that_drips_does_not_keep_the_guard_from_watching(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "REQUEST_TIMEOUT", 0.4)
    guard = guard_in(tmp_path, states.UPGRADING, FakeActions())
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                theirs.send(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    started_at = time.monotonic()
    with ours, theirs, contextlib.suppress(OSError):
        server._handle_connection(guard, ours)
    over.set()
    thread.join()
    assert time.monotonic() - started_at < 3


@contextlib.contextmanager
def responding(*chunks):
    """Listen on a socket, send these chunks to the first client (a number is a delay in seconds), and close it."""
    directory = Path(tempfile.mkdtemp(prefix="rewind-test-"))  # the paths of pytest's directories are too long for a socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(directory / "socket"))
            listener.listen(1)

            def serve():
                with contextlib.suppress(OSError):
                    caller, dummy = listener.accept()
                    with caller:
                        caller.recv(65536)
                        for chunk in chunks:
                            time.sleep(chunk) if isinstance(chunk, float) else caller.sendall(chunk)

            thread = threading.Thread(target=serve)
            thread.start()
            yield RunRecord(Path("run.json"), record_data(states.UPGRADING, guard={"socket": str(directory / "socket")}))
            thread.join(20)
    finally:
        shutil.rmtree(directory)


RESPONSE = json.dumps({"result": {"record": record_data(states.ENDED)}}).encode() + b"\n"


@pytest.mark.parametrize("chunks", [(), (b"",), (RESPONSE[:40],), (b"[]\n", RESPONSE), (RESPONSE[:40], RESPONSE[40:-2])])
def test_an_answer_that_does_not_come_to_its_end_is_none(chunks):
    with responding(*chunks) as record:
        assert send_request(record, {"command": "read"}) is None


def test_a_callback_runs_while_waiting_for_a_response(monkeypatch):
    monkeypatch.setattr(client, "PROGRESS_INTERVAL", 0.05)
    calls = []
    with responding(0.3, RESPONSE[:30], RESPONSE[30:]) as record:
        answer = send_request(record, {"command": "read"}, lambda: calls.append(1))
    assert len(calls) >= 2
    assert (answer.path, answer.data) == (Path("run.json"), record_data(states.ENDED))


@with_files
@given(lines=st.lists(RAW_BODIES | ANYTHING.map(lambda value: json.dumps(value).encode()) | st.builds(
    lambda key, value: json.dumps({key: value}).encode(), st.sampled_from(["result", "error"]),
    ANYTHING | st.fixed_dictionaries({"record": ANYTHING}),
), max_size=3))
def test_a_run_rejects_an_invalid_answer_of_its_guard(lines):
    with responding(b"\n".join(lines) + b"\n") as record:
        try:
            assert send_request(record, {"command": "read"}) is None
        except RewindError as error:
            assert b"error" in b"".join(lines) and isinstance(error.message, str)


@pytest.mark.parametrize("socket_path", [None, "", "\0", "a\0b", "/nowhere", "x" * 500, "/", "\ud800"])
def test_a_socket_path_that_is_none(tmp_path, socket_path):
    record = RunRecord(tmp_path / "run.json", record_data(states.UPGRADING, guard={"socket": socket_path}))
    assert send_request(record, {"command": "read"}) is None
