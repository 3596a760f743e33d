# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does with a server, depending on the run record of an earlier run."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest
from guard_builders import RUN_ID, record_data, run_context

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import planning
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.planning import (
    CLEAN_UP,
    REPORT,
    ROLL_BACK,
    UPGRADE,
    decide_next_action,
    plan_lines,
    resolve_task_files,
    stop_after_failed_host,
)
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import RunRecord, ServerRecords

THIS_RUN = {"pid": 4711, "started": "5 since boot x"}
OTHER_RUN = {"pid": 4711, "started": "9 since boot x", "command": "ansible-playbook other.yml"}
OUTCOMES = (states.UPGRADED, states.ROLLED_BACK, states.ROLLBACK_FAILED, states.UNKNOWN, states.NOT_STARTED)


def context(host="web3", batch=("web3",), **fields):
    return run_context(host=host, batch=list(batch), process=THIS_RUN, **fields)


# --- the user's files


@pytest.fixture
def search_paths(tmp_path):
    for name in ("play/upgrade.yml", "play/both.yml", "inventory/both.yml", "inventory/checks.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]", encoding="utf-8")
    (tmp_path / "play" / "checks.yml").mkdir()
    return [str(tmp_path / "play"), str(tmp_path / "inventory")]


def test_files_are_searched_in_the_order_of_the_search_paths(search_paths, tmp_path):
    names = ["upgrade.yml", "both.yml", "checks.yml", "../play/upgrade.yml", str(tmp_path / "inventory" / "both.yml")]
    play, inventory = search_paths
    assert resolve_task_files("tasks", names, search_paths) == [
        f"{play}/upgrade.yml", f"{play}/both.yml", f"{inventory}/checks.yml", f"{play}/../play/upgrade.yml", f"{inventory}/both.yml",
    ]
    assert resolve_task_files("tasks", [], search_paths) == []


@pytest.mark.parametrize("name", ["missing.yml", "", ".", "checks.yml/", "~no-such-user/upgrade.yml", "a\0b", "/nowhere/upgrade.yml"])
def test_a_missing_file_is_named_with_where_it_was_searched(search_paths, name):
    with pytest.raises(RewindError) as caught:
        resolve_task_files("guarded_upgrade_tasks", [name], search_paths[:1])
    assert caught.value.kind == "invalid_argument" and caught.value.outcome == "not_applied"
    assert "guarded_upgrade_tasks" in caught.value.message and name in caught.value.message
    if name == "missing.yml":
        assert f"{search_paths[0]}/missing.yml" in caught.value.message


def test_a_file_that_can_not_be_read_is_named(search_paths, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, how: not str(path).endswith("both.yml"))
    with pytest.raises(RewindError) as caught:
        resolve_task_files("tasks", ["upgrade.yml", "both.yml"], search_paths)
    assert "both.yml" in caught.value.message and "read" in caught.value.message


# --- a roll-out in which a server has come to grief


def put(state_dir, host, state, run=None, run_id=RUN_ID, **fields):
    path = ServerRecords(state_dir, "vpsorg", f"id-of-{host}", "https://cloud.example").record_path(run_id)
    RunRecord(path, record_data(state, host=host, run={**(THIS_RUN if run is None else run)}, run_id=run_id, **fields)).update()


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("batch", [("web3",), ("web1", "web3")], ids=["earlier batch", "same batch"])
def test_an_upgrade_of_this_run_that_ended_badly_stops_the_others(tmp_path, outcome, batch):
    put(tmp_path, "web1", states.ENDED, outcome=outcome)
    if outcome in (states.UPGRADED, states.NOT_STARTED):
        assert stop_after_failed_host(str(tmp_path), context(batch=batch)) is None
        return
    with pytest.raises(RewindError) as caught:
        stop_after_failed_host(str(tmp_path), context(batch=batch))
    assert "web1" in caught.value.message and "web3" in caught.value.message and outcome in caught.value.message
    assert "run.json" in caught.value.hint


