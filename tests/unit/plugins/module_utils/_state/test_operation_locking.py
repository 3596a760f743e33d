# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of a machine at a time reads, decides and requests; a task that only waits does not block others."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import SERVER, snapshot
from fakes.local_state import LocalStateFixture, SlowProvider
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils import _files
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot_cron, snapshot_restore
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Schedule, Server
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state as state_module

# At the time of the import: the tests of this directory replace it.
from ansible_collections.rewind.vps.plugins.module_utils._state.local_state import state_directory
from ansible_collections.rewind.vps.plugins.module_utils._state.server_lock import LOCK_POLL_INTERVAL, lock_server

OLD = "2025-01-01T00:00:00Z"
ONE = snapshot("one", id="one", schedule=Schedule(1, 2, 3))
CHANGES: dict[str, tuple[Callable[..., Any], str, list, dict[str, Any], list[str]]] = {
    "take": (snapshot_operation.run, "vpsorg", [], {}, ["create nightly"]),
    "take, stopped": (snapshot_operation.run, "vpsorg", [], {"stop_server": True}, ["stop", "create nightly", "start"]),
    "replace": (snapshot_operation.run, "vpsorg", [snapshot(id="1", created_at=OLD)], {"max_age": 60}, ["create nightly", "delete 1"]),
    "prune": (snapshot_operation.run, "vpsorg", [snapshot(id="1"), snapshot("nightly2", id="2", created_at=OLD)],
              {"retain": {"count": 1, "match": "*"}}, ["delete 2"]),
    "delete": (snapshot_operation.run, "vpsorg", [snapshot(id="1")], {"state": "absent"}, ["delete 1"]),
    "restore": (snapshot_restore.run, "ilkbyte", [snapshot("one", id="one")], {"name": "one"}, ["restore one"]),
    "set a schedule": (snapshot_cron.run, "ilkbyte", [snapshot("one", id="one")], {"name": "one", "day": 4, "hour": 2, "minute": 3}, ["add 4 2:3"]),
    "change a schedule": (snapshot_cron.run, "ilkbyte", [ONE], {"name": "one", "day": 4, "hour": 2, "minute": 3}, ["remove", "add 4 2:3"]),
    "remove a schedule": (snapshot_cron.run, "ilkbyte", [ONE], {"name": "one", "state": "absent"}, ["remove"]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_every_change_is_requested_under_the_lock(local_state: LocalStateFixture, case: str) -> None:
    run, kind, listed, options, requests = CHANGES[case]
    provider = FakeProvider(kind, *listed)
    free: list[bool] = []
    provider.before = lambda change: free.append(local_state.is_free(provider))
    run(make_context(provider, **options))
    assert provider.requests == requests
    assert free == [False] * len(requests)
    assert local_state.is_free(provider), "the task releases the lock when it ends"


@pytest.mark.parametrize(("options", "timeout"), [({}, 60), ({"wait_timeout": 300}, 300), ({"wait": False, "wait_timeout": 300}, 60)])
@pytest.mark.parametrize("case", CHANGES)
def test_a_task_that_never_gets_the_lock_requests_nothing(local_state: LocalStateFixture, case: str, options: dict, timeout: float) -> None:
    run, kind, listed, case_options, requests = CHANGES[case]
    provider = FakeProvider(kind, *listed)
    other = local_state.open_locked(provider)
    waiting = make_context(provider, **{**case_options, **options, "stop_server": False, "retain": None})
    with pytest.raises(RewindError, match="locked by another task on this machine") as caught:
        run(waiting)
    assert (caught.value.kind, caught.value.outcome, caught.value.server) == (errors.BUSY, errors.NOT_APPLIED, SERVER.label)
    assert caught.value.hint == "run again when it is done"
    assert provider.requests == [] and not waiting.changes.request_sent and not waiting.changes.changed
    assert local_state.total_wait == pytest.approx(timeout) and max(local_state.clock.sleeps) <= LOCK_POLL_INTERVAL
    other.release(False)
    run(make_context(provider, **case_options))
    assert provider.requests == requests


def test_the_lock_is_acquired_when_the_other_task_is_done_and_progress_names_what_is_waited_for(local_state: LocalStateFixture) -> None:
    provider, messages = FakeProvider("vpsorg"), []
    other = local_state.open_locked(provider)
    local_state.on_sleep = lambda: other.release(False) if local_state.total_wait > 15 else None
    waiting = make_context(provider)
    waiting.progress = messages.append
    assert snapshot_operation.run(waiting)["changed"] is True
    assert provider.requests == ["create nightly"] and local_state.total_wait < 15 + 2 * LOCK_POLL_INTERVAL
    assert any(line.startswith("the lock of server web1 (12345), held by another task on this machine") for line in messages)


def test_a_task_that_has_requested_a_change_waits_for_the_lock_after_its_timeout(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg")
    waiting = make_context(provider, wait_timeout=1)
    waiting.changes.request_sent = True
    local_state.clock.sleep(waiting.deadline.seconds + 1)
    other = local_state.open_locked(provider)
    waiting.progress = lambda text: other.release(mark_changed=False)
    with lock_server(waiting, SERVER):
        assert not local_state.is_free(provider)


# --- what was seen before


@pytest.mark.parametrize(("asks", "power", "reads"), [(True, "stopped", 2), (False, "running", 1)])
def test_the_server_is_read_again_if_another_task_changed_it(local_state: LocalStateFixture, asks: bool, power: str, reads: int) -> None:
    provider = SlowProvider("vpsorg")
    other = local_state.open_locked(provider)

    def done() -> None:
        if len(local_state.clock.sleeps) == 3:
            if asks:
                provider.power_state = "stopped"
            other.release(mark_changed=asks)

    local_state.on_sleep = done
    with lock_server(make_context(provider)) as server:
        assert server.power_state == power
    assert provider.reads == ["server"] * reads


def test_a_known_server_is_not_read_again_and_its_power_is_discarded(local_state: LocalStateFixture) -> None:
    """When it is read later, that is by its id: another one may have got its name while the task waited."""
    provider, references = SlowProvider("vpsorg"), []
    ctx = make_context(provider)
    with lock_server(ctx, Server(SERVER.id, SERVER.name, "running", "restoring", ("192.0.2.1",))) as server:
        assert (server.id, server.address, server.power_state, server.task_state) == (SERVER.id, "192.0.2.1", None, None)
    assert provider.reads == []
    provider.get_server = references.append  # type: ignore[method-assign, assignment]
    ctx.get_server_and_snapshots(server)
    assert references == [SERVER.id]


@pytest.mark.parametrize(("sends", "noted"), [(True, True), (False, False)])
def test_the_lock_records_whether_a_task_has_requested_a_change(local_state: LocalStateFixture, sends: bool, noted: bool) -> None:
    provider, before = FakeProvider("vpsorg"), time.monotonic_ns()
    asking = make_context(provider)
    with lock_server(asking):
        asking.changes.request_sent = sends
    lock = local_state.open_locked(provider)
    assert lock.changed_since(before) is noted


# --- tasks that wait do not block others


def test_another_task_gets_the_lock_while_one_waits_for_its_snapshot(local_state: LocalStateFixture) -> None:
    """It deletes another snapshot; one with the same options adopts the pending snapshot."""
    provider = SlowProvider("vpsorg", snapshot("weekly", id="1"))
    results: list[dict[str, Any]] = []

    def on_sleep() -> None:
        sleeps = len(local_state.clock.sleeps)
        if sleeps == 2:
            results.append(snapshot_operation.run(make_context(provider, name="weekly", state="absent")))
        elif sleeps == 4:
            results.append(snapshot_operation.run(make_context(provider, wait=False)))
        elif sleeps == 6:
            provider.finish()

    local_state.on_sleep = on_sleep
    result = snapshot_operation.run(make_context(provider))
    assert provider.requests == ["create nightly", "delete 1"]
    assert (result["changed"], result["snapshot"]["status"]) == (True, "ready")
    deleted, adopted = results
    assert deleted["changed"] is True
    assert adopted["changed"] is False and adopted["snapshot"]["id"] == result["snapshot"]["id"]


def test_a_restore_that_another_task_waits_for_is_joined(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg", snapshot())
    provider.before = lambda change: setattr(provider, "task_state", "restoring")
    joined: list[bool] = []

    def on_sleep() -> None:
        joined.append(snapshot_restore.run(make_context(provider, wait=False))["already_in_progress"])
        provider.task_state = "restoring" if len(joined) < 4 else None

    local_state.on_sleep = on_sleep
    assert snapshot_restore.run(make_context(provider, wait_timeout=600))["already_in_progress"] is False
    assert joined == [True] * 4 and provider.requests == ["restore 801"] and local_state.is_free(provider)


@pytest.mark.parametrize("run", [snapshot_operation.run, snapshot_restore.run])
def test_the_lock_is_free_while_a_task_waits_for_a_busy_server(local_state: LocalStateFixture, run: Callable[..., Any]) -> None:
    provider = FakeProvider("ilkbyte", *([snapshot(current=False)] if run is snapshot_restore.run else []))
    provider.task_state = "paused"
    free: list[bool] = []

    def on_sleep() -> None:
        free.append(local_state.is_free(provider))
        if len(free) == 3:
            provider.task_state, provider.snapshots = None, [snapshot(current=True)]

    local_state.on_sleep = on_sleep
    assert run(make_context(provider))["changed"] is False
    assert free == [True] * 3 and provider.requests == []


def test_the_lock_is_kept_while_the_server_is_off_for_its_snapshot(local_state: LocalStateFixture) -> None:
    """Another task would treat it as a server that is stopped on purpose."""
    provider = SlowProvider("vpsorg")
    free: list[bool] = []

    def on_sleep() -> None:
        free.append(local_state.is_free(provider))
        if len(free) == 5:
            provider.finish()

    local_state.on_sleep = on_sleep
    snapshot_operation.run(make_context(provider, stop_server=True))
    assert provider.requests == ["stop", "create nightly", "start"]
    assert len(free) >= 5 and not any(free) and local_state.is_free(provider)


@pytest.mark.parametrize("error", [RewindError("no", kind=errors.FORBIDDEN), KeyboardInterrupt(), ValueError("a mistake")])
def test_every_end_of_a_task_releases_the_lock(local_state: LocalStateFixture, error: BaseException) -> None:
    provider = FakeProvider("vpsorg").refuse(error=error)
    failing = make_context(provider)
    with pytest.raises(type(error)):
        snapshot_operation.run(failing)
    assert local_state.is_free(provider) and failing.lock is failing.state is None


# --- check mode, and machines on which nothing can be locked


@pytest.mark.parametrize("case", CHANGES)
def test_a_check_run_neither_takes_the_lock_nor_waits_for_it(local_state: LocalStateFixture, case: str) -> None:
    run, kind, listed, options, dummy = CHANGES[case]
    provider = FakeProvider(kind, *listed)
    free: list[bool] = []
    find = provider.get_server
    provider.get_server = lambda reference: free.append(local_state.is_free(provider)) or find(reference)  # type: ignore[method-assign, func-returns-value]
    run(make_context(provider, check_mode=True, **options))
    assert free and all(free)
    other = local_state.open_locked(provider)
    result = run(make_context(provider, check_mode=True, **options))
    assert result["changed"] is True and result["diff"]["before"] != result["diff"]["after"]
    assert local_state.total_wait == 0 and provider.requests == []
    other.release(False)


def test_a_check_run_creates_no_directory_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(state_module, "state_directory", state_directory)
    for run, kind, listed, options, _requests in CHANGES.values():
        checked = make_context(FakeProvider(kind, *listed), check_mode=True, **options)
        run(checked)
        assert checked.warnings == []
    assert list(tmp_path.iterdir()) == []
    snapshot_operation.run(make_context(FakeProvider("vpsorg")))
    (lock,) = [path for path in tmp_path.rglob("*") if path.suffix == ".lock"]
    before = {path.name for path in lock.parent.iterdir()}
    # Without a note about the server, the lock is not even tested: that would hold it for an instant.
    monkeypatch.setattr(_files.fcntl, "flock", lambda handle, how: pytest.fail("the lock is touched"))
    snapshot_operation.run(make_context(FakeProvider("vpsorg"), check_mode=True))
    assert {path.name for path in lock.parent.iterdir()} == before


MESSAGE = "per-server locking is disabled"


@pytest.mark.parametrize("case", CHANGES)
def test_without_state_directory_the_work_is_done_with_a_warning(local_state: LocalStateFixture, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    run, kind, listed, options, requests = CHANGES[case]
    monkeypatch.setattr(state_module, "state_directory", lambda create: None)
    provider = FakeProvider(kind, *listed)
    working = make_context(provider, **options)
    run(working)
    assert provider.requests == requests
    assert len([warning for warning in working.warnings if MESSAGE in warning]) == 1
    assert local_state.directory.exists() and list(local_state.directory.iterdir()) == []


def test_with_an_unusable_lock_the_work_is_done_with_a_warning(local_state: LocalStateFixture) -> None:
    provider = FakeProvider("vpsorg", snapshot(id="1", created_at=OLD))
    local_state.open_locked(provider).release(False)
    (lock,) = local_state.directory.glob("*.lock")
    lock.unlink()
    lock.symlink_to(os.devnull)
    working = make_context(provider, max_age=60)
    snapshot_operation.run(working)
    assert provider.requests == ["create nightly", "delete 1"]
    assert len(working.warnings) == 1 and MESSAGE in working.warnings[0]
