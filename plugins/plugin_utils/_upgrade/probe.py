# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parses the role's probe of a server, and compares two probes. Pure functions.

The probe is a shell script that prints lines of a word and its value: `boot ID`, `kernel VERSION` (the running one, if it is installed on the
server), `units known`, `unit NAME` (failed), `system STATE` (of systemd), `restarts COUNT UNIT`, `restarting UNIT` (waits for its next restart),
`running UNIT` and `stopped UNIT` (services that each boot starts, and nothing else), `job KIND UNIT` (queued), `marker_dir PATH`, `marker PATH`,
`time SECONDS PATH`, `sum HASH PATH`, `packages known`, `package STATE NAME` (not completely installed), `disk KILOBYTES PATH` and
`inodes NUMBER PATH` (free), `read_only PATH`. The role adds `modules run` if a module of Ansible runs on the server. They are between the lines
`begin` and `end`, since a login, sudo and a terminal print lines of their own around them.
"""

from __future__ import annotations

import re
from typing import Any

from . import record as states
from .evidence import FAILED, INCONCLUSIVE, PASSED, finding, is_proven, verify_files, verify_marker
from .health import verify_units

MAX_PROBE_CHARS = 1_000_000  # a longer block is not of this script
MAX_NUMBER = 10**9  # that a run record takes


def parse_probe(text: str | None) -> dict[str, Any] | None:
    """Return what the first probe in the text shows; None if it is not complete. The server's logs may follow it.

    Returns:
        `boot_id`, `kernel`, `failed_units` (None if systemd can't be queried), `system_state`, `restarts` by unit, `restarting`, `running` and
        `stopped` units, `jobs` (unit to kind: `timer`, `oneshot` or `other`), `modules_run`, `marker_dir` (None if no directory is suitable),
        `markers`, `times` of the proof directories, `checksums`, `broken_packages` (name to state; None if there is no package database, or it
        can't be read), `disks` (mount point to `free_kb` and `free_inodes`), and `read_only` (mount points).
    """
    lines = _probe_lines(text or "")
    if lines is None:
        return None
    boot_ids = [value for value in _values_of(lines, "boot") if re.fullmatch("[0-9a-f-]{8,64}", value)]
    sums = [value.partition(" ") for value in _values_of(lines, "sum")]
    times = [value.partition(" ") for value in _values_of(lines, "time")]
    restarts = [value.partition(" ") for value in _values_of(lines, "restarts")]
    jobs = [value.partition(" ") for value in _values_of(lines, "job")]
    return {
        "boot_id": boot_ids[0] if boot_ids else None,
        "failed_units": sorted(_values_of(lines, "unit")) if "units known" in lines else None,
        "marker_dir": next((value for value in _values_of(lines, "marker_dir") if value.startswith("/")), None),
        "kernel": next(iter(_values_of(lines, "kernel")), None),
        "system_state": next(iter(_values_of(lines, "system")), None),
        "restarts": {unit: int(count) for count, dummy, unit in restarts if count.isascii() and count.isdigit() and len(count) < 10},
        "restarting": sorted(_values_of(lines, "restarting")),
        "running": sorted(_values_of(lines, "running")),
        "stopped": sorted(_values_of(lines, "stopped")),
        "jobs": {unit: kind for kind, dummy, unit in jobs},
        "modules_run": "modules run" in lines,
        "markers": _values_of(lines, "marker"),
        "times": {path: time for time, dummy, path in times if time and path},
        "checksums": {path: digest for digest, dummy, path in sums},
        "broken_packages": _broken_packages(lines),
        "disks": _disks(lines),
        "read_only": sorted(set(_values_of(lines, "read_only"))),
    }


def _broken_packages(lines: list[str]) -> dict[str, str] | None:
    if "packages known" not in lines:
        return None
    return {name: state for state, dummy, name in (value.partition(" ") for value in _values_of(lines, "package"))}


def _disks(lines: list[str]) -> dict[str, dict[str, int]]:
    """Return the file systems whose free space and inodes are known. Some have no inodes."""
    space, inodes = _numbers(lines, "disk"), _numbers(lines, "inodes")
    return {point: {"free_kb": free, "free_inodes": inodes[point]} for point, free in space.items() if point in inodes}


def _numbers(lines: list[str], prefix: str) -> dict[str, int]:
    values = (value.partition(" ") for value in _values_of(lines, prefix))
    return {point: min(int(number), MAX_NUMBER) for number, dummy, point in values if number.isascii() and number.isdigit() and len(number) < 16}


def parse_times(text: str | None) -> tuple[dict[str, str], dict[str, str]] | None:
    """Return the times of the proof directories as of the snapshot, and after they were changed; None if the output is not complete."""
    lines = _probe_lines(text or "")
    if lines is None:
        return None
    parts = ([value.partition(" ") for value in _values_of(lines, prefix)] for prefix in ("time", "changed"))
    before, after = ({path: time for time, dummy, path in values if time and path} for values in parts)
    changed = {path: time for path, time in after.items() if path in before and before[path] != time}
    return {path: before[path] for path in changed}, changed


def _probe_lines(text: str) -> list[str] | None:
    lines = [line.rstrip("\r") for line in text[:MAX_PROBE_CHARS].split("\n")]
    if "begin" in lines:
        del lines[:lines.index("begin") + 1]
    return lines[:lines.index("end")] if "end" in lines else None


def _values_of(lines: list[str], prefix: str) -> list[str]:
    return [line[len(prefix) + 1:] for line in lines if line.startswith(prefix + " ")]


def verify_restore(
    record: dict[str, Any], after: dict[str, Any] | None, checks: str | None, *, connection_error: str = "", proof_required: bool = True,
) -> dict[str, Any]:
    """Compare a restored server with its state before the snapshot.

    Args:
        after: The probe of the restored server; None if it does not answer.
        checks: `passed`, `failed`, or None if none were run.
        connection_error: Why it does not answer.
        proof_required: Whether the outcome is unknown unless something on the server shows that it was restored.

    Returns:
        `outcome`, `verification` (a list of `check`, `result`, `detail`), `message`.
    """
    verification = [item for item in record["verification"] if item["check"] != "server"]
    if after is None:
        reason = f": {connection_error}" if connection_error else ""
        verification.append(finding("server", INCONCLUSIVE, f"it does not answer, so it could not be probed{reason}"))
        message = f"the provider reports it as restored, but the server does not answer{reason}"
        return {"outcome": states.UNKNOWN, "verification": verification, "message": message}
    before = record.get("before") or {}
    verification += [verify_marker(record, after), _verify_boot(record, before, after), *verify_files(record, after)]
    verification += [*verify_units(before, after), *_verify_checks(checks)]
    # What runs on a server may fail for other reasons than the restore.
    failures = [item for item in verification if item["result"] == FAILED and item["check"] not in ("units", "checks")]
    if failures:
        message = f"the provider reports it as restored, but the server is different: {'; '.join(item['detail'] for item in failures)}"
        return {"outcome": states.ROLLBACK_FAILED, "verification": verification, "message": message}
    if proof_required and not is_proven(record, after, verification):
        message = "the provider reports it as restored, but nothing on the server shows that it was"
        return {"outcome": states.UNKNOWN, "verification": verification, "message": message}
    message = "the server is as it was when the snapshot was taken"
    message += "".join(f"; {item['detail']}" for item in verification if item["check"] == "units" and item["result"] == FAILED)
    if checks == "failed":
        message += "; the checks fail there too: find out whether they did before the upgrade"
    return {"outcome": states.ROLLED_BACK, "verification": verification, "message": message}


def _verify_boot(record: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    boot_id_before_restore = record.get("boot_before_restore")
    if not before.get("boot_id") or not after["boot_id"]:
        return finding("boot", INCONCLUSIVE, "the system has no boot id")
    if not boot_id_before_restore:
        return finding("boot", INCONCLUSIVE, "its boot just before the restore is unknown")
    if after["boot_id"] in (boot_id_before_restore, before["boot_id"]):
        return finding("boot", INCONCLUSIVE, "its boot id is that of the snapshot: a snapshot with memory continues the same boot")
    return finding("boot", PASSED, "it has rebooted")


def _verify_checks(checks: str | None) -> list[dict[str, str]]:
    if checks is None:
        return []
    return [finding("checks", PASSED if checks == "passed" else FAILED, f"the checks have {checks}")]
