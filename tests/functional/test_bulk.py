# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers in one task, in real playbooks: one request for each, shared polls, and a result for each."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.cases import CLOUDS, RESET_CALLS, SPEED, TaskFactory, fault, set_durations
from support.playbook_runner import IN_PROCESS, MODULE, PlaybookRunner, TaskResult, wait_until

if TYPE_CHECKING:
    from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook

FORTY = 40
NAMES = {"vpsorg": [f"web{number}" for number in range(1, FORTY + 1)], "ilkbyte": [f"app{number}" for number in range(1, FORTY + 1)]}
CHECK = {"check_mode": True, "diff": True}
WIDTH = 8  # concurrency, unless said otherwise


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[SandboxHandle]:
    """With 40 servers at each provider, unlike the sandbox of the other files."""
    from sandbox import launch

    with launch(servers=FORTY, speed=SPEED, ssh=False, disks=False) as sandbox:
        yield sandbox


@pytest.fixture
def runner(sandbox: SandboxHandle, tmp_path: Path) -> PlaybookRunner:
    sandbox.admin.clear_request_log()
    return PlaybookRunner(sandbox, tmp_path)


def bulk_case(tasks: TaskFactory, module: str, *setup: Any, servers: list[str] | str | None = None, **options: Any) -> Any:
    return tasks(module, *setup, server=None, servers=NAMES[tasks.cloud] if servers is None else servers, **options)


def started(outcome: TaskResult) -> Counter[str]:
    """How many snapshots were started, by server."""
    return Counter(event["server"] for event in outcome.events if event["event"] == "snapshot_started")


def timestamps(requests: list[dict[str, Any]]) -> list[float]:
    """When the requests arrived, in real seconds."""
    return [datetime.fromisoformat(request["at"]).timestamp() / SPEED for request in requests]


def requests_for(outcome: TaskResult, operation: str) -> list[dict[str, Any]]:
    return [request for request in outcome.requests if request["operation"] == operation]


@pytest.mark.duration(8)
@pytest.mark.parametrize("cloud", ["vpsorg", pytest.param("ilkbyte", marks=pytest.mark.slow)])
def test_forty_servers(runner: PlaybookRunner, cloud: str) -> None:
    """A check run, the run, the same again, a restore of ten servers, and the listings after that."""
    tasks, names, slow = TaskFactory(runner.sandbox, cloud), NAMES[cloud], 0.3
    late = fault("delay", seconds=slow, cloud=cloud, operation="snapshots.create", times=None)
    run = runner.run(
        bulk_case(tasks, "snapshot", step="check", name="one", keywords=CHECK),
        bulk_case(tasks, "snapshot", late, step="take", name="one", keywords={"diff": True}),
        bulk_case(tasks, "snapshot", step="again", name="one"),
        # So long that each is seen in progress, however slow this machine is.
        bulk_case(tasks, "snapshot_restore", set_durations(3, f"{cloud}.snapshots.restore"), step="restore", name="one", servers=names[:10]),
        bulk_case(tasks, "snapshot_info", step="some", servers=[*names[:3], "nowhere"], match="o*"),
        bulk_case(tasks, "snapshot_info", step="all", servers="all"),
        bulk_case(tasks, "server_info", step="servers", servers=names[5:7]),
    )
    check, take, again, restore = (run[name] for name in ("check", "take", "again", "restore"))
    assert check.changing == [] and check.result["msg"] == "40 servers: 40 would be changed, 0 unchanged"
    assert sorted(check.result) == sorted(take.result) and len(check.result["diff"]) == len(take.result["diff"]) == FORTY
    shapes = {(name, *sorted(one)) for outcome in (check, take) for name, one in outcome.result["by_server"].items()}
    assert len(shapes) == FORTY

    assert take.result["msg"] == "40 servers: 40 changed, 0 unchanged" and take.result["failed_servers"] == []
    assert started(take) == Counter(names) and len(take.changing) == FORTY
    assert {one["snapshot"]["status"] for one in take.result["by_server"].values()} == {"ready"}
    assert {name: one["snapshot"]["server"]["name"] for name, one in take.result["by_server"].items()} == {name: name for name in names}
    started_at = timestamps(requests_for(take, "snapshots.create"))
    assert all(later - earlier > 0.9 * slow for earlier,
               later in zip(started_at, started_at[WIDTH:], strict=False)), "more at once than there are connections"
    assert not again.result["changed"] and again.changing == []

    events = Counter((event["event"], event["server"]) for event in restore.events)
    assert all(events["restore_started", name] == events["restore_done", name] == 1 for name in names[:10])
    assert restore.changing == ["snapshots.restore"] * 10 and restore.result["failed_servers"] == []
    each = restore.result["by_server"].values()
    assert [(one["already_in_progress"], one["verified"], one["server"]["power_state"]) for one in each] == [(False, True, "running")] * 10

    assert run["some"].failed and [one["server"] for one in run["some"].result["failed_servers"]] == ["nowhere"]
    assert sorted(one["server"]["name"] for one in run["some"].result["snapshots"]) == sorted(names[:3])
    assert len(run["all"].result["snapshots"]) == FORTY and not run["all"].failed
    assert {one["name"] for one in run["servers"].result["servers"]} == set(names[5:7])
    if cloud == "vpsorg":
        listings = requests_for(take, "snapshots.list")
        assert not [one for one in listings if "server_id" in one["query"]], "a server was polled by itself"
        # Each alone would poll four times; together they poll when the first of them is due.
        assert 3 <= len(listings) <= 20 and len(requests_for(take, "servers.list")) == 1, Counter(take.operations)
        assert len(again.operations) <= 4


