# SPDX-License-Identifier: GPL-3.0-or-later
"""The run record: complete on the disk before anything else happens, private to its owner, and rejected if invalid."""

from __future__ import annotations

import copy
import fnmatch
import json
import os
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.malformed import ANYTHING, NAMES, RAW_BODIES
from guard_builders import MARKER, RUN_ID, record_data, record_in, run_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import outcomes, planning
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import parse_probe, verify_restore
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import (
    MAX_RUNS,
    RUN_ID_GLOB,
    RunRecord,
    ServerRecords,
    latest_records,
    new_run_id,
    write_private,
)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# --- writing


def test_only_the_owner_may_read_it_or_enter_the_directories_that_are_created(tmp_path):
    target, path = tmp_path / "target", tmp_path / "run.json"
    target.write_text("untouched", encoding="utf-8")
    path.symlink_to(target)
    before = os.umask(0)
    try:
        write_private(tmp_path / "state" / "server" / "run" / "run.json", "{}")
        write_private(path, "{}")
    finally:
        os.umask(before)
    assert mode(tmp_path / "state" / "server" / "run" / "run.json") == 0o600
    assert [mode(tmp_path / part) for part in ("state", "state/server", "state/server/run")] == [0o700] * 3
    assert mode(path) == 0o600 and not path.is_symlink() and target.read_text(encoding="utf-8") == "untouched", "a symbolic link is replaced"


def test_what_is_renamed_is_on_the_disk_already_and_the_name_is_afterwards(tmp_path, monkeypatch):
    calls = []
    fsync, rename = os.fsync, os.rename

    def logged_fsync(handle):
        kind = "directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        calls.append((f"fsync {kind}", os.fstat(handle).st_size if kind == "file" else None))
        fsync(handle)

    def logged_rename(old, new):
        calls.append(("rename", None))
        rename(old, new)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "rename", logged_rename)
    write_private(tmp_path / "run.json", "12345")
    assert calls == [("fsync file", 5), ("rename", None), ("fsync directory", None)]


@pytest.mark.parametrize("broken", ["fsync", "rename"])
def test_a_write_that_fails_leaves_the_old_one_whole(tmp_path, monkeypatch, broken):
    path = tmp_path / "run.json"
    write_private(path, "the old one")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError):
        write_private(path, "half of the n")
    assert path.read_text(encoding="utf-8") == "the old one"


def test_several_may_write_one_file_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        texts = [f"{number}" * 5000 for number in range(8)]
        list(pool.map(lambda text: write_private(tmp_path / "report.json", text), texts * 5))
    assert (tmp_path / "report.json").read_text(encoding="utf-8") in texts
    assert os.listdir(tmp_path) == ["report.json"]


# --- as text


@pytest.mark.parametrize(("server", "label"), [
    ({"id": "12345", "name": "web1"}, "web1 (12345)"), ({"id": "app1", "name": "app1"}, "app1"), ({"id": "12345", "name": None}, "12345"),
    ({"id": "12345"}, "12345"),
])
def test_what_the_server_is_called(tmp_path, server, label):
    assert RunRecord.load(record_in(tmp_path, server=server).path).server_label == label


def test_seconds_between():
    entries = (("00:00.000", "armed"), ("00:01.500", "upgrading"), ("00:31.750", "checking"), ("01:31.760", "confirmed"),
               ("02:00.000", "restoring"), ("02:10.000", "restoring"), ("02:15.000", "ended"))
    record = RunRecord(None, record_data(history=[{"at": f"2026-01-01T00:{at}Z", "state": state} for at, state in entries]))
    assert record.seconds_between("upgrading", "checking") == 30.2
    assert record.seconds_between("upgrading", "confirmed", "checking") == 30.2, "the first of the later ones"
    assert record.seconds_between("restoring", "restored", "ended") == 5.0, "from the last time before it"
    assert record.seconds_between("restored", "ended") is None
    assert record.seconds_between("checking", "upgrading") is None, "before is not after"


# --- reading


MISSING = object()


def refused(path):
    with pytest.raises(RewindError) as caught:
        RunRecord.load(path)
    assert caught.value.kind == "invalid_argument" and str(path) in caught.value.message
    return True


