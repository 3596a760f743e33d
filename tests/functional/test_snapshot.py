# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot. (Stopping servers: test_stop_server.py.)"""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, TaskFactory, add_snapshot, ago, fault, set_durations
from support.playbook_runner import PlaybookRunner, TaskResult

pytestmark = pytest.mark.playbook


def names(outcome: TaskResult) -> list[str]:
    """The names of the server's snapshots in the result, newest first."""
    return [item["name"] for item in outcome.result["snapshots"]]


def pruned(outcome: TaskResult) -> list[str]:
    return [item["name"] for item in outcome.result["pruned"]]


def test_present(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    steps = []
    for tasks in clouds:
        cloud, old = tasks.cloud, add_snapshot(tasks.cloud, "one", created_at=ago(days=3))
        steps += [
            tasks("snapshot", *RESET_CALLS, step=f"{cloud} created", name="one"),
            tasks("snapshot", step=f"{cloud} there", name="one"),
            tasks("snapshot", *RESET_CALLS, old, step=f"{cloud} kept", name="one", max_age="4d"),
            tasks("snapshot", *RESET_CALLS, old, add_snapshot(cloud, "two"), step=f"{cloud} recreated", name="one", max_age="1d"),
        ]
    run = runner.run(*steps)
    for cloud, server in SERVER.items():
        with subtests.test(f"{cloud} created"):
            created = run[f"{cloud} created"]
            assert created.changing == ["snapshots.create"] and created.result["changed"] is True
            assert created.result["snapshot"]["status"] == "ready" and created.result["snapshot"]["name"] == "one"
            assert created.result["snapshot"]["server"]["name"] == server
            assert names(created) == ["one"] and pruned(created) == []
            assert [(event["event"], event["server"]) for event in created.events] == [("snapshot_started", server), ("snapshot_ready", server)]
        for name in (f"{cloud} there", f"{cloud} kept"):
            with subtests.test(name):
                assert run[name].changing == [] and run[name].result["changed"] is False
                assert run[name].result["snapshot"]["status"] == "ready"
        with subtests.test(f"{cloud} recreated"):
            again = run[f"{cloud} recreated"]
            assert again.result["changed"] is True and again.result["snapshot"]["created_at"] > ago(days=1)[:19]
            assert sorted(names(again)) == ["one", "two"]
            if cloud == "vpsorg":  # the old one is deleted only when the new one is ready
                assert again.changing == ["snapshots.create", "snapshots.delete"]
                assert [event["event"] for event in again.events] == ["snapshot_started", "snapshot_ready", "snapshot_deleted"]
                assert pruned(again) == ["one"] and again.result["pruned"][0]["id"] != again.result["snapshot"]["id"]
            else:
                assert again.changing == ["snapshots.update"] and pruned(again) == []


def test_requests_and_adoption(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    """A snapshot that is requested three times is created once."""
    options = {"vpsorg": {"name": "before-it_1", "description": "Önce"}, "ilkbyte": {"name": "before1"}}
    steps = []
    for tasks in clouds:
        cloud, slow = tasks.cloud, set_durations(5, f"{tasks.cloud}.snapshots.create")
        steps += [
            tasks("snapshot", *RESET_CALLS, slow, step=f"{cloud} requested", **options[cloud], wait=False),
            tasks("snapshot", step=f"{cloud} not waiting", name=options[cloud]["name"], wait=False),
            tasks("snapshot", step=f"{cloud} waiting", name=options[cloud]["name"]),
        ]
    run = runner.run(*steps)
    with subtests.test("requests"):
        request = run["vpsorg requested"].requests[-1]
        assert (request["method"], request["path"]) == ("POST", "/api/v1/snapshots/")
        assert request["body"] == {"server_id": 12345, "name": "before-it_1", "description": "Önce"}
        assert run["vpsorg requested"].result["snapshot"]["id"] == "801"
        request = run["ilkbyte requested"].requests[-1]
        assert (request["method"], request["path"]) == ("GET", "/server/manage/app1/snapshot/create")
        assert request["query"] == {"access": "***", "secret": "***", "name": "before1"}
    for cloud in SERVER:
        with subtests.test(cloud):
            requested, other, waiting = (run[f"{cloud} {name}"] for name in ("requested", "not waiting", "waiting"))
            assert requested.result["snapshot"]["status"] == "pending" and requested.result["changed"] is True
            if cloud == "vpsorg":
                assert other.result["snapshot"]["status"] == "pending" and other.result["changed"] is False
            else:  # it is not listed yet, and the server is busy
                assert other.error["kind"] == "busy"
            assert other.changing == waiting.changing == []
            assert waiting.result["snapshot"]["status"] == "ready" and waiting.result["changed"] is False
            assert [event["event"] for event in waiting.events] == ["snapshot_ready"]


def test_failing(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    fails = fault("snapshot_fails")
    full = [add_snapshot("vpsorg", f"s{n}") for n in range(4)]
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, fails, step="fails", name="one"),
        vpsorg("snapshot", step="replaced", name="one"),
        vpsorg("snapshot", *RESET_CALLS, *full, add_snapshot("vpsorg", "one", status="failed"), step="replaced where it is full",
               name="one"),
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "one", created_at=ago(days=3)), fails, step="recreating fails",
               name="one", max_age="1d"),
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "one", status="in_progress"),
               step="never ends", name="one", wait_timeout=1),
        ilkbyte("snapshot", *RESET_CALLS, ("settings", {"ilkbyte_responds": "on_finish"}), fails, step="refused when done",
                name="one"),
    )
    with subtests.test("fails"):
        assert run["fails"].error["kind"] == "operation_failed" and run["fails"].error["outcome"] == "failed"
        assert "failed to create snapshot one (801) of server web1 (12345)" in run["fails"].msg
        assert run["fails"].result["changed"] is True and run["fails"].changing == ["snapshots.create"]
    for name in ("replaced", "replaced where it is full"):
        with subtests.test(name):
            assert run[name].changing == ["snapshots.delete", "snapshots.create"]
            assert run[name].result["snapshot"]["status"] == "ready" and pruned(run[name]) == ["one"]
    with subtests.test("recreating fails: the old one stays"):
        assert run["recreating fails"].error["outcome"] == "failed"
        assert run["recreating fails"].changing == ["snapshots.create"]
    with subtests.test("never ends"):
        assert run["never ends"].error["kind"] == "wait_timeout"
        assert run["never ends"].error["outcome"] == "not_applied"  # this task has asked for nothing
        assert "one (801)" in run["never ends"].msg and "a rerun adopts it" in run["never ends"].msg
        assert run["never ends"].changing == []
    with subtests.test("refused when done"):
        assert run["refused when done"].failed and run["refused when done"].changing == ["snapshots.create"]
        assert "could not be created" in run["refused when done"].msg


