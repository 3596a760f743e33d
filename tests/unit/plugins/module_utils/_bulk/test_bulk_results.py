# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers in one task: each has its own result, a failure affects no other, and the summary is correct."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from builders import snapshot
from fakes.bulk import TEST_TIMEOUT, FakeAccount, bulk_task, start_thread, wait_until

from ansible_collections.rewind.vps.plugins.module_utils._bulk.executor import run_on_each
from ansible_collections.rewind.vps.plugins.module_utils._bulk.results import RERUN_REPEATS, RERUN_RESUMES
from ansible_collections.rewind.vps.plugins.module_utils._errors import UNKNOWN, Cancelled, RewindError, error_result
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot_restore
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import lock_server

TEN = [f"web{number}" for number in range(1, 11)]


@pytest.fixture(autouse=True)
def one_directory(tmp_path, monkeypatch):
    """All locks of a test are in the same directory, as on a real machine."""
    monkeypatch.setattr(local_state, "state_directory", lambda create: str(tmp_path))
    return tmp_path


def take_snapshots(account: FakeAccount, references: list[str], check_mode: bool = False, **options):
    ctx = bulk_task(account, references, check_mode, **options)
    return snapshot_operation.run(ctx), ctx


@pytest.mark.parametrize("kind", ["vpsorg", "ilkbyte"])
def test_each_is_requested_once_and_a_second_run_requests_nothing(kind):
    account = FakeAccount(kind, *TEN)
    result, _ctx = take_snapshots(account, TEN)
    assert Counter(account.servers_of("create")) == dict.fromkeys(account.servers, 1)
    assert result["changed"] and result["failed_servers"] == [] and set(result["by_server"]) == set(TEN)
    assert {one["snapshot"]["status"] for one in result["by_server"].values()} == {"ready"}
    again, _ctx = take_snapshots(account, TEN)
    assert not again["changed"] and len(account.servers_of("create")) == 10
    assert again["msg"] == "10 servers: 0 changed, 10 unchanged"


def test_some_fail_and_the_others_are_not_affected():
    account = FakeAccount("vpsorg", *TEN)
    account.errors = {("create", "3"): RewindError("no", kind="provider_rejected"), ("create", "7"): RewindError("no", kind="busy", outcome=UNKNOWN)}
    result, _ctx = take_snapshots(account, [*TEN, "nowhere"], wait_timeout=1)
    failed = {one["server"]: one["error"] for one in result["failed_servers"]}
    assert result["failed"] and {server: error["kind"] for server, error in failed.items()} == {
        "web3": "provider_rejected", "web7": "busy", "nowhere": "not_found",
    }
    assert (result["error"]["kind"], result["error"]["outcome"]) == ("multiple", "unknown")
    assert sum(one["changed"] for one in result["by_server"].values()) == 8
    assert result["msg"].startswith("3 of 11 servers failed; 8 of the other 8 were changed. web3: no.")
    assert result["msg"].endswith("repeats nothing.")


def test_an_internal_error_at_one_server_does_not_affect_the_others():
    account = FakeAccount("vpsorg", "web1", "web2")
    account.errors["create", "1"] = ZeroDivisionError("secret-token")
    result, _ctx = take_snapshots(account, ["web1", "web2"])
    (failed,) = result["failed_servers"]
    assert (failed["server"], failed["error"]["kind"], failed["error"]["outcome"]) == ("web1", "internal", "unknown")
    assert "secret" not in str(result) and result["by_server"]["web2"]["changed"]


def test_an_empty_list_is_nothing_to_do_and_is_reported():
    result, ctx = take_snapshots(FakeAccount("vpsorg", "web1"), [])
    assert not result["changed"] and result["by_server"] == {} and "empty" in ctx.warnings[0]


def test_check_mode_has_the_same_keys_and_requests_nothing():
    def keys(result):
        return {key: sorted(one) for key, one in result["by_server"].items()}, sorted(result)

    account = FakeAccount("vpsorg", "web1", "web2")
    account.snapshots["1"] = [replace(snapshot(), server=account.servers["1"])]
    checked, _ctx = take_snapshots(account, ["web1", "web2"], check_mode=True)
    assert not account.servers_of("create") and checked["msg"] == "2 servers: 1 would be changed, 1 unchanged"
    done, _ctx = take_snapshots(account, ["web1", "web2"])
    assert keys(checked) == keys(done) and checked["changed"] and done["changed"]
    assert [diff["before_header"] for diff in checked["diff"]] == ["web2"] == [diff["before_header"] for diff in done["diff"]]
    failed, _ctx = take_snapshots(FakeAccount("vpsorg", "web1"), ["web1", "nowhere"], check_mode=True)
    assert "; 1 of the other 1 would be changed" in failed["msg"]


def test_after_failed_restores_the_hint_does_not_repeat_the_others():
    account = FakeAccount("vpsorg", "web1", "web2")
    for id_ in ("1", "2"):
        account.snapshots[id_] = [replace(snapshot(id=f"s{id_}"), server=account.servers[id_])]
    account.errors["restore", "2"] = RewindError("no", kind="provider_rejected")
    result = snapshot_restore.run(bulk_task(account, ["web1", "web2"], wait=False))
    assert result["failed_servers"][0]["server"] == "web2" and result["by_server"]["web1"]["changed"]
    assert "run again for the servers in failed_servers only" in result["msg"] and "repeats nothing" not in result["msg"]


