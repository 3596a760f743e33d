# SPDX-License-Identifier: GPL-3.0-or-later
"""The promises of the operations: which requests the provider gets, in which order, and which it never gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import SERVER, FakeClock, snapshot
from fakes.provider import FakeProvider, make_context

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import power, snapshot_cron, snapshot_restore, upgrade_preflight
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._module.context import select_snapshot
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Account, Schedule, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._wait import restore
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.module_utils._wait.restore import RestoreTracker, wait_for_restore
from ansible_collections.rewind.vps.plugins.module_utils._wait.waiters import wait_for_power

OLD = "2025-01-01T00:00:00Z"
SCHEDULED = {"name": "one", "id": "one", "schedule": Schedule(1, 2, 3)}
DESIRED = {"name": "one", "day": 4, "hour": 2, "minute": 3}


def no(kind: str = errors.PROVIDER_REJECTED, outcome: str = errors.NOT_APPLIED) -> RewindError:
    return RewindError("The cloud said no", kind=kind, outcome=outcome)


def refusing(provider: FakeProvider, *changes: str, error: RewindError | None = None, once: bool = False) -> FakeProvider:
    """The provider rejects changes that start with this text."""
    left = list(changes)

    def refuse(change: str) -> None:
        found = next((prefix for prefix in left if change.startswith(prefix)), None)
        if found is not None:
            if once:
                left.remove(found)
            raise error or no()

    provider.before = refuse
    return provider


# --- a check run


CHECKED = {
    "take": (snapshot_operation.run, "vpsorg", [], {}),
    "take with the server stopped": (snapshot_operation.run, "vpsorg", [], {"stop_server": True}),
    "replace": (snapshot_operation.run, "vpsorg", [snapshot(created_at=OLD)], {"max_age": 60}),
    "replace in place": (snapshot_operation.run, "ilkbyte", [snapshot(created_at=OLD)], {"max_age": 60}),
    "prune": (snapshot_operation.run, "vpsorg", [snapshot(id="1"), snapshot("nightly2", id="2", created_at=OLD)],
              {"retain": {"count": 1, "match": "*"}}),
    "delete": (snapshot_operation.run, "vpsorg", [snapshot()], {"state": "absent"}),
    "restore": (snapshot_restore.run, "vpsorg", [snapshot()], {}),
    "set a schedule": (snapshot_cron.run, "ilkbyte", [snapshot("one", id="one")], DESIRED),
    "change a schedule": (snapshot_cron.run, "ilkbyte", [snapshot(**SCHEDULED)], DESIRED),
    "remove a schedule": (snapshot_cron.run, "ilkbyte", [snapshot(**SCHEDULED)], {"name": "one", "state": "absent"}),
}


@pytest.mark.parametrize("case", CHECKED)
def test_a_check_run_requests_nothing_and_shows_what_would_change(case: str) -> None:
    run, kind, listed, options = CHECKED[case]
    provider = FakeProvider(kind, *listed)
    result = run(make_context(provider, check_mode=True, **options))
    assert provider.requests == []
    assert result["changed"] is True
    assert result["diff"]["before"] != result["diff"]["after"]


# --- snapshots


def test_what_the_server_is_busy_with_may_be_this_very_snapshot() -> None:
    """Some providers list a snapshot only when it is finished."""
    provider = FakeProvider("ilkbyte")
    provider.task_state = "paused"
    find, reads = provider.get_server, []

    def done_at_the_second_read(reference: str) -> Any:
        reads.append(reference)
        if len(reads) == 2:
            provider.task_state, provider.snapshots = None, [snapshot(id="nightly")]
        return find(reference)

    provider.get_server = done_at_the_second_read  # type: ignore[method-assign]
    result = snapshot_operation.run(make_context(provider))
    assert provider.requests == [] and result["changed"] is False


@pytest.mark.parametrize(("name", "id_", "kind"), [("nightly", None, errors.AMBIGUOUS), ("weekly", "1", errors.INVALID_ARGUMENT)])
def test_what_means_no_single_snapshot_is_refused(name: str, id_: str | None, kind: str) -> None:
    listed = [snapshot(id="1"), snapshot(id="2")]
    with pytest.raises(RewindError) as caught:
        select_snapshot(FakeProvider("vpsorg"), SERVER, listed, name, id_)  # type: ignore[arg-type]
    assert caught.value.kind == kind


def test_a_deletion_that_takes_time_is_waited_for() -> None:
    provider = FakeProvider("ilkbyte", snapshot(id="nightly"))
    reads: list[bool] = []

    def listed(server: Any) -> list[Snapshot]:
        reads.append(bool(provider.requests))
        if reads.count(True) == 2:
            provider.snapshots = []
        return list(provider.snapshots)

    provider.list_snapshots = listed  # type: ignore[method-assign]
    provider.delete_snapshot = lambda found: provider.requests.append(f"delete {found.id}") or True  # type: ignore[method-assign, func-returns-value]
    assert snapshot_operation.run(make_context(provider, state="absent"))["changed"] is True
    assert provider.requests == ["delete nightly"] and provider.snapshots == []


# --- a server that is stopped for its snapshot


def test_a_stopped_server_is_started_again() -> None:
    provider = FakeProvider("vpsorg")
    snapshot_operation.run(make_context(provider, stop_server=True))
    assert provider.requests == ["stop", "create nightly", "start"]
    assert provider.power_state == "running"


def test_a_stopped_server_is_started_again_when_its_snapshot_fails() -> None:
    provider = refusing(FakeProvider("vpsorg"), "create")
    with pytest.raises(RewindError, match="The cloud said no"):
        snapshot_operation.run(make_context(provider, stop_server=True))
    assert provider.requests == ["stop", "create nightly", "start"]


def test_a_failed_restart_is_reported_first() -> None:
    provider = refusing(FakeProvider("vpsorg"), "start", error=no(errors.FORBIDDEN))
    with pytest.raises(RewindError, match="could NOT be started again") as caught:
        snapshot_operation.run(make_context(provider, stop_server=True))
    assert (caught.value.outcome, caught.value.hint) == (errors.FAILED, "START IT NOW in the provider's panel")


def test_a_server_that_stops_late_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task times out before the server is stopped: it is polled for a while, and started."""
    provider = FakeProvider("vpsorg")
    provider.set_power = lambda server, action: provider.requests.append(action)  # type: ignore[method-assign]
    waits: list[float] = []

    def wait(ctx: Any, server: Any, wanted: str, deadline: Deadline) -> None:
        waits.append(deadline.seconds)
        if len(waits) == 1:
            raise RewindError("too long", kind=errors.WAIT_TIMEOUT, outcome=errors.UNKNOWN)
        provider.power_state = wanted

    monkeypatch.setattr(power, "wait_for_power", wait)
    monkeypatch.setattr(power, "start", lambda ctx, server, deadline: provider.requests.append(f"start one that is {provider.power_state}"))
    with pytest.raises(RewindError, match="too long"), power.stop_temporarily(
        make_context(provider), provider.get_server(""), Deadline(1, FakeClock()),
    ):
        raise AssertionError("it is not off")
    assert provider.requests == ["stop", "start one that is stopped"]
    assert waits[1] == power.DELAYED_STOP_TIMEOUT