def test_absent(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    gone = {"state": "absent"}
    steps = []
    for tasks in clouds:
        cloud, id_ = tasks.cloud, "802" if tasks.cloud == "vpsorg" else "two"
        two = (*RESET_CALLS, add_snapshot(cloud, "one", created_at=ago(days=2)), add_snapshot(cloud, "two"))
        steps += [
            tasks("snapshot", *two, step=f"{cloud} by name", name="one", **gone),
            tasks("snapshot", *two, step=f"{cloud} by id", id=id_, **gone),
            tasks("snapshot", *two, step=f"{cloud} by both", name="two", id=id_, **gone),
            tasks("snapshot", *two, step=f"{cloud} invalid name", name="a b.c", **gone),
        ]
    vpsorg = clouds[0]
    twins = (*RESET_CALLS, add_snapshot("vpsorg", "one", created_at=ago(days=2)), add_snapshot("vpsorg", "one", created_at=ago(days=1)))
    run = runner.run(
        *steps,
        vpsorg("snapshot", *twins, step="one of two", id="801", **gone),
        vpsorg("snapshot", *twins, step="present with two", name="one"),
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "one", status="failed"), step="failed", name="one", **gone),
        vpsorg("snapshot", *RESET_CALLS, set_durations(5, "vpsorg.snapshots.create"), step="requested", name="one", wait=False),
        vpsorg("snapshot", step="pending", name="one", **gone),
    )
    for cloud in SERVER:
        for name, rest in (("by name", ["two"]), ("by id", ["one"]), ("by both", ["one"])):
            with subtests.test(f"{cloud} {name}"):
                done = run[f"{cloud} {name}"]
                assert done.changing == ["snapshots.delete"] and done.result["changed"] is True
                assert names(done) == rest and done.result["snapshot"] is None
                deleted = [event["snapshot"] for event in done.events if event["event"] == "snapshot_deleted"]
                assert deleted == [each for each in ("one", "two") if each not in rest]
        assert run[f"{cloud} invalid name"].result["changed"] is False
    with subtests.test("two of one name"):
        assert run["one of two"].changing == ["snapshots.delete"] and [item["id"] for item in run["one of two"].result["snapshots"]] == ["802"]
        assert run["present with two"].changing == [] and run["present with two"].result["snapshot"]["id"] == "802"
    with subtests.test("failed"):
        assert run["failed"].changing == ["snapshots.delete"] and names(run["failed"]) == []
    with subtests.test("pending: waited for, then deleted"):
        assert run["pending"].changing == ["snapshots.delete"] and run["pending"].result["changed"] is True
        assert [event["event"] for event in run["pending"].events] == ["snapshot_ready", "snapshot_deleted"]


