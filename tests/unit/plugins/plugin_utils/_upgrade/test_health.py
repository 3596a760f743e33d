# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worse after an upgrade than before: every observation that is lost, and systemd's units, jobs and restarts."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.health import (
    find_changes,
    find_problems,
    new_failed_units,
    verify_units,
    with_restarts_between,
)


def probe(**fields):
    return {
        "boot_id": "aaaaaaaa", "failed_units": [], "system_state": "running", "restarting": [], "restarts": {}, "running": [], "stopped": [],
        "jobs": {}, **fields,
    }


@pytest.mark.parametrize(("before", "after", "failed"), [
    (["a"], ["a"], []), ([], ["a", "b"], ["a", "b"]), (["a"], ["a", "b"], ["b"]), (["a", "b"], [], []), (None, ["a"], ["a"]), (["a"], None, []),
    (None, None, []),
])
def test_new_failed_units(before, after, failed):
    for nothing in ({"failed_units": None}, None):
        probes = [nothing if units is None else {"failed_units": units} for units in (before, after)]
        assert new_failed_units(*probes) == failed


@pytest.mark.parametrize(("before", "after", "problem"), [
    ({}, {}, None),
    ({}, {"failed_units": ["a.service"]}, "failed since the upgrade: a.service"),
    ({"failed_units": ["a.service"]}, {"failed_units": ["a.service"], "system_state": "degraded"}, None),
    # What could be observed before must still be observed.
    ({}, {"failed_units": None}, "systemd can't be queried any more"),
    ({}, {"boot_id": None}, "its boot ID can't be read any more"),
    ({"failed_units": None}, {"failed_units": None}, None),
    ({"failed_units": None}, {"failed_units": ["a.service"]}, None),
    # A service that never fails, but restarts for ever.
    ({}, {"restarting": ["a.service"]}, "waiting for another restart: a.service"),
    ({"restarting": ["a.service"]}, {"restarting": ["a.service"]}, None),
    ({"failed_units": ["a.service"]}, {"restarting": ["a.service"]}, None),
    # A service that ends without an error. One that was removed or disabled is neither running nor stopped.
    ({"running": ["a.service"]}, {"stopped": ["a.service", "b.service"]}, "stopped since the upgrade: a.service"),
    ({"running": ["a.service"]}, {"running": []}, None),
    ({}, {"stopped": ["a.service"]}, None),
    # The startup.
    ({}, {"system_state": "starting", "jobs": {"slow.service": "other"}}, "still starting: slow.service"),
    ({}, {"system_state": "starting", "jobs": {"cloud-final.service": "oneshot"}}, "still starting: cloud-final.service"),
    ({}, {"system_state": "starting"}, "systemd is still starting"),
    ({}, {"system_state": "initializing"}, "systemd is still starting"),
    ({"system_state": "starting", "jobs": {"stuck.service": "other"}}, {"system_state": "starting", "jobs": {"stuck.service": "other"}}, None),
    ({"jobs": {"stuck.service": "other"}}, {"system_state": "starting", "jobs": {"stuck.service": "other"}}, None),
    ({}, {"system_state": "starting", "jobs": {"apt-daily.service": "timer"}}, None),
    ({}, {"jobs": {"slow.service": "other"}}, "still starting: slow.service"),
    ({}, {"jobs": {"backup.service": "oneshot", "apt-daily.service": "timer"}}, None),
    # Not the usual mode.
    ({}, {"system_state": "maintenance"}, "rescue or emergency mode"),
    ({}, {"system_state": "stopping"}, "shutting the server down"),
    ({"system_state": "maintenance"}, {"system_state": "maintenance"}, None),
    ({}, {"system_state": "degraded"}, None),
])
def test_one_probe(before, after, problem):
    problems = find_problems(probe(**before), probe(**after), check_units=True)
    assert len(problems) == (problem is not None) and (problem or "") in "".join(problems)


def test_a_record_of_an_older_version_has_less():
    assert find_problems({}, probe(), check_units=True) == []
    assert find_problems({"boot_id": "aaaaaaaa", "failed_units": []}, probe(), check_units=True) == []


def test_without_checks_of_units_nothing_of_systemd_counts():
    for after in ({"failed_units": None}, {"failed_units": ["a.service"]}, {"restarting": ["a.service"]}, {"system_state": "starting"}):
        assert find_problems(probe(), probe(**after), check_units=False) == []
    assert find_problems(probe(), probe(boot_id=None), check_units=False)


@pytest.mark.parametrize(("before", "earlier", "later", "change"), [
    ({}, {}, {}, None),
    ({}, {"restarts": {"a.service": 2}}, {"restarts": {"a.service": 2}}, None),
    ({}, {"restarts": {"a.service": 2}}, {"restarts": {"a.service": 5}}, "restarting repeatedly: a.service (3 more)"),
    ({}, {}, {"restarts": {"a.service": 1}}, "restarting repeatedly: a.service (1 more)"),
    ({}, {"restarts": {"a.service": 5}}, {}, None),
    ({"restarting": ["a.service"]}, {}, {"restarts": {"a.service": 9}}, None),
    ({}, {}, {"boot_id": "bbbbbbbb"}, "it has rebooted by itself"),
])
def test_two_probes(before, earlier, later, change):
    changes = find_changes(probe(**before), probe(**earlier), probe(**later), check_units=True)
    assert changes == ([change] if change else [])
    is_reboot = bool(change) and "rebooted" in change
    assert bool(find_changes(probe(**before), probe(**earlier), probe(**later), check_units=False)) is is_reboot


@pytest.mark.parametrize(("first", "second", "restarting"), [
    ({}, {}, []), ({"a.service": 3}, {"a.service": 3}, []), ({"a.service": 3}, {"a.service": 4}, ["a.service"]),
    ({"a.service": 3000}, {"a.service": 2}, ["a.service"]), ({"a.service": 3}, {}, []),
])
def test_a_service_that_restarts_without_an_upgrade_is_known(first, second, restarting):
    known = with_restarts_between(probe(restarts=first, restarting=["z.service"]), probe(restarts=second))
    assert known["restarting"] == [*restarting, "z.service"]
    assert find_problems(known, probe(restarting=["z.service"]), check_units=True) == []


@pytest.mark.parametrize(("before", "after", "result"), [
    ({}, {}, "passed"), ({}, {"failed_units": ["a.service"]}, "failed"), ({"failed_units": ["a.service"]}, {"failed_units": ["a.service"]}, "passed"),
    ({}, {"failed_units": None}, "failed"), ({}, {"system_state": "starting"}, "inconclusive"), ({"failed_units": None}, {}, None),
])
def test_units_of_a_restored_server(before, after, result):
    findings = verify_units(probe(**before), probe(**after))
    assert [finding["result"] for finding in findings] == ([result] if result else [])
