# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios that once broke a promise."""

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


def test_a_2xx_page_is_no_deletion(virtual_time: VirtualTime) -> None:
    """A proxy's page with status 200 was taken for a deletion."""
    fault = Fault("raw", "snapshots.delete", details={"body": "[]", "apply": False})
    run_scenario(virtual_time, "vpsorg", [RunTask(present("vpsorg", "one")), RunTask(absent("vpsorg", "one"), (fault,), rerun=True)])


def test_a_failed_restore_is_not_reported_as_done(virtual_time: VirtualTime) -> None:
    """At Ilkbyte a failed restore leaves the server off, as does a successful one to a stopped server's snapshot."""
    restore = RunTask(TaskSpec("ilkbyte", "snapshot_restore", {"name": "one"}), (Fault("restore_fails", "snapshots.restore"),), rerun=True)
    run_scenario(virtual_time, "ilkbyte", [RunTask(present("ilkbyte", "one", stop_server=True)), restore])


def test_a_list_without_the_pending_snapshot_does_not_end_the_wait(virtual_time: VirtualTime) -> None:
    """This is all that is promised about a list that is stale."""
    stale = Fault("stale", "snapshots.list", skip=1)
    scenario = run_scenario(virtual_time, "vpsorg", [RunTask(present("vpsorg", "one"), (stale,))])
    assert scenario.hit_faults == ["stale"] and not scenario.cases[0].failed


def test_a_server_that_is_off_does_not_show_that_its_snapshot_is_created(virtual_time: VirtualTime) -> None:
    """Ilkbyte lists only finished snapshots, and a server that is off is never busy: the rerun requested it again."""
    quick = RunTask(present("ilkbyte", "one", wait=False))
    scenario = run_scenario(virtual_time, "ilkbyte", [Interfere("power"), quick, quick, RunTask(present("ilkbyte", "one"), rerun=True)])
    assert scenario.count_requests("snapshots.create") == [1, 0, 0, 0, 0]


def test_a_server_that_is_off_does_not_show_that_its_snapshot_is_recreated(virtual_time: VirtualTime) -> None:
    again = RunTask(present("ilkbyte", "one", max_age="1h", wait=False))
    scenario = run_scenario(virtual_time, "ilkbyte",
                            [Interfere("add", "one", hours=3), Interfere("power"), again, again, RunTask(absent("ilkbyte", "one"), rerun=True)])
    assert scenario.count_requests("snapshots.update") == [1, 0, 0, 0, 0]
    assert scenario.count_requests("snapshots.create") == [0, 0, 0, 0, 0]


def test_a_snapshot_that_never_appeared_is_requested_again(virtual_time: VirtualTime) -> None:
    """Also for a server that is off: the wait for a requested snapshot ends."""
    failing = RunTask(present("ilkbyte", "one", wait=False), (Fault("snapshot_fails", "snapshots.create"),))
    scenario = run_scenario(virtual_time, "ilkbyte", [Interfere("power"), failing, Advance(400.0), RunTask(present("ilkbyte", "one"), rerun=True)])
    assert scenario.count_requests("snapshots.create") == [1, 1, 0, 0]


def test_a_firewalls_page_is_no_refusal(virtual_time: VirtualTime) -> None:
    """The firewall blocked the response, not the request: the snapshot was created, but reported as not applied."""
    for cloud in ("vpsorg", "ilkbyte"):
        page = Fault("html", "snapshots.create", details={"status": 403, "apply": True})
        run_scenario(virtual_time, cloud, [RunTask(present(cloud, "one"), (page,), rerun=True)])


def test_a_snapshot_of_an_earlier_lost_request_is_no_change(virtual_time: VirtualTime) -> None:
    """The provider made the snapshot of the earlier request first and then rejected this one, of which no response arrived in time."""
    lost = (Fault("drop_after", "snapshots.create"), Fault("status", "snapshots.list", skip=1, details={"status": 403}))
    later = RunTask(present("ilkbyte", "one", stop_server=True))
    scenario = run_scenario(virtual_time, "ilkbyte", [Interfere("power"), RunTask(present("ilkbyte", "one"), lost), later])
    assert [case.result["changed"] for case in scenario.cases] == [False, False]
