# SPDX-License-Identifier: GPL-3.0-or-later
"""The module snapshot: what is made, adopted, replaced and deleted. (Stopping servers: test_stop_server.py.)"""

from __future__ import annotations

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, SHORT, TaskFactory, add_snapshot, ago, fault, set_durations
from support.playbook_runner import PlaybookRunner, TaskResult

pytestmark = pytest.mark.playbook


def left(outcome: TaskResult) -> list[str]:
    """The names in the result's list of what the server has now, newest first."""
    return [item["name"] for item in outcome.result["snapshots"]]


def pruned(outcome: TaskResult) -> list[str]:
    return [item["name"] for item in outcome.result["pruned"]]


def test_present(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    old = add_snapshot(tasks.cloud, "one", created_at=ago(days=3))
    run = runner.run(
        tasks("snapshot", *RESET_CALLS, step="created", name="one"),
        tasks("snapshot", *RESET_CALLS, old, step="kept", name="one"),
        tasks("snapshot", *RESET_CALLS, old, step="young enough", name="one", max_age="4d"),
        tasks("snapshot", *RESET_CALLS, old, add_snapshot(tasks.cloud, "two"), step="retaken", name="one", max_age="1d"),
    )
    with subtests.test("created"):
        made = run["created"]
        assert made.changing == ["snapshots.create"] and made.result["changed"] is True
        assert made.result["snapshot"]["status"] == "ready" and made.result["snapshot"]["name"] == "one"
        assert made.result["snapshot"]["server"]["name"] == tasks.server
        assert left(made) == ["one"] and pruned(made) == []
        assert [event["event"] for event in made.events] == ["snapshot_started", "snapshot_ready"]
        assert made.events[0]["server"] == SERVER[tasks.cloud]
    for name in ("kept", "young enough"):
        with subtests.test(name):
            assert run[name].changing == [] and run[name].result["changed"] is False
            assert run[name].result["snapshot"]["status"] == "ready"
    with subtests.test("retaken"):
        again = run["retaken"]
        assert again.result["changed"] is True and again.result["snapshot"]["created_at"] > ago(days=1)[:19]
        assert sorted(left(again)) == ["one", "two"]
        if tasks.cloud == "vpsorg":
            # The old one goes only once the new one is ready.
            assert again.changing == ["snapshots.create", "snapshots.delete"]
            done = [event["event"] for event in again.events]
            assert done == ["snapshot_started", "snapshot_ready", "snapshot_deleted"]
            assert pruned(again) == ["one"] and again.result["pruned"][0]["id"] != again.result["snapshot"]["id"]
        else:
            assert again.changing == ["snapshots.update"] and pruned(again) == []


def test_exact_requests(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory) -> None:
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, step="vpsorg", name="before-it_1", description="Önce", wait=False),
        ilkbyte("snapshot", *RESET_CALLS, step="ilkbyte", name="before1", wait=False),
    )
    request = run["vpsorg"].requests[-1]
    assert (request["method"], request["path"]) == ("POST", "/api/v1/snapshots/")
    assert request["body"] == {"server_id": 12345, "name": "before-it_1", "description": "Önce"}
    assert run["vpsorg"].result["snapshot"]["id"] == "801"
    request = run["ilkbyte"].requests[-1]
    assert (request["method"], request["path"]) == ("GET", "/server/manage/app1/snapshot/create")
    assert request["query"] == {"access": "***", "secret": "***", "name": "before1"}
    for outcome in run.results:
        assert outcome.result["snapshot"]["status"] == "pending" and outcome.result["changed"] is True


