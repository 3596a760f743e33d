# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operations promise, each at its shortest: what is asked of the cloud, in which order, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import SERVER, FakeClock, snapshot
from operation_worlds import Cloud, make_context

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
WISHED = {"name": "one", "day": 4, "hour": 2, "minute": 3}


def no(kind: str = errors.PROVIDER_REJECTED, outcome: str = errors.NOT_APPLIED) -> RewindError:
    return RewindError("The cloud said no", kind=kind, outcome=outcome)


def refusing(cloud: Cloud, *changes: str, error: RewindError | None = None, once: bool = False) -> Cloud:
    """The cloud refuses changes that begin so."""
    left = list(changes)

    def refuse(change: str) -> None:
        found = next((beginning for beginning in left if change.startswith(beginning)), None)
        if found is not None:
            if once:
                left.remove(found)
            raise error or no()

    cloud.before = refuse
    return cloud


# --- a check run


CHECKED = {
    "take": (snapshot_operation.run, "vpsorg", [], {}),
    "take with the server stopped": (snapshot_operation.run, "vpsorg", [], {"stop_server": True}),
    "take anew": (snapshot_operation.run, "vpsorg", [snapshot(created_at=OLD)], {"max_age": 60}),
    "take anew in place": (snapshot_operation.run, "ilkbyte", [snapshot(created_at=OLD)], {"max_age": 60}),
    "prune": (snapshot_operation.run, "vpsorg", [snapshot(id="1"), snapshot("nightly2", id="2", created_at=OLD)],
              {"retain": {"count": 1, "match": "*"}}),
    "delete": (snapshot_operation.run, "vpsorg", [snapshot()], {"state": "absent"}),
    "restore": (snapshot_restore.run, "vpsorg", [snapshot()], {}),
    "set a schedule": (snapshot_cron.run, "ilkbyte", [snapshot("one", id="one")], WISHED),
    "change a schedule": (snapshot_cron.run, "ilkbyte", [snapshot(**SCHEDULED)], WISHED),
    "remove a schedule": (snapshot_cron.run, "ilkbyte", [snapshot(**SCHEDULED)], {"name": "one", "state": "absent"}),
}


@pytest.mark.parametrize("case", CHECKED)
def test_a_check_run_asks_for_nothing_and_shows_what_would_change(case: str) -> None:
    run, kind, listed, options = CHECKED[case]
    cloud = Cloud(kind, *listed)
    result = run(make_context(cloud, check_mode=True, **options))
    assert cloud.asked == []
    assert result["changed"] is True
    assert result["diff"]["before"] != result["diff"]["after"]


# --- snapshots


def test_what_the_server_is_busy_with_may_be_this_very_snapshot() -> None:
    """Some clouds list one only when it is done."""
    cloud = Cloud("ilkbyte")
    cloud.task_state = "paused"
    find, looks = cloud.get_server, []

    def done_at_the_second_look(reference: str) -> Any:
        looks.append(reference)
        if len(looks) == 2:
            cloud.task_state, cloud.snapshots = None, [snapshot(id="nightly")]
        return find(reference)

    cloud.get_server = done_at_the_second_look  # type: ignore[method-assign]
    result = snapshot_operation.run(make_context(cloud))
    assert cloud.asked == [] and result["changed"] is False


@pytest.mark.parametrize(("name", "id_", "kind"), [("nightly", None, errors.AMBIGUOUS), ("weekly", "1", errors.INVALID_ARGUMENT)])
def test_what_means_no_single_snapshot_is_refused(name: str, id_: str | None, kind: str) -> None:
    listed = [snapshot(id="1"), snapshot(id="2")]
    with pytest.raises(RewindError) as caught:
        select_snapshot(Cloud("vpsorg"), SERVER, listed, name, id_)  # type: ignore[arg-type]
    assert caught.value.kind == kind


def test_a_deletion_that_takes_a_moment_is_seen_to_its_end() -> None:
    cloud = Cloud("ilkbyte", snapshot(id="nightly"))
    looks: list[bool] = []

    def listed(server: Any) -> list[Snapshot]:
        looks.append(bool(cloud.asked))
        if looks.count(True) == 2:
            cloud.snapshots = []
        return list(cloud.snapshots)

    cloud.list_snapshots = listed  # type: ignore[method-assign]
    cloud.delete_snapshot = lambda found: cloud.asked.append(f"delete {found.id}") or True  # type: ignore[method-assign, func-returns-value]
    assert snapshot_operation.run(make_context(cloud, state="absent"))["changed"] is True
    assert cloud.asked == ["delete nightly"] and cloud.snapshots == []


