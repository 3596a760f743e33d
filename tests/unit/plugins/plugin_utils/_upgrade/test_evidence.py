# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves a restore: a restore that did nothing must never count, whatever a boot has removed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from guard_builders import MARKER, RUN_ID, record_data

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import evidence
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import verify_restore

FIELDS = evidence.file_fields(MARKER, RUN_ID)
BEFORE, AFTER = FIELDS["reference_before"], FIELDS["reference_after"]
CLOUD = {"check": "cloud", "result": "passed", "detail": "restored"}


def record(**fields: Any) -> dict[str, Any]:
    """A run record of an upgrade that was armed, and whose snapshot the provider has restored."""
    return record_data(states.RESTORED, **{
        "verification": [CLOUD], "has_reference": True, "marker_written": True, "reference_before_restore": AFTER,
        "before": {"boot_id": "aaaaaaaa", "checksums": {"/etc/os-release": "1"}}, "boot_before_restore": "aaaaaaaa", **fields,
    })


def probe_after(**fields: Any) -> dict[str, Any]:
    return {"boot_id": "bbbbbbbb", "failed_units": [], "markers": [], "checksums": {"/etc/os-release": "1"}, "reference": BEFORE, **fields}


def results(result: dict[str, Any]) -> dict[str, str]:
    return {item["check"]: item["result"] for item in result["verification"]}


def test_a_restore_is_proven_by_the_content_from_before_the_snapshot():
    result = verify_restore(record(), probe_after(), None)
    assert result["outcome"] == states.ROLLED_BACK
    assert results(result) == {"cloud": "passed", "marker": "passed", "boot": "passed", "files": "passed"}
    assert FIELDS["reference"] in result["verification"][-1]["detail"]


@pytest.mark.parametrize(("reference", "outcome"), [
    (evidence.MISSING, states.UNKNOWN), (None, states.UNKNOWN), ("", states.UNKNOWN), (f"{RUN_ID}x before the snapshot", states.UNKNOWN),
    (AFTER, states.ROLLBACK_FAILED),
])
def test_a_marker_that_is_gone_proves_nothing_without_the_content_from_before(reference, outcome):
    """The provider has restored nothing, and the boot has emptied the marker's directory, or not."""
    result = verify_restore(record(markers_before_restore=[MARKER]), probe_after(reference=reference), "passed")
    assert result["outcome"] == outcome
    assert results(result)["marker"] == "inconclusive"
    assert results(result)["files"] == ("failed" if reference == AFTER else "inconclusive")


def test_a_marker_that_still_exists_disproves_the_restore():
    assert verify_restore(record(), probe_after(markers=[MARKER]), None)["outcome"] == states.ROLLBACK_FAILED


def test_a_marker_that_was_missing_before_the_restore_proves_nothing_but_the_other_file_does():
    result = verify_restore(record(markers_before_restore=[]), probe_after(), None)
    assert (result["outcome"], results(result)["marker"], results(result)["files"]) == (states.ROLLED_BACK, "inconclusive", "passed")


@pytest.mark.parametrize("observed", [BEFORE, None])
def test_a_content_that_was_there_already_proves_nothing(observed):
    result = verify_restore(record(reference_before_restore=observed), probe_after(), None)
    assert result["outcome"] == states.UNKNOWN
    assert results(result)["files"] == "inconclusive"


def test_a_file_that_the_upgrade_has_changed_and_that_is_back_is_a_proof():
    data = record(reference_before_restore=None, checksums_before_restore={"/etc/os-release": "2"})
    result = verify_restore(data, probe_after(reference=evidence.MISSING), None)
    assert (result["outcome"], results(result)["files"]) == (states.ROLLED_BACK, "passed")


@pytest.mark.parametrize("reference", [BEFORE, AFTER, evidence.MISSING])
@pytest.mark.parametrize("observed_markers", [None, [], [MARKER]])
@pytest.mark.parametrize("observed", [None, BEFORE, AFTER, evidence.MISSING])
def test_only_a_change_back_to_the_first_content_is_rolled_back(reference, observed_markers, observed):
    data = record(reference_before_restore=observed, markers_before_restore=observed_markers)
    expected = states.ROLLBACK_FAILED if reference == AFTER else states.UNKNOWN
    if reference == BEFORE and observed in (AFTER, evidence.MISSING):
        expected = states.ROLLED_BACK
    assert verify_restore(data, probe_after(reference=reference), None)["outcome"] == expected


def test_a_person_may_restore_a_server_that_does_not_answer():
    result = verify_restore(record(reference_before_restore=None), probe_after(), None, proof_required=False)
    assert result["outcome"] == states.ROLLED_BACK


def test_the_reason_why_a_restored_server_does_not_answer_is_kept():
    result = verify_restore(record(), None, None, connection_error="Host key verification failed.")
    assert "Host key verification failed." in result["message"]
    assert "Host key verification failed." in result["verification"][-1]["detail"]


def test_since_the_arming_only_a_restore_brings_back_the_first_content():
    for history, expected in (
        ([states.PLANNED], None), ([states.ARMED, states.UPGRADING, states.CONFIRMED, states.ENDED], AFTER),
        ([states.ARMED, states.RESTORING, states.RESTORED, states.ENDED], None),
    ):
        data = record(history=[{"at": "2026-01-01T00:00:00Z", "state": state} for state in history])
        assert evidence.reference_after_restores(data) == expected, history


def test_paths_and_contents_of_the_two_files():
    assert FIELDS["marker"] == MARKER
    assert FIELDS["reference"] == "/var/tmp/rewind-guarded-upgrade.reference"
    assert BEFORE != AFTER and RUN_ID in BEFORE and RUN_ID in AFTER
    for fields in itertools.combinations([FIELDS, evidence.file_fields("/rewind-guarded-upgrade-x", "x")], 1):
        assert not fields[0]["reference"].startswith("/var/tmp/rewind-guarded-upgrade-"), "another controller must not take it for a marker"