def test_a_stop_is_waited_for() -> None:
    with pytest.raises(RewindError) as caught:
        wait_for_power(make_context(FakeProvider("vpsorg")), SERVER, "stopped", Deadline(50, FakeClock()))
    assert caught.value.kind == errors.WAIT_TIMEOUT


# --- restores


def test_the_current_snapshot_is_restored_like_any_other() -> None:
    """A current snapshot does not prove the state of the disk."""
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", current=True))
    assert snapshot_restore.run(make_context(provider, name="one", wait=False))["changed"] is True
    assert provider.requests == ["restore one"]


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_only_a_ready_snapshot_is_restored(status: str) -> None:
    provider = FakeProvider("vpsorg", snapshot(status=status))
    with pytest.raises(RewindError) as caught:
        snapshot_restore.run(make_context(provider))
    assert (caught.value.kind, provider.requests) == (errors.NOT_READY, [])


def test_a_restore_in_progress_is_joined() -> None:
    provider = FakeProvider("vpsorg", snapshot())
    provider.task_state = "restoring"
    result = snapshot_restore.run(make_context(provider, wait=False))
    assert (result["already_in_progress"], result["changed"], provider.requests) == (True, False, [])


def test_a_restore_that_was_never_observed_is_unknown_and_requested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "RECONCILE_TIMEOUT", 0.01)
    provider = refusing(FakeProvider("vpsorg", snapshot()), "restore", error=no(errors.TIMEOUT, errors.UNKNOWN))
    wanted = make_context(provider, wait=False)
    with pytest.raises(RewindError) as caught:
        snapshot_restore.run(wanted)
    assert (caught.value.outcome, wanted.changes.changed, provider.requests) == (errors.UNKNOWN, False, ["restore 801"])


