# SPDX-License-Identifier: GPL-3.0-or-later
"""Histories that once broke a promise, each with what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenario import Do, Fault, History, Meddle, Pass
from task_spec import Wish

if TYPE_CHECKING:
    from virtual_time import Room


def history(room: Room, cloud: str, steps: list) -> History:
    played = History(room, cloud)
    for step in steps:
        played.play(step)
    return played


def present(cloud: str, name: str, **options) -> Wish:
    return Wish(cloud, "snapshot", {"name": name, **options})


def absent(cloud: str, name: str, **options) -> Wish:
    return Wish(cloud, "snapshot", {"name": name, "state": "absent", **options})


def test_any_answer_with_a_good_status_was_a_deletion(room: Room) -> None:
    """A page in the API's place said 200, nothing was deleted, and the task said that it was."""
    fault = Fault("raw", "snapshots.delete", details={"body": "[]", "apply": False})
    history(room, "vpsorg", [Do(present("vpsorg", "one")), Do(absent("vpsorg", "one"), (fault,), rerun=True)])


def test_a_restore_that_failed_was_said_to_be_done(room: Room) -> None:
    """At Ilkbyte one that fails half way leaves the server off: as does one that works, to a snapshot of a stopped server."""
    restore = Do(Wish("ilkbyte", "snapshot_restore", {"name": "one"}), (Fault("restore_fails", "snapshots.restore"),), rerun=True)
    history(room, "ilkbyte", [Do(present("ilkbyte", "one", stop_server=True)), restore])


def test_a_list_that_lags_led_to_a_second_snapshot(room: Room) -> None:
    """What was made a moment ago was not listed yet, so it was made again."""
    again = Do(present("vpsorg", "one"), (Fault("stale", "snapshots.list"),))
    history(room, "vpsorg", [Do(present("vpsorg", "one", wait=False)), again, Pass(4000.0), Do(present("vpsorg", "one"), rerun=True)])


def test_a_list_that_lags_showed_what_was_gone(room: Room) -> None:
    """What was deleted a moment ago was listed still, so it was said to be there."""
    for cloud in ("vpsorg", "ilkbyte"):
        again = Do(present(cloud, "one"), (Fault("stale", "snapshots.list"),), rerun=True)
        history(room, cloud, [Meddle("plant", "one", hours=3), Do(absent(cloud, "one")), again])


def test_a_server_that_is_off_shows_nothing_of_its_snapshot(room: Room) -> None:
    """Ilkbyte lists a snapshot when it is made, and a server that is off is never busy: the rerun asked for it again."""
    quick = Do(present("ilkbyte", "one", wait=False))
    played = history(room, "ilkbyte", [Meddle("power"), quick, quick, Do(present("ilkbyte", "one"), rerun=True)])
    assert played.asked("snapshots.create") == [1, 0, 0, 0, 0]


def test_a_server_that_is_off_shows_nothing_of_a_snapshot_taken_anew(room: Room) -> None:
    again = Do(present("ilkbyte", "one", max_age="1h", wait=False))
    played = history(room, "ilkbyte", [Meddle("plant", "one", hours=3), Meddle("power"), again, again, Do(absent("ilkbyte", "one"), rerun=True)])
    assert played.asked("snapshots.update") == [1, 0, 0, 0, 0]
    assert played.asked("snapshots.create") == [0, 0, 0, 0, 0]


def test_a_snapshot_that_never_came_is_asked_for_again(room: Room) -> None:
    """Of a server that is off, too: what was asked for is not waited for longer than it takes."""
    failing = Do(present("ilkbyte", "one", wait=False), (Fault("snapshot_fails", "snapshots.create"),))
    played = history(room, "ilkbyte", [Meddle("power"), failing, Pass(400.0), Do(present("ilkbyte", "one"), rerun=True)])
    assert played.asked("snapshots.create") == [1, 1, 0, 0]


def test_a_firewalls_page_was_taken_for_the_clouds_no(room: Room) -> None:
    """It had kept back the answer and not the request: the snapshot was made, and the task said that nothing was changed."""
    for cloud in ("vpsorg", "ilkbyte"):
        page = Fault("html", "snapshots.create", details={"status": 403, "apply": True})
        history(room, cloud, [Do(present(cloud, "one"), (page,), rerun=True)])
