# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at every request of every operation, then the same task again at once: it ends as if nothing had happened, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from crash_injection import Scenario, arrange, kill_at, play, state, truth
from task_spec import SERVERS, Wish

if TYPE_CHECKING:
    from virtual_time import Room

# The child goes its own way at once, and no thread of the tests' holds a lock that it needs.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

CLOUDS = ("vpsorg", "ilkbyte")


def planted(cloud: str, name: str, hours: int = 2, **more: Any) -> tuple[str, dict[str, Any]]:
    at = (datetime.now(timezone.utc) - timedelta(hours=hours)).isoformat(timespec="seconds")
    return ("add_snapshot", {"cloud": cloud, "server": SERVERS[cloud][0], "name": name, "created_at": at, **more})


def scenarios(cloud: str) -> list[Scenario]:
    three = tuple(planted(cloud, f"nightly{n}", hours=9 - n) for n in range(3))
    keep = {"retain": {"count": 2, "match": "nightly*"}}

    def present(name: str, *world: Any, makes: int = 1, **options: Any) -> Scenario:
        return Scenario(name, Wish(cloud, "snapshot", {"name": "nightly9", **options}), world, makes)

    found = [
        present("create"),
        present("create and keep the newest", *three, **keep),
        present("create with the server stopped", stop_server=True),
        present("take anew", planted(cloud, "nightly9"), max_age="1h"),
        Scenario("delete", Wish(cloud, "snapshot", {"name": "nightly1", "state": "absent"}), three, makes=0),
        Scenario("restore", Wish(cloud, "snapshot_restore", {"name": "nightly1"}), three, makes=0, restores=1),
    ]
    if cloud == "vpsorg":
        return [
            *found,
            present("make room", *three, planted(cloud, "byhand"), planted(cloud, "byhand"), when_full="prune", **keep),
            present("replace a failed one", planted(cloud, "nightly9", status="failed")),
        ]
    cron = {"day": 1, "hour": 2, "minute": 3}
    scheduled = planted(cloud, "nightly9", is_cron=True, day=2, hour=4, min=5)
    return [
        *found,
        Scenario("set a schedule", Wish(cloud, "snapshot_cron", {"name": "nightly9", **cron}), (planted(cloud, "nightly9"),), makes=0),
        Scenario("change a schedule", Wish(cloud, "snapshot_cron", {"name": "nightly9", **cron}), (scheduled,), makes=0),
        Scenario("remove a schedule", Wish(cloud, "snapshot_cron", {"name": "nightly9", "state": "absent"}), (scheduled,), makes=0),
    ]


SCENARIOS = {f"{cloud} {scenario.name}": scenario for cloud in CLOUDS for scenario in scenarios(cloud)}


def whole_run(room: Room, scenario: Scenario) -> tuple[list[dict[str, Any]], tuple[Any, ...]]:
    """Its requests when nobody kills it, and the state that it leaves."""
    arrange(room, scenario)
    result = play(room, scenario.wish)
    assert not result.get("failed") and result["changed"], result
    return room.sandbox.admin.requests(), state(truth(room, scenario.wish))


def killed_and_run_again(room: Room, scenario: Scenario, number: int, apply: bool, wanted: tuple[Any, ...]) -> None:
    admin, wish = room.sandbox.admin, scenario.wish
    arrange(room, scenario)
    where = f"killed at request {number}, {'carried out' if apply else 'not carried out'}"
    if not kill_at(room, wish, number, apply):
        return
    # A restore that was over when the task was killed is behind it: every run restores again. One under way is joined.
    restores = scenario.restores + len(admin.events("restore_done"))
    result = play(room, wish)
    if result.get("failed") and restores and wish.cloud == "ilkbyte":
        # A restore that ends between two looks can't be told from other work there: the task then refuses, rather than claim it.
        assert (result["error"]["kind"], result["error"]["outcome"], result["changed"]) == ("busy", "not_applied", False), f"{where}: {result['msg']}"
        result, restores = play(room, wish), restores + 1
    assert not result.get("failed"), f"{where}: {result['msg']}"
    assert state(truth(room, wish)) == wanted, f"{where}: {result['msg']}"
    assert len(admin.events("snapshot_started")) == scenario.makes, f"{where}: {admin.events()}"
    assert len(admin.events("restore_started")) <= restores, f"{where}: {admin.events()}"
    if wish.module != "snapshot_restore":
        again = play(room, wish)
        assert not again.get("failed") and not again["changed"], f"{where}, third run: {again['msg']}"


def points(requests: list[dict[str, Any]]) -> list[tuple[int, bool]]:
    """Before each request, and after each that changes something."""
    return [(number, apply) for number, row in enumerate(requests) for apply in ([False, True] if row["changing"] else [False])]


@pytest.mark.duration
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_a_change(room: Room, name: str) -> None:
    requests, wanted = whole_run(room, SCENARIOS[name])
    chosen = [(number, apply) for number, apply in points(requests) if requests[number]["changing"]]
    assert chosen
    # The look just after a change is where most is known to the cloud and nothing to the task.
    chosen += [(number + 1, False) for number, apply in chosen if apply and number + 1 < len(requests)]
    for number, apply in chosen:
        killed_and_run_again(room, SCENARIOS[name], number, apply, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere(room: Room, name: str) -> None:
    requests, wanted = whole_run(room, SCENARIOS[name])
    for number, apply in points(requests):
        killed_and_run_again(room, SCENARIOS[name], number, apply, wanted)