# --- a server that is stopped for its snapshot


def test_a_stopped_server_is_started_again() -> None:
    cloud = Cloud("vpsorg")
    snapshot_operation.run(make_context(cloud, stop_server=True))
    assert cloud.asked == ["stop", "create nightly", "start"]
    assert cloud.power_state == "running"


def test_a_stopped_server_is_started_again_when_its_snapshot_fails() -> None:
    cloud = refusing(Cloud("vpsorg"), "create")
    with pytest.raises(RewindError, match="The cloud said no"):
        snapshot_operation.run(make_context(cloud, stop_server=True))
    assert cloud.asked == ["stop", "create nightly", "start"]


def test_one_that_can_not_be_started_again_is_what_is_said_first() -> None:
    cloud = refusing(Cloud("vpsorg"), "start", error=no(errors.FORBIDDEN))
    with pytest.raises(RewindError, match="could NOT be started again") as caught:
        snapshot_operation.run(make_context(cloud, stop_server=True))
    assert (caught.value.outcome, caught.value.hint) == (errors.FAILED, "START IT NOW in the cloud's panel")


def test_a_server_that_stops_late_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task's time is up before it is off: it is watched for a while, and started."""
    cloud = Cloud("vpsorg")
    cloud.set_power = lambda server, action: cloud.asked.append(action)  # type: ignore[method-assign]
    waits: list[float] = []

    def wait(ctx: Any, server: Any, wanted: str, deadline: Deadline) -> None:
        waits.append(deadline.seconds)
        if len(waits) == 1:
            raise RewindError("too long", kind=errors.WAIT_TIMEOUT, outcome=errors.UNKNOWN)
        cloud.power_state = wanted

    monkeypatch.setattr(power, "wait_for_power", wait)
    monkeypatch.setattr(power, "start", lambda ctx, server, deadline: cloud.asked.append(f"start one that is {cloud.power_state}"))
    with pytest.raises(RewindError, match="too long"), power.stop_temporarily(
        make_context(cloud), cloud.get_server(""), Deadline(1, FakeClock()),
    ):
        raise AssertionError("it is not off")
    assert cloud.asked == ["stop", "start one that is stopped"]
    assert waits[1] == power.DELAYED_STOP_TIMEOUT


def test_a_stop_is_waited_for() -> None:
    with pytest.raises(RewindError) as caught:
        wait_for_power(make_context(Cloud("vpsorg")), SERVER, "stopped", Deadline(50, FakeClock()))
    assert caught.value.kind == errors.WAIT_TIMEOUT


# --- restores


def test_the_current_snapshot_is_restored_like_any_other() -> None:
    """That it is current says nothing about the disk."""
    cloud = Cloud("ilkbyte", snapshot("one", id="one", current=True))
    assert snapshot_restore.run(make_context(cloud, name="one", wait=False))["changed"] is True
    assert cloud.asked == ["restore one"]


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_only_a_ready_snapshot_is_restored(status: str) -> None:
    cloud = Cloud("vpsorg", snapshot(status=status))
    with pytest.raises(RewindError) as caught:
        snapshot_restore.run(make_context(cloud))
    assert (caught.value.kind, cloud.asked) == (errors.NOT_READY, [])


def test_a_restore_that_is_under_way_is_joined() -> None:
    cloud = Cloud("vpsorg", snapshot())
    cloud.task_state = "restoring"
    result = snapshot_restore.run(make_context(cloud, wait=False))
    assert (result["already_in_progress"], result["changed"], cloud.asked) == (True, False, [])


def test_a_restore_that_nobody_saw_begin_is_unknown_and_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "RECONCILE_TIMEOUT", 0.01)
    cloud = refusing(Cloud("vpsorg", snapshot()), "restore", error=no(errors.TIMEOUT, errors.UNKNOWN))
    wanted = make_context(cloud, wait=False)
    with pytest.raises(RewindError) as caught:
        snapshot_restore.run(wanted)
    assert (caught.value.outcome, wanted.changes.changed, cloud.asked) == (errors.UNKNOWN, False, ["restore 801"])