def test_retain(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    """Retention deletes only matching snapshots: no pending, failed or scheduled ones, and none of another server."""
    steps = []
    for tasks in clouds:
        cloud = tasks.cloud
        other = ("add_snapshot", {"cloud": cloud, "server": SECOND[cloud], "name": "night1", "created_at": ago(days=30)})
        nights = [add_snapshot(cloud, f"night{n}", created_at=ago(days=n)) for n in (3, 2)]
        existing = (*RESET_CALLS, *nights, add_snapshot(cloud, "byhand", created_at=ago(days=400)))
        unfinished = {"status": "in_progress"} if cloud == "vpsorg" else {"is_cron": True, "day": 300}
        steps += [
            tasks("snapshot", *existing, other, step=f"{cloud} expired", name="night9", retain={"count": 2, "match": "night*"}),
            tasks("snapshot", *existing, step=f"{cloud} own name does not match", name="one", retain={"count": 2, "match": "night*"}),
            tasks("snapshot", *existing, step=f"{cloud} other case", name="one", retain={"count": 1, "match": "NIGHT*"}),
            tasks("snapshot", *RESET_CALLS, add_snapshot(cloud, "night1", created_at=ago(days=9), **unfinished),
                  add_snapshot(cloud, "night2", created_at=ago(days=8)), step=f"{cloud} spared", name="night9",
                  retain={"count": 1, "match": "night*"}),
        ]
    run = runner.run(*steps)
    for cloud, server in SERVER.items():
        with subtests.test(f"{cloud} expired"):
            done = run[f"{cloud} expired"]
            assert done.changing == ["snapshots.create", "snapshots.delete"] and pruned(done) == ["night3"]
            assert names(done) == ["night9", "night2", "byhand"]
            deleted = [(event["server"], event["snapshot"]) for event in done.events if event["event"] == "snapshot_deleted"]
            assert deleted == [(server, "night3")]
            order = [event["event"] for event in done.events]
            assert order.index("snapshot_ready") < order.index("snapshot_deleted")
        with subtests.test(f"{cloud} spared"):
            assert pruned(run[f"{cloud} own name does not match"]) == pruned(run[f"{cloud} other case"]) == []
            spared = run[f"{cloud} spared"]
            assert pruned(spared) == ["night2"] and names(spared) == ["night9", "night1"]
            assert spared.changing == ["snapshots.create", "snapshots.delete"]


def test_when_full(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    hand = add_snapshot("vpsorg", "by-hand", created_at=ago(days=90))
    nights = [add_snapshot("vpsorg", f"night{n}", created_at=ago(days=n)) for n in (1, 3, 2)]
    failed = add_snapshot("vpsorg", "night0", status="failed", created_at=ago(hours=9))
    pending = add_snapshot("vpsorg", "night7", status="in_progress", created_at=ago(days=50))
    prune = {"name": "night9", "when_full": "prune", "retain": {"count": 4, "match": "night*"}}
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, hand, *nights, failed, step="failed ones first", **prune),
        vpsorg("snapshot", *RESET_CALLS, hand, *nights, pending, ("fault", {"kind": "status", "operation": "snapshots.create",
               "status": 400, "cloud": "vpsorg"}), step="pruned, then refused", **prune),
    )
    with subtests.test("failed ones first"):
        done = run["failed ones first"]
        assert done.changing == ["snapshots.delete", "snapshots.create"]
        assert pruned(done) == ["night0"] and "by-hand" in names(done)
    with subtests.test("the oldest is pruned, then the new one is refused"):
        refused = run["pruned, then refused"]
        assert refused.error["outcome"] == "not_applied" and refused.result["changed"] is True
        assert pruned(refused) == ["night3"] and "Nothing was changed" not in refused.msg
