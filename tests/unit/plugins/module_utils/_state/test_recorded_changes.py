# SPDX-License-Identifier: GPL-3.0-or-later
"""When a task acts on a note of an earlier task about a server, and when it must not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from builders import SERVER, snapshot
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._files import server_key
from ansible_collections.rewind.vps.plugins.module_utils._module import power, snapshot_restore
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state
from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import LocalState
from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import record_replacement
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import ServerLock, lock_server
from ansible_collections.rewind.vps.plugins.module_utils._wait import polling

OLD = "2026-05-01T00:00:00Z"
NEW = "2026-05-31T23:59:00Z"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One state directory for the tasks of a test, and a clock that advances only while a task waits."""
    passed = [0.0]
    monkeypatch.setattr(local_state, "state_directory", lambda create: str(tmp_path))
    monkeypatch.setattr(
        polling.Clock.__init__, "__defaults__",
        (lambda: time.monotonic() + passed[0], lambda seconds: passed.__setitem__(0, passed[0] + seconds), lambda low, high: 1.0),
    )
    return tmp_path


def open_state(directory: Path, kind: str = "vpsorg") -> LocalState:
    return LocalState(str(directory), server_key(kind, "https://cloud.example", SERVER.id))


def open_lock(directory: Path) -> ServerLock:
    return ServerLock(str(directory), server_key("vpsorg", "https://cloud.example", SERVER.id))


def left_off(directory: Path, kind: str = "vpsorg", *listed, at: float = 3600.0, **fields) -> FakeProvider:
    """A server that a task has stopped, so many seconds ago, before it was killed."""
    notes = open_state(directory, kind)
    notes.put(power.STOPPED_FOR_SNAPSHOT, **fields)
    notes._write({power.STOPPED_FOR_SNAPSHOT: {**notes.all()[power.STOPPED_FOR_SNAPSHOT], "at": time.time() - at}})
    provider = FakeProvider(kind, *listed)
    provider.power_state = "stopped"
    return provider


# --- a server that is off


def test_a_server_that_a_killed_task_has_stopped_is_started(directory: Path) -> None:
    provider = left_off(directory, "vpsorg", snapshot(), address="192.0.2.1")
    assert snapshot_operation.run(make_context(provider))["changed"] is True
    assert provider.requests == ["start"]
    assert open_state(directory).all() == {}


def test_a_check_run_leaves_a_living_tasks_server_out(directory: Path) -> None:
    """The task that has stopped it still runs, so nothing was interrupted."""
    provider = left_off(directory, "vpsorg", snapshot())
    living = open_lock(directory)
    assert living.try_acquire()
    checked = make_context(provider, check_mode=True)
    assert (snapshot_operation.run(checked)["changed"], checked.warnings) == (False, [])
    living.release(mark_changed=False)
    assert snapshot_operation.run(make_context(provider, check_mode=True))["changed"] is True


