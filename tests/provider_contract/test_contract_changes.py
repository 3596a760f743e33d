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


def changes(simulated_provider):
    return len(simulated_provider.requests(changing=True))


# --- create


def test_create(simulated_provider):
    server = simulated_provider.server()
    created = simulated_provider.provider.create_snapshot(server, "nightly", None)
    assert changes(simulated_provider) == 1
    if created is not None:
        assert isinstance(created, Snapshot)
        assert (created.name, created.status, created.server.id) == ("nightly", PENDING, server.id)
        assert [item.id for item in simulated_provider.listed()] == [created.id]
    simulated_provider.finish("snapshot_ready")
    (ready,) = simulated_provider.listed()
    assert (ready.name, ready.status) == ("nightly", READY)
    assert created is None or ready.id == created.id


def test_names_are_unique_where_the_provider_requires_it(simulated_provider):
    simulated_provider.add_snapshot("nightly")
    if simulated_provider.provider.capabilities.unique_names:
        error = failure(simulated_provider.provider.create_snapshot, simulated_provider.server(), "nightly", None)
        assert (error.kind, error.outcome) == (errors.ALREADY_EXISTS, errors.NOT_APPLIED)
        assert len(simulated_provider.listed()) == 1
    else:
        simulated_provider.provider.create_snapshot(simulated_provider.server(), "nightly", None)
        assert [item.name for item in simulated_provider.listed()] == ["nightly", "nightly"]


def test_the_pattern_is_the_providers_own(simulated_provider):
    """The provider accepts exactly the names that match the pattern."""
    for name in ("a", "A1", "pre-upgrade", "pre_upgrade", "two words", "", "ğ", "a.b", "x" * 40):
        fits = re.fullmatch(simulated_provider.provider.capabilities.name_pattern, name) is not None
        try:
            simulated_provider.provider.create_snapshot(simulated_provider.server(), name, None)
            taken = True
        except RewindError as error:
            assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED)
            taken = False
        assert taken == fits, name
        if taken:
            simulated_provider.finish("snapshot_ready")
            simulated_provider.admin.remove_snapshot(simulated_provider.name, simulated_provider.facts.server_name, name)


def test_the_limit_is_the_providers_own(simulated_provider):
    limit = simulated_provider.provider.capabilities.max_snapshots
    for number in range(limit or 7):
        simulated_provider.add_snapshot(f"nightly{number}")
    if limit is None:
        simulated_provider.provider.create_snapshot(simulated_provider.server(), "onemore", None)
        return
    error = failure(simulated_provider.provider.create_snapshot, simulated_provider.server(), "onemore", None)
    assert (error.kind, error.outcome, error.http_status) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED, 400)
    assert "limit" in error.provider_message.lower() and error.hint
    assert simulated_provider.facts.server_name in error.server and error.snapshot == "onemore"
    assert len(simulated_provider.listed()) == limit


# --- delete


def test_delete(simulated_provider):
    going, staying = simulated_provider.add_snapshot("going"), simulated_provider.add_snapshot("staying")
    assert simulated_provider.provider.delete_snapshot(going) is True
    assert changes(simulated_provider) == 1
    if not simulated_provider.provider.capabilities.synchronous_delete:
        simulated_provider.finish("snapshot_deleted")
    assert [item.id for item in simulated_provider.listed()] == [staying.id]
    assert simulated_provider.events() == ["snapshot_deleted"]


def test_deleting_what_is_gone_is_false_and_no_error(simulated_provider):
    going = simulated_provider.add_snapshot("going")
    simulated_provider.admin.remove_snapshot(simulated_provider.name, simulated_provider.facts.server_name, going.id)
    assert simulated_provider.provider.delete_snapshot(going) is False
    assert simulated_provider.events() == []


# --- restore


def test_restore(simulated_provider):
    """It goes to the snapshot's own server."""
    snapshot = simulated_provider.add_snapshot("nightly", server=simulated_provider.facts.other_name)
    assert simulated_provider.provider.restore_snapshot(snapshot) is None
    assert changes(simulated_provider) == 1
    during = simulated_provider.provider.get_server(simulated_provider.facts.other_name)
    assert during.task_state
    assert (during.task_state == RESTORING) == simulated_provider.provider.capabilities.reports_restoring
    simulated_provider.finish("restore_done")
    after = simulated_provider.provider.get_server(simulated_provider.facts.other_name)
    assert (after.power_state, after.task_state) == (RUNNING, None)
    assert [(row["event"], row["server"]) for row in simulated_provider.admin.events(cloud=simulated_provider.name)] == [
        ("restore_started", simulated_provider.facts.other_name), ("restore_done", simulated_provider.facts.other_name)]


