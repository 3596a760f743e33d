# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of every provider: each call is one request, has its effect, and fails with the contract's errors."""

from __future__ import annotations

import re

import pytest

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import (
    PENDING,
    READY,
    RESTORING,
    RUNNING,
    START,
    STOP,
    STOPPED,
    Schedule,
    Server,
    Snapshot,
)


def failure(call, *arguments):
    with pytest.raises(RewindError) as caught:
        call(*arguments)
    return caught.value


def changes(cloud):
    return len(cloud.requests(changing=True))


# --- create


def test_create(cloud):
    server = cloud.server()
    created = cloud.provider.create_snapshot(server, "nightly", None)
    assert changes(cloud) == 1
    if created is not None:
        assert isinstance(created, Snapshot)
        assert (created.name, created.status, created.server.id) == ("nightly", PENDING, server.id)
        assert [item.id for item in cloud.listed()] == [created.id]
    cloud.finish("snapshot_ready")
    (ready,) = cloud.listed()
    assert (ready.name, ready.status) == ("nightly", READY)
    assert created is None or ready.id == created.id


def test_create_with_a_description(vpsorg):
    created = vpsorg.provider.create_snapshot(vpsorg.server(), "nightly", "before the upgrade")
    assert created.description == "before the upgrade"
    assert vpsorg.admin.requests(operation="snapshots.create")[0]["body"] == {
        "server_id": 12345, "name": "nightly", "description": "before the upgrade"}


def test_names_are_unique_where_the_provider_requires_it(cloud):
    cloud.add_snapshot("nightly")
    if cloud.provider.capabilities.unique_names:
        error = failure(cloud.provider.create_snapshot, cloud.server(), "nightly", None)
        assert (error.kind, error.outcome) == (errors.ALREADY_EXISTS, errors.NOT_APPLIED)
        assert len(cloud.listed()) == 1
    else:
        cloud.provider.create_snapshot(cloud.server(), "nightly", None)
        assert [item.name for item in cloud.listed()] == ["nightly", "nightly"]


def test_the_pattern_is_the_clouds_own(cloud):
    """The provider accepts exactly the names that match the pattern."""
    for name in ("a", "A1", "pre-upgrade", "pre_upgrade", "two words", "", "ğ", "a.b", "x" * 40):
        fits = re.fullmatch(cloud.provider.capabilities.name_pattern, name) is not None
        try:
            cloud.provider.create_snapshot(cloud.server(), name, None)
            taken = True
        except RewindError as error:
            assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED)
            taken = False
        assert taken == fits, name
        if taken:
            cloud.finish("snapshot_ready")
            cloud.admin.remove_snapshot(cloud.name, cloud.facts.server_name, name)


def test_the_limit_is_the_clouds_own(cloud):
    limit = cloud.provider.capabilities.max_snapshots
    for number in range(limit or 7):
        cloud.add_snapshot(f"nightly{number}")
    if limit is None:
        cloud.provider.create_snapshot(cloud.server(), "onemore", None)
        return
    error = failure(cloud.provider.create_snapshot, cloud.server(), "onemore", None)
    assert (error.kind, error.outcome, error.http_status) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED, 400)
    assert "limit" in error.provider_message.lower() and error.hint
    assert cloud.facts.server_name in error.server and error.snapshot == "onemore"
    assert len(cloud.listed()) == limit


def test_create_on_a_server_that_is_not_there(cloud):
    gone = Server("99999", "gone")
    error = failure(cloud.provider.create_snapshot, gone, "nightly", None)
    assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
    assert error.server in ("99999", "gone (99999)")


# --- delete


def test_delete(cloud):
    going, staying = cloud.add_snapshot("going"), cloud.add_snapshot("staying")
    assert cloud.provider.delete_snapshot(going) is True
    assert changes(cloud) == 1
    if not cloud.provider.capabilities.synchronous_delete:
        cloud.finish("snapshot_deleted")
    assert [item.id for item in cloud.listed()] == [staying.id]
    assert cloud.events() == ["snapshot_deleted"]


def test_deleting_what_is_gone_is_false_and_no_error(cloud):
    going = cloud.add_snapshot("going")
    cloud.admin.remove_snapshot(cloud.name, cloud.facts.server_name, going.id)
    assert cloud.provider.delete_snapshot(going) is False
    assert cloud.events() == []


def test_a_snapshot_that_is_being_made_is_not_deleted(vpsorg):
    created = vpsorg.provider.create_snapshot(vpsorg.server(), "nightly", None)
    error = failure(vpsorg.provider.delete_snapshot, created)
    assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED)
    assert error.hint and error.snapshot == f"nightly ({created.id})"


# --- restore


def test_restore(cloud):
    snapshot = cloud.add_snapshot("nightly")
    assert cloud.provider.restore_snapshot(snapshot) is None
    assert changes(cloud) == 1
    during = cloud.server()
    assert during.task_state
    assert (during.task_state == RESTORING) == cloud.provider.capabilities.reports_restoring
    cloud.finish("restore_done")
    after = cloud.server()
    assert (after.power_state, after.task_state) == (RUNNING, None)
    assert cloud.events() == ["restore_started", "restore_done"]


