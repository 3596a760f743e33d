# SPDX-License-Identifier: GPL-3.0-or-later
"""The promises of the operations: which requests the provider gets, in which order, and which it never gets."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import SERVER, FakeClock, snapshot
from fakes.provider import FakeProvider, make_context, rejection

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import power, snapshot_cron, snapshot_restore, upgrade_preflight
from ansible_collections.rewind.vps.plugins.module_utils._module import snapshot as snapshot_operation
from ansible_collections.rewind.vps.plugins.module_utils._module.context import OperationContext, select_snapshot
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Account, Schedule, Server, Snapshot
from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Deadline
from ansible_collections.rewind.vps.plugins.module_utils._wait.restore import RestoreTracker, wait_for_restore
from ansible_collections.rewind.vps.plugins.module_utils._wait.waiters import wait_snapshot_ready

READ_ONLY = Account("someone@example.com", ("servers:read",), permits_changes=False)
OLD = "2025-01-01T00:00:00Z"


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


def test_retention_reads_again_before_it_deletes() -> None:
    """While the new snapshot is created, an old one that was to be deleted gets a schedule."""
    provider = FakeProvider("vpsorg", snapshot("nightly1", id="1", created_at=OLD), snapshot("nightly2", id="2", created_at=OLD))

    def interfere(change: str) -> None:
        if change.startswith("create"):
            provider.snapshots[0] = replace(provider.snapshots[0], schedule=Schedule(1, 2, 3))

    provider.before = interfere
    result = snapshot_operation.run(make_context(provider, name="nightly3", retain={"count": 1, "match": "nightly*"}))
    assert provider.requests == ["create nightly3", "delete 2"]
    assert [item["id"] for item in result["pruned"]] == ["2"]


def test_a_create_whose_answer_is_lost_is_reconciled() -> None:
    """By an id that did not exist before: an old snapshot of the same name is not the new one."""
    provider = FakeProvider("vpsorg", snapshot(id="1", created_at=OLD))

    def lost(change: str) -> None:
        if change.startswith("create"):
            provider.snapshots.append(snapshot(id="2", created_at="2026-06-01T00:00:00Z"))
            raise rejection(errors.TIMEOUT, errors.UNKNOWN)

    provider.before = lost
    result = snapshot_operation.run(make_context(provider, max_age=60))
    assert provider.requests == ["create nightly", "delete 1"]
    assert result["snapshot"]["id"] == "2" and result["changed"] is True


def test_a_row_without_an_id_is_not_the_new_snapshot() -> None:
    """It may be any snapshot, and would never be found again by its id."""
    provider = FakeProvider("vpsorg", snapshot(id="1", created_at=OLD))

    def lost(change: str) -> None:
        if change.startswith("create"):
            provider.snapshots += [snapshot(id=None, created_at="2026-05-01T00:00:00Z"), snapshot(id="2", created_at="2026-06-01T00:00:00Z")]
            raise rejection(errors.TIMEOUT, errors.UNKNOWN)

    provider.before = lost
    result = snapshot_operation.run(make_context(provider, max_age=60))
    assert result["snapshot"]["id"] == "2" and provider.requests == ["create nightly", "delete 1"]


@pytest.mark.parametrize(("requests", "outcome"), [(True, errors.UNKNOWN), (False, errors.NOT_APPLIED)])
def test_a_timeout_reports_whether_anything_was_requested(requests: bool, outcome: str) -> None:
    pending = snapshot(status="pending")
    waiting = make_context(FakeProvider("vpsorg", pending))
    waiting.changes.request_sent = requests
    with pytest.raises(RewindError) as caught:
        wait_snapshot_ready(waiting, pending, Deadline(50, FakeClock()))
    assert (caught.value.kind, caught.value.outcome) == (errors.WAIT_TIMEOUT, outcome)


@pytest.mark.parametrize(("requests", "surely", "outcome"), [
    (True, True, errors.FAILED), (False, True, errors.FAILED), (True, False, errors.UNKNOWN), (False, False, errors.NOT_APPLIED),
])
def test_an_unknown_status_is_not_called_a_failure(requests: bool, surely: bool, outcome: str) -> None:
    odd = snapshot(status="failed" if surely else "unknown", provider_status="restoring")
    waiting = make_context(FakeProvider("vpsorg", odd))
    waiting.changes.request_sent = requests
    with pytest.raises(RewindError, match="restoring") as caught:
        wait_snapshot_ready(waiting, odd, Deadline(50, FakeClock()))
    assert (caught.value.kind, caught.value.outcome) == (errors.OPERATION_FAILED, outcome)


# --- rows that lack anything

ODD = [
    ({"created_at": None}, "readable date"), ({"names_server": False}, "server"), ({"status": "unknown", "provider_status": None}, "known status"),
]


@pytest.mark.parametrize(("odd", "text"), ODD)
def test_what_lacks_anything_is_selected_by_its_id_only(odd: dict[str, Any], text: str) -> None:
    for operation, options, request in ((snapshot_operation, {"state": "absent"}, "delete 801"), (snapshot_restore, {}, "restore 801")):
        provider = FakeProvider("ilkbyte", snapshot(current=False, **odd))
        with pytest.raises(RewindError, match=text) as caught:
            operation.run(make_context(provider, **options))
        assert (caught.value.kind, caught.value.outcome, provider.requests) == (errors.NOT_READY, errors.NOT_APPLIED, [])
        assert "id: 801" in caught.value.hint
        ctx = make_context(provider, name=None, id="801", wait=False, **options)
        operation.run(ctx)
        assert provider.requests == [request]


def test_a_replaced_snapshot_that_is_now_listed_without_its_server_is_kept() -> None:
    old = snapshot(created_at=OLD)
    for listed_later, requests in ((old, ["create nightly", "delete 801"]), (replace(old, names_server=False), ["create nightly"])):
        provider = FakeProvider("vpsorg", old)
        provider.before = lambda change, made=provider, later=listed_later: setattr(made, "snapshots", [later])
        snapshot_operation.run(make_context(provider, max_age=60))
        assert provider.requests == requests


@pytest.mark.parametrize("when_full", ["fail", "prune"])
def test_retention_with_an_unknown_age_changes_nothing(when_full: str) -> None:
    for name, fails in (("nightly1", True), ("weekly", False)):
        provider = FakeProvider("vpsorg", snapshot(name, created_at=None))
        ctx = make_context(provider, name="nightly2", retain={"count": 1, "match": "nightly*"}, when_full=when_full)
        if fails:
            with pytest.raises(RewindError, match="no readable date") as caught:
                snapshot_operation.run(ctx)
            assert (caught.value.kind, provider.requests) == (errors.NOT_READY, [])
        else:
            assert snapshot_operation.run(ctx)["pruned"] == [] and provider.requests == ["create nightly2"]


def test_a_server_that_is_being_provisioned_is_neither_snapshot_nor_restored() -> None:
    provider = FakeProvider("vpsorg", snapshot("other"))
    provider.task_state = "provisioning"
    for operation, options in ((snapshot_operation, {}), (snapshot_operation, {"wait": False}), (snapshot_restore, {"name": "other"})):
        for check_mode in (False, True):
            with pytest.raises(RewindError, match="still being provisioned") as caught:
                operation.run(make_context(provider, check_mode, **options))
            assert (caught.value.kind, provider.requests) == (errors.NOT_READY, [])


# --- a server that is stopped for its snapshot


def test_a_stopped_server_is_started_again_when_its_snapshot_fails() -> None:
    provider = FakeProvider("vpsorg").refuse("create")
    with pytest.raises(RewindError, match="The cloud said no"):
        snapshot_operation.run(make_context(provider, stop_server=True))
    assert provider.requests == ["stop", "create nightly", "start"]


def test_a_start_that_is_refused_for_now_is_requested_again() -> None:
    """Some providers start no server whose snapshot is still in progress."""
    provider = FakeProvider("vpsorg")
    provider.power_state = "stopped"
    refusals = [rejection(), rejection(errors.BUSY), rejection(errors.RATE_LIMITED)]

    def no_at_first(change: str) -> None:
        if refusals:
            raise refusals.pop(0)

    provider.before = no_at_first
    assert power.start(make_context(provider), SERVER, Deadline(60, FakeClock())).power_state == "running"
    assert provider.requests == ["start"] * 4


def test_a_start_that_may_have_happened_is_not_requested_again_at_once() -> None:
    provider = FakeProvider("vpsorg").refuse(error=rejection(errors.TIMEOUT, errors.UNKNOWN))
    provider.power_state = "stopped"
    with pytest.raises(RewindError) as caught:
        power.start(make_context(provider), SERVER, Deadline(50, FakeClock()))
    assert provider.requests == ["start"]
    assert caught.value.outcome == errors.UNKNOWN


# --- restores


def test_the_current_snapshot_is_restored_like_any_other() -> None:
    """A current snapshot does not prove the state of the disk."""
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", current=True))
    assert snapshot_restore.run(make_context(provider, name="one", wait=False))["changed"] is True
    assert provider.requests == ["restore one"]


def test_a_restore_in_progress_is_joined() -> None:
    provider = FakeProvider("vpsorg", snapshot())
    provider.task_state = "restoring"
    result = snapshot_restore.run(make_context(provider, wait=False))
    assert (result["already_in_progress"], result["changed"], provider.requests) == (True, False, [])


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


def test_a_snapshot_that_was_the_current_one_before_proves_no_restore() -> None:
    """Ilkbyte calls the newest snapshot current whether or not anything was restored."""
    for was, proves in ((True, False), (False, True)):
        listed = snapshot("one", id="one", current=True)
        assert RestoreTracker(make_context(FakeProvider("ilkbyte", listed)), SERVER, replace(listed, current=was)).became_current() is proves


# --- schedules


def test_the_old_schedule_is_put_back_where_the_new_one_is_refused() -> None:
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", schedule=Schedule(1, 2, 3))).refuse("add", once=True)
    with pytest.raises(RewindError) as caught:
        snapshot_cron.run(make_context(provider, name="one", day=4, hour=2, minute=3))
    assert "the old one (every 1 day(s) at 02:03) was restored" in caught.value.message
    assert provider.requests == ["remove", "add 4 2:3", "add 1 2:3"]


def test_a_signal_leaves_no_snapshot_without_its_schedule() -> None:
    """It arrives between the removal of the old schedule and the creation of the new one; it is redelivered after both."""
    provider = FakeProvider("ilkbyte", snapshot("one", id="one", schedule=Schedule(1, 2, 3)))
    provider.before = lambda change: os.kill(os.getpid(), signal.SIGTERM) if change == "remove" else None
    redelivered: list[int] = []
    ctx = make_context(provider, name="one", day=4, hour=5, minute=6)
    ctx.redeliver_signal = redelivered.append

    def ended(number: int, frame: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGTERM, ended)
    try:
        snapshot_cron.run(ctx)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert provider.requests == ["remove", "add 4 5:6"]
    assert redelivered == [signal.SIGTERM]


# --- permissions

SCHEDULE = {"name": "one", "day": 4, "hour": 2, "minute": 3}
PREDICTED: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "create": ("vpsorg", snapshot_operation, {"name": "new"}),
    "replace": ("vpsorg", snapshot_operation, {"name": "one", "max_age": 60}),
    "recreate": ("ilkbyte", snapshot_operation, {"name": "one", "max_age": 60}),
    "delete": ("vpsorg", snapshot_operation, {"name": "one", "state": "absent"}),
    "delete expired": ("vpsorg", snapshot_operation, {"name": "one", "retain": {"count": 1, "match": "*"}}),
    "restore": ("vpsorg", snapshot_restore, {"name": "one"}),
    "set a schedule": ("ilkbyte", snapshot_cron, SCHEDULE),
    "remove a schedule": ("ilkbyte", snapshot_cron, {"name": "two", "state": "absent"}),
}
UNCHANGED: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "exists": ("vpsorg", snapshot_operation, {"name": "one"}),
    "is absent": ("vpsorg", snapshot_operation, {"name": "none", "state": "absent"}),
    "schedule is set": ("ilkbyte", snapshot_cron, {"name": "two", "day": 1, "hour": 2, "minute": 3}),
    "has no schedule": ("ilkbyte", snapshot_cron, {"name": "one", "state": "absent"}),
}


def checked(kind: str, operation: Any, options: dict[str, Any], account: Account | RewindError) -> tuple[OperationContext, FakeProvider]:
    """Run a task in check mode and return its context and provider, on which `whoami` counts its calls."""
    one, two = snapshot("one", id="one", created_at=OLD), snapshot("two", id="two", created_at=OLD, schedule=Schedule(1, 2, 3))
    if kind == "vpsorg":
        two = replace(two, schedule=None)
    provider = FakeProvider(kind, one, two)
    calls: list[None] = []

    def whoami() -> Account:
        calls.append(None)
        if isinstance(account, RewindError):
            raise account
        return account

    provider.whoami = whoami  # type: ignore[method-assign]
    provider.reads = calls  # type: ignore[attr-defined]
    ctx = make_context(provider, check_mode=True, **options)
    try:
        ctx.result = operation.run(ctx)  # type: ignore[attr-defined]
    except RewindError as error:
        ctx.error = error  # type: ignore[attr-defined]
    assert provider.requests == []
    return ctx, provider


@pytest.mark.parametrize("case", PREDICTED)
def test_check_mode_fails_where_the_credentials_do_not_permit_the_change(case: str) -> None:
    ctx, provider = checked(*PREDICTED[case], READ_ONLY)
    assert ctx.error.kind == errors.FORBIDDEN and "someone@example.com" in ctx.error.message and "servers:read" in ctx.error.message
    assert not ctx.changes.changed and len(provider.reads) == 1
    for permitting in (True, None):
        ctx, provider = checked(*PREDICTED[case], Account(permits_changes=permitting))
        assert ctx.result["changed"] and ctx.warnings == [] and len(provider.reads) == 1


@pytest.mark.parametrize("case", UNCHANGED)
def test_check_mode_reads_no_permissions_where_nothing_would_change(case: str) -> None:
    ctx, provider = checked(*UNCHANGED[case], READ_ONLY)
    assert not ctx.result["changed"] and provider.reads == []


def test_what_the_provider_does_not_say_is_unknown() -> None:
    for kind in (errors.FORBIDDEN, errors.NOT_FOUND, errors.PROVIDER_ERROR, errors.INVALID_RESPONSE, errors.PROVIDER_REJECTED):
        ctx, _provider = checked(*PREDICTED["create"], rejection(kind))
        assert ctx.result["changed"] and ["did not state what these credentials permit" in text for text in ctx.warnings] == [True]
    for kind in (errors.UNAUTHORIZED, errors.UNREACHABLE, errors.TLS, errors.TIMEOUT):
        ctx, _provider = checked(*PREDICTED["create"], rejection(kind))
        assert ctx.error.kind == kind


# --- before an upgrade


def preflight(provider: FakeProvider, **options: Any) -> dict[str, Any]:
    defaults = {"server": None, "host": "web1", "address": "192.0.2.1", "name": "rewind1", "match": "rewind*"}
    return upgrade_preflight.run(make_context(provider, **{**defaults, **options}))


@pytest.mark.parametrize(("now", "kind"), [
    ({"task_state": "restoring"}, errors.BUSY), ({"power_state": "stopped"}, errors.NOT_READY), ({"power_state": "unknown"}, errors.NOT_READY),
    ({"task_state": "provisioning"}, errors.NOT_READY),
])
def test_a_server_that_is_busy_or_off_is_a_blocker(now: dict[str, str], kind: str) -> None:
    provider = FakeProvider("vpsorg")
    for name, value in now.items():
        setattr(provider, name, value)
    assert preflight(provider)["blocker"]["error"]["kind"] == kind


def test_a_token_that_may_only_read_is_refused() -> None:
    provider = FakeProvider("vpsorg")
    provider.account = READ_ONLY
    with pytest.raises(RewindError, match="do not permit changes") as caught:
        preflight(provider)
    assert caught.value.kind == errors.FORBIDDEN


@pytest.mark.parametrize("address", ["198.51.100.2", "8.8.8.8"])
def test_a_name_and_an_address_of_different_servers_are_refused(address: str) -> None:
    """The address belongs to another server of the account, or to none of its servers."""
    with pytest.raises(RewindError) as caught:
        preflight(FakeProvider("vpsorg"), address=address)
    assert caught.value.kind == errors.AMBIGUOUS


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:DB8:0:0::7", "[2001:db8::7]", "::ffff:192.0.2.1", "2001:db8::7/64"])
@pytest.mark.parametrize("host", ["web1", "shop.example.com"])
def test_a_host_reached_through_any_address_of_a_server_is_that_server(host: str, address: str) -> None:
    provider = FakeProvider("vpsorg")
    provider.get_server = lambda reference: Server(SERVER.id, SERVER.name, "running", None, ("192.0.2.1", "2001:db8::7"))
    assert preflight(provider, host=host, address=address)["server"]["id"] == SERVER.id
    with pytest.raises(RewindError, match=r"192\.0\.2\.1, 2001:db8::7"):
        preflight(provider, address="2001:4860::8")


@pytest.mark.parametrize("host", ["web1", "shop.example.com"])
def test_an_address_that_only_the_answer_for_one_server_shows(host: str) -> None:
    provider = FakeProvider("vpsorg")
    listed = provider.list_servers()
    shown = {server.id: replace(server, addresses=(*server.addresses, f"2001:db8::{server.id[-1]}")) for server in listed}
    provider.list_servers, provider.get_server = lambda: listed, lambda reference: shown[reference]
    assert preflight(provider, host=host, address="2001:db8::5")["server"]["id"] == SERVER.id


def test_an_idle_server_is_ready_and_a_private_address_or_a_name_does_not_contradict_the_host_name() -> None:
    for address in ("192.0.2.1", "10.0.0.5", "web1.example.com", None):
        result = preflight(FakeProvider("vpsorg"), address=address)
        assert result["server"]["id"] == SERVER.id and result["blocker"] is None