def test_a_missing_file_or_a_directory_is_rejected(tmp_path):
    assert refused(tmp_path / "nowhere.json")
    assert refused(tmp_path)
    (tmp_path / "circle").symlink_to("circle")
    assert refused(tmp_path / "circle")


@pytest.mark.parametrize(("key", "value"), [
    ("state", "hacked"), ("state", None), ("state", []), ("run_id", 5), ("host", None),
    ("provider", 1), ("server", []), ("server", {}), ("server", {"id": 12345}), ("server", {"id": "1", "name": 5}), ("snapshot", None),
    ("snapshot", {"id": "1"}), ("snapshot", {"name": "a", "id": 801}), ("history", {}), ("history", []), ("history", ["planned"]),
    ("history", [{"state": "planned"}]), ("history", [{"at": "yesterday", "state": "planned"}]), ("history", [{"at": 5, "state": "planned"}]),
    ("history", [{"at": "2026-01-01T00:00:00", "state": "planned"}]), ("history", [{"at": "2026-01-01T00:00:00.000Z"}]), ("run", None),
    ("run", []), ("verification", None), ("verification", {}), ("message", 5),
    # A run id is a timestamp, and never a way out of the directory.
    *(("run_id", value) for value in (
        "20260199T000000Zab12", "20261301T000000Zab12", "00000101T000000Zab12", "../../../etc/passwd", "20260101T000000Z/../",
        f"{RUN_ID}\n", "٢0260101T000000Zab12",
    )),
    # The role removes the marker's file from the server before it writes it.
    *(("marker", value) for value in (
        "/etc/passwd", "", "/", MARKER[1:], f"{MARKER}/../../../etc/passwd", f"{MARKER}\n/etc/passwd", f"/etc\0{MARKER}",
        MARKER.replace(RUN_ID, "20260101T000000Zab13"), None, ["/etc/passwd"],
    )),
    *((name, MISSING) for name in (
        "run_id", "state", "host", "provider", "server", "snapshot", "history", "run", "outcome", "message", "verification",
    )),
])
def test_a_run_record_with_an_invalid_field_is_rejected(tmp_path, key, value):
    record = record_in(tmp_path)
    assert RunRecord.load(record.path).data == record.data
    data = {name: item for name, item in {**record.data, key: value}.items() if item is not MISSING}
    if key == "run_id":
        data["marker"] = MARKER.replace(RUN_ID, str(value))
    record.path.write_text(json.dumps(data), encoding="utf-8")
    assert refused(record.path)


# --- where they lie


def test_no_two_servers_share_a_directory(tmp_path):
    accounts = [("vpsorg", "1", "https://cloud.example"), ("vpsorg", "2", "https://cloud.example"), ("ilkbyte", "1", "https://cloud.example"),
                ("vpsorg", "1", "https://other.example"), ("vpsorg", "../../1", "https://cloud.example")]
    paths = [ServerRecords(tmp_path, *account).path for account in accounts]
    assert len(set(paths)) == len(accounts) and {path.parent for path in paths} == {tmp_path}
    assert ServerRecords(str(tmp_path), *accounts[0]).path == paths[0], "the same one each time"


def run_id(number):
    return f"202601{number + 1:02d}T000000Zab12"


@pytest.fixture
def server_records(tmp_path):
    return ServerRecords(tmp_path, "vpsorg", "12345", "https://cloud.example")


def put(server_records, number, state=states.ENDED, **fields):
    path = server_records.record_path(run_id(number))
    RunRecord(path, record_data(state, run_id=run_id(number), **fields)).update()
    return path


def test_the_newest_run_of_a_server(server_records):
    assert (server_records.runs(), server_records.latest(), server_records.latest_with_snapshot()) == ([], None, None)
    for number in (3, 1, 2):
        put(server_records, number)
    put(server_records, 4, states.SNAPSHOTTING)
    assert [path.parent.name for path in server_records.runs()] == [run_id(number) for number in (1, 2, 3, 4)]
    assert server_records.latest().run_id == run_id(4)
    assert server_records.latest_with_snapshot().run_id == run_id(3)


