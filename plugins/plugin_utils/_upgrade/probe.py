# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parses the role's probe of a server, and compares two probes. Pure functions.

The probe is a shell script that prints lines of a word and its value: `boot ID`, `units known`, `unit NAME` (failed), `marker PATH`,
`sum HASH PATH`, and `end` when it is complete.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from . import record as states
from .record import MARKER_PREFIX

MAX_PROBE_CHARS = 1_000_000  # longer output is not of this script

UNREADABLE = "missing"  # in place of a checksum

PASSED, INCONCLUSIVE, FAILED = "passed", "inconclusive", "failed"


def parse_probe(text: str | None) -> dict[str, Any] | None:
    """Return `boot_id`, `failed_units` (None on a system without units), `markers`, `checksums`; None if it is not complete."""
    lines = (text or "").replace("\r\n", "\n").split("\n")
    if "end" not in lines or len(text) > MAX_PROBE_CHARS:
        return None
    boot_ids = [value for value in _values_of(lines, "boot") if re.fullmatch("[0-9a-f-]{8,64}", value)]
    sums = [value.partition(" ") for value in _values_of(lines, "sum")]
    return {
        "boot_id": boot_ids[0] if boot_ids else None,
        "failed_units": sorted(_values_of(lines, "unit")) if "units known" in lines else None,
        "markers": _values_of(lines, "marker"),
        "checksums": {path: digest for digest, dummy, path in sums},
    }


def parse_boot_id(log: str | None) -> str | None:
    """Return the boot id in the first line of the server's logs, see the role's task."""
    found = re.match("boot ([0-9a-f-]{8,64})\r?\n", log or "")
    return found[1] if found else None


def _values_of(lines: list[str], prefix: str) -> list[str]:
    return [line[len(prefix) + 1:] for line in lines if line.startswith(prefix + " ")]


def marker_path(directory: str, run_id: str) -> str:
    """Return the path of the file that is written after the snapshot, so that a restore removes it."""
    return posixpath.normpath("/" + posixpath.join(directory, MARKER_PREFIX + run_id).lstrip("/"))


def new_failed_units(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    known = set((before or {}).get("failed_units") or [])
    return [unit for unit in (after or {}).get("failed_units") or [] if unit not in known]


def verify_restore(record: dict[str, Any], after: dict[str, Any] | None, checks: str | None) -> dict[str, Any]:
    """Compare a restored server with its state before the snapshot.

    Args:
        after: The probe of the restored server; None if it does not answer.
        checks: `passed`, `failed`, or None if none were run.

    Returns:
        `outcome`, `verification` (a list of `check`, `result`, `detail`), `message`.
    """
    verification = list(record["verification"])
    if after is None:
        verification.append(_finding("server", INCONCLUSIVE, "it does not answer, so it could not be probed"))
        message = "the provider reports it as restored, but the server does not answer"
        return {"outcome": states.UNKNOWN, "verification": verification, "message": message}
    before = record.get("before") or {}
    verification += [_verify_marker(record, after), _verify_boot(record, before, after), *_verify_files(before, after), *_verify_checks(checks)]
    failures = [finding for finding in verification if finding["result"] == FAILED and finding["check"] != "checks"]
    if failures:
        message = f"the provider reports it as restored, but the server is different: {'; '.join(item['detail'] for item in failures)}"
        return {"outcome": states.ROLLBACK_FAILED, "verification": verification, "message": message}
    message = "the server is as it was when the snapshot was taken"
    if checks == "failed":
        message += "; the checks fail there too: find out whether they did before the upgrade"
    return {"outcome": states.ROLLED_BACK, "verification": verification, "message": message}


def _finding(check: str, result: str, detail: str) -> dict[str, str]:
    return {"check": check, "result": result, "detail": detail}


def _verify_marker(record: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    if not record.get("marker_written"):
        return _finding("marker", INCONCLUSIVE, "it was not written yet")
    if record["marker"] in after["markers"]:
        return _finding("marker", FAILED, f"the marker {record['marker']}, written after the snapshot, still exists")
    return _finding("marker", PASSED, "the marker that was written after the snapshot is gone")


def _verify_boot(record: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    boot_id_before_restore = record.get("boot_before_restore")
    if not before.get("boot_id") or not after["boot_id"]:
        return _finding("boot", INCONCLUSIVE, "the system has no boot id")
    if not boot_id_before_restore:
        return _finding("boot", INCONCLUSIVE, "its boot just before the restore is unknown")
    if after["boot_id"] in (boot_id_before_restore, before["boot_id"]):
        return _finding("boot", INCONCLUSIVE, "its boot id is that of the snapshot: a snapshot with memory continues the same boot")
    return _finding("boot", PASSED, "it has rebooted")


def _verify_files(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, str]]:
    known = before.get("checksums") or {}
    if not known:
        return []
    unreadable = [path for path, digest in known.items() if digest == UNREADABLE]
    if len(unreadable) == len(known):
        return [_finding("files", INCONCLUSIVE, f"could not be read before the upgrade: {', '.join(sorted(unreadable))}")]
    changed = [path for path, digest in known.items() if after["checksums"].get(path) != digest]
    if changed:
        return [_finding("files", FAILED, f"not as before the upgrade: {', '.join(sorted(changed))}")]
    return [_finding("files", PASSED, f"as before the upgrade: {', '.join(sorted(known))}")]


def _verify_checks(checks: str | None) -> list[dict[str, str]]:
    if checks is None:
        return []
    return [_finding("checks", PASSED if checks == "passed" else FAILED, f"the checks have {checks}")]
