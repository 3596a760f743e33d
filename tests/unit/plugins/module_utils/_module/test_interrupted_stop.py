# SPDX-License-Identifier: GPL-3.0-or-later
"""The next task starts a server that a killed task left stopped, but not one that was stopped on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import snapshot
from fakes.local_state import LocalStateFixture, SlowProvider
from fakes.provider import FakeProvider, make_context, rejection

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import power, snapshot_restore
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import ServerLock

MESSAGE = "was stopped: an interrupted task on this machine had stopped it for a snapshot."


def left_off(local_state: LocalStateFixture, *listed: Any, ago: float = 600.0, kind: str = "vpsorg", **fields: Any) -> FakeProvider:
    """A provider with a stopped server, and the note of the task that has stopped it."""
    provider = FakeProvider(kind, *listed)
    provider.power_state = "stopped"
    local_state.write(provider, power.STOPPED_FOR_SNAPSHOT, ago, **fields)
    return provider


@pytest.mark.parametrize(("listed", "options", "requests"), [
    ([], {}, ["create nightly", "start"]),
    ([], {"stop_server": True}, ["create nightly", "start"]),
    ([], {"wait": False}, ["create nightly", "start"]),
    ([snapshot()], {}, ["start"]),
    ([snapshot(id="1", created_at="2025-01-01T00:00:00Z")], {"max_age": 60}, ["create nightly", "delete 1", "start"]),
])
def test_it_is_started_when_the_work_is_done(local_state: LocalStateFixture, listed: list, options: dict, requests: list[str]) -> None:
    provider = left_off(local_state, *listed, address="192.0.2.1")
    checked = make_context(provider, check_mode=True, **options)
    predicted = snapshot_operation.run(checked)
    assert (provider.requests, provider.power_state, local_state.notes(provider)) == ([], "stopped", {power.STOPPED_FOR_SNAPSHOT})
    free: list[bool] = []
    provider.before = lambda change: free.append(local_state.is_free(provider))
    working = make_context(provider, **options)
    result = snapshot_operation.run(working)
    assert provider.requests == requests and provider.power_state == "running"
    assert not any(free) and local_state.is_free(provider), "it is started under the lock"
    assert predicted["changed"] is result["changed"] is True
    if options.get("wait", True):
        assert result["server"]["power_state"] == "running"
    message = "It is started." if options.get("wait", True) else "Its start was requested; this task does not wait for it."
    assert [warning.endswith(f"{MESSAGE} {message}") for warning in working.warnings] == [True]
    assert [warning.endswith(f"{MESSAGE} It would be started.") for warning in checked.warnings] == [True]
    assert power.STOPPED_FOR_SNAPSHOT not in local_state.notes(provider)
    provider.power_state = "stopped"  # now on purpose
    again = make_context(provider, name="nightly", **options)
    snapshot_operation.run(again)
    assert provider.requests == requests and again.warnings == []


def test_a_task_that_does_not_wait_leaves_it_to_the_next_where_it_can_not_be_started_now(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot()).refuse()
    hasty = make_context(provider, wait=False)
    assert snapshot_operation.run(hasty)["changed"] is False
    assert [warning for warning in hasty.warnings if "cannot be started now" in warning] and provider.requests == ["start"]
    assert local_state.notes(provider) == {power.STOPPED_FOR_SNAPSHOT}
    provider.before = lambda change: None
    assert snapshot_operation.run(make_context(provider))["changed"] is True
    assert provider.power_state == "running"


@pytest.mark.parametrize(("options", "refused"), [({}, "create"), ({"id": "77"}, None)])
def test_it_is_started_where_the_task_fails_and_the_failure_is_reported(local_state: LocalStateFixture, options: dict, refused: str | None) -> None:
    provider = left_off(local_state)
    if refused:
        provider.refuse(refused)
    failing = make_context(provider, **options)
    with pytest.raises(RewindError, match="The cloud said no" if refused else "Snapshot 77 of server") as caught:
        snapshot_operation.run(failing)
    assert caught.value.outcome == errors.NOT_APPLIED
    assert provider.requests[-1] == "start" and provider.power_state == "running" and failing.changes.changed
    assert len(failing.warnings) == 1 and local_state.notes(provider) == set()


def test_where_it_can_not_be_started_both_errors_are_reported_and_the_next_task_tries_again(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state)

    def refuse(change: str) -> None:
        raise rejection() if change.startswith("create") else rejection(errors.FORBIDDEN)

    provider.before = refuse
    failing = make_context(provider)
    with pytest.raises(RewindError, match="could NOT be started again.*before that: The cloud said no") as caught:
        snapshot_operation.run(failing)
    assert (caught.value.outcome, caught.value.hint) == (errors.FAILED, "START IT NOW in the provider's panel")
    assert not failing.changes.changed and local_state.notes(provider) == {power.STOPPED_FOR_SNAPSHOT}
    provider.before = lambda change: None
    snapshot_operation.run(make_context(provider))
    assert provider.requests == ["create nightly", "start", "create nightly", "start"] and provider.power_state == "running"


def test_the_first_error_is_kept_where_another_task_has_the_lock(local_state: LocalStateFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot may be in progress: that the server cannot be recovered does not make it rejected."""
    provider = left_off(local_state).refuse(error=rejection(errors.TIMEOUT, errors.UNKNOWN))
    release, other = ServerLock.release, local_state.open_lock(provider)

    def release_to_the_other(self: ServerLock, mark_changed: bool) -> None:
        release(self, mark_changed)
        if provider.requests:
            other.try_acquire()

    monkeypatch.setattr(ServerLock, "release", release_to_the_other)
    with pytest.raises(RewindError) as caught:
        snapshot_operation.run(make_context(provider, wait_timeout=1))
    assert caught.value.outcome == errors.UNKNOWN
    assert "may still be stopped" in caught.value.message and "The cloud said no" in caught.value.message
    assert power.STOPPED_FOR_SNAPSHOT in local_state.notes(provider)


