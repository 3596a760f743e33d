# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed task has requested is not requested again; what it has replaced is deleted, and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from builders import snapshot
from fakes.local_state import LocalStateFixture, SlowProvider
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state as state_module
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import lock_server

OLD = "2025-01-01T00:00:00Z"
NEW = "2026-06-01T00:00:00Z"
FOR_EVER = 10**9  # seconds: longer than any test, but a task that re-creates the snapshot would replace it


def both_runs(local_state: LocalStateFixture, provider: SlowProvider, **options: Any) -> dict[str, Any]:
    """Run in check mode and then for real; the prediction must be right. Return the real result."""
    before = list(provider.requests)
    predicted = snapshot_operation.run(make_context(provider, check_mode=True, **options))
    assert provider.requests == before
    result = snapshot_operation.run(make_context(provider, **options))
    assert predicted["changed"] is result["changed"]
    assert [item["id"] for item in predicted.get("pruned", [])] == [item["id"] for item in result.get("pruned", [])]
    return result


# --- replaced


def replaced(local_state: LocalStateFixture, *listed: Snapshot, **note: Any) -> SlowProvider:
    """A task has replaced 1 with 2, and was killed before 2 was ready."""
    provider = SlowProvider("vpsorg", *(listed or (snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW))))
    local_state.write(provider, f"{state_module.REPLACED} by {note.pop('by', '2')}", 86400.0, **{"id": "1", "created_at": OLD, **note})
    return provider


def test_the_rerun_deletes_what_a_killed_task_has_replaced(local_state: LocalStateFixture) -> None:
    provider = replaced(local_state)
    result = both_runs(local_state, provider, max_age=FOR_EVER)
    assert provider.requests == ["delete 1"]
    assert result["changed"] is True and [item["id"] for item in result["pruned"]] == ["1"]
    assert not [key for key in local_state.notes(provider) if key.startswith(state_module.REPLACED)]
    assert both_runs(local_state, provider, max_age=FOR_EVER)["changed"] is False


@pytest.mark.parametrize(("options", "note"), [
    *((options, {}) for options in ({}, {"id": "2"}, {"id": "2", "max_age": FOR_EVER})),  # a task that would not replace it
    *(({"max_age": FOR_EVER}, note) for note in (
        {"id": "3"}, {"created_at": NEW}, {"created_at": None}, {"by": "3"}, {"by": None}, {"id": None}, {"id": ["1"]}, {"by": {}},
    )),
])
def test_nothing_goes_that_the_note_or_the_task_does_not_mean(local_state: LocalStateFixture, options: dict, note: dict[str, Any]) -> None:
    provider = replaced(local_state, **note)
    assert both_runs(local_state, provider, **options)["changed"] is False
    assert provider.requests == []


@pytest.mark.parametrize(("third", "requests"), [("2025-06-01T00:00:00Z", ["delete 1"]), ("2026-06-02T00:00:00Z", [])])
def test_another_one_of_the_name_stays(local_state: LocalStateFixture, third: str, requests: list[str]) -> None:
    """If it is the newest, it is the one that is kept, and the note is about another."""
    provider = replaced(local_state, snapshot(id="1", created_at=OLD), snapshot(id="3", created_at=third), snapshot(id="2", created_at=NEW))
    both_runs(local_state, provider, max_age=FOR_EVER)
    assert provider.requests == requests


def test_a_replaced_snapshot_is_not_forgotten_for_one_of_another_name(local_state: LocalStateFixture) -> None:
    provider = replaced(local_state)
    weekly = [snapshot("weekly", id="3", created_at=OLD), snapshot("weekly", id="4", created_at=NEW)]
    ctx = make_context(provider)
    ctx.state = local_state.open_state(provider)
    state_module.record_replacement(ctx, *weekly)
    provider.snapshots += weekly
    for name in ("weekly", "nightly"):
        snapshot_operation.run(make_context(provider, name=name, max_age=FOR_EVER))
    assert provider.requests == ["delete 3", "delete 1"]


def test_nothing_goes_before_the_new_one_is_ready(local_state: LocalStateFixture) -> None:
    """Only a rerun that waits deletes it."""
    provider = replaced(local_state, snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW, status="pending"))
    waitless = make_context(provider, max_age=3600, wait=False)
    assert snapshot_operation.run(waitless)["changed"] is False
    assert provider.requests == [] and any("is kept" in warning for warning in waitless.warnings)
    seen: list[list[str]] = []

    def ready_soon() -> None:
        seen.append(list(provider.requests))
        if len(seen) == 4:
            provider.finish()

    local_state.on_sleep = ready_soon
    snapshot_operation.run(make_context(provider, max_age=3600))
    assert seen == [[]] * 4 and provider.requests == ["delete 1"]


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("adopted", [False, True], ids=["made", "adopted"])
def test_a_task_that_waits_has_recorded_what_it_replaces(local_state: LocalStateFixture, adopted: bool, waits: bool) -> None:
    """One that is interrupted while it waits. The message of one that does not wait states that the old snapshot stays."""
    provider = SlowProvider("vpsorg", snapshot(id="1", created_at=OLD))
    if adopted:
        provider.snapshots.append(snapshot(id="901", created_at=NEW, status="pending"))

    def killed() -> None:
        raise KeyboardInterrupt

    local_state.on_sleep = killed
    with pytest.raises(KeyboardInterrupt) if waits else contextlib.nullcontext():
        snapshot_operation.run(make_context(provider, max_age=3600, wait=waits))
    requests = list(provider.requests)
    provider.finish()
    local_state.on_sleep = lambda: None
    assert both_runs(local_state, provider, max_age=3600)["changed"] is waits
    assert provider.requests == [*requests, *(["delete 1"] if waits else [])]


def test_a_check_run_notes_nothing(local_state: LocalStateFixture) -> None:
    provider = SlowProvider("vpsorg", snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW, status="pending"))
    snapshot_operation.run(make_context(provider, check_mode=True, max_age=3600))
    snapshot_operation.run(make_context(provider, check_mode=True, state="absent", id="1", name=None))
    assert list(local_state.directory.iterdir()) == []


def test_a_full_disk_fails_no_task_that_has_done_its_work(local_state: LocalStateFixture, full_disk: None) -> None:
    provider = FakeProvider("vpsorg", snapshot(id="1", created_at=OLD))
    assert snapshot_operation.run(make_context(provider, max_age=60))["changed"] is True
    assert provider.requests == ["create nightly", "delete 1"]


def test_requested_snapshots_are_recorded_by_name(local_state: LocalStateFixture) -> None:
    """A stopped server shows neither; the second note must not replace the first."""
    provider = SlowProvider("ilkbyte")
    provider.power_state = "stopped"
    one, two = make_context(provider, name="one"), make_context(provider, name="two")
    for each in (one, two):
        with lock_server(each):
            state_module.record_requested(each, each.options["name"])
    with lock_server(one) as server:
        assert state_module.is_creation_pending(one, server)
        state_module.clear_requested(one, "one")
        assert not state_module.is_creation_pending(one, server)
    with lock_server(two) as server:
        assert state_module.is_creation_pending(two, server)
