# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves a restore: a restore that did nothing must never count, whatever a boot has removed."""

from __future__ import annotations

from typing import Any

import pytest
from guard_builders import MARKER, record_data

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import evidence
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import verify_restore

BEFORE, AFTER = {"/var": "1", "/": "2"}, {"/var": "11", "/": "12"}
CLOUD = {"check": "cloud", "result": "passed", "detail": "restored"}


def record(**fields: Any) -> dict[str, Any]:
    """A run record of an upgrade that was armed, and whose snapshot the provider has restored."""
    return record_data(states.RESTORED, **{
        "verification": [CLOUD], "marker_written": True, "times_at_snapshot": BEFORE, "times_after_snapshot": AFTER, "times_before_restore": AFTER,
        "before": {"boot_id": "aaaaaaaa", "checksums": {"/etc/os-release": "1"}}, "boot_before_restore": "aaaaaaaa", **fields,
    })


def probe_after(**fields: Any) -> dict[str, Any]:
    return {"boot_id": "bbbbbbbb", "failed_units": [], "markers": [], "checksums": {"/etc/os-release": "1"}, "times": BEFORE, **fields}


def results(result: dict[str, Any]) -> dict[str, str]:
    return {item["check"]: item["result"] for item in result["verification"]}


def test_a_restore_is_proven_by_the_times_of_the_snapshot():
    result = verify_restore(record(), probe_after(), None)
    assert result["outcome"] == states.ROLLED_BACK
    assert results(result) == {"cloud": "passed", "marker": "passed", "boot": "passed", "files": "passed"}
    assert "the time of /var" in result["verification"][-1]["detail"]


@pytest.mark.parametrize(("times", "outcome"), [
    ({}, states.UNKNOWN), (None, states.UNKNOWN), ({"/var": "21", "/": "22"}, states.UNKNOWN), ({"/srv": "1"}, states.UNKNOWN),
    (AFTER, states.ROLLBACK_FAILED), ({"/var": "11", "/": "2"}, states.ROLLBACK_FAILED), ({"/var": "21", "/": "12"}, states.ROLLBACK_FAILED),
    ({"/var": "21", "/": "2"}, states.ROLLED_BACK),  # a service has written there since the boot
])
def test_a_marker_that_is_gone_proves_nothing_without_the_times_of_the_snapshot(times, outcome):
    """The provider has restored nothing, and the boot has emptied the marker's directory, or not."""
    result = verify_restore(record(markers_before_restore=[MARKER]), probe_after(times=times), "passed")
    assert result["outcome"] == outcome
    if outcome != states.ROLLED_BACK:
        assert results(result)["files"] == ("failed" if outcome == states.ROLLBACK_FAILED else "inconclusive")
        assert results(result)["marker"] == ("inconclusive" if outcome == states.UNKNOWN or "2" not in (times or {}).values() else "passed")


def test_a_marker_that_still_exists_disproves_the_restore():
    assert verify_restore(record(), probe_after(markers=[MARKER]), None)["outcome"] == states.ROLLBACK_FAILED


def test_a_marker_that_was_missing_before_the_restore_proves_nothing_but_times_do():
    result = verify_restore(record(markers_before_restore=[]), probe_after(), None)
    assert (result["outcome"], results(result)["marker"], results(result)["files"]) == (states.ROLLED_BACK, "inconclusive", "passed")


@pytest.mark.parametrize("observed", [BEFORE, None, {}])
def test_times_that_were_there_already_prove_nothing(observed):
    result = verify_restore(record(times_before_restore=observed), probe_after(), None)
    assert result["outcome"] == states.UNKNOWN
    assert results(result)["files"] == "inconclusive"


def test_a_file_that_the_upgrade_has_changed_and_that_is_back_is_a_proof():
    data = record(times_before_restore=None, checksums_before_restore={"/etc/os-release": "2"})
    result = verify_restore(data, probe_after(times={}), None)
    assert (result["outcome"], results(result)["files"]) == (states.ROLLED_BACK, "passed")


def test_a_time_that_was_seen_just_before_the_restore_and_is_still_there_disproves_it():
    data = record(times_before_restore={"/var": "31"})
    assert verify_restore(data, probe_after(times={"/var": "31"}), None)["outcome"] == states.ROLLBACK_FAILED


def test_a_person_may_restore_a_server_that_does_not_answer():
    result = verify_restore(record(times_before_restore=None), probe_after(), None, proof_required=False)
    assert result["outcome"] == states.ROLLED_BACK


def test_the_reason_why_a_restored_server_does_not_answer_is_kept():
    result = verify_restore(record(), None, None, connection_error="Host key verification failed.")
    assert "Host key verification failed." in result["message"]
    assert "Host key verification failed." in result["verification"][-1]["detail"]


def test_since_the_arming_only_a_restore_brings_back_the_times():
    for history, expected in (
        ([states.PLANNED], None), ([states.ARMED, states.UPGRADING, states.CONFIRMED, states.ENDED], AFTER),
        ([states.ARMED, states.RESTORING, states.RESTORED, states.ENDED], None),
    ):
        data = record(history=[{"at": "2026-01-01T00:00:00Z", "state": state} for state in history])
        assert evidence.times_on_unobserved_server(data) == expected, history


@pytest.mark.parametrize(("marker", "proof_dirs"), [
    (MARKER, ["/var", "/", "/srv", "/mnt"]), ("/root/rewind-guarded-upgrade-x", ["/", "/srv", "/mnt"]),
    ("/a/disk/var/tmp/rewind-guarded-upgrade-x", ["/a/disk/var", "/a/disk", "/a/disk/srv", "/a/disk/mnt"]),
])
def test_the_proof_directories_are_above_the_marker(marker, proof_dirs):
    assert evidence.run_fields(marker) == {"marker": marker, "proof_dirs": proof_dirs}