def test_an_unreadable_newest_run_record_is_not_skipped(server_records):
    """The previous record describes another upgrade."""
    put(server_records, 1)
    put(server_records, 2).write_text("{", encoding="utf-8")
    for lookup in (server_records.latest, server_records.latest_with_snapshot):
        with pytest.raises(RewindError):
            lookup()


def test_only_the_newest_runs_are_kept_with_their_diagnostics(server_records):
    for number in range(MAX_RUNS + 3):
        (put(server_records, number).parent / "server.log").write_text("evidence", encoding="utf-8")
    server_records.lock_path.write_text("", encoding="utf-8")
    (server_records.path / "notes").mkdir()
    server_records.prune_old()
    assert sorted(os.listdir(server_records.path)) == sorted(["lock", "notes", *(run_id(number) for number in range(3, MAX_RUNS + 3))])
    server_records.prune_old()
    assert len(server_records.runs()) == MAX_RUNS
    assert all((path.parent / "server.log").exists() for path in server_records.runs())


def test_an_old_run_that_has_not_ended_is_kept(server_records):
    """Its snapshot may still be needed, and its result has not been reported."""
    unfinished = {1: states.UPGRADING, 2: states.RESTORING, 3: states.CONFIRMED}
    for number in range(MAX_RUNS + 5):
        put(server_records, number, unfinished.get(number, states.ENDED))
    server_records.prune_old()
    assert [path.parent.name for path in server_records.runs()] == [run_id(number) for number in (1, 2, 3, *range(5, MAX_RUNS + 5))]


def test_latest_records_are_the_newest_of_each_server_without_the_unreadable(tmp_path):
    assert latest_records(tmp_path / "nowhere") == []
    for server in ("1", "2", "3"):
        one = ServerRecords(tmp_path, "vpsorg", server, "https://cloud.example")
        put(one, 1, host=f"old{server}")
        put(one, 2, host=f"web{server}")
    put(ServerRecords(tmp_path, "vpsorg", "4", "https://cloud.example"), 1).write_bytes(b"[" * 100_000)
    (tmp_path / "reports").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert sorted(record.data["host"] for record in latest_records(tmp_path)) == ["web1", "web2", "web3"]


# --- the runs' names


@pytest.mark.parametrize("provider", REGISTRY)
def test_every_provider_accepts_a_run_id_in_a_snapshot_name(provider):
    for _attempt in range(200):
        assert re.fullmatch(REGISTRY[provider].capabilities.name_pattern, f"rewind{new_run_id()}")


def test_run_ids_differ_sort_by_time_and_are_valid(tmp_path, monkeypatch):
    times = iter([0, 59, 3600, 86400 * 400])
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time(time.localtime(next(times))))
    made = [new_run_id() for _attempt in range(4)]
    assert made == sorted(set(made)) and len({one[-4:] for one in made}) > 1
    for one in made:
        assert fnmatch.fnmatchcase(one, RUN_ID_GLOB)
        assert RunRecord.load(record_in(tmp_path, run_id=one).path).run_id == one
    for other in ("before-php", "rewind-before-php", "20260101T000000Z", "nightly1"):
        assert not fnmatch.fnmatchcase(other, RUN_ID_GLOB)


# --- any content

CONTEXT = run_context(host="web2", batch=["web2"])
ALL_STATES = list(states.STATES)
WHOLE = record_data(
    states.RESTORED, outcome="rolled_back", message="m", reason="r", restore_message="rm", diagnostics=["/e"],
    boot_before_restore="aaaaaaaa", roles=[],
    marker_written=True, seconds_allowed=60, progress="p",
    snapshot_params={"match": f"rewind{RUN_ID_GLOB}", "stop_server": True, "seconds": 60},
    snapshot_result={"changed": True, "msg": "m", "pruned": [{"name": "n"}], "snapshot": {"id": "1"}, "warnings": ["w"], "error": {"kind": "busy"}},
    guard={"pid": 2, "started": "s", "socket": "/tmp/s"},
    verification=[{"check": "cloud", "result": "passed", "detail": "d"}],
    before={"boot_id": "11111111-1111", "failed_units": ["a"], "markers": [], "checksums": {"/etc/a": "1"}},
)


