# SPDX-License-Identifier: GPL-3.0-or-later
"""A list that lags leads to no second snapshot and hides none; what a killed task has replaced goes, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot
from fakes.local_state import LocalStateFixture, SlowProvider
from fakes.provider import FakeProvider, make_context

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


def ready(provider: FakeProvider) -> None:
    """What is being made is ready now."""
    provider.snapshots = [Snapshot(item.id, item.name, item.server, "ready", created_at=item.created_at) for item in provider.snapshots]


def both_runs(local_state: LocalStateFixture, provider: SlowProvider, lag: int = 0, **options: Any) -> dict[str, Any]:
    """A check run and then the real one, of which it must have told the truth; the real one's result."""
    provider.lag, before = lag, list(provider.requests)
    predicted = snapshot_operation.run(make_context(provider, check_mode=True, **options))
    assert provider.requests == before
    provider.lag = lag
    result = snapshot_operation.run(make_context(provider, **options))
    assert predicted["changed"] is result["changed"]
    assert [item["id"] for item in predicted.get("pruned", [])] == [item["id"] for item in result.get("pruned", [])]
    return result


# --- made


@pytest.mark.parametrize("lag", [1, 4])
def test_a_snapshot_just_created_is_not_created_again(local_state: LocalStateFixture, lag: int) -> None:
    provider = SlowProvider("vpsorg")
    snapshot_operation.run(make_context(provider, wait=False))
    assert local_state.total_wait == 0
    assert both_runs(local_state, provider, lag, wait=False)["changed"] is False
    assert provider.requests == ["create nightly"] and provider.lag == 0 and local_state.total_wait < STALE_LIST_TIMEOUT


