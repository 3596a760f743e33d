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
    problems = find_problems(probe(**before), probe(**after))
    assert len(problems) == (problem is not None) and (problem or "") in "".join(problems)


def test_a_record_of_an_older_version_has_less():
    assert find_problems({}, probe()) == []
    assert find_problems({"boot_id": "aaaaaaaa", "failed_units": []}, probe()) == []


@pytest.mark.parametrize(("before", "after", "problem"), [
    ({"broken_packages": {}}, {"broken_packages": {}}, None),
    ({"broken_packages": {}}, {"broken_packages": {"shop": "iF", "php": "iU"}}, "packages that are not completely installed: php (iU), shop (iF)"),
    ({"broken_packages": {"shop": "iF"}}, {"broken_packages": {"shop": "iU"}}, None),
    ({"broken_packages": {}}, {"broken_packages": None}, "the package database can't be read any more"),
    ({"broken_packages": None}, {"broken_packages": {"shop": "iF"}}, None),
])
def test_packages(before, after, problem):
    assert find_problems(probe(**before), probe(**after)) == ([problem] if problem else [])


def disks(free_kb=50_000, free_inodes=5_000, **more):
    return {"disks": {"/": {"free_kb": free_kb, "free_inodes": free_inodes}}, **more}


@pytest.mark.parametrize(("before", "after", "problem"), [
    (disks(), disks(2_000), None),
    (disks(), disks(800), "/ has only 800 kB of free space"),
    (disks(900), disks(800), None),
    (disks(), disks(free_inodes=3), "/ has only 3 free inodes"),
    (disks(free_inodes=0), disks(free_inodes=0), None),  # a file system without inodes
    ({}, disks(800), None),
    (disks(), disks(read_only=["/"]), "/ is mounted read-only"),
    (disks(read_only=["/"]), disks(read_only=["/"]), None),
    (disks(), disks(read_only=["/snap/core"]), None),
])
def test_disks(before, after, problem):
    assert find_problems(probe(**before), probe(**after)) == ([problem] if problem else [])


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
    changes = find_changes(probe(**before), probe(**earlier), probe(**later))
    assert changes == ([change] if change else [])


@pytest.mark.parametrize(("first", "second", "restarting"), [
    ({}, {}, []), ({"a.service": 3}, {"a.service": 3}, []), ({"a.service": 3}, {"a.service": 4}, ["a.service"]),
    ({"a.service": 3000}, {"a.service": 2}, ["a.service"]), ({"a.service": 3}, {}, []),
])
def test_a_service_that_restarts_without_an_upgrade_is_known(first, second, restarting):
    known = with_restarts_between(probe(restarts=first, restarting=["z.service"]), probe(restarts=second))
    assert known["restarting"] == [*restarting, "z.service"]
    assert find_problems(known, probe(restarting=["z.service"])) == []


@pytest.mark.parametrize(("before", "after", "result"), [
    ({}, {}, "passed"), ({}, {"failed_units": ["a.service"]}, "failed"), ({"failed_units": ["a.service"]}, {"failed_units": ["a.service"]}, "passed"),
    ({}, {"failed_units": None}, "failed"), ({}, {"system_state": "starting"}, "inconclusive"), ({"failed_units": None}, {}, None),
])
def test_units_of_a_restored_server(before, after, result):
    findings = verify_units(probe(**before), probe(**after))
    assert [finding["result"] for finding in findings] == ([result] if result else [])