def test_no_note_is_believed_where_nothing_can_be_locked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that wrote it may still be running."""

    def can_not(self: ServerLock, allow_during_restore: bool) -> bool:
        raise OSError("no locks available")

    monkeypatch.setattr(ServerLock, "try_acquire", can_not)
    provider = left_off(directory, "vpsorg", snapshot())
    assert snapshot_operation.run(make_context(provider))["changed"] is False
    assert provider.requests == []


def test_another_server_of_the_same_name_is_not_started(directory: Path) -> None:
    """Of another account, or a new one: Ilkbyte identifies a server only by its name."""
    provider = left_off(directory, "ilkbyte", snapshot(), address="203.0.113.9")
    assert snapshot_operation.run(make_context(provider))["changed"] is False
    assert provider.requests == []


def test_a_restored_server_is_as_its_restore_left_it(directory: Path) -> None:
    """A server that was restored with start_server=False is stopped on purpose."""
    provider = left_off(directory, "ilkbyte", snapshot("one", id="one", current=False, power_state="stopped"))
    snapshot_restore.run(make_context(provider, name="one", start_server=False, wait=False))
    assert snapshot_operation.run(make_context(provider, name="one"))["changed"] is False
    assert provider.requests == ["restore one"]


def test_a_stop_requested_by_a_killed_task_may_take_effect_late(directory: Path) -> None:
    """The server still runs when the next task reads it, and stops a little later."""
    provider = left_off(directory, "vpsorg", snapshot(), at=1.0)
    find, reads = provider.get_server, []

    def off_at_the_third_read(reference: str):
        reads.append(reference)
        if "start" not in provider.requests:
            provider.power_state = "stopped" if len(reads) > 2 else "running"
        return find(reference)

    provider.get_server = off_at_the_third_read  # type: ignore[method-assign]
    snapshot_operation.run(make_context(provider))
    assert (provider.requests, provider.power_state) == (["start"], "running")


@pytest.mark.parametrize(("wait", "noted"), [(True, False), (False, True)])
def test_a_server_that_never_goes_off_is_watched_once(directory: Path, wait: bool, noted: bool) -> None:
    """The stop never reached the provider. A task with wait=False leaves the check to the next one."""
    provider = left_off(directory, "vpsorg", snapshot(), at=1.0)
    provider.power_state = "running"
    assert snapshot_operation.run(make_context(provider, wait=wait))["changed"] is False
    assert (provider.requests, power.STOPPED_FOR_SNAPSHOT in open_state(directory).all()) == ([], noted)


def test_a_refused_stop_leaves_the_note_of_an_earlier_one(directory: Path) -> None:
    """Rejected, since the stop of a killed task is in progress: that stop has to be reverted."""
    provider = left_off(directory, "vpsorg")
    provider.power_state = "running"

    def refuse(change: str) -> None:
        if change == "stop":
            raise RewindError("it is stopping", kind=errors.PROVIDER_REJECTED)

    provider.before = refuse
    with pytest.raises(RewindError, match="it is stopping"), power.stop_temporarily(
        with_state(provider, directory), provider.get_server(""), polling.Deadline(1),
    ):
        raise AssertionError("it is not off")
    assert power.STOPPED_FOR_SNAPSHOT in open_state(directory).all()


def with_state(provider: FakeProvider, directory: Path):
    found = make_context(provider)
    found.state = open_state(directory)
    return found


def test_the_first_error_is_kept_where_the_server_can_not_be_recovered(directory: Path) -> None:
    """A snapshot may be in progress: a lock held by another task does not make it rejected."""
    provider = left_off(directory)
    other = open_lock(directory)

    def unknown(change: str) -> None:
        assert other.try_acquire() is False
        raise RewindError("no answer", kind=errors.TIMEOUT, outcome=errors.UNKNOWN)

    provider.before = unknown
    wanted = make_context(provider, wait_timeout=1)
    list_snapshots = provider.list_snapshots

    def listed(server):
        other.try_acquire()  # as soon as this task has let go of it
        return list_snapshots(server)

    provider.list_snapshots = listed  # type: ignore[method-assign]
    release_lock = ServerLock.release

    def release(self: ServerLock, mark_changed: bool) -> None:
        release_lock(self, mark_changed)
        other.try_acquire()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServerLock, "release", release)
        with pytest.raises(RewindError) as caught:
            snapshot_operation.run(wanted)
    assert caught.value.outcome == errors.UNKNOWN
    assert "no answer" in caught.value.message and "may still be stopped" in caught.value.message
    assert power.STOPPED_FOR_SNAPSHOT in open_state(directory).all()


def test_a_server_that_can_not_be_started_was_not_changed(directory: Path) -> None:
    provider = left_off(directory, "vpsorg", snapshot())

    def refuse(change: str) -> None:
        raise RewindError("no", kind=errors.FORBIDDEN)

    provider.before = refuse
    wanted = make_context(provider)
    with pytest.raises(RewindError, match="could NOT be started again"):
        snapshot_operation.run(wanted)
    assert wanted.changes.changed is False


# --- snapshots that were replaced


OLDER, NEWER = snapshot(id="1", created_at=OLD), snapshot(id="2", created_at=NEW)


def replaced(directory: Path) -> FakeProvider:
    provider = FakeProvider("vpsorg", OLDER, NEWER)
    record_replacement(with_state(provider, directory), OLDER, NEWER)
    return provider


def test_a_replaced_snapshot_goes_with_the_next_task_of_the_kind(directory: Path) -> None:
    provider = replaced(directory)
    assert snapshot_operation.run(make_context(provider, max_age=3600))["changed"] is True
    assert provider.requests == ["delete 1"]
    assert open_state(directory).all() == {}


@pytest.mark.parametrize("options", [{}, {"id": "2"}, {"id": "2", "max_age": 3600}])
def test_a_task_that_replaces_nothing_deletes_nothing(directory: Path, options: dict) -> None:
    provider = replaced(directory)
    assert snapshot_operation.run(make_context(provider, **options))["changed"] is False
    assert provider.requests == []


def test_a_replaced_snapshot_is_not_forgotten_for_another(directory: Path) -> None:
    provider = replaced(directory)
    weekly = [snapshot("weekly", id="3", created_at=OLD), snapshot("weekly", id="4", created_at=NEW)]
    record_replacement(with_state(provider, directory), *weekly)
    provider.snapshots += weekly
    for name in ("weekly", "nightly"):
        snapshot_operation.run(make_context(provider, name=name, max_age=3600))
    assert provider.requests == ["delete 3", "delete 1"]


# --- the lock


def test_a_change_before_a_reboot_is_old(directory: Path) -> None:
    """The clock that all processes share restarts with the machine."""
    here = open_lock(directory)
    assert here.try_acquire()
    started_at = time.monotonic_ns()
    (directory / next(directory.glob("*.lock")).name).write_text(f"{time.monotonic_ns() + 10**15:020d}")
    assert not here.changed_since(started_at)
    here.release(mark_changed=True)
    assert here.try_acquire() and here.changed_since(started_at)
    here.release(mark_changed=False)


def test_a_task_that_has_requested_a_change_waits_for_the_lock_after_its_timeout(directory: Path) -> None:
    """Its timeout has passed, and another task holds the lock for a short time."""
    provider = FakeProvider("vpsorg")
    wanted, other = make_context(provider, wait_timeout=1), open_lock(directory)
    wanted.changes.request_sent = True
    polling.Clock().sleep(wanted.deadline.seconds + 1)
    assert other.try_acquire()
    wanted.progress = lambda text: other.release(mark_changed=False)
    with lock_server(wanted, SERVER):
        assert open_lock(directory).try_acquire() is False


def test_the_locked_server_is_read_by_its_id(directory: Path) -> None:
    """Another one may have got its name while the task waited."""
    provider, references = FakeProvider("vpsorg"), []
    find = provider.get_server
    provider.get_server = lambda reference: references.append(reference) or find(reference)  # type: ignore[method-assign, func-returns-value]
    make_context(provider).get_server_and_snapshots(SERVER)
    assert references == [SERVER.id]