def test_restore_of_a_missing_snapshot(cloud):
    snapshot = cloud.add_snapshot("nightly")
    cloud.admin.remove_snapshot(cloud.name, cloud.facts.server_name, snapshot.id)
    error = failure(cloud.provider.restore_snapshot, snapshot)
    assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
    assert cloud.facts.server_name in error.server and "nightly" in error.snapshot
    assert cloud.events() == []


def test_restore_while_one_is_under_way(vpsorg):
    snapshot = vpsorg.add_snapshot("nightly")
    vpsorg.provider.restore_snapshot(snapshot)
    error = failure(vpsorg.provider.restore_snapshot, snapshot)
    assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED) and error.hint


def test_restore_goes_to_the_snapshots_own_server(cloud):
    snapshot = cloud.add_snapshot("nightly", server=cloud.facts.other_name)
    cloud.provider.restore_snapshot(snapshot)
    cloud.finish("restore_done")
    assert {row["server"] for row in cloud.admin.events(cloud=cloud.name)} == {cloud.facts.other_name}


def test_a_restored_snapshot_is_current_in_a_tree(ilkbyte):
    first = ilkbyte.add_snapshot("first")
    ilkbyte.add_snapshot("second")
    ilkbyte.provider.restore_snapshot(first)
    ilkbyte.finish("restore_done")
    assert {item.name: item.current for item in ilkbyte.listed()} == {"first": True, "second": False}


# --- re-create


def test_recreate_or_a_definite_rejection(cloud):
    old = cloud.add_snapshot("nightly", created_at="2025-01-15T18:30:00Z")
    if not cloud.provider.capabilities.recreate:
        error = failure(cloud.provider.recreate_snapshot, old)
        assert (error.kind, error.outcome) == (errors.UNSUPPORTED, errors.NOT_APPLIED)
        assert cloud.provider.display_name in error.message and cloud.requests() == []
        return
    cloud.provider.recreate_snapshot(old)
    assert changes(cloud) == 1
    cloud.finish("snapshot_recreated")
    (renewed,) = cloud.listed()
    assert renewed.name == "nightly" and renewed.created_at > old.created_at


# --- schedules


def test_schedules_or_a_definite_rejection(cloud):
    snapshot = cloud.add_snapshot("nightly")
    desired = Schedule(2, 3, 4)
    if not cloud.provider.capabilities.schedule:
        for call in (lambda: cloud.provider.add_schedule(snapshot, desired), lambda: cloud.provider.remove_schedule(snapshot)):
            error = failure(call)
            assert (error.kind, error.outcome) == (errors.UNSUPPORTED, errors.NOT_APPLIED)
        assert cloud.requests() == []
        return
    cloud.provider.add_schedule(snapshot, desired)
    assert changes(cloud) == 1
    (scheduled,) = cloud.listed()
    assert (scheduled.schedule.day, scheduled.schedule.hour, scheduled.schedule.minute) == (2, 3, 4)
    error = failure(cloud.provider.add_schedule, snapshot, Schedule(1, 1, 1))
    assert (error.kind, error.outcome) == (errors.ALREADY_EXISTS, errors.NOT_APPLIED)
    cloud.provider.remove_schedule(snapshot)
    assert cloud.listed()[0].schedule is None
    error = failure(cloud.provider.remove_schedule, snapshot)
    assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
    assert cloud.events() == ["cron_added", "cron_deleted"]


@pytest.mark.parametrize("schedule", [Schedule(1, 0, 0), Schedule(30, 23, 59), Schedule(365, 12, 30)])
def test_what_is_set_is_what_is_read(ilkbyte, schedule):
    snapshot = ilkbyte.add_snapshot("nightly")
    ilkbyte.provider.add_schedule(snapshot, schedule)
    found = ilkbyte.listed()[0].schedule
    assert (found.day, found.hour, found.minute) == (schedule.day, schedule.hour, schedule.minute)


def test_a_schedule_on_a_snapshot_that_is_not_there(ilkbyte):
    snapshot = ilkbyte.add_snapshot("nightly")
    ilkbyte.admin.remove_snapshot("ilkbyte", "app1", "nightly")
    error = failure(ilkbyte.provider.add_schedule, snapshot, Schedule(1, 2, 3))
    assert (error.kind, error.outcome, error.snapshot) == (errors.NOT_FOUND, errors.NOT_APPLIED, "nightly")


# --- power


def test_power(cloud):
    if not cloud.provider.capabilities.power:
        pytest.fail("no cloud without power so far: say here how its provider refuses")
    server = cloud.server()
    cloud.provider.set_power(server, STOP)
    assert changes(cloud) == 1
    cloud.finish("power_stopped")
    assert (cloud.server().power_state, cloud.server().task_state) == (STOPPED, None)
    cloud.provider.set_power(server, START)
    cloud.finish("power_started")
    assert (cloud.server().power_state, cloud.server().task_state) == (RUNNING, None)
    assert cloud.events() == ["power_stopped", "power_started"]


def test_stopping_is_graceful(cloud):
    cloud.provider.set_power(cloud.server(), STOP)
    (row,) = cloud.admin.requests(operation="servers.power", cloud=cloud.name)
    assert (row["body"] or {}).get("action") == "stop" or row["query"].get("set") == "shutdown"


def test_power_that_is_so_already_is_refused(cloud):
    error = failure(cloud.provider.set_power, cloud.server(), START)
    assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED)
    assert cloud.facts.server_name in error.server and error.hint
