# SPDX-License-Identifier: GPL-3.0-or-later
"""Histories that once broke a promise, each with what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenario import Advance, Fault, Interfere, RunTask, Scenario
from task_spec import TaskSpec

if TYPE_CHECKING:
    from virtual_time import VirtualTime


def run_scenario(virtual_time: VirtualTime, cloud: str, steps: list) -> Scenario:
    scenario = Scenario(virtual_time, cloud)
    for step in steps:
        scenario.run_step(step)
    return scenario


def present(cloud: str, name: str, **options) -> TaskSpec:
    return TaskSpec(cloud, "snapshot", {"name": name, **options})


def absent(cloud: str, name: str, **options) -> TaskSpec:
    return TaskSpec(cloud, "snapshot", {"name": name, "state": "absent", **options})


def test_any_answer_with_a_good_status_was_a_deletion(virtual_time: VirtualTime) -> None:
    """A page in the API's place said 200, nothing was deleted, and the task said that it was."""
    fault = Fault("raw", "snapshots.delete", details={"body": "[]", "apply": False})
    run_scenario(virtual_time, "vpsorg", [RunTask(present("vpsorg", "one")), RunTask(absent("vpsorg", "one"), (fault,), rerun=True)])


def test_a_restore_that_failed_was_said_to_be_done(virtual_time: VirtualTime) -> None:
    """At Ilkbyte one that fails half way leaves the server off: as does one that works, to a snapshot of a stopped server."""
    restore = RunTask(TaskSpec("ilkbyte", "snapshot_restore", {"name": "one"}), (Fault("restore_fails", "snapshots.restore"),), rerun=True)
    run_scenario(virtual_time, "ilkbyte", [RunTask(present("ilkbyte", "one", stop_server=True)), restore])


def test_a_list_that_lags_led_to_a_second_snapshot(virtual_time: VirtualTime) -> None:
    """What was made a moment ago was not listed yet, so it was made again."""
    again = RunTask(present("vpsorg", "one"), (Fault("stale", "snapshots.list"),))
    run_scenario(virtual_time, "vpsorg",
        [RunTask(present("vpsorg", "one", wait=False)), again, Advance(4000.0), RunTask(present("vpsorg", "one"), rerun=True)])


def test_a_list_that_lags_showed_what_was_gone(virtual_time: VirtualTime) -> None:
    """What was deleted a moment ago was listed still, so it was said to be there."""
    for cloud in ("vpsorg", "ilkbyte"):
        again = RunTask(present(cloud, "one"), (Fault("stale", "snapshots.list"),), rerun=True)
        run_scenario(virtual_time, cloud, [Interfere("add", "one", hours=3), RunTask(absent(cloud, "one")), again])


def test_a_server_that_is_off_shows_nothing_of_its_snapshot(virtual_time: VirtualTime) -> None:
    """Ilkbyte lists a snapshot when it is made, and a server that is off is never busy: the rerun asked for it again."""
    quick = RunTask(present("ilkbyte", "one", wait=False))
    scenario = run_scenario(virtual_time, "ilkbyte", [Interfere("power"), quick, quick, RunTask(present("ilkbyte", "one"), rerun=True)])
    assert scenario.count_requests("snapshots.create") == [1, 0, 0, 0, 0]


def test_a_server_that_is_off_shows_nothing_of_a_snapshot_taken_anew(virtual_time: VirtualTime) -> None:
    again = RunTask(present("ilkbyte", "one", max_age="1h", wait=False))
    scenario = run_scenario(virtual_time, "ilkbyte",
        [Interfere("add", "one", hours=3), Interfere("power"), again, again, RunTask(absent("ilkbyte", "one"), rerun=True)])
    assert scenario.count_requests("snapshots.update") == [1, 0, 0, 0, 0]
    assert scenario.count_requests("snapshots.create") == [0, 0, 0, 0, 0]


def test_a_snapshot_that_never_came_is_asked_for_again(virtual_time: VirtualTime) -> None:
    """Of a server that is off, too: what was asked for is not waited for longer than it takes."""
    failing = RunTask(present("ilkbyte", "one", wait=False), (Fault("snapshot_fails", "snapshots.create"),))
    scenario = run_scenario(virtual_time, "ilkbyte", [Interfere("power"), failing, Advance(400.0), RunTask(present("ilkbyte", "one"), rerun=True)])
    assert scenario.count_requests("snapshots.create") == [1, 1, 0, 0]


def test_a_firewalls_page_was_taken_for_the_clouds_no(virtual_time: VirtualTime) -> None:
    """It had kept back the answer and not the request: the snapshot was made, and the task said that nothing was changed."""
    for cloud in ("vpsorg", "ilkbyte"):
        page = Fault("html", "snapshots.create", details={"status": 403, "apply": True})
        run_scenario(virtual_time, cloud, [RunTask(present(cloud, "one"), (page,), rerun=True)])