@pytest.mark.parametrize(("start_server", "requests"), [(True, ["restore one", "start"]), (False, ["restore one"])])
def test_a_restored_server_that_its_snapshot_holds_off_is_started_only_with_start_server(start_server: bool, requests: list[str]) -> None:
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", current=False, power_state="stopped"))
    snapshot_restore.run(make_context(provider, name="one", start_server=start_server))
    assert provider.requests == requests


def wait_restored(kind: str, listed: Snapshot, before: Callable[[FakeProvider], None] = lambda provider: None, **fields: bool) -> Any:
    """Return the result of the wait for a restore, within 50 seconds of the fake clock."""
    provider = FakeProvider(kind, listed)
    before(provider)
    ctx = make_context(provider)
    ctx.changes.request_sent = True
    return wait_for_restore(RestoreTracker(ctx, SERVER, listed, **fields), Deadline(50, FakeClock()))


def test_an_idle_server_is_no_proof_of_a_restore() -> None:
    with pytest.raises(RewindError) as caught:
        wait_restored("vpsorg", snapshot())
    assert (caught.value.kind, caught.value.outcome) == (errors.WAIT_TIMEOUT, errors.UNKNOWN)
    assert wait_restored("vpsorg", snapshot(), observed=True).power_state == "running"


def test_a_restore_that_left_the_server_off_has_failed() -> None:
    for kind, holds, outcome in (("vpsorg", None, errors.UNKNOWN), ("ilkbyte", "running", errors.FAILED)):
        with pytest.raises(RewindError, match="has finished and seems to have failed") as caught:
            target = snapshot(power_state=holds, current=True)
            wait_restored(kind, target, lambda provider: setattr(provider, "power_state", "stopped"), observed=True)
        assert (caught.value.kind, caught.value.outcome) == (errors.OPERATION_FAILED, outcome)


# --- schedules


def test_a_schedule_of_other_days_is_changed() -> None:
    provider = FakeProvider("ilkbyte", snapshot(**SCHEDULED))
    snapshot_cron.run(make_context(provider, **DESIRED))
    assert provider.requests == ["remove", "add 4 2:3"]
    again = FakeProvider("ilkbyte", replace(snapshot(**SCHEDULED), schedule=Schedule(4, 2, 3)))
    assert snapshot_cron.run(make_context(again, **DESIRED))["changed"] is False and again.requests == []


def test_the_old_schedule_is_put_back_where_the_new_one_is_refused() -> None:
    provider = refusing(FakeProvider("ilkbyte", snapshot(**SCHEDULED)), "add", once=True)
    with pytest.raises(RewindError) as caught:
        snapshot_cron.run(make_context(provider, **DESIRED))
    assert "the old one (every 1 day(s) at 02:03) was restored" in caught.value.message
    assert provider.requests == ["remove", "add 4 2:3", "add 1 2:3"]


# --- before an upgrade


def preflight(provider: FakeProvider, **options: Any) -> dict[str, Any]:
    defaults = {"server": None, "host": "web1", "address": "192.0.2.1", "name": "rewind1", "match": "rewind*"}
    return upgrade_preflight.run(make_context(provider, **{**defaults, **options}))


def test_a_server_that_is_idle_and_on_is_ready() -> None:
    assert preflight(FakeProvider("vpsorg"))["blocker"] is None


@pytest.mark.parametrize(("now", "kind"), [({"task_state": "restoring"}, errors.BUSY), ({"power_state": "stopped"}, errors.NOT_READY)])
def test_a_server_that_is_busy_or_off_is_a_blocker(now: dict[str, str], kind: str) -> None:
    provider = FakeProvider("vpsorg")
    for name, value in now.items():
        setattr(provider, name, value)
    assert preflight(provider)["blocker"]["error"]["kind"] == kind


def test_a_token_that_may_only_read_is_refused() -> None:
    provider = FakeProvider("vpsorg")
    provider.account = Account("someone@example.com", ("read",))
    with pytest.raises(RewindError, match="are read-only"):
        preflight(provider)


@pytest.mark.parametrize("address", ["198.51.100.2", "8.8.8.8"])
def test_a_name_and_an_address_of_different_servers_are_refused(address: str) -> None:
    """The address belongs to another server of the account, or to none of its servers."""
    with pytest.raises(RewindError) as caught:
        preflight(FakeProvider("vpsorg"), address=address)
    assert caught.value.kind == errors.AMBIGUOUS


def test_a_private_address_or_a_name_does_not_contradict_the_host_name() -> None:
    for address in ("10.0.0.5", "web1.example.com", None):
        assert preflight(FakeProvider("vpsorg"), address=address)["server"]["id"] == SERVER.id