def test_what_is_not_there_is_not_found(simulated_provider):
    snapshot, provider = simulated_provider.add_snapshot("nightly"), simulated_provider.provider
    simulated_provider.admin.remove_snapshot(simulated_provider.name, simulated_provider.facts.server_name, snapshot.id)
    calls = [(provider.restore_snapshot, snapshot), (provider.create_snapshot, Server("99999", "gone"), "nightly", None)]
    if provider.capabilities.schedule:
        calls.append((provider.add_schedule, snapshot, Schedule(1, 2, 3)))
    for call in calls:
        error = failure(*call)
        assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
        assert error.server in ("99999", "gone (99999)", snapshot.server.label)
    assert simulated_provider.events() == []


def test_vpsorg_rejects_a_change_of_what_is_in_progress(vpsorg):
    created = vpsorg.provider.create_snapshot(vpsorg.server(), "nightly", None)
    deletion = failure(vpsorg.provider.delete_snapshot, created)
    assert deletion.snapshot == f"nightly ({created.id})"
    vpsorg.finish("snapshot_ready")
    vpsorg.provider.restore_snapshot(created)
    for error in (deletion, failure(vpsorg.provider.restore_snapshot, created)):
        assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED) and error.hint


# --- re-create


def test_recreate_or_a_definite_rejection(simulated_provider):
    old = simulated_provider.add_snapshot("nightly", created_at="2025-01-15T18:30:00Z")
    if not simulated_provider.provider.capabilities.recreate:
        error = failure(simulated_provider.provider.recreate_snapshot, old)
        assert (error.kind, error.outcome) == (errors.UNSUPPORTED, errors.NOT_APPLIED)
        assert simulated_provider.provider.display_name in error.message and simulated_provider.requests() == []
        return
    simulated_provider.provider.recreate_snapshot(old)
    assert changes(simulated_provider) == 1
    simulated_provider.finish("snapshot_recreated")
    (renewed,) = simulated_provider.listed()
    assert renewed.name == "nightly" and renewed.created_at > old.created_at


# --- schedules


def test_schedules_or_a_definite_rejection(simulated_provider):
    snapshot = simulated_provider.add_snapshot("nightly")
    desired = Schedule(2, 3, 4)
    if not simulated_provider.provider.capabilities.schedule:
        provider = simulated_provider.provider
        for error in (failure(provider.add_schedule, snapshot, desired), failure(provider.remove_schedule, snapshot)):
            assert (error.kind, error.outcome) == (errors.UNSUPPORTED, errors.NOT_APPLIED)
        assert simulated_provider.requests() == []
        return
    simulated_provider.provider.add_schedule(snapshot, desired)
    assert changes(simulated_provider) == 1
    (scheduled,) = simulated_provider.listed()
    assert (scheduled.schedule.day, scheduled.schedule.hour, scheduled.schedule.minute) == (2, 3, 4)
    error = failure(simulated_provider.provider.add_schedule, snapshot, Schedule(1, 1, 1))
    assert (error.kind, error.outcome) == (errors.ALREADY_EXISTS, errors.NOT_APPLIED)
    simulated_provider.provider.remove_schedule(snapshot)
    assert simulated_provider.listed()[0].schedule is None
    error = failure(simulated_provider.provider.remove_schedule, snapshot)
    assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
    assert simulated_provider.events() == ["cron_added", "cron_deleted"]


# --- power


def test_power(simulated_provider):
    server = simulated_provider.server()
    simulated_provider.provider.set_power(server, STOP)
    (row,) = simulated_provider.admin.requests(changing=True, cloud=simulated_provider.name)
    assert (row["body"] or {}).get("action") == "stop" or row["query"].get("set") == "shutdown", "it is graceful"
    simulated_provider.finish("power_stopped")
    assert (simulated_provider.server().power_state, simulated_provider.server().task_state) == (STOPPED, None)
    simulated_provider.provider.set_power(server, START)
    simulated_provider.finish("power_started")
    assert (simulated_provider.server().power_state, simulated_provider.server().task_state) == (RUNNING, None)
    assert simulated_provider.events() == ["power_stopped", "power_started"]


def test_power_that_is_so_already_is_refused(simulated_provider):
    error = failure(simulated_provider.provider.set_power, simulated_provider.server(), START)
    assert (error.kind, error.outcome) == (errors.PROVIDER_REJECTED, errors.NOT_APPLIED)
    assert simulated_provider.facts.server_name in error.server and error.hint