@pytest.mark.parametrize("state", [*states.UNARMED_STATES, *states.ARMED_STATES, states.CONFIRMED, states.RESTORING, states.RESTORED])
def test_a_host_of_an_earlier_batch_that_is_still_half_way_was_lost(tmp_path, state):
    put(tmp_path, "web1", state)
    assert stop_after_failed_host(str(tmp_path), context(batch=("web1", "web3"))) is None, "it is worked on beside this one"
    if state in (states.CONFIRMED, states.AWAITING):
        assert stop_after_failed_host(str(tmp_path), context()) is None
        return
    with pytest.raises(RewindError):
        stop_after_failed_host(str(tmp_path), context())


def test_other_runs_the_host_itself_and_older_records_stop_no_host(tmp_path):
    put(tmp_path, "web1", states.ENDED, run=OTHER_RUN, outcome=states.UNKNOWN)
    put(tmp_path, "web3", states.ENDED, outcome=states.ROLLED_BACK)
    put(tmp_path, "web2", states.ENDED, outcome=states.ROLLED_BACK)
    put(tmp_path, "web2", states.ENDED, run_id="20260102T000000Zab12", outcome=states.UPGRADED)
    put(tmp_path, "web4", states.ENDED, run={}, outcome=states.UNKNOWN)
    assert stop_after_failed_host(str(tmp_path), context()) is None
    assert stop_after_failed_host(str(tmp_path / "nowhere"), context()) is None


# --- what comes next