def test_no_more_servers_are_stopped_at_once_than_concurrency():
    account = FakeAccount("vpsorg", *TEN)
    result, _ctx = take_snapshots(account, TEN[:5], stop_server=True, concurrency=2)
    assert result["failed_servers"] == [] and 1 <= account.max_stopped <= 2
    assert {server.power_state for server in account.servers.values()} == {"running"}
    assert Counter(account.servers_of("stop")) == Counter(account.servers_of("start")) == dict.fromkeys("12345", 1)


def test_one_of_many_waits_for_another_task_without_keeping_its_own_waiting(monkeypatch):
    """Another play has locked web1; with one server at a time, the others are processed all the same."""
    account = FakeAccount("vpsorg", "web1", "web2", "web3")
    other = bulk_task(account, ["1"])
    may_release, is_locked = threading.Event(), threading.Event()

    def hold_lock() -> None:
        one = replace(other, options={**other.options, "server": "1", "servers": None})
        with lock_server(one):
            is_locked.set()
            assert may_release.wait(TEST_TIMEOUT)

    holder = start_thread(hold_lock)
    assert is_locked.wait(TEST_TIMEOUT)
    results: list = []
    ours = start_thread(lambda: results.append(take_snapshots(account, ["1", "2", "3"], stop_server=True, concurrency=1)[0]))
    try:
        wait_until(lambda: {"2", "3"} <= set(account.servers_of("create")))
        assert "1" not in account.servers_of("create")
    finally:
        may_release.set()
    holder.join(TEST_TIMEOUT), ours.join(TEST_TIMEOUT)
    assert results and results[0]["failed_servers"] == [] and Counter(account.servers_of("create")) == {"1": 1, "2": 1, "3": 1}
    assert account.max_stopped == 1


def test_what_was_read_before_the_lock_does_not_count():
    """Another task starts a restore after the listing of the other servers and before the lock: nothing may be requested."""
    account = FakeAccount("vpsorg", "web1", "web2", "web3")
    account.snapshots["3"] = [replace(snapshot(id="s3"), server=account.servers["3"])]
    all_started, others_have_read = threading.Barrier(3), threading.Barrier(3)

    def operation(one):
        all_started.wait(TEST_TIMEOUT)
        if one.server_reference != "web3":
            one.provider.get_server(one.server_reference)
            others_have_read.wait(TEST_TIMEOUT)
            return {"changed": False}
        others_have_read.wait(TEST_TIMEOUT)
        account.servers["3"] = replace(account.servers["3"], power_state="restoring", task_state="restoring")
        return snapshot_restore.run(one)

    result = run_on_each(bulk_task(account, ["web1", "web2", "web3"], wait=False), operation, RERUN_REPEATS, 10.0)
    assert account.servers_of("restore") == [], "a restore was requested for a server that was being restored"
    assert result["by_server"]["web3"]["already_in_progress"]


def test_a_servers_deadline_starts_when_it_has_the_lock():
    account = FakeAccount("vpsorg", *TEN)
    elapsed: list[float] = []

    def operation(one):
        with lock_server(one):
            elapsed.append(one.deadline.elapsed)
            time.sleep(0.02)
        return {"changed": False}

    run_on_each(bulk_task(account, TEN, stop_server=True, concurrency=1), operation, RERUN_RESUMES, 10.0)
    assert len(elapsed) == 10 and max(elapsed) < 0.02


def test_warnings_of_many_are_bounded_and_reported_once():
    account = FakeAccount("vpsorg", *TEN)

    def operation(one):
        one.warnings += ["the same of all", f"of {one.server_reference} alone"]
        return {"changed": False}

    ctx = bulk_task(account, TEN)
    run_on_each(ctx, operation, RERUN_RESUMES, 10.0)
    assert ctx.warnings.count("the same of all") == 1 and len(ctx.warnings) == 11


@pytest.mark.parametrize(("asked", "outcome", "words"), [
    (False, "not_applied", "before any request was sent. Server: web1. Snapshot: nightly. Nothing was changed."),
    (True, "unknown", "while waiting for a requested change"),
])
def test_an_interrupted_server_reports_how_far_it_came(asked, outcome, words):
    ctx = bulk_task(FakeAccount("vpsorg", "web1"), None, server="web1")
    ctx.changes.request_sent = asked
    result = error_result(Cancelled(), ctx)
    assert (result["error"]["kind"], result["error"]["outcome"]) == ("interrupted", outcome)
    assert words in result["msg"] and "stopped for its snapshot" not in result["msg"]


@pytest.mark.parametrize(("servers", "concurrency", "connections"), [(0, 8, 0), (2, 8, 1), (10, 3, 2), (10, 1, 0)])
def test_no_more_connections_are_opened_or_used_than_concurrency_and_servers(servers, concurrency, connections):
    account, opened = FakeAccount("vpsorg", *TEN), []
    account.on_request = lambda call, server: time.sleep(0.002)
    ctx = bulk_task(account, TEN[:servers], concurrency=concurrency)
    ctx.connect = lambda: opened.append(1) or ctx.provider
    assert opened == [], "nothing is opened before it is needed"
    snapshot_operation.run(ctx)
    assert len(opened) == connections and account.max_concurrent <= connections + 1
    assert servers < 10 or len(account.servers_of("list_snapshots")) < 10, "one listing serves many"