def test_names_of_a_server(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    """Id, uuid, hostname and name mean the same server."""
    there = add_snapshot("vpsorg", "one")
    uuid = runner.sandbox.admin.server("web1")["uuid"]
    references = {"id": "12345", "uuid": uuid, "hostname": "web1.example.com", "name": "web1", "in a list": None}
    run = runner.run(*(
        vpsorg("snapshot", *RESET_CALLS, there, step=kind, server=reference, name="one", servers=None if reference else ["web1"])
        for kind, reference in references.items()
    ))
    for kind in references:
        with subtests.test(kind):
            result = run[kind].result["by_server"]["web1"] if kind == "in a list" else run[kind].result
            assert result["server"]["id"] == "12345" and result["changed"] is False
            assert result["snapshot"]["id"] == "801"


def test_adopted_while_it_is_made(runner: PlaybookRunner, tasks: TaskFactory) -> None:
    """Asked for twice at the same time: one snapshot, made once."""
    slow = set_durations(6, f"{tasks.cloud}.snapshots.create")
    run = runner.run(
        tasks("snapshot", slow, step="began", name="one", wait=False),
        tasks("snapshot", step="another does not wait", name="one", wait=False),
        tasks("snapshot", step="another waits", name="one"),
    )
    other = run["another does not wait"]
    if tasks.cloud == "vpsorg":
        assert other.result["snapshot"]["status"] == "pending" and other.result["changed"] is False
    else:  # it is not listed yet: the server is busy, and nobody can say with what
        assert other.error["kind"] == "busy"
    assert other.changing == []
    waited = run["another waits"]
    assert waited.changing == [] and waited.result["snapshot"]["status"] == "ready"
    assert len(runner.sandbox.admin.events("snapshot_started")) == 1


def test_failing(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    fails = fault("snapshot_fails")
    full = [add_snapshot("vpsorg", f"s{n}") for n in range(4)]
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, fails, step="fails", name="one"),
        vpsorg("snapshot", step="replaced", name="one"),
        vpsorg("snapshot", *RESET_CALLS, *full, add_snapshot("vpsorg", "one", status="failed"), step="replaced where it is full",
               name="one"),
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "one", created_at=ago(days=3)), fails, step="retaking fails",
               name="one", max_age="1d"),
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "one", status="in_progress"),
               step="never ends", name="one", wait_timeout=1),
        ilkbyte("snapshot", *RESET_CALLS, ("settings", {"ilkbyte_responds": "on_finish"}), fails, step="refused when done",
                name="one"),
    )
    with subtests.test("fails"):
        assert run["fails"].error["kind"] == "operation_failed" and run["fails"].error["outcome"] == "failed"
        assert "could not make snapshot one (801) of server web1 (12345)" in run["fails"].msg
        assert run["fails"].result["changed"] is True and run["fails"].changing == ["snapshots.create"]
    for name in ("replaced", "replaced where it is full"):
        with subtests.test(name):
            assert run[name].changing == ["snapshots.delete", "snapshots.create"]
            assert run[name].result["snapshot"]["status"] == "ready" and pruned(run[name]) == ["one"]
    with subtests.test("a retake that fails leaves the old one"):
        assert run["retaking fails"].error["outcome"] == "failed"
        assert run["retaking fails"].changing == ["snapshots.create"]
    with subtests.test("never ends"):
        assert run["never ends"].error["kind"] == "wait_timeout"
        assert run["never ends"].error["outcome"] == "not_applied"  # this task has asked for nothing
        assert "one (801)" in run["never ends"].msg and "a rerun adopts it" in run["never ends"].msg
        assert run["never ends"].changing == []
    with subtests.test("refused when done"):
        assert run["refused when done"].failed and run["refused when done"].changing == ["snapshots.create"]
        assert "could not be created" in run["refused when done"].msg


def test_absent(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    one, two = add_snapshot(tasks.cloud, "one", created_at=ago(days=2)), add_snapshot(tasks.cloud, "two")
    of_two = "802" if tasks.cloud == "vpsorg" else "two"
    gone = {"state": "absent"}
    run = runner.run(
        tasks("snapshot", *RESET_CALLS, one, two, step="by name", name="one", **gone),
        tasks("snapshot", *RESET_CALLS, one, two, step="by id", id=of_two, **gone),
        tasks("snapshot", *RESET_CALLS, one, two, step="by both", name="two", id=of_two, **gone),
        tasks("snapshot", *RESET_CALLS, one, two, step="of a name that the cloud forbids", name="a b.c", **gone),
        tasks("snapshot", *RESET_CALLS, set_durations(2, f"{tasks.cloud}.snapshots.create"), step="made", name="one", wait=False),
    )
    for name, rest in (("by name", ["two"]), ("by id", ["one"]), ("by both", ["one"])):
        with subtests.test(name):
            assert run[name].changing == ["snapshots.delete"] and run[name].result["changed"] is True
            assert left(run[name]) == rest and run[name].result["snapshot"] is None
            deleted = [event["snapshot"] for event in run[name].events if event["event"] == "snapshot_deleted"]
            assert deleted == [name for name in ("one", "two") if name not in rest]
    with subtests.test("of a name that the cloud forbids"):
        assert run["of a name that the cloud forbids"].result["changed"] is False


def test_absent_of_another_state(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    twins = [add_snapshot("vpsorg", "one", created_at=ago(days=2)), add_snapshot("vpsorg", "one", created_at=ago(days=1))]
    gone = {"state": "absent"}
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, *twins, step="one of two of a name", id="801", **gone),
        vpsorg("snapshot", *RESET_CALLS, *twins, step="present with two of a name", name="one"),
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "one", status="failed"), step="failed", name="one", **gone),
        vpsorg("snapshot", *RESET_CALLS, set_durations(1.5, "vpsorg.snapshots.create"), step="made", name="one", wait=False),
        vpsorg("snapshot", step="pending", name="one", **gone),
    )
    with subtests.test("one of two of a name"):
        assert run["one of two of a name"].changing == ["snapshots.delete"]
        assert [item["id"] for item in run["one of two of a name"].result["snapshots"]] == ["802"]
    with subtests.test("present with two of a name"):
        assert run["present with two of a name"].changing == []
        assert run["present with two of a name"].result["snapshot"]["id"] == "802"
    with subtests.test("failed"):
        assert run["failed"].changing == ["snapshots.delete"] and left(run["failed"]) == []
    with subtests.test("pending: waited for, then deleted"):
        assert run["pending"].changing == ["snapshots.delete"] and run["pending"].result["changed"] is True
        assert [event["event"] for event in run["pending"].events] == ["snapshot_ready", "snapshot_deleted"]
    assert SHORT < 1.5


