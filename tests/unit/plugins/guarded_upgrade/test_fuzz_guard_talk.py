# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guard and a run may be told over their socket: a peer that talks nonsense neither ends, nor blinds, nor hurries a guard."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest
from guard_builders import FakeWorld, guard_in, history, on_disk, record_data
from hostile import ANYTHING, RAW_BODIES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.plugin_utils._guard import server
from ansible_collections.rewind.vps.plugins.plugin_utils._guard.client import ask_guard
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import diagnostics
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord

FIELDS = st.dictionaries(st.sampled_from([*record_data(), "reason", "seconds_allowed", "marker_written", "evidence", "odd"]), ANYTHING, max_size=3)
REQUESTS = ANYTHING | st.fixed_dictionaries({}, optional={
    "do": st.sampled_from(["move", "note", "roll_back", "end", "told", "look", "snapshot", "await"]) | ANYTHING,
    "to": st.sampled_from([states.RESTORING, states.CHECKING, states.UPGRADING, states.ENDED, states.ARMED]) | ANYTHING, "facts": FIELDS | ANYTHING,
    "seconds": st.integers(-1, 60) | ANYTHING, "reason": ANYTHING, "manual": ANYTHING, "outcome": st.sampled_from(states.OUTCOMES) | ANYTHING,
    "message": ANYTHING, "verification": ANYTHING,
    "wishes": st.fixed_dictionaries({"match": ANYTHING, "stop_server": ANYTHING, "seconds": ANYTHING}) | ANYTHING,
})
# Each of them writes files to the disk, so fewer than usual.
with_folders = settings(max_examples=max(20, settings().max_examples // 3), suppress_health_check=[HealthCheck.function_scoped_fixture])


class Caller:
    """In a socket's place: what the guard receives and what it answers."""

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


def attend(guard, line):
    caller = Caller(line)
    server._attend(guard, caller)
    return [json.loads(answer) for answer in caller.answer.splitlines()]


@with_folders
@given(requests=st.lists(REQUESTS.map(lambda request: json.dumps(request).encode() + b"\n") | RAW_BODIES.map(lambda body: body + b"\n"), min_size=1,
                         max_size=4))
@example(requests=[b'{"do": "note", "facts": {"before": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}\n"])
@example(requests=[b'{"do": "note", "facts": {"snapshot": 5, "history": [], "state": "confirmed"}}\n'])
@example(requests=[b'{"do": "move", "to": "checking", "facts": {}, "seconds": "soon"}\n'])
def test_a_guard_goes_on_guarding_whatever_it_is_told(tmp_path, requests):
    """Afterwards the run is gone: exactly the receipt's snapshot is restored, once, unless that was orderly asked for before."""
    world = FakeWorld()
    guard = guard_in(tmp_path, states.UPGRADING, world, acknowledged=False)
    for line in requests:
        answers = attend(guard, line)
        assert len(answers) <= 1
    assert on_disk(guard) == guard.record.data, "what is on the disk is a receipt still"
    settled = ("run_id", "host", "provider", "server", "marker", "run")
    assert {key: guard.record.data[key] for key in settled} == {key: record_data()[key] for key in settled}
    ids = guard.record.snapshot.get("id")
    world.alive = False
    guard.watch()
    assert world.asked == [(ids, 600)] and states.CONFIRMED not in history(guard.record.data)
    assert guard.record.state == states.ENDED and guard.is_over


@pytest.mark.parametrize("fields", [
    {"state": "confirmed"}, {"history": []}, {"run": {"pid": 1, "started": None}}, {"snapshot": None}, {"server": {"id": "1"}}, {"outcome": "odd"},
    {"verification": "yes"}, {"marker": "/etc/passwd"}, {"acknowledged": "yes"}, {"before": 5},
])
def test_fields_that_a_run_may_not_set(tmp_path, fields):
    guard = guard_in(tmp_path, states.UPGRADING, FakeWorld())
    before = on_disk(guard)
    for request in ({"do": "note", "facts": fields}, {"do": "move", "to": states.CHECKING, "seconds": 5, "facts": fields}):
        (answer,) = attend(guard, json.dumps(request).encode() + b"\n")
        assert "does not understand" in answer["refused"]["message"]
    assert on_disk(guard) == before == guard.record.data


@pytest.mark.parametrize("wishes", [
    None, {}, {"match": "*"}, {"match": "????????T??????Z????"}, {"match": "re*ind????????T??????Z????"}, {"stop_server": 1}, {"seconds": 0},
    {"seconds": True}, {"more": 1},
])
def test_wishes_that_a_run_does_not_have(tmp_path, wishes):
    """What may go to make room is what the role makes, and nothing else."""
    world = FakeWorld()
    guard = guard_in(tmp_path, states.PLANNED, world)
    whole = {"match": "rewind????????T??????Z????", "stop_server": False, "seconds": 60}
    (answer,) = attend(guard, json.dumps({"do": "snapshot", "wishes": wishes and {**whole, **wishes}}).encode() + b"\n")
    assert "does not understand" in answer["refused"]["message"]
    guard.watch()
    assert world.asked_to_take == [] and guard.record.state == states.PLANNED
    (answer,) = attend(guard, json.dumps({"do": "snapshot", "wishes": whole}).encode() + b"\n")
    assert answer["done"]["record"]["state"] == states.SNAPSHOTTING


def test_a_caller_that_drips_does_not_keep_the_guard_from_watching(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.4)
    guard = guard_in(tmp_path, states.UPGRADING, FakeWorld())
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                theirs.send(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    began = time.monotonic()
    with ours, theirs, contextlib.suppress(OSError):
        server._attend(guard, ours)
    over.set()
    thread.join()
    assert time.monotonic() - began < 3


@with_folders
@given(lines=st.lists(RAW_BODIES | ANYTHING.map(lambda value: json.dumps(value).encode()) | st.builds(
    lambda key, value: json.dumps({key: value}).encode(), st.sampled_from(["done", "refused"]),
    ANYTHING | st.fixed_dictionaries({"record": ANYTHING}),
), max_size=3))
def test_a_run_takes_no_nonsense_for_its_guards_answer(tmp_path, lines):
    record = RunRecord(tmp_path / "run.json", record_data(states.UPGRADING))
    door = tmp_path / "s"
    door.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(door))
        listener.listen()

        def talk():
            with contextlib.suppress(OSError):
                caller, dummy = listener.accept()
                with caller:
                    caller.recv(65536)
                    caller.sendall(b"\n".join(lines) + b"\n")

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        record.data["guard"] = {"socket": str(door)}
        try:
            assert ask_guard(record, {"do": "look"}) is None
        except RewindError as error:
            assert b"refused" in b"".join(lines) and isinstance(error.message, str)
        thread.join()


@pytest.mark.parametrize("door", ["", "\0", "a\0b", "/nowhere", "x" * 500, "/", "\ud800"])
def test_a_door_that_is_none(tmp_path, door):
    record = RunRecord(tmp_path / "run.json", record_data(states.UPGRADING, guard={"socket": door}))
    assert ask_guard(record, {"do": "look"}) is None


def deep(levels):
    value = {}
    for _level in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("result", [{"a": deep(5000)}, {("a", "b"): 1}, {"a": {1, 2}}, {"a": "\x1b[2J\ud800\0"}, {"a": float("nan")}, {"a": b"\xff"}],
                         ids=["deep", "a key that is no text", "a set", "controls", "NaN", "bytes"])
def test_evidence_of_any_result(tmp_path, result):
    files = diagnostics.keep_evidence(tmp_path, {"name": "x", "action": "command"}, result, "boot \x1b[2J\0\ud800\n", Redactor(["secret-of-mine"]))
    told = json.loads((tmp_path / "failed_task.json").read_text(encoding="utf-8"))
    assert told["task"] == "x" and len(files) == 2
