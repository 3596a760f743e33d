# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe of the server shows, and what two of them prove: every combination, and text that no probe prints."""

from __future__ import annotations

import itertools

import pytest
from guard_builders import MARKER, RUN_ID, record_data
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import record as states
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.evidence import marker_path
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.probe import (
    MAX_PROBE_CHARS,
    parse_probe,
    parse_times,
    verify_restore,
)
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.record import MARKER_PREFIX

OUTPUT = f"""begin
modules run
boot 11111111-2222-3333-4444-555555555555
kernel 6.1.0-18-amd64
units known
unit nginx.service
unit a b.service
system degraded
restarting loop.service
running ssh.service
running cron.service
stopped shop.service
restarts 7 loop.service
restarts 1 a b.service
job oneshot backup.service
job timer apt daily.service
marker_dir /var/tmp
marker {MARKER}
marker /var/tmp/with space
time 2026-01-01_00:00:00.123456789_+0000 /var
time 5 /with space
time
sum abc123 /etc/os-release
sum def456 /etc/with  two spaces
packages known
package iF shop
disk 5000000 /
disk 99999999999 /srv/with space
disk 7 /boot
inodes 4000 /
inodes 9 /srv/with space
inodes - /boot
read_only /usr
end
"""
PROBE_RESULT = {
    "boot_id": "11111111-2222-3333-4444-555555555555", "failed_units": ["a b.service", "nginx.service"], "kernel": "6.1.0-18-amd64",
    "system_state": "degraded", "running": ["cron.service", "ssh.service"], "stopped": ["shop.service"],
    "restarting": ["loop.service"], "restarts": {"loop.service": 7, "a b.service": 1},
    "jobs": {"backup.service": "oneshot", "apt daily.service": "timer"}, "modules_run": True,
    "times": {"/var": "2026-01-01_00:00:00.123456789_+0000", "/with space": "5"}, "marker_dir": "/var/tmp",
    "markers": [MARKER, "/var/tmp/with space"], "checksums": {"/etc/os-release": "abc123", "/etc/with  two spaces": "def456"},
    "broken_packages": {"shop": "iF"}, "read_only": ["/usr"],
    "disks": {"/": {"free_kb": 5000000, "free_inodes": 4000}, "/srv/with space": {"free_kb": 10**9, "free_inodes": 9}},
}


@pytest.mark.parametrize("text", [OUTPUT, OUTPUT.replace("\n", "\r\n"), OUTPUT.rstrip("\n"), f"Last login: today\n\n{OUTPUT}bye\n",
                                  "\r\nWe trust you have received the usual lecture\r\nboot ffffffff\r\nend\r\n" + OUTPUT.replace("\n", "\r\r\n"),
                                  f"\n{OUTPUT}unit late.service\nbegin\nboot ffffffff\nend\n" + "x" * MAX_PROBE_CHARS],
                         ids=["plain", "CRLF", "no last break", "noise around", "sudo's terminal", "logs behind it"])
def test_a_probe(text):
    assert parse_probe(text) == PROBE_RESULT


@pytest.mark.parametrize("text", [None, "", "\n", "end of story", " end", "end ", "bend\n", OUTPUT.replace("end\n", ""), OUTPUT[:-3], "unit end\n"])
def test_an_incomplete_probe_is_none(text):
    assert parse_probe(text) is None


def test_what_is_not_printed_is_not_made_up():
    assert parse_probe("end") == {
        "boot_id": None, "kernel": None, "failed_units": None, "system_state": None, "restarting": [], "restarts": {},
        "running": [], "stopped": [], "jobs": {},
        "modules_run": False, "marker_dir": None, "markers": [], "times": {}, "checksums": {},
        "broken_packages": None, "disks": {}, "read_only": [],
    }
    assert parse_probe("restarts many a.service\nrestarts 9999999999 b.service\nrestarts ² c.service\nend")["restarts"] == {}
    assert parse_probe("units known\nend")["failed_units"] == [], "a system with units of which none fails"
    assert parse_probe("unit a.service\nend")["failed_units"] is None, "the list may be incomplete"


@pytest.mark.parametrize("boot_id", ["", "unknown", "cat: /proc/sys/kernel/random/boot_id: No such file", "1234567", "a" * 65, "1111 2222-3333",
                                     "$(reboot)-1111", "11111111\u0661"])
def test_what_is_no_boot_id_is_none(boot_id):
    assert parse_probe(f"boot {boot_id}\nend")["boot_id"] is None


@given(st.text())
@example("end\nsum\nsum \nsum a\nunit\nmarker\nboot\n")
@example("end\nboot \nunit \nmarker \nsum  \n")
@example("\x00end\nend\n\x1b[2J")
@example("unit \x1b[2J\nmarker {{ 7*7 }}\nmarker $(touch X)\nsum \0 \0\nboot \ud800\nend\nend\n")
def test_any_text_is_none_or_a_complete_probe(text):
    parsed = parse_probe(text)
    if parsed is not None:
        assert set(parsed) == set(PROBE_RESULT) and all(isinstance(path, str) for path in (*parsed["markers"], *parsed["checksums"]))
        result = verify_restore(record_data(states.RESTORED, marker_written=True), parsed, None)
        assert result["outcome"] in (states.ROLLED_BACK, states.ROLLBACK_FAILED, states.UNKNOWN)


