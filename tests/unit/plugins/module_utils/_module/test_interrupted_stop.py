# SPDX-License-Identifier: GPL-3.0-or-later
"""The next task starts a server that a killed task left stopped, but not one that was stopped on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import snapshot
from fakes.local_state import LocalStateFixture, SlowProvider
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import power
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server

MESSAGE = "was stopped: an interrupted task on this machine had stopped it for a snapshot."


def left_off(local_state: LocalStateFixture, *listed: Any, ago: float = 60.0) -> FakeProvider:
    """A provider with a stopped server, and the note of the task that has stopped it."""
    provider = FakeProvider("vpsorg", *listed)
    provider.power_state = "stopped"
    local_state.write(provider, power.STOPPED_FOR_SNAPSHOT, ago)
    return provider


def no(kind: str = errors.PROVIDER_REJECTED, outcome: str = errors.NOT_APPLIED) -> RewindError:
    return RewindError("The cloud said no", kind=kind, outcome=outcome)


@pytest.mark.parametrize(("listed", "options", "requests"), [
    ([], {}, ["create nightly", "start"]),
    ([], {"stop_server": True}, ["create nightly", "start"]),
    ([], {"wait": False}, ["create nightly", "start"]),
    ([snapshot()], {}, ["start"]),
    ([snapshot(id="1", created_at="2025-01-01T00:00:00Z")], {"max_age": 60}, ["create nightly", "delete 1", "start"]),
])
def test_it_is_started_when_the_work_is_done(local_state: LocalStateFixture, listed: list, options: dict, requests: list[str]) -> None:
    provider = left_off(local_state, *listed)
    checked = make_context(provider, check_mode=True, **options)
    predicted = snapshot_operation.run(checked)
    assert (provider.requests, provider.power_state, local_state.notes(provider)) == ([], "stopped", {power.STOPPED_FOR_SNAPSHOT})
    working = make_context(provider, **options)
    result = snapshot_operation.run(working)
    assert provider.requests == requests and provider.power_state == "running"
    assert predicted["changed"] is result["changed"] is True
    if options.get("wait", True):
        assert result["server"]["power_state"] == "running"
    message = "It is started." if options.get("wait", True) else "Its start was requested; this task does not wait for it."
    assert [warning.endswith(f"{MESSAGE} {message}") for warning in working.warnings] == [True]
    assert [warning.endswith(f"{MESSAGE} It would be started.") for warning in checked.warnings] == [True]
    assert power.STOPPED_FOR_SNAPSHOT not in local_state.notes(provider)


def test_a_task_that_does_not_wait_leaves_it_to_the_next_where_it_can_not_be_started_now(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot())

    def refuse(change: str) -> None:
        raise no()

    provider.before = refuse
    hasty = make_context(provider, wait=False)
    assert snapshot_operation.run(hasty)["changed"] is False
    assert [warning for warning in hasty.warnings if "cannot be started now" in warning] and provider.requests == ["start"]
    assert local_state.notes(provider) == {power.STOPPED_FOR_SNAPSHOT}
    provider.before = lambda change: None
    assert snapshot_operation.run(make_context(provider))["changed"] is True
    assert provider.power_state == "running"


def test_it_is_started_once(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot())
    snapshot_operation.run(make_context(provider))
    provider.power_state = "stopped"  # now on purpose
    again = make_context(provider)
    assert snapshot_operation.run(again)["changed"] is False
    assert provider.requests == ["start"] and again.warnings == []


def test_it_is_started_under_the_lock(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot())
    free: list[bool] = []
    provider.before = lambda change: free.append(local_state.is_free(provider))
    snapshot_operation.run(make_context(provider))
    assert free == [False] and local_state.is_free(provider)


@pytest.mark.parametrize(("options", "refused"), [({}, "create"), ({"id": "77"}, None)])
def test_it_is_started_where_the_task_fails_and_the_failure_is_reported(local_state: LocalStateFixture, options: dict, refused: str | None) -> None:
    provider = left_off(local_state)

    def refuse(change: str) -> None:
        if refused and change.startswith(refused):
            raise no()

    provider.before = refuse
    failing = make_context(provider, **options)
    with pytest.raises(RewindError, match="The cloud said no" if refused else "Snapshot 77 of server") as caught:
        snapshot_operation.run(failing)
    assert caught.value.outcome == errors.NOT_APPLIED
    assert provider.requests[-1] == "start" and provider.power_state == "running" and failing.changes.changed
    assert len(failing.warnings) == 1 and local_state.notes(provider) == set()


def test_where_it_can_not_be_started_both_errors_are_reported_and_the_next_task_tries_again(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state)

    def refuse(change: str) -> None:
        raise no() if change.startswith("create") else no(errors.FORBIDDEN)

    provider.before = refuse
    with pytest.raises(RewindError, match="could NOT be started again.*before that: The cloud said no") as caught:
        snapshot_operation.run(make_context(provider))
    assert (caught.value.outcome, caught.value.hint) == (errors.FAILED, "START IT NOW in the provider's panel")
    assert local_state.notes(provider) == {power.STOPPED_FOR_SNAPSHOT}
    provider.before = lambda change: None
    snapshot_operation.run(make_context(provider))
    assert provider.requests == ["create nightly", "start", "create nightly", "start"] and provider.power_state == "running"


@pytest.mark.parametrize("ago", [86500.0, -3600.0])
@pytest.mark.parametrize("check_mode", [False, True])
def test_one_that_has_been_off_for_a_day_stays_off(local_state: LocalStateFixture, ago: float, check_mode: bool) -> None:
    provider = left_off(local_state, snapshot(), ago=ago)
    ctx = make_context(provider, check_mode=check_mode)
    assert snapshot_operation.run(ctx)["changed"] is False
    assert (provider.requests, provider.power_state, ctx.warnings) == ([], "stopped", [])


def test_one_of_less_than_a_day_is_started(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot(), ago=86300.0)
    snapshot_operation.run(make_context(provider))
    assert provider.requests == ["start"]


def test_one_that_is_off_without_a_note_stays_off(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg", snapshot())
    provider.power_state = "stopped"
    assert snapshot_operation.run(make_context(provider))["changed"] is False
    assert provider.requests == []


def test_one_that_runs_again_is_left_alone_and_the_note_removed(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot())
    provider.power_state = "running"
    checked = make_context(provider, check_mode=True)
    assert snapshot_operation.run(checked)["changed"] is False
    assert local_state.notes(provider) == {power.STOPPED_FOR_SNAPSHOT}
    ctx = make_context(provider)
    assert snapshot_operation.run(ctx)["changed"] is False
    assert (provider.requests, ctx.warnings, checked.warnings, local_state.notes(provider)) == ([], [], [], set())


def test_one_that_is_stopping_is_waited_for_and_started(local_state: LocalStateFixture) -> None:
    """The stop of the killed task is still in progress."""
    provider = left_off(local_state, snapshot())
    provider.power_state, provider.task_state = "running", "stopping"

    def off_by_now() -> None:
        if provider.task_state:
            provider.power_state, provider.task_state = "stopped", None

    local_state.on_sleep = off_by_now
    assert snapshot_operation.run(make_context(provider))["changed"] is True
    assert provider.requests == ["start"] and local_state.notes(provider) == set()


def test_a_task_that_stops_a_server_notes_it_before_and_takes_it_back_after(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg")
    noted: list[tuple[str, bool]] = []
    provider.before = lambda change: noted.append((change, power.STOPPED_FOR_SNAPSHOT in local_state.notes(provider)))
    snapshot_operation.run(make_context(provider, stop_server=True))
    assert noted == [("stop", True), ("create nightly", True), ("start", True)]
    assert power.STOPPED_FOR_SNAPSHOT not in local_state.notes(provider)


def test_a_server_that_was_off_before_is_not_noted(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg")
    provider.power_state = "stopped"
    provider.before = lambda change: local_state.notes(provider) and pytest.fail("it may stay off")
    snapshot_operation.run(make_context(provider, stop_server=True))
    assert provider.requests == ["create nightly"]


def test_where_no_note_can_be_written_there_is_a_warning(local_state: LocalStateFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, notes: dict[str, Any]) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("ansible_collections.rewind.vps.plugins.module_utils._state.local_state.LocalState._write", full)
    provider = FakeProvider("vpsorg")
    working = make_context(provider, stop_server=True)
    snapshot_operation.run(working)
    assert provider.requests == ["stop", "create nightly", "start"]
    assert len(working.warnings) == 1 and "nothing starts server" in working.warnings[0]


# --- a stop that is refused


def stop_is_refused(error: RewindError, seen: Callable[[FakeProvider], None]) -> SlowProvider:
    provider = SlowProvider("vpsorg")

    def refuse(change: str) -> None:
        if change == "stop":
            seen(provider)
            raise error

    provider.before = refuse
    return provider


def goes_off(provider: FakeProvider) -> None:
    provider.power_state = "stopped"


def test_a_refused_stop_of_a_server_that_is_off_by_now_counts_as_stopped(local_state: LocalStateFixture) -> None:
    """The stop of another task was in progress and ends: the server is still started, since it ran when this task started."""
    provider = stop_is_refused(no(), goes_off)

    def ready() -> None:
        provider.snapshots = [snapshot(id=item.id) for item in provider.snapshots]

    local_state.on_sleep = ready
    assert snapshot_operation.run(make_context(provider, stop_server=True))["changed"] is True
    assert provider.requests == ["stop", "create nightly", "start"] and provider.power_state == "running"
    assert power.STOPPED_FOR_SNAPSHOT not in local_state.notes(provider)


@pytest.mark.parametrize(("kind", "seen"), [(errors.PROVIDER_REJECTED, lambda provider: None), (errors.FORBIDDEN, goes_off)])
def test_a_stop_that_is_refused_else_ends_it(local_state: LocalStateFixture, kind: str, seen: Callable[[FakeProvider], None]) -> None:
    provider = stop_is_refused(no(kind), seen)
    failing = make_context(provider, stop_server=True)
    with pytest.raises(RewindError, match="The cloud said no") as caught:
        snapshot_operation.run(failing)
    assert (caught.value.kind, caught.value.outcome) == (kind, errors.NOT_APPLIED)
    assert provider.requests == ["stop"] and not failing.changes.changed and local_state.notes(provider) == set()


def test_a_refused_stop_of_a_server_that_can_not_be_read_is_refused(local_state: LocalStateFixture) -> None:
    def out_of_reach(provider: FakeProvider) -> None:
        def find(reference: str) -> Server:
            raise no(errors.TIMEOUT)

        provider.get_server = find  # type: ignore[method-assign]

    provider = stop_is_refused(no(), out_of_reach)
    with pytest.raises(RewindError) as caught:
        snapshot_operation.run(make_context(provider, stop_server=True))
    assert caught.value.kind == errors.PROVIDER_REJECTED and provider.requests == ["stop"]
