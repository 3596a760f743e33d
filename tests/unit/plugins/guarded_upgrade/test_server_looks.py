# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at the server shows, and what two of them prove: every combination, and text that no look prints."""

from __future__ import annotations

import itertools

import pytest
from guard_builders import MARKER, RUN_ID, record_data
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import marker_path, parse_look, prove, run_of_marker, units_failed_since

LOOK = f"""boot 11111111-2222-3333-4444-555555555555
units known
unit nginx.service
unit a b.service
marker {MARKER}
marker /var/tmp/with space
sum abc123 /etc/os-release
sum def456 /etc/with  two spaces
end
"""
SEEN = {
    "boot_id": "11111111-2222-3333-4444-555555555555", "failed_units": ["a b.service", "nginx.service"],
    "markers": [MARKER, "/var/tmp/with space"], "fingerprints": {"/etc/os-release": "abc123", "/etc/with  two spaces": "def456"},
}


@pytest.mark.parametrize("text", [LOOK, LOOK.replace("\n", "\r\n"), LOOK.rstrip("\n"), f"Last login: today\n\n{LOOK}bye\n"],
                         ids=["plain", "CRLF", "no last break", "noise around"])
def test_a_look(text):
    assert parse_look(text) == SEEN


@pytest.mark.parametrize("text", [None, "", "\n", "end of story", " end", "end ", "bend\n", LOOK.replace("end\n", ""), LOOK[:-3], "unit end\n"])
def test_a_look_that_came_to_no_end_is_none(text):
    assert parse_look(text) is None


def test_what_is_not_said_is_not_made_up():
    assert parse_look("end") == {"boot_id": None, "failed_units": None, "markers": [], "fingerprints": {}}
    assert parse_look("units known\nend")["failed_units"] == [], "a system with units of which none fails"
    assert parse_look("unit a.service\nend")["failed_units"] is None, "nobody said that these are all"


@pytest.mark.parametrize("boot_id", ["", "unknown", "cat: /proc/sys/kernel/random/boot_id: No such file", "1234567", "a" * 65, "1111 2222-3333",
                                     "$(reboot)-1111", "11111111\u0661"])
def test_what_is_no_boot_id_is_none(boot_id):
    assert parse_look(f"boot {boot_id}\nend")["boot_id"] is None


@given(st.text())
@example("end\nsum\nsum \nsum a\nunit\nmarker\nboot\n")
@example("end\nboot \nunit \nmarker \nsum  \n")
@example("\x00end\nend\n\x1b[2J")
def test_any_text_is_none_or_a_whole_look(text):
    seen = parse_look(text)
    if seen is not None:
        assert set(seen) == set(SEEN) and all(isinstance(path, str) for path in (*seen["markers"], *seen["fingerprints"]))
        assert prove(record_data(states.RESTORED, marker_written=True), seen, None)["outcome"] in (states.ROLLED_BACK, states.ROLLBACK_FAILED)


@pytest.mark.parametrize("folder", ["/var/tmp", "/var/tmp/", "/srv/a b", "/"])
def test_a_markers_name_tells_its_run(folder):
    path = marker_path(folder, RUN_ID)
    assert path.startswith(folder) and run_of_marker(path) == RUN_ID and "//" not in path


@pytest.mark.parametrize(("before", "after", "failed"), [
    (["a"], ["a"], []), ([], ["a", "b"], ["a", "b"]), (["a"], ["a", "b"], ["b"]), (["a", "b"], [], []), (None, ["a"], ["a"]), (["a"], None, []),
    (None, None, []),
])
def test_units_failed_since(before, after, failed):
    assert units_failed_since({"failed_units": before}, {"failed_units": after}) == failed


def test_units_failed_since_without_a_look():
    assert units_failed_since(None, {"failed_units": ["a"]}) == ["a"]
    assert units_failed_since({"failed_units": []}, None) == []


# --- proof