def test_a_list_that_shows_it_is_believed_at_once(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg")
    snapshot_operation.run(make_context(provider, wait=False))
    provider.reads.clear()
    assert snapshot_operation.run(make_context(provider, wait=False))["changed"] is False
    assert provider.reads.count("snapshots") == 1 and local_state.total_wait == 0


def test_a_list_that_never_shows_it_is_believed_after_a_while(local_state: LocalStateFixture) -> None:
    """Somebody has deleted it by hand."""
    provider = SlowProvider("vpsorg")
    snapshot_operation.run(make_context(provider, wait=False))
    provider.snapshots = []
    assert snapshot_operation.run(make_context(provider, wait=False))["changed"] is True
    assert provider.requests == ["create nightly"] * 2
    assert local_state.total_wait == pytest.approx(STALE_LIST_TIMEOUT)


def test_an_error_while_the_list_is_read_again_is_left_to_the_next_request(local_state: LocalStateFixture) -> None:
    """By the next request, for which the same holds."""
    provider = SlowProvider("vpsorg")
    local_state.write(provider, pending_changes.CREATED, id="801")
    listed, reads = provider.list_snapshots, []

    def once(server: Any) -> list[Snapshot]:
        reads.append(server)
        if len(reads) > 1:
            raise RewindError("no", kind=errors.FORBIDDEN)
        return listed(server)

    provider.list_snapshots = once  # type: ignore[method-assign]
    snapshot_operation.run(make_context(provider, wait=False))
    assert len(reads) == 2 and provider.requests == ["create nightly"]


@pytest.mark.parametrize(("note", "fields"), [
    (pending_changes.CREATED, {"id": "801"}), (pending_changes.DELETED, {"id": "1", "created_at": OLD}),
    (pending_changes.DELETED, {"id": [5], "created_at": {}}),
])
@pytest.mark.parametrize("ago", [121.0, -60.0])
def test_what_was_noted_long_ago_or_in_the_future_is_no_reason_to_wait(local_state: LocalStateFixture, note: str, fields: dict, ago: float) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1", created_at=OLD))
    local_state.write(provider, note, ago, **fields)
    assert both_runs(local_state, provider)["changed"] is False
    assert local_state.total_wait == 0


def test_what_is_deleted_again_is_not_waited_for(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg")
    snapshot_operation.run(make_context(provider))
    assert local_state.notes(provider) == {pending_changes.CREATED}
    snapshot_operation.run(make_context(provider, state="absent"))
    assert local_state.notes(provider) == {pending_changes.DELETED}
    snapshot_operation.run(make_context(provider, state="absent"))
    assert local_state.total_wait == 0 and provider.requests == ["create nightly", "delete 999"]


def test_the_deletion_of_another_leaves_the_note(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg", snapshot("weekly", id="1"))
    snapshot_operation.run(make_context(provider))
    snapshot_operation.run(make_context(provider, name="weekly", state="absent"))
    assert local_state.notes(provider) == {pending_changes.CREATED, pending_changes.DELETED}


def test_absent_deletes_what_is_not_listed_yet(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg")
    snapshot_operation.run(make_context(provider, wait=False))
    assert both_runs(local_state, provider, 2, state="absent", wait=False)["changed"] is True
    assert provider.requests == ["create nightly", "delete 901"]


def test_a_restore_finds_what_is_not_listed_yet(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg")
    snapshot_operation.run(make_context(provider, wait=False))
    ready(provider)
    provider.lag = 2
    assert snapshot_restore.run(make_context(provider, wait=False))["changed"] is True
    assert provider.requests == ["create nightly", "restore 901"]


# --- gone


@pytest.mark.parametrize("lag", [1, 4])
def test_what_is_gone_does_not_count_as_there(local_state: LocalStateFixture, lag: int) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1"))
    snapshot_operation.run(make_context(provider, state="absent"))
    assert both_runs(local_state, provider, lag, wait=False)["changed"] is True
    assert provider.requests == ["delete 1", "create nightly"] and provider.lag == 0 and local_state.total_wait < STALE_LIST_TIMEOUT


def test_what_is_gone_is_not_deleted_again(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1"))
    snapshot_operation.run(make_context(provider, state="absent"))
    assert both_runs(local_state, provider, 2, state="absent")["changed"] is False
    assert provider.requests == ["delete 1"]


def test_one_of_the_same_id_and_another_date_is_not_the_one_that_is_gone(local_state: LocalStateFixture) -> None:
    """Names are ids at Ilkbyte: somebody has made it anew."""
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", created_at=OLD))
    snapshot_operation.run(make_context(provider, name="one", state="absent"))
    provider.snapshots = [snapshot("one", id="one", created_at=NEW)]
    assert snapshot_operation.run(make_context(provider, name="one"))["changed"] is False
    assert local_state.total_wait == 0


def test_one_that_is_listed_for_ever_is_believed_after_a_while(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1"))
    local_state.write(provider, pending_changes.DELETED, id="1", created_at=snapshot().created_at)
    assert snapshot_operation.run(make_context(provider))["changed"] is False
    assert local_state.total_wait == pytest.approx(STALE_LIST_TIMEOUT) and provider.requests == []


def test_a_snapshot_recreated_in_place_is_not_recreated_again(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("ilkbyte", snapshot("one", id="one", created_at=OLD))

    def recreate(old: Snapshot) -> None:
        provider._request(f"recreate {old.id}")
        provider.snapshots = [snapshot("one", id="one", created_at=NEW)]

    provider.recreate_snapshot = recreate  # type: ignore[attr-defined]
    snapshot_operation.run(make_context(provider, name="one", max_age=3600, wait=False))
    assert both_runs(local_state, provider, 2, name="one", max_age=3600, wait=False)["changed"] is False
    assert provider.requests == ["recreate one"] and local_state.total_wait > 0


# --- replaced


def replaced(local_state: LocalStateFixture, *listed: Snapshot, **note: Any) -> SlowProvider:
    """A task has replaced 1 with 2, and was killed before 2 was ready."""
    provider = SlowProvider("vpsorg", *(listed or (snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW))))
    local_state.write(provider, f"{pending_changes.REPLACED} by {note.pop('by', '2')}", 86400.0, **{"id": "1", "created_at": OLD, **note})
    return provider


FOR_EVER = 10**9  # seconds that are no limit, but for which a task that makes the snapshot anew would replace it


def test_the_rerun_deletes_what_a_killed_task_has_replaced(local_state: LocalStateFixture) -> None:
    provider = replaced(local_state)
    result = both_runs(local_state, provider, max_age=FOR_EVER)
    assert provider.requests == ["delete 1"]
    assert result["changed"] is True and [item["id"] for item in result["pruned"]] == ["1"]
    assert not [key for key in local_state.notes(provider) if key.startswith(pending_changes.REPLACED)]
    assert both_runs(local_state, provider, max_age=FOR_EVER)["changed"] is False


def test_a_task_that_would_not_replace_it_leaves_it(local_state: LocalStateFixture) -> None:
    provider = replaced(local_state)
    assert both_runs(local_state, provider)["changed"] is False
    assert provider.requests == []


@pytest.mark.parametrize("note", [
    {"id": "3"}, {"created_at": NEW}, {"created_at": None}, {"by": "3"}, {"by": None}, {"id": None}, {"id": ["1"]}, {"by": {}},
])
def test_nothing_goes_that_the_note_does_not_mean(local_state: LocalStateFixture, note: dict[str, Any]) -> None:
    provider = replaced(local_state, **note)
    assert both_runs(local_state, provider, max_age=FOR_EVER)["changed"] is False
    assert provider.requests == []


def test_one_of_the_name_made_by_hand_stays(local_state: LocalStateFixture) -> None:
    by_hand = snapshot(id="3", created_at="2025-06-01T00:00:00Z")
    provider = replaced(local_state, snapshot(id="1", created_at=OLD), by_hand, snapshot(id="2", created_at=NEW))
    both_runs(local_state, provider, max_age=FOR_EVER)
    assert provider.requests == ["delete 1"] and [item.id for item in provider.snapshots] == ["3", "2"]


def test_nothing_goes_where_another_is_the_one_that_is_kept(local_state: LocalStateFixture) -> None:
    newest = snapshot(id="3", created_at="2026-06-02T00:00:00Z")
    provider = replaced(local_state, snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW), newest)
    assert both_runs(local_state, provider, max_age=FOR_EVER)["changed"] is False
    assert provider.requests == []


def test_nothing_goes_before_the_new_one_is_ready(local_state: LocalStateFixture) -> None:
    """By the rerun that waits for it, and by none that does not."""
    provider = replaced(local_state, snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW, status="pending"))
    waitless = make_context(provider, max_age=3600, wait=False)
    assert snapshot_operation.run(waitless)["changed"] is False
    assert provider.requests == [] and any("stays" in warning for warning in waitless.warnings)
    seen: list[list[str]] = []

    def ready_soon() -> None:
        seen.append(list(provider.requests))
        if len(seen) == 4:
            ready(provider)

    local_state.on_sleep = ready_soon
    snapshot_operation.run(make_context(provider, max_age=3600))
    assert seen == [[]] * 4 and provider.requests == ["delete 1"]


@pytest.mark.parametrize("adopted", [False, True], ids=["made", "adopted"])
def test_a_task_interrupted_while_it_waits_has_recorded_the_replacement(local_state: LocalStateFixture, adopted: bool) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1", created_at=OLD))
    if adopted:
        provider.snapshots.append(snapshot(id="901", created_at=NEW, status="pending"))

    def killed() -> None:
        raise KeyboardInterrupt

    local_state.on_sleep = killed
    with pytest.raises(KeyboardInterrupt):
        snapshot_operation.run(make_context(provider, max_age=3600))
    requests = list(provider.requests)
    ready(provider)
    local_state.on_sleep = lambda: None
    assert both_runs(local_state, provider, max_age=3600)["changed"] is True
    assert provider.requests == [*requests, "delete 1"] and [item.id for item in provider.snapshots] == ["901"]


@pytest.mark.parametrize("adopted", [False, True], ids=["made", "adopted"])
def test_who_does_not_wait_has_replaced_nothing(local_state: LocalStateFixture, adopted: bool) -> None:
    """It says that the old one stays; no later task goes back on that."""
    provider = SlowProvider("vpsorg", snapshot(id="1", created_at=OLD))
    if adopted:
        provider.snapshots.append(snapshot(id="901", created_at=NEW, status="pending"))
    snapshot_operation.run(make_context(provider, max_age=3600, wait=False))
    requests = list(provider.requests)
    ready(provider)
    assert both_runs(local_state, provider, max_age=3600)["changed"] is False
    assert provider.requests == requests


def test_a_check_run_notes_nothing(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW, status="pending"))
    snapshot_operation.run(make_context(provider, check_mode=True, max_age=3600))
    snapshot_operation.run(make_context(provider, check_mode=True, state="absent", id="1", name=None))
    assert list(local_state.directory.iterdir()) == []


def test_a_full_disk_fails_no_task_that_has_done_its_work(local_state: LocalStateFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, notes: dict[str, Any]) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("ansible_collections.rewind.vps.plugins.module_utils._state.server_lock.LocalState._write", full)
    provider = FakeProvider("vpsorg", snapshot(id="1", created_at=OLD))
    assert snapshot_operation.run(make_context(provider, max_age=60))["changed"] is True
    assert provider.requests == ["create nightly", "delete 1"]


def test_requested_snapshots_are_recorded_by_name(local_state: LocalStateFixture) -> None:
    """A server that is off shows nothing of either; the second one's note must not take the place of the first one's."""
    provider = SlowProvider("ilkbyte")
    provider.power_state = "stopped"
    one, two = make_context(provider, name="one"), make_context(provider, name="two")
    for each in (one, two):
        with lock_server(each):
            pending_changes.record_requested(each, each.options["name"])
    with lock_server(one) as server:
        assert pending_changes.is_creation_pending(one, server)
        pending_changes.record_deleted(one, snapshot("one", id="one"))
        assert not pending_changes.is_creation_pending(one, server)
    with lock_server(two) as server:
        assert pending_changes.is_creation_pending(two, server)