@pytest.mark.parametrize(("wish", "asked"), [(True, ["restore one", "start"]), (False, ["restore one"])])
def test_a_restored_server_that_its_snapshot_holds_off_is_started_if_so_wished(wish: bool, asked: list[str]) -> None:
    cloud = Cloud("ilkbyte", snapshot("one", id="one", current=False, power_state="stopped"))
    snapshot_restore.run(make_context(cloud, name="one", start_server=wish))
    assert cloud.asked == asked


def looked_at(kind: str, listed: Snapshot, before: Callable[[Cloud], None] = lambda cloud: None, **fields: bool) -> Any:
    """What becomes of the wait for a restore, within 50 seconds that pass at once."""
    cloud = Cloud(kind, listed)
    before(cloud)
    asked = make_context(cloud)
    asked.changes.request_sent = True
    return wait_for_restore(RestoreTracker(asked, SERVER, listed, **fields), Deadline(50, FakeClock()))


def test_a_server_that_only_looks_settled_is_not_restored() -> None:
    with pytest.raises(RewindError) as caught:
        looked_at("vpsorg", snapshot())
    assert (caught.value.kind, caught.value.outcome) == (errors.WAIT_TIMEOUT, errors.UNKNOWN)
    assert looked_at("vpsorg", snapshot(), observed=True).power_state == "running"


def test_a_restore_that_left_the_server_off_has_failed() -> None:
    for kind, holds, outcome in (("vpsorg", None, errors.UNKNOWN), ("ilkbyte", "running", errors.FAILED)):
        with pytest.raises(RewindError, match="did not succeed") as caught:
            looked_at(kind, snapshot(power_state=holds, current=True), lambda cloud: setattr(cloud, "power_state", "stopped"), observed=True)
        assert (caught.value.kind, caught.value.outcome) == (errors.OPERATION_FAILED, outcome)


# --- schedules


def test_a_schedule_of_other_days_is_changed() -> None:
    cloud = Cloud("ilkbyte", snapshot(**SCHEDULED))
    snapshot_cron.run(make_context(cloud, **WISHED))
    assert cloud.asked == ["remove", "add 4 2:3"]
    again = Cloud("ilkbyte", replace(snapshot(**SCHEDULED), schedule=Schedule(4, 2, 3)))
    assert snapshot_cron.run(make_context(again, **WISHED))["changed"] is False and again.asked == []


def test_the_old_schedule_is_put_back_where_the_new_one_is_refused() -> None:
    cloud = refusing(Cloud("ilkbyte", snapshot(**SCHEDULED)), "add", once=True)
    with pytest.raises(RewindError) as caught:
        snapshot_cron.run(make_context(cloud, **WISHED))
    assert "the old one (every 1 day(s) at 02:03) is back" in caught.value.message
    assert cloud.asked == ["remove", "add 4 2:3", "add 1 2:3"]


# --- before an upgrade


def preflight(cloud: Cloud, **options: Any) -> dict[str, Any]:
    wishes = {"server": None, "host": "web1", "address": "192.0.2.1", "name": "rewind1", "match": "rewind*"}
    return upgrade_preflight.run(make_context(cloud, **{**wishes, **options}))


def test_a_server_that_is_idle_and_on_is_ready() -> None:
    assert preflight(Cloud("vpsorg"))["blocker"] is None


@pytest.mark.parametrize(("now", "kind"), [({"task_state": "restoring"}, errors.BUSY), ({"power_state": "stopped"}, errors.NOT_READY)])
def test_a_server_that_is_busy_or_off_is_an_obstacle(now: dict[str, str], kind: str) -> None:
    cloud = Cloud("vpsorg")
    for name, value in now.items():
        setattr(cloud, name, value)
    assert preflight(cloud)["blocker"]["error"]["kind"] == kind


def test_a_token_that_may_only_read_is_refused() -> None:
    cloud = Cloud("vpsorg")
    cloud.account = Account("someone@example.com", ("read",))
    with pytest.raises(RewindError, match="may only read"):
        preflight(cloud)


@pytest.mark.parametrize("address", ["198.51.100.2", "8.8.8.8"])
def test_a_name_and_an_address_of_different_servers_are_refused(address: str) -> None:
    """The address is another server's of the account, or it is in the wide world and nobody's here."""
    with pytest.raises(RewindError) as caught:
        preflight(Cloud("vpsorg"), address=address)
    assert caught.value.kind == errors.AMBIGUOUS


def test_a_private_address_or_a_name_says_nothing_against_the_hosts_name() -> None:
    for address in ("10.0.0.5", "web1.example.com", None):
        assert preflight(Cloud("vpsorg"), address=address)["server"]["id"] == SERVER.id