@pytest.mark.parametrize(("ago", "starts"), [(86500.0, False), (-3600.0, False), (86300.0, True), (None, False)])
@pytest.mark.parametrize("check_mode", [False, True])
def test_one_that_has_been_off_for_a_day_or_without_a_note_stays_off(
    local_state: LocalStateFixture, ago: float | None, starts: bool, check_mode: bool,
) -> None:
    provider = left_off(local_state, snapshot(), ago=ago or 0.0)
    if ago is None:
        local_state.open_state(provider).delete(power.STOPPED_FOR_SNAPSHOT)
    ctx = make_context(provider, check_mode=check_mode)
    assert snapshot_operation.run(ctx)["changed"] is starts
    assert provider.requests == (["start"] if starts and not check_mode else []) and bool(ctx.warnings) is starts


def test_another_server_of_the_same_name_is_not_started(local_state: LocalStateFixture) -> None:
    """Of another account, or a new one: Ilkbyte identifies a server only by its name."""
    provider = left_off(local_state, snapshot(), kind="ilkbyte", address="203.0.113.9")
    assert snapshot_operation.run(make_context(provider))["changed"] is False
    assert provider.requests == []


def test_a_restored_server_is_as_its_restore_left_it(local_state: LocalStateFixture) -> None:
    """A server that was restored with start_server=False is stopped on purpose."""
    provider = left_off(local_state, snapshot("one", id="one", current=False, power_state="stopped"), kind="ilkbyte")
    snapshot_restore.run(make_context(provider, name="one", start_server=False, wait=False))
    assert snapshot_operation.run(make_context(provider, name="one"))["changed"] is False
    assert provider.requests == ["restore one"]


def test_a_check_run_leaves_a_running_tasks_server_out(local_state: LocalStateFixture) -> None:
    """The task that has stopped it still runs, so nothing was interrupted."""
    provider = left_off(local_state, snapshot())
    other = local_state.open_locked(provider)
    checked = make_context(provider, check_mode=True)
    assert (snapshot_operation.run(checked)["changed"], checked.warnings) == (False, [])
    other.release(mark_changed=False)
    assert snapshot_operation.run(make_context(provider, check_mode=True))["changed"] is True


