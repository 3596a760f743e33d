# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at every request of every operation, then the same task again: same final state, and nothing is done twice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from crash_injection import CrashCase, actual_server, kill_at, run, set_up, state
from task_spec import SERVERS, TaskSpec

if TYPE_CHECKING:
    from virtual_time import VirtualTime

# The child needs no lock that a thread of the tests may hold.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

CLOUDS = ("vpsorg", "ilkbyte")


def add_snapshot(cloud: str, name: str, hours: int = 2, **more: Any) -> tuple[str, dict[str, Any]]:
    at = (datetime.now(timezone.utc) - timedelta(hours=hours)).isoformat(timespec="seconds")
    return ("add_snapshot", {"cloud": cloud, "server": SERVERS[cloud][0], "name": name, "created_at": at, **more})


def crash_cases(cloud: str) -> list[CrashCase]:
    three = tuple(add_snapshot(cloud, f"nightly{n}", hours=9 - n) for n in range(3))
    keep = {"retain": {"count": 2, "match": "nightly*"}}

    def present(name: str, *setup: Any, makes: int = 1, **options: Any) -> CrashCase:
        return CrashCase(name, TaskSpec(cloud, "snapshot", {"name": "nightly9", **options}), setup, makes)

    found = [
        present("create"),
        present("create with retention", *three, **keep),
        present("create with the server stopped", stop_server=True),
        present("recreate", add_snapshot(cloud, "nightly9"), max_age="1h"),
        CrashCase("delete", TaskSpec(cloud, "snapshot", {"name": "nightly1", "state": "absent"}), three, makes=0),
        CrashCase("restore", TaskSpec(cloud, "snapshot_restore", {"name": "nightly1"}), three, makes=0, restores=1),
    ]
    if cloud == "vpsorg":
        return [
            *found,
            present("evict", *three, add_snapshot(cloud, "byhand"), add_snapshot(cloud, "byhand"), when_full="prune", **keep),
            present("replace a failed one", add_snapshot(cloud, "nightly9", status="failed")),
        ]
    cron = {"day": 1, "hour": 2, "minute": 3}
    scheduled = add_snapshot(cloud, "nightly9", is_cron=True, day=2, hour=4, min=5)
    return [
        *found,
        CrashCase("set a schedule", TaskSpec(cloud, "snapshot_cron", {"name": "nightly9", **cron}), (add_snapshot(cloud, "nightly9"),), makes=0),
        CrashCase("change a schedule", TaskSpec(cloud, "snapshot_cron", {"name": "nightly9", **cron}), (scheduled,), makes=0),
        CrashCase("remove a schedule", TaskSpec(cloud, "snapshot_cron", {"name": "nightly9", "state": "absent"}), (scheduled,), makes=0),
    ]


CRASH_CASES = {f"{cloud} {case.name}": case for cloud in CLOUDS for case in crash_cases(cloud)}


def uninterrupted_run(virtual_time: VirtualTime, case: CrashCase) -> tuple[list[dict[str, Any]], tuple[Any, ...]]:
    """Return the requests and the final state of a run that is not killed."""
    set_up(virtual_time, case)
    result = run(virtual_time, case.spec)
    assert not result.get("failed") and result["changed"], result
    return virtual_time.sandbox.admin.requests(), state(actual_server(virtual_time, case.spec))


def kill_and_rerun(virtual_time: VirtualTime, case: CrashCase, number: int, apply: bool, wanted: tuple[Any, ...]) -> None:
    admin, spec = virtual_time.sandbox.admin, case.spec
    set_up(virtual_time, case)
    where = f"killed at request {number}, {'carried out' if apply else 'not carried out'}"
    if not kill_at(virtual_time, spec, number, apply):
        return
    # After a finished restore, the next run restores again; one in progress is joined.
    restores = case.restores + len(admin.events("restore_done"))
    result = run(virtual_time, spec)
    if result.get("failed") and restores and spec.cloud == "ilkbyte":
        # A restore that ends between two polls looks like other work there, so the task refuses.
        assert (result["error"]["kind"], result["error"]["outcome"], result["changed"]) == ("busy", "not_applied", False), f"{where}: {result['msg']}"
        result, restores = run(virtual_time, spec), restores + 1
    assert not result.get("failed"), f"{where}: {result['msg']}"
    assert state(actual_server(virtual_time, spec)) == wanted, f"{where}: {result['msg']}"
    assert len(admin.events("snapshot_started")) == case.makes, f"{where}: {admin.events()}"
    assert len(admin.events("restore_started")) <= restores, f"{where}: {admin.events()}"
    if spec.module != "snapshot_restore":
        again = run(virtual_time, spec)
        assert not again.get("failed") and not again["changed"], f"{where}, third run: {again['msg']}"


def kill_points(requests: list[dict[str, Any]]) -> list[tuple[int, bool]]:
    """Before each request, and after each that changes something."""
    return [(number, apply) for number, row in enumerate(requests) for apply in ([False, True] if row["changing"] else [False])]


# These send the same requests as at the other provider, or as a part of another case.
ALIKE = {f"ilkbyte {name}" for name in ("create", "create with retention", "delete", "set a schedule", "remove a schedule")}
ALIKE |= {f"vpsorg {name}" for name in ("create", "create with the server stopped", "create with retention", "replace a failed one")}


@pytest.mark.duration
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ()) for name in CRASH_CASES])
def test_killed_at_a_change(virtual_time: VirtualTime, name: str) -> None:
    requests, wanted = uninterrupted_run(virtual_time, CRASH_CASES[name])
    chosen = [(number, apply) for number, apply in kill_points(requests) if requests[number]["changing"]]
    assert chosen
    # The read after a change is the moment at which provider and task differ most.
    chosen += [(number + 1, False) for number, apply in chosen if apply and number + 1 < len(requests)]
    for number, apply in chosen:
        kill_and_rerun(virtual_time, CRASH_CASES[name], number, apply, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", CRASH_CASES)
def test_killed_anywhere(virtual_time: VirtualTime, name: str) -> None:
    requests, wanted = uninterrupted_run(virtual_time, CRASH_CASES[name])
    for number, apply in kill_points(requests):
        kill_and_rerun(virtual_time, CRASH_CASES[name], number, apply, wanted)