CLOUD = {"check": "cloud", "result": "passed", "detail": "the cloud has carried out the restore"}
# What each sign shows: what it makes of the receipt, of the look before and of the look after.
MARKERS = {
    "passed": ({"marker_written": True}, []), "failed": ({"marker_written": True}, [MARKER]), "inconclusive": ({}, []),
}
BOOTS = {
    # before the snapshot, just before the restore, after it
    "passed": ("aaaaaaaa", "aaaaaaaa", "bbbbbbbb"), "passed ": ("aaaaaaaa", "cccccccc", "bbbbbbbb"),
    "inconclusive": ("aaaaaaaa", "aaaaaaaa", "aaaaaaaa"), "inconclusive ": ("aaaaaaaa", "aaaaaaaa", None),
    "inconclusive  ": (None, "aaaaaaaa", "bbbbbbbb"), "inconclusive   ": ("aaaaaaaa", None, "bbbbbbbb"),
    "inconclusive    ": ("aaaaaaaa", "cccccccc", "cccccccc"), "inconclusive     ": ("aaaaaaaa", "cccccccc", "aaaaaaaa"),
}
PRINTS = {
    "passed": ({"/etc/a": "1", "/etc/b": "2"}, {"/etc/b": "2", "/etc/a": "1", "/etc/new": "9"}), "failed": ({"/etc/a": "1"}, {"/etc/a": "2"}),
    "inconclusive": ({"/etc/a": "missing"}, {"/etc/a": "missing"}),
    "failed ": ({"/etc/a": "1"}, {}), None: ({}, {"/etc/a": "1"}), "None ": (None, {}),
}
CHECKS = {"passed": "passed", "failed": "failed", None: None}


@pytest.mark.parametrize(("marker", "boot", "prints", "checks"), list(itertools.product(MARKERS, BOOTS, PRINTS, CHECKS)))
def test_every_combination_of_signs(marker, boot, prints, checks):
    fields, markers = MARKERS[marker]
    (boot_before, boot_just_before, boot_after), (prints_before, prints_after) = BOOTS[boot], PRINTS[prints]
    data = record_data(states.RESTORED, verification=[CLOUD], before={"boot_id": boot_before, "fingerprints": prints_before},
                        boot_before_restore=boot_just_before, **fields)
    after = {"boot_id": boot_after, "failed_units": [], "markers": [*markers, "/var/tmp/another"], "fingerprints": prints_after}
    verdict = prove(data, after, CHECKS[checks])

    expected = {"cloud": "passed", "marker": marker, "boot": boot.strip(), "files": prints and prints.strip(), "checks": checks}
    expected = {what: result for what, result in expected.items() if result not in (None, "None")}
    assert [(finding["check"], finding["result"]) for finding in verdict["verification"]] == list(expected.items())
    assert data["verification"] == [CLOUD], "the receipt is the guard's alone"
    undone = "failed" not in (expected["marker"], expected.get("files"))
    assert verdict["outcome"] == (states.ROLLED_BACK if undone else states.ROLLBACK_FAILED), "failing checks alone don't disprove a restore"
    if undone:
        assert ("checks fail there, too" in verdict["message"]) == (checks == "failed")
    else:
        assert (MARKER in verdict["message"]) == (marker == "failed")
        assert ("/etc/a" in verdict["message"]) == (expected.get("files") == "failed")


@pytest.mark.parametrize("checks", CHECKS.values())
def test_a_restored_server_that_does_not_answer_proves_nothing(checks):
    verdict = prove(record_data(states.RESTORED, verification=[CLOUD], marker_written=True), None, checks)
    assert verdict["outcome"] == states.UNKNOWN and "does not answer" in verdict["message"]
    assert [(finding["check"], finding["result"]) for finding in verdict["verification"]] == [("cloud", "passed"), ("server", "inconclusive")]


def test_without_a_look_before_the_marker_still_tells():
    after = {"boot_id": "bbbbbbbb", "failed_units": None, "markers": [MARKER], "fingerprints": {}}
    verdict = prove(record_data(states.RESTORED, before=None, marker_written=True), after, None)
    assert verdict["outcome"] == states.ROLLBACK_FAILED