def test_no_note_is_believed_where_nothing_can_be_locked(local_state: LocalStateFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that wrote it may still be running."""

    def can_not(self: ServerLock, allow_during_restore: bool) -> bool:
        raise OSError("no locks available")

    monkeypatch.setattr(ServerLock, "try_acquire", can_not)
    provider = left_off(local_state, snapshot())
    assert snapshot_operation.run(make_context(provider))["changed"] is False
    assert provider.requests == []


# --- a server that still runs


def test_one_that_runs_again_is_left_alone_and_the_note_removed(local_state: LocalStateFixture) -> None:
    provider = left_off(local_state, snapshot())
    provider.power_state = "running"
    for check_mode, notes in ((True, {power.STOPPED_FOR_SNAPSHOT}), (False, set())):
        ctx = make_context(provider, check_mode=check_mode)
        assert snapshot_operation.run(ctx)["changed"] is False
        assert (provider.requests, ctx.warnings, local_state.notes(provider)) == ([], [], notes)


@pytest.mark.parametrize("task_state", ["stopping", None])
def test_one_that_stops_late_is_waited_for_and_started(local_state: LocalStateFixture, task_state: str | None) -> None:
    """The stop of the killed task is still in progress, which a provider may not show."""
    provider = left_off(local_state, snapshot(), ago=1.0)
    provider.power_state, provider.task_state = "running", task_state

    def off_by_now() -> None:
        if not provider.requests:
            provider.power_state, provider.task_state = "stopped", None

    local_state.on_sleep = off_by_now
    assert snapshot_operation.run(make_context(provider))["changed"] is True
    assert provider.requests == ["start"] and local_state.notes(provider) == set()


@pytest.mark.parametrize("wait", [True, False])
def test_one_that_never_stops_is_watched_once(local_state: LocalStateFixture, wait: bool) -> None:
    """The stop never reached the provider. A task with wait=False leaves the check to the next one."""
    provider = left_off(local_state, snapshot(), ago=1.0)
    provider.power_state = "running"
    assert snapshot_operation.run(make_context(provider, wait=wait))["changed"] is False
    assert (provider.requests, local_state.notes(provider)) == ([], set() if wait else {power.STOPPED_FOR_SNAPSHOT})


# --- the note


def test_a_server_that_was_off_before_is_not_noted(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg")
    provider.power_state = "stopped"
    provider.before = lambda change: local_state.notes(provider) and pytest.fail("it may stay off")
    snapshot_operation.run(make_context(provider, stop_server=True))
    assert provider.requests == ["create nightly"]


def test_where_no_note_can_be_written_there_is_a_warning(local_state: LocalStateFixture, full_disk: None) -> None:
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


def is_out_of_reach(provider: FakeProvider) -> None:
    def get_server(reference: str) -> Any:
        raise rejection(errors.TIMEOUT)

    provider.get_server = get_server  # type: ignore[method-assign]


def test_a_refused_stop_of_a_server_that_is_off_by_now_counts_as_stopped(local_state: LocalStateFixture) -> None:
    """The stop of another task was in progress and ends: the server is still started, since it ran when this task started."""
    provider = stop_is_refused(rejection(), goes_off)
    local_state.on_sleep = provider.finish
    assert snapshot_operation.run(make_context(provider, stop_server=True))["changed"] is True
    assert provider.requests == ["stop", "create nightly", "start"] and provider.power_state == "running"
    assert power.STOPPED_FOR_SNAPSHOT not in local_state.notes(provider)


@pytest.mark.parametrize(("kind", "seen"), [
    (errors.PROVIDER_REJECTED, lambda provider: None), (errors.FORBIDDEN, goes_off), (errors.PROVIDER_REJECTED, is_out_of_reach),
])
@pytest.mark.parametrize("notes", [set(), {power.STOPPED_FOR_SNAPSHOT}], ids=["no note", "an earlier stop may be in progress"])
def test_a_stop_that_is_refused_else_ends_it(
    local_state: LocalStateFixture, kind: str, seen: Callable[[FakeProvider], None], notes: set[str],
) -> None:
    """It does not cancel the stop of a killed task, which may be in progress and has to be reverted."""
    provider = stop_is_refused(rejection(kind), seen)
    for note in notes:
        local_state.write(provider, note)
    failing = make_context(provider, stop_server=True)
    failing.state = local_state.open_state(provider)
    with pytest.raises(RewindError, match="The cloud said no") as caught, power.stop_temporarily(
        failing, provider.get_server(""), failing.deadline,
    ):
        raise AssertionError("it is not off")
    assert (caught.value.kind, caught.value.outcome) == (kind, errors.NOT_APPLIED)
    assert provider.requests == ["stop"] and not failing.changes.changed and local_state.notes(provider) == notes
