# SPDX-License-Identifier: GPL-3.0-or-later
"""A list that lags leads to no second snapshot and hides none; what a killed task has replaced goes, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot
from one_machine import Machine, SlowCloud
from operation_worlds import Cloud, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot_restore
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._state import pending_changes
from ansible_collections.rewind.vps.plugins.module_utils._state.operation_lock import lock_server
from ansible_collections.rewind.vps.plugins.module_utils._wait.waiters import STALE_LIST_TIMEOUT

OLD = "2025-01-01T00:00:00Z"
NEW = "2026-06-01T00:00:00Z"


def ready(cloud: Cloud) -> None:
    """What is being made is ready now."""
    cloud.snapshots = [Snapshot(item.id, item.name, item.server, "ready", created_at=item.created_at) for item in cloud.snapshots]


def both_runs(machine: Machine, cloud: SlowCloud, lag: int = 0, **options: Any) -> dict[str, Any]:
    """A check run and then the real one, of which it must have told the truth; the real one's result."""
    cloud.lag, before = lag, list(cloud.asked)
    foretold = snapshot_operation.run(make_context(cloud, check_mode=True, **options))
    assert cloud.asked == before
    cloud.lag = lag
    result = snapshot_operation.run(make_context(cloud, **options))
    assert foretold["changed"] is result["changed"]
    assert [item["id"] for item in foretold.get("pruned", [])] == [item["id"] for item in result.get("pruned", [])]
    return result


# --- made


@pytest.mark.parametrize("lag", [1, 4])
def test_what_was_made_a_moment_ago_is_not_made_again(machine: Machine, lag: int) -> None:
    cloud = SlowCloud("vpsorg")
    snapshot_operation.run(make_context(cloud, wait=False))
    assert machine.waited == 0
    assert both_runs(machine, cloud, lag, wait=False)["changed"] is False
    assert cloud.asked == ["create nightly"] and cloud.lag == 0 and machine.waited < STALE_LIST_TIMEOUT