def paths(value, path=()):
    """Every position in nested data."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(inner, (*path, key))


def with_value(whole, path, value):
    made = {"": copy.deepcopy(whole)}
    holder, key = made, ""
    for step in path:
        holder, key = holder[key], step
    holder[key] = value
    return made[""]


def read_everything(record):
    """Call every reader of a run record; any error but a RewindError fails the test."""
    probe_result = parse_probe("boot 22222222-2222\nunits known\nend")
    for read in (
        lambda: outcomes.format_table([outcomes.row(record)]), lambda: outcomes.outcome_of(record),
        lambda: outcomes.with_next_steps(record, outcomes.outcome_of(record)),
        lambda: verify_restore(record.data, probe_result, "passed"), lambda: verify_restore(record.data, None, None),
        lambda: planning.validate_record(record, CONTEXT),
        lambda: planning.guarded_by_other_run_error(record, CONTEXT),
        lambda: planning.decide_next_action(record, CONTEXT, 1800, None),
        lambda: planning.is_this_runs_upgrade(
            record, {"next": planning.REPORT, "tasks": [], "options": {"roles": [], "packages": "all", "exclude": []}}, 60),
        lambda: states.describe_state(record),
        lambda: json.dumps([record.server_label, record.outcome, record.snapshot.get("id")]),
    ):
        try:
            read()
        except RewindError as error:
            assert json.dumps([error.format(), error.to_result()])


def write(server_records, raw):
    path = server_records.record_path(RUN_ID)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


def loaded(server_records, raw):
    path = write(server_records, raw)
    try:
        return RunRecord.load(path)
    except RewindError as error:
        assert error.kind == "invalid_argument" and str(path) in error.message
        return None


# One position after another gets every value that is invalid there; a text where a text belongs is valid.
ODD = [None, True, 0, -1, 1.5, 10**400, float("nan"), float("inf"), "", "\ud800", "x" * 3000, [], [None], [[]], {}, {"id": None}, {"\0": []},
       *NAMES[:6]]


@pytest.mark.parametrize("path", list(paths(WHOLE)), ids=lambda path: ".".join(map(str, path)) or "all")
def test_a_run_record_with_any_value_in_any_field(server_records, path):
    for value in ODD:
        for state in (ALL_STATES if len(path) == 1 and value in (None, [], {}) else [states.RESTORED]):
            record = loaded(server_records, json.dumps(with_value({**WHOLE, "state": state}, path, value)).encode())
            if record is not None:
                read_everything(record)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=(
    RAW_BODIES | ANYTHING.map(lambda value: json.dumps(value).encode())
    | st.builds(json.dumps(WHOLE).encode().__getitem__, st.integers(0, 1000).map(slice))
))
def test_invalid_json_is_no_run_record(server_records, raw):
    assert loaded(server_records, raw) is None
    with pytest.raises(RewindError):
        server_records.latest()
    assert latest_records(server_records.path.parent) == []


def test_a_huge_file_is_no_run_record(server_records, monkeypatch):
    monkeypatch.setattr(states, "MAX_RECORD_BYTES", 10_000)
    assert loaded(server_records, json.dumps({**WHOLE, "message": "x" * 20_000}).encode()) is None
    assert loaded(server_records, json.dumps(WHOLE).encode()) is not None


@pytest.mark.parametrize("fields", [{"server": {"id": "12346", "name": "web1"}}, {"provider": "ilkbyte"},
                                    {"run_id": "20260102T000000Zab12", "marker": MARKER.replace(RUN_ID, "20260102T000000Zab12")}],
                         ids=["server", "cloud", "run"])
def test_a_run_record_copied_from_another_server_or_run_is_rejected(server_records, fields):
    """It names the snapshot of another server, which no task has asked to restore."""
    write(server_records, json.dumps({**WHOLE, **fields}).encode())
    for lookup in (server_records.latest, server_records.latest_with_snapshot):
        with pytest.raises(RewindError, match="of another server or run"):
            lookup()
    write(server_records, json.dumps(WHOLE).encode())
    assert server_records.latest().run_id == server_records.latest_with_snapshot().run_id == RUN_ID