@pytest.mark.duration(10)
def test_failures_are_reported_and_a_rerun_processes_only_them(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    """Two servers fail, one is unknown, one is named twice; the rerun processes what is missing; then the rate limit is reached."""
    names = NAMES["vpsorg"]
    run = runner.run(
        bulk_case(vpsorg, "snapshot", fault("snapshot_fails", server="web3"),
                  fault("status", status=400, body={"detail": "No."}, operation="snapshots.create", server="web7"),
                  step="take", servers=[*names, "nowhere", "12345"], name="one"),
        bulk_case(vpsorg, "snapshot", step="again", name="one"),
        bulk_case(vpsorg, "snapshot", ("reset", {}), RESET_CALLS[1], fault("throttle", retry_after=2, operation="snapshots.create", skip=5, times=3),
                  step="throttled", name="two"),
    )
    take, again, throttled = (run[name] for name in ("take", "again", "throttled"))
    failed = {one["server"]: one["error"] for one in take.result["failed_servers"]}
    one_of_two = {"web1", "12345"} & set(failed)
    assert len(one_of_two) == 1 and failed[one_of_two.pop()]["kind"] == "invalid_argument"
    assert (failed["web3"]["kind"], failed["web3"]["outcome"]) == ("operation_failed", "failed")
    assert (failed["web7"]["kind"], failed["web7"]["outcome"], failed["web7"]["provider_message"]) == ("provider_rejected", "not_applied", "No.")
    assert failed["nowhere"]["kind"] == "not_found" and len(failed) == 4
    assert take.error["kind"] == "multiple" and take.error["outcome"] == "failed" and take.result["changed"] is True
    assert "4 of 42 servers failed; 38 of the other 38 were changed." in take.msg
    assert started(take) == Counter(set(names) - {"web7"})

    assert not again.failed and started(again) == {"web3": 1, "web7": 1}
    assert sorted(name for name, one in again.result["by_server"].items() if one["changed"]) == ["web3", "web7"]

    assert not throttled.failed and started(throttled) == Counter(names)
    creates = requests_for(throttled, "snapshots.create")
    assert len(creates) == FORTY + 3, "sent again where it was not needed"
    came = timestamps(throttled.requests)
    first = next(index for index, request in enumerate(throttled.requests) if request["http_status"] == 429)
    during_pause = [timestamp for timestamp in came[first + 1:] if timestamp - came[first] < 1.8]
    assert len(during_pause) < 2 * WIDTH, "not all waited for the end of the pause"


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_killed_in_the_middle_and_run_again(runner: PlaybookRunner, cloud: str) -> None:
    """Some snapshots are complete, some requests were never answered, most were never sent."""
    admin, tasks = runner.sandbox.admin, TaskFactory(runner.sandbox, cloud)
    admin.fault("hang", cloud=cloud, operation="snapshots.create", apply=True, skip=10, times=None)
    admin.settings(**set_durations(1.5, f"{cloud}.snapshots.create")[1])
    running = runner.start(bulk_case(tasks, "snapshot", step="killed", name="one"))
    wait_until(lambda: sum(1 for row in admin.requests(operation="snapshots.create") if row.get("hanging")) == WIDTH, "the requests", running)
    running.kill()
    assert len(admin.events("snapshot_started")) == 10 + WIDTH
    admin.clear_faults()
    again = runner.run(bulk_case(tasks, "snapshot", step="again", name="one")).only
    assert not again.failed, again.msg
    assert Counter(event["server"] for event in admin.events("snapshot_started")) == Counter(NAMES[cloud])
    assert {one["snapshot"]["status"] for one in again.result["by_server"].values()} == {"ready"}


@pytest.mark.duration(6)
@pytest.mark.parametrize("mode", [IN_PROCESS, pytest.param(MODULE, marks=pytest.mark.slow)])
def test_a_signal_leaves_no_server_off_and_stops_no_other(runner: PlaybookRunner, vpsorg: TaskFactory, mode: str) -> None:
    """Interrupted while two servers of six are off: they are started first, and the other four are not touched."""
    admin, names = runner.sandbox.admin, NAMES["vpsorg"][:6]
    admin.settings(**set_durations(1.5, "vpsorg.snapshots.create")[1])
    running = runner.start(bulk_case(vpsorg, "snapshot", step="ended", name="one", servers=names, stop_server=True, concurrency=2), mode=mode)
    wait_until(lambda: len(admin.events("snapshot_started")) == 2, "two snapshots", running)
    os.killpg(running.process.pid, signal.SIGINT)
    running.finish()
    wait_until(lambda: all(admin.server(name)["status"] == "active" for name in names), "their start")
    time.sleep(0.5)  # a task that continued would have stopped the next server by now
    stopped = {request["server"] for request in admin.requests(operation="servers.power") if request["body"]["action"] == "stop"}
    assert len(stopped) == 2 and len(admin.events("power_started")) == 2


@pytest.mark.slow
def test_ansibles_time_limit_leaves_no_server_off(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    """The task times out while two servers of six are off: they are started first, and the others are not touched."""
    admin, names = runner.sandbox.admin, NAMES["vpsorg"][:6]
    slow = set_durations(4, "vpsorg.snapshots.create")
    outcome = runner.run(bulk_case(vpsorg, "snapshot", slow, name="one", servers=names, stop_server=True, concurrency=2,
                                   keywords={"timeout": 3})).only
    assert outcome.failed and "3" in outcome.msg and "Traceback" not in outcome.msg
    stopped = {request["server"] for request in requests_for(outcome, "servers.power") if request["body"]["action"] == "stop"}
    assert len(stopped) == 2 and all(admin.server(name)["status"] == "active" for name in names)