def previous(state, seconds_ago, **fields):
    at = (datetime.now(timezone.utc) - timedelta(seconds=seconds_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    history = [{"at": "2026-01-01T00:00:00.000Z", "state": "planned"}, {"at": at, "state": state}]
    return RunRecord("run.json", record_data(state, history=history, **fields))


RECENT, OLD = 10, 2000


@pytest.mark.parametrize(("state", "recent", "old"), [
    (states.PLANNED, (UPGRADE, True), (UPGRADE, False)), (states.SNAPSHOTTING, (UPGRADE, True), (UPGRADE, False)),
    (states.READY, (UPGRADE, True), (UPGRADE, False)),
    (states.ARMED, (ROLL_BACK, True), "a person decides"), (states.UPGRADING, (ROLL_BACK, True), "a person decides"),
    (states.CHECKING, (ROLL_BACK, True), "a person decides"), (states.RESTORING, (ROLL_BACK, True), "a person decides"),
    (states.RESTORED, (ROLL_BACK, True), "a person decides"),
    (states.CONFIRMED, (CLEAN_UP, True), (CLEAN_UP, True)),
])
@pytest.mark.parametrize("age", [RECENT, OLD])
def test_decide_next_action(state, recent, old, age):
    record, expected = previous(state, age), recent if age == RECENT else old
    if expected == "a person decides":
        with pytest.raises(RewindError) as caught:
            decide_next_action(record, context(), 1800, None)
        error = caught.value
        assert (error.kind, error.outcome, error.snapshot) == ("not_ready", "not_applied", record.snapshot["name"])
        assert f"guarded_upgrade_accept_run={RUN_ID}" in error.hint and record.snapshot["name"] in error.hint
    else:
        assert decide_next_action(record, context(), 1800, None) == expected
    assert decide_next_action(record, context(), 1800, RUN_ID) == decide_next_action(None, context(), 1800, None) == (UPGRADE, False)


def test_an_old_upgrade_is_not_rolled_back_without_asking():
    """Its age counts from the end of the time that its last step had. Accepting another run accepts nothing."""
    assert decide_next_action(previous(states.UPGRADING, 5000, seconds_allowed=3600), context(), 1800, None) == (ROLL_BACK, True)
    cases = [(5500, 1800, None), (3601, 0, None), *((5500, 1800, other) for other in ("", RUN_ID[:-1], RUN_ID.upper()))]
    for seconds_ago, within, accepted in cases:
        with pytest.raises(RewindError):
            decide_next_action(previous(states.UPGRADING, seconds_ago, seconds_allowed=3600), context(), within, accepted)


@pytest.mark.parametrize("age", [RECENT, OLD, 10 ** 8])
@pytest.mark.parametrize("is_reported", [True, False])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_end_is_reported_once_however_old(outcome, is_reported, age):
    record = previous(states.ENDED, age, outcome=outcome, acknowledged=is_reported)
    is_skipped = is_reported or outcome == states.NOT_STARTED
    assert decide_next_action(record, context(), 1800, None) == ((UPGRADE, False) if is_skipped else (REPORT, True))
    assert decide_next_action(record, context(), 1800, RUN_ID) == (UPGRADE, False)


@pytest.mark.parametrize("state", states.UNARMED_STATES)
def test_an_old_snapshot_is_not_resumed_however_long_a_run_may_be(state):
    """A rollback to it would lose later writes, although no upgrade had started."""
    week = 604800
    assert decide_next_action(previous(state, RECENT), context(), week, None) == (UPGRADE, True)
    assert decide_next_action(previous(state, OLD), context(), week, None) == (UPGRADE, False)


# --- guards at work


def test_the_error_names_the_run_that_guards():
    assert "is starting" in planning.guarded_by_other_run_error(None, context()).message
    own = planning.guarded_by_other_run_error(previous(states.UPGRADING, 1, run=THIS_RUN), context())
    assert "This run" in own.message and "upgrading" in own.message
    other = planning.guarded_by_other_run_error(previous(states.UPGRADING, 1, run=OTHER_RUN), context())
    assert "other.yml" in other.message and "4711" in other.message and other.kind == "busy"


# --- the plan as text

CLOUD = {"cloud": "VPS.org", "server": {"id": "12345", "name": "web1"}, "evictions": []}
PARAMS = {
    "stop_server": False, "timeout": 3600, "check_timeout": 300, "soak_time": 30, "builtin_checks": True, "keep_snapshots": 2,
    "confirm": "automatic", "confirm_within": 600, "confirm_wait": True,
    "tasks": [], "roles": [], "packages": "all", "exclude": [],
}


def test_the_plan_of_an_upgrade():
    run = {"next": UPGRADE, "snapshot_name": "rewind1", "tasks": ["/p/upgrade.yml"], "checks": [
        {"label": "/p/check.yml", "level": "required", "baseline": True}, {"label": "port 80", "level": "warn", "baseline": False},
    ], "run_id": RUN_ID}
    text = "\n".join(plan_lines(run, PARAMS, CLOUD))
    for part in ("rewind1", "web1", "VPS.org", "/p/upgrade.yml", "3600 s", "Check before the snapshot: /p/check.yml\n",
                 "300 s, and repeatedly for 30 s", "newest 2",
                 "Check: the built-in checks, /p/check.yml, port 80 (a warning only), within"):
        assert part in text
    assert "stopped" not in text and "Delete" not in text
    assert "Upgrade: the packages of the operating system, within 3600 s" in plan_lines({**run, "tasks": []}, PARAMS, CLOUD)
    selected = {**PARAMS, "packages": "security", "exclude": ["nginx"]}
    assert "Upgrade: the security updates of the operating system, without nginx, within 3600 s" in plan_lines({**run, "tasks": []}, selected, CLOUD)
    assert "Upgrade: role web, within 3600 s" in plan_lines({**run, "tasks": []}, {**PARAMS, "roles": ["web"]}, CLOUD)
    assert "stopped" in "\n".join(plan_lines(run, {**PARAMS, "stop_server": True}, CLOUD))
    manual = "\n".join(plan_lines(run, {**PARAMS, "confirm": "manual", "confirm_wait": False}, CLOUD))
    assert "wait up to 600 s for a person to confirm with the playbook rewind.vps.confirm, after this run, and keep" in manual
    first = plan_lines(run, PARAMS, {**CLOUD, "evictions": [{"name": "rewind0"}]})[0]
    assert first.startswith("Delete rewind0")


@pytest.mark.parametrize("next_action", [CLEAN_UP, ROLL_BACK, REPORT])
def test_the_plan_of_a_resumed_run_states_that_nothing_is_upgraded(next_action):
    run = {"next": next_action, "snapshot_name": "rewind1", "tasks": ["/p/upgrade.yml"], "checks": [], "run_id": RUN_ID}
    (line,) = plan_lines(run, PARAMS, CLOUD)
    assert RUN_ID in line and "upgrade nothing" in line and ("rewind1" in line) == (next_action == ROLL_BACK)


# --- plays, files and run records that cannot be guarded


@pytest.mark.parametrize(("fields", "message"), [
    ({"play_keywords": {"force_handlers"}}, "The play has force_handlers"), ({"play_keywords": {"ignore_errors"}}, "The play has ignore_errors"),
    ({"conditional": "version == 1"}, r"has a condition \(version == 1\)"), ({"delegated": "web9"}, "delegated to web9"),
    ({"connection": "local"}, "on the server that it guards"),
    ({"play_keywords": {"any_errors_fatal"}, "batch": ["web3", "web4"]}, "The play has any_errors_fatal"),
])
def test_plays_that_can_not_be_guarded(fields, message):
    usual = {"play_keywords": {"any_errors_fatal"}}
    planning.validate_play(context(**usual))  # matters only where several are worked on together
    with pytest.raises(RewindError, match=message):
        planning.validate_play(context(**{**usual, **fields}))


def record_of(tmp_path, **fields):
    return RunRecord(tmp_path / "run.json", record_data(states.ENDED, **{"run": THIS_RUN, "host": "web3", **fields}))


def test_two_hosts_of_one_run_are_not_one_server(tmp_path):
    planning.validate_record(None, context())
    planning.validate_record(record_of(tmp_path), context())
    planning.validate_record(record_of(tmp_path, host="web4", run=OTHER_RUN), context())
    with pytest.raises(RewindError, match="Hosts web3 and web4 resolve to the same server"):
        planning.validate_record(record_of(tmp_path, host="web4"), context())
    with pytest.raises(RewindError, match="from the future"):
        planning.validate_record(record_of(tmp_path, run_id="29991231T235959Zabcd", run=OTHER_RUN), context())


@pytest.mark.parametrize(("next_action", "tasks", "auto_recover_within", "counts"), [
    ("upgrade", ["other"], 0, True), ("clean_up", ["same"], 10 ** 9, True), ("report", ["same"], 10 ** 9, True),
    ("clean_up", ["other"], 10 ** 9, False),
    ("clean_up", ["same"], 0, False),
])
def test_an_earlier_upgrade_counts_only_if_it_is_this_one(tmp_path, next_action, tasks, auto_recover_within, counts):
    previous = record_of(tmp_path, tasks=["same"], roles=[], packages="all", exclude=[])
    run = {"next": next_action, "tasks": tasks, "options": {"roles": [], "packages": "all", "exclude": []}}
    assert planning.is_this_runs_upgrade(previous, run, auto_recover_within) is counts
    for name, value in (("packages", ["nginx"]), ("exclude", ["nginx"]), ("roles", ["web"])):
        other = {**run, "options": {**run["options"], name: value}}
        assert planning.is_this_runs_upgrade(previous, other, auto_recover_within) is (next_action == "upgrade")


def test_too_few_forks_are_warned_of():
    batch = [f"web{number}" for number in range(12)]
    (warning,) = planning.warn_too_few_forks(context(batch=batch, forks=5))
    assert "12 servers" in warning and "5 forks" in warning and "-f 12" in warning
    for forks in (None, 12, 50):
        assert planning.warn_too_few_forks(context(batch=batch, forks=forks)) == []
