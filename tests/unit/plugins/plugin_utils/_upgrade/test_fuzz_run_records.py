# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid or forged run records: a clear error or "not there", never a crash, never permission to restore or delete."""

from __future__ import annotations

import copy
import json

import pytest
from fakes.malformed import ANYTHING, NAMES, RAW_BODIES
from guard_builders import MARKER, RUN_ID, record_data
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import outcomes, planning
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import RunContext
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import MAX_PROBE_CHARS, parse_probe, verify_restore
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RUN_ID_GLOB, RunRecord, ServerRecords, latest_records

CONTEXT = RunContext(
    host="web2", address=None, connection="ssh", search_paths=[], process={"pid": 1, "started": "never"}, command="x", batch=["web2"],
    play_keywords=set(),
    conditional=None, delegated=None, check_mode=False,
)
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


def put(whole, path, value):
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
        lambda: planning.guarded_by_other_run_error(record, CONTEXT), lambda: planning.is_orphaned(record),
        lambda: planning.decide_next_action(record, CONTEXT, 1800, None),
        lambda: planning.is_this_runs_upgrade(record, {"next": planning.REPORT, "tasks": [], "options": {"roles": []}}, 60),
        lambda: states.describe_state(record),
        lambda: json.dumps([record.server_label, record.outcome, record.snapshot.get("id")]),
    ):
        try:
            read()
        except RewindError as error:
            assert json.dumps([error.format(), error.to_result()])


@pytest.fixture(scope="module")
def server_records(tmp_path_factory):
    return ServerRecords(tmp_path_factory.mktemp("state"), "vpsorg", "12345", "https://cloud.example")


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
            record = loaded(server_records, json.dumps(put({**WHOLE, "state": state}, path, value)).encode())
            if record is not None:
                read_everything(record)


@given(raw=RAW_BODIES | ANYTHING.map(lambda value: json.dumps(value).encode()) | st.integers(0,
                                                                                             1000).map(lambda end: json.dumps(WHOLE).encode()[:end]))
def test_invalid_json_is_no_run_record(server_records, raw):
    assert loaded(server_records, raw) is None
    with pytest.raises(RewindError):
        server_records.latest()
    assert latest_records(server_records.path.parent) == []


def test_a_huge_file_is_no_run_record(server_records, monkeypatch):
    monkeypatch.setattr(states, "MAX_RECORD_BYTES", 10_000)
    assert loaded(server_records, json.dumps({**WHOLE, "message": "x" * 20_000}).encode()) is None
    assert loaded(server_records, json.dumps(WHOLE).encode()) is not None


@pytest.mark.parametrize("run_id",
                         ["20260199T000000Zab12", "20261301T000000Zab12", "99999999T999999Zab12", "00000101T000000Zab12", "../../../etc/passwd",
                          "20260101T000000Z/../", "20260101T000000Zab1\n", f"{RUN_ID}\n", "٢0260101T000000Zab12"])
def test_a_run_id_is_a_timestamp_and_never_a_way_out_of_the_directory(server_records, run_id):
    assert loaded(server_records, json.dumps({**WHOLE, "run_id": run_id, "marker": MARKER.replace(RUN_ID, run_id)}).encode()) is None


@pytest.mark.parametrize("marker", ["/etc/passwd", "", "/", MARKER[1:], f"{MARKER}/../../../etc/passwd", f"{MARKER}\n/etc/passwd", f"/etc\0{MARKER}",
                                    MARKER.replace(RUN_ID, "20260101T000000Zab13"), "$(reboot)", None, ["/etc/passwd"]])
def test_no_run_record_has_another_file_removed_from_the_server(server_records, marker):
    """The role removes the marker's file before it writes it."""
    assert loaded(server_records, json.dumps({**WHOLE, "marker": marker}).encode()) is None


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


@pytest.mark.parametrize("text", [
    "unit \x1b[2J\nunits known\nend", "marker {{ 7*7 }}\nmarker $(touch X)\nend", "sum \0 \0\nend", "boot \ud800\nend", "end\n" * 5,
])
def test_a_probe_of_a_hacked_server(text):
    parsed = parse_probe(text)
    assert parsed is not None and verify_restore({**WHOLE, "before": parsed}, parsed, None)["outcome"] in (states.ROLLED_BACK, states.ROLLBACK_FAILED)


def test_a_server_that_prints_without_end_gives_no_probe():
    assert parse_probe("unit x\n" * (MAX_PROBE_CHARS // 7) + "end\n") is None
    assert len(parse_probe("units known\n" + "unit x\n" * 100 + "end\n")["failed_units"]) == 100