@pytest.mark.parametrize("directory", ["/var/tmp", "/var/tmp/", "/srv/a b", "/"])
def test_a_markers_name_has_its_run_id(directory):
    path = marker_path(directory, RUN_ID)
    assert path.startswith(directory) and path.rpartition(MARKER_PREFIX)[2] == RUN_ID and "//" not in path


def test_a_server_that_prints_without_end_gives_no_probe():
    assert parse_probe("unit x\n" * (MAX_PROBE_CHARS // 7) + "end\n") is None


@pytest.mark.parametrize(("text", "times"), [
    ("begin\ntime 1 /var\ntime 2 /\nchanged 3 /var\nchanged 4 /\nend\n", ({"/var": "1", "/": "2"}, {"/var": "3", "/": "4"})),
    ("noise\r\nbegin\r\ntime 1 /var\r\nchanged 1 /var\r\nchanged 4 /\r\nend\r\n", ({}, {})),
    ("begin\ntime 1 /var\n", None), (None, None), ("begin\nend", ({}, {})),
])
def test_only_times_that_have_changed_are_of_use(text, times):
    assert parse_times(text) == times


# --- proof

CLOUD = {"check": "cloud", "result": "passed", "detail": "the cloud has carried out the restore"}
# Per finding: the fields of the run record, and the values in the probe before and in the probe after.
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
FILES = {
    "passed": ({"/etc/a": "1", "/etc/b": "2"}, {"/etc/b": "2", "/etc/a": "1", "/etc/new": "9"}), "failed": ({"/etc/a": "1"}, {"/etc/a": "2"}),
    "inconclusive": ({"/etc/a": "missing"}, {"/etc/a": "missing"}),
    "failed ": ({"/etc/a": "1"}, {}), None: ({}, {"/etc/a": "1"}), "None ": (None, {}),
}
CHECKS = {"passed": "passed", "failed": "failed", None: None}


@pytest.mark.parametrize(("marker", "boot", "files", "checks"), list(itertools.product(MARKERS, BOOTS, FILES, CHECKS)))
def test_every_combination_of_signs(marker, boot, files, checks):
    fields, markers = MARKERS[marker]
    (boot_before, boot_just_before, boot_after), (files_before, files_after) = BOOTS[boot], FILES[files]
    data = record_data(states.RESTORED, verification=[CLOUD], before={"boot_id": boot_before, "checksums": files_before},
                       boot_before_restore=boot_just_before, **fields)
    after = {"boot_id": boot_after, "failed_units": [], "markers": [*markers, "/var/tmp/another"], "checksums": files_after}
    result = verify_restore(data, after, CHECKS[checks])

    expected = {"cloud": "passed", "marker": marker, "boot": boot.strip(), "files": files and files.strip(), "checks": checks}
    expected = {check: truncate for check, truncate in expected.items() if truncate not in (None, "None")}
    assert [(finding["check"], finding["result"]) for finding in result["verification"]] == list(expected.items())
    assert data["verification"] == [CLOUD], "only the guard changes the run record"
    is_restored = "failed" not in (expected["marker"], expected.get("files"))
    proven = states.ROLLED_BACK if marker == "passed" else states.UNKNOWN
    assert result["outcome"] == (proven if is_restored else states.ROLLBACK_FAILED), "failing checks alone don't disprove a restore"
    if result["outcome"] == states.UNKNOWN:
        assert "nothing on the server shows that it was" in result["message"]
    elif is_restored:
        assert ("checks fail there too" in result["message"]) == (checks == "failed")
    else:
        assert (MARKER in result["message"]) == (marker == "failed")
        assert ("/etc/a" in result["message"]) == (expected.get("files") == "failed")


@pytest.mark.parametrize("checks", CHECKS.values())
def test_a_restored_server_that_does_not_answer_proves_nothing(checks):
    result = verify_restore(record_data(states.RESTORED, verification=[CLOUD], marker_written=True), None, checks)
    assert result["outcome"] == states.UNKNOWN and "does not answer" in result["message"]
    assert [(finding["check"], finding["result"]) for finding in result["verification"]] == [("cloud", "passed"), ("server", "inconclusive")]


def test_without_a_probe_before_the_marker_is_still_verified():
    after = {"boot_id": "bbbbbbbb", "failed_units": None, "markers": [MARKER], "checksums": {}}
    result = verify_restore(record_data(states.RESTORED, before=None, marker_written=True), after, None)
    assert result["outcome"] == states.ROLLBACK_FAILED