def test_a_list_that_shows_it_is_believed_at_once(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg")
    snapshot_operation.run(make_context(cloud, wait=False))
    cloud.looks.clear()
    assert snapshot_operation.run(make_context(cloud, wait=False))["changed"] is False
    assert cloud.looks.count("snapshots") == 1 and machine.waited == 0


def test_a_list_that_never_shows_it_is_believed_after_a_while(machine: Machine) -> None:
    """Somebody has deleted it by hand."""
    cloud = SlowCloud("vpsorg")
    snapshot_operation.run(make_context(cloud, wait=False))
    cloud.snapshots = []
    assert snapshot_operation.run(make_context(cloud, wait=False))["changed"] is True
    assert cloud.asked == ["create nightly"] * 2
    assert machine.waited == pytest.approx(STALE_LIST_TIMEOUT)


def test_a_list_that_can_not_be_read_while_it_is_looked_at_again_is_told(machine: Machine) -> None:
    """By the next request, for which the same holds."""
    cloud = SlowCloud("vpsorg")
    machine.write(cloud, pending_changes.CREATED, id="801")
    listed, looks = cloud.list_snapshots, []

    def once(server: Any) -> list[Snapshot]:
        looks.append(server)
        if len(looks) > 1:
            raise RewindError("no", kind=errors.FORBIDDEN)
        return listed(server)

    cloud.list_snapshots = once  # type: ignore[method-assign]
    snapshot_operation.run(make_context(cloud, wait=False))
    assert len(looks) == 2 and cloud.asked == ["create nightly"]


@pytest.mark.parametrize(("note", "fields"), [
    (pending_changes.CREATED, {"id": "801"}), (pending_changes.DELETED, {"id": "1", "created_at": OLD}),
    (pending_changes.DELETED, {"id": [5], "created_at": {}}),
])
@pytest.mark.parametrize("ago", [121.0, -60.0])
def test_what_was_noted_long_ago_or_in_the_future_is_no_reason_to_wait(machine: Machine, note: str, fields: dict, ago: float) -> None:
    cloud = SlowCloud("vpsorg", snapshot(id="1", created_at=OLD))
    machine.write(cloud, note, ago, **fields)
    assert both_runs(machine, cloud)["changed"] is False
    assert machine.waited == 0


def test_what_is_deleted_again_is_not_waited_for(machine: Machine) -> None:
    cloud = Cloud("vpsorg")
    snapshot_operation.run(make_context(cloud))
    assert machine.notes(cloud) == {pending_changes.CREATED}
    snapshot_operation.run(make_context(cloud, state="absent"))
    assert machine.notes(cloud) == {pending_changes.DELETED}
    snapshot_operation.run(make_context(cloud, state="absent"))
    assert machine.waited == 0 and cloud.asked == ["create nightly", "delete 999"]


def test_the_deletion_of_another_leaves_the_note(machine: Machine) -> None:
    cloud = Cloud("vpsorg", snapshot("weekly", id="1"))
    snapshot_operation.run(make_context(cloud))
    snapshot_operation.run(make_context(cloud, name="weekly", state="absent"))
    assert machine.notes(cloud) == {pending_changes.CREATED, pending_changes.DELETED}


def test_absent_deletes_what_is_not_listed_yet(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg")
    snapshot_operation.run(make_context(cloud, wait=False))
    assert both_runs(machine, cloud, 2, state="absent", wait=False)["changed"] is True
    assert cloud.asked == ["create nightly", "delete 901"]


def test_a_restore_finds_what_is_not_listed_yet(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg")
    snapshot_operation.run(make_context(cloud, wait=False))
    ready(cloud)
    cloud.lag = 2
    assert snapshot_restore.run(make_context(cloud, wait=False))["changed"] is True
    assert cloud.asked == ["create nightly", "restore 901"]


# --- gone


@pytest.mark.parametrize("lag", [1, 4])
def test_what_is_gone_does_not_count_as_there(machine: Machine, lag: int) -> None:
    cloud = SlowCloud("vpsorg", snapshot(id="1"))
    snapshot_operation.run(make_context(cloud, state="absent"))
    assert both_runs(machine, cloud, lag, wait=False)["changed"] is True
    assert cloud.asked == ["delete 1", "create nightly"] and cloud.lag == 0 and machine.waited < STALE_LIST_TIMEOUT


def test_what_is_gone_is_not_deleted_again(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg", snapshot(id="1"))
    snapshot_operation.run(make_context(cloud, state="absent"))
    assert both_runs(machine, cloud, 2, state="absent")["changed"] is False
    assert cloud.asked == ["delete 1"]


def test_one_of_the_same_id_and_another_date_is_not_the_one_that_is_gone(machine: Machine) -> None:
    """Names are ids at Ilkbyte: somebody has made it anew."""
    cloud = Cloud("ilkbyte", snapshot("one", id="one", created_at=OLD))
    snapshot_operation.run(make_context(cloud, name="one", state="absent"))
    cloud.snapshots = [snapshot("one", id="one", created_at=NEW)]
    assert snapshot_operation.run(make_context(cloud, name="one"))["changed"] is False
    assert machine.waited == 0


def test_one_that_is_listed_for_ever_is_believed_after_a_while(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg", snapshot(id="1"))
    machine.write(cloud, pending_changes.DELETED, id="1", created_at=snapshot().created_at)
    assert snapshot_operation.run(make_context(cloud))["changed"] is False
    assert machine.waited == pytest.approx(STALE_LIST_TIMEOUT) and cloud.asked == []


def test_what_was_taken_anew_in_place_is_not_taken_anew_again(machine: Machine) -> None:
    cloud = SlowCloud("ilkbyte", snapshot("one", id="one", created_at=OLD))

    def recreate(old: Snapshot) -> None:
        cloud._asked(f"recreate {old.id}")
        cloud.snapshots = [snapshot("one", id="one", created_at=NEW)]

    cloud.recreate_snapshot = recreate  # type: ignore[attr-defined]
    snapshot_operation.run(make_context(cloud, name="one", max_age=3600, wait=False))
    assert both_runs(machine, cloud, 2, name="one", max_age=3600, wait=False)["changed"] is False
    assert cloud.asked == ["recreate one"] and machine.waited > 0


# --- replaced


def replaced(machine: Machine, *listed: Snapshot, **note: Any) -> SlowCloud:
    """A task has replaced 1 with 2, and was killed before 2 was ready."""
    cloud = SlowCloud("vpsorg", *(listed or (snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW))))
    machine.write(cloud, f"{pending_changes.REPLACED} by {note.pop('by', '2')}", 86400.0, **{"id": "1", "created_at": OLD, **note})
    return cloud


FOR_EVER = 10**9  # seconds that are no limit, but for which a task that makes the snapshot anew would replace it


def test_the_rerun_deletes_what_a_killed_task_has_replaced(machine: Machine) -> None:
    cloud = replaced(machine)
    result = both_runs(machine, cloud, max_age=FOR_EVER)
    assert cloud.asked == ["delete 1"]
    assert result["changed"] is True and [item["id"] for item in result["pruned"]] == ["1"]
    assert not [key for key in machine.notes(cloud) if key.startswith(pending_changes.REPLACED)]
    assert both_runs(machine, cloud, max_age=FOR_EVER)["changed"] is False


def test_a_task_that_would_not_replace_it_leaves_it(machine: Machine) -> None:
    cloud = replaced(machine)
    assert both_runs(machine, cloud)["changed"] is False
    assert cloud.asked == []


@pytest.mark.parametrize("note", [
    {"id": "3"}, {"created_at": NEW}, {"created_at": None}, {"by": "3"}, {"by": None}, {"id": None}, {"id": ["1"]}, {"by": {}},
])
def test_nothing_goes_that_the_note_does_not_mean(machine: Machine, note: dict[str, Any]) -> None:
    cloud = replaced(machine, **note)
    assert both_runs(machine, cloud, max_age=FOR_EVER)["changed"] is False
    assert cloud.asked == []


def test_one_of_the_name_made_by_hand_stays(machine: Machine) -> None:
    by_hand = snapshot(id="3", created_at="2025-06-01T00:00:00Z")
    cloud = replaced(machine, snapshot(id="1", created_at=OLD), by_hand, snapshot(id="2", created_at=NEW))
    both_runs(machine, cloud, max_age=FOR_EVER)
    assert cloud.asked == ["delete 1"] and [item.id for item in cloud.snapshots] == ["3", "2"]


def test_nothing_goes_where_another_is_the_one_that_is_kept(machine: Machine) -> None:
    newest = snapshot(id="3", created_at="2026-06-02T00:00:00Z")
    cloud = replaced(machine, snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW), newest)
    assert both_runs(machine, cloud, max_age=FOR_EVER)["changed"] is False
    assert cloud.asked == []


def test_nothing_goes_before_the_new_one_is_ready(machine: Machine) -> None:
    """By the rerun that waits for it, and by none that does not."""
    cloud = replaced(machine, snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW, status="pending"))
    waitless = make_context(cloud, max_age=3600, wait=False)
    assert snapshot_operation.run(waitless)["changed"] is False
    assert cloud.asked == [] and any("stays" in warning for warning in waitless.warnings)
    seen: list[list[str]] = []

    def ready_soon() -> None:
        seen.append(list(cloud.asked))
        if len(seen) == 4:
            ready(cloud)

    machine.meanwhile = ready_soon
    snapshot_operation.run(make_context(cloud, max_age=3600))
    assert seen == [[]] * 4 and cloud.asked == ["delete 1"]


@pytest.mark.parametrize("adopted", [False, True], ids=["made", "adopted"])
def test_a_task_that_is_cut_off_while_it_waits_leaves_word_of_what_it_has_replaced(machine: Machine, adopted: bool) -> None:
    cloud = SlowCloud("vpsorg", snapshot(id="1", created_at=OLD))
    if adopted:
        cloud.snapshots.append(snapshot(id="901", created_at=NEW, status="pending"))

    def killed() -> None:
        raise KeyboardInterrupt

    machine.meanwhile = killed
    with pytest.raises(KeyboardInterrupt):
        snapshot_operation.run(make_context(cloud, max_age=3600))
    asked = list(cloud.asked)
    ready(cloud)
    machine.meanwhile = lambda: None
    assert both_runs(machine, cloud, max_age=3600)["changed"] is True
    assert cloud.asked == [*asked, "delete 1"] and [item.id for item in cloud.snapshots] == ["901"]


@pytest.mark.parametrize("adopted", [False, True], ids=["made", "adopted"])
def test_who_does_not_wait_has_replaced_nothing(machine: Machine, adopted: bool) -> None:
    """It says that the old one stays; no later task goes back on that."""
    cloud = SlowCloud("vpsorg", snapshot(id="1", created_at=OLD))
    if adopted:
        cloud.snapshots.append(snapshot(id="901", created_at=NEW, status="pending"))
    snapshot_operation.run(make_context(cloud, max_age=3600, wait=False))
    asked = list(cloud.asked)
    ready(cloud)
    assert both_runs(machine, cloud, max_age=3600)["changed"] is False
    assert cloud.asked == asked


def test_a_check_run_notes_nothing(machine: Machine) -> None:
    cloud = SlowCloud("vpsorg", snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW, status="pending"))
    snapshot_operation.run(make_context(cloud, check_mode=True, max_age=3600))
    snapshot_operation.run(make_context(cloud, check_mode=True, state="absent", id="1", name=None))
    assert list(machine.directory.iterdir()) == []


def test_a_full_disk_fails_no_task_that_has_done_its_work(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, notes: dict[str, Any]) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("ansible_collections.rewind.vps.plugins.module_utils._state.server_lock.LocalState._write", full)
    cloud = Cloud("vpsorg", snapshot(id="1", created_at=OLD))
    assert snapshot_operation.run(make_context(cloud, max_age=60))["changed"] is True
    assert cloud.asked == ["create nightly", "delete 1"]


def test_what_comes_is_remembered_by_its_name(machine: Machine) -> None:
    """A server that is off shows nothing of either; the second one's note must not take the place of the first one's."""
    cloud = SlowCloud("ilkbyte")
    cloud.power_state = "stopped"
    one, two = make_context(cloud, name="one"), make_context(cloud, name="two")
    for each in (one, two):
        with lock_server(each):
            pending_changes.record_requested(each, each.options["name"])
    with lock_server(one) as server:
        assert pending_changes.is_creation_pending(one, server)
        pending_changes.record_deleted(one, snapshot("one", id="one"))
        assert not pending_changes.is_creation_pending(one, server)
    with lock_server(two) as server:
        assert pending_changes.is_creation_pending(two, server)