def test_retain(runner: PlaybookRunner, tasks: TaskFactory, subtests: pytest.Subtests) -> None:
    cloud = tasks.cloud
    keep = {"count": 2, "match": "night*"}
    theirs = ("add_snapshot", {"cloud": cloud, "server": SECOND[cloud], "name": "night1", "created_at": ago(days=30)})
    nights = [add_snapshot(cloud, f"night{n}", created_at=ago(days=n)) for n in (3, 2)]
    hand = add_snapshot(cloud, "byhand", created_at=ago(days=400))
    run = runner.run(
        tasks("snapshot", *RESET_CALLS, *nights, hand, theirs, step="old ones go", name="night9", retain=keep),
        tasks("snapshot", *RESET_CALLS, *nights, hand, step="one that the pattern does not name", name="one", retain=keep),
        tasks("snapshot", *RESET_CALLS, *nights, hand, step="upper case is another name", name="one",
              retain={"count": 1, "match": "NIGHT*"}),
    )
    with subtests.test("old ones go"):
        done = run["old ones go"]
        assert done.changing == ["snapshots.create", "snapshots.delete"] and pruned(done) == ["night3"]
        assert left(done) == ["night9", "night2", "byhand"]
        deleted = [(event["server"], event["snapshot"]) for event in done.events if event["event"] == "snapshot_deleted"]
        assert deleted == [(SERVER[cloud], "night3")]
        order = [event["event"] for event in done.events]
        assert order.index("snapshot_ready") < order.index("snapshot_deleted")
    with subtests.test("the task's own is neither deleted nor counted where the pattern does not name it"):
        assert pruned(run["one that the pattern does not name"]) == []
    with subtests.test("upper case"):
        assert pruned(run["upper case is another name"]) == []


def test_retain_spares(runner: PlaybookRunner, vpsorg: TaskFactory, ilkbyte: TaskFactory, subtests: pytest.Subtests) -> None:
    """Those being made, those that failed to be, and those that a schedule hangs on."""
    keep = {"count": 1, "match": "night*"}
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, add_snapshot("vpsorg", "night1", status="in_progress", created_at=ago(days=9)),
               add_snapshot("vpsorg", "night2", created_at=ago(days=8)), step="pending", name="night9", retain=keep),
        ilkbyte("snapshot", *RESET_CALLS, add_snapshot("ilkbyte", "night1", created_at=ago(days=9), is_cron=True, day=300),
                add_snapshot("ilkbyte", "night2", created_at=ago(days=8)), step="scheduled", name="night9", retain=keep),
    )
    for outcome in run.results:
        with subtests.test(outcome.name):
            assert pruned(outcome) == ["night2"] and left(outcome) == ["night9", "night1"]
            assert outcome.changing == ["snapshots.create", "snapshots.delete"]


def test_when_full(runner: PlaybookRunner, vpsorg: TaskFactory, subtests: pytest.Subtests) -> None:
    hand = add_snapshot("vpsorg", "by-hand", created_at=ago(days=90))
    nights = [add_snapshot("vpsorg", f"night{n}", created_at=ago(days=n)) for n in (1, 3, 2)]
    failed = add_snapshot("vpsorg", "night0", status="failed", created_at=ago(hours=9))
    pending = add_snapshot("vpsorg", "night7", status="in_progress", created_at=ago(days=50))
    prune = {"name": "night9", "when_full": "prune", "retain": {"count": 4, "match": "night*"}}
    run = runner.run(
        vpsorg("snapshot", *RESET_CALLS, hand, *nights, failed, step="failed ones first", **prune),
        vpsorg("snapshot", *RESET_CALLS, hand, *nights, pending, step="the oldest", **prune),
        vpsorg("snapshot", *RESET_CALLS, *nights, step="there is room", **prune),
        vpsorg("snapshot", *RESET_CALLS, hand, *nights, failed, step="there already", **{**prune, "name": "night1"}),
        vpsorg("snapshot", *RESET_CALLS, hand, *nights, pending, ("fault", {"kind": "status", "operation": "snapshots.create",
               "status": 400, "cloud": "vpsorg"}), step="pruned, then refused", **prune),
    )
    for name, gone in (("failed ones first", "night0"), ("the oldest", "night3")):
        with subtests.test(name):
            # Just enough room, made before, since there is no other way.
            assert run[name].changing == ["snapshots.delete", "snapshots.create"]
            assert pruned(run[name]) == [gone] and "by-hand" in left(run[name])
    with subtests.test("there is room"):
        assert run["there is room"].changing == ["snapshots.create"]
    with subtests.test("there already"):
        assert run["there already"].changing == [] and run["there already"].result["changed"] is False
    with subtests.test("what was deleted is told when it fails then"):
        refused = run["pruned, then refused"]
        assert refused.error["outcome"] == "not_applied" and refused.result["changed"] is True
        assert pruned(refused) == ["night3"] and "Nothing was changed" not in refused.msg
