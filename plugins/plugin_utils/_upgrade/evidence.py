# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two files on the server that show whether a restore happened. Pure functions.

The *marker* is written after the snapshot, so a restore removes it. But a boot may also have emptied its directory.
The *reference file* exists before the snapshot, and the role changes its content after the snapshot. Only a restore brings the old content
back, so a restore that did nothing is never mistaken for one.
"""

from __future__ import annotations

import posixpath
from typing import Any

from . import record as states
from .record import MARKER_PREFIX

REFERENCE_NAME = MARKER_PREFIX.rstrip("-") + ".reference"
MISSING = "missing"  # in place of a checksum or of the reference file's content

PASSED, INCONCLUSIVE, FAILED = "passed", "inconclusive", "failed"


def finding(check: str, result: str, detail: str) -> dict[str, str]:
    return {"check": check, "result": result, "detail": detail}


def marker_path(directory: str, run_id: str) -> str:
    """Return the path of the file that is written after the snapshot, so that a restore removes it."""
    return posixpath.normpath("/" + posixpath.join(directory, MARKER_PREFIX + run_id).lstrip("/"))


def file_fields(marker: str, run_id: str) -> dict[str, str]:
    """Return what the role's commands need: the paths of both files, and the content of the reference file before and after the snapshot."""
    return {
        "marker": marker, "reference": posixpath.join(posixpath.dirname(marker), REFERENCE_NAME),
        "reference_before": f"{run_id} before the snapshot", "reference_after": f"{run_id} after the snapshot",
    }


def observed_fields(probe_result: dict[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a run record that state what was observed just before the restore. All are None if nothing was."""
    observed = probe_result or {}
    return {
        "boot_before_restore": observed.get("boot_id"), "reference_before_restore": observed.get("reference"),
        "markers_before_restore": observed.get("markers"), "checksums_before_restore": observed.get("checksums"),
    }


def reference_after_restores(record: dict[str, Any]) -> str | None:
    """Return the reference file's content on a server that can't be observed; None if it is unknown.

    Since the upgrade was armed, only a restore can have brought back the content from before the snapshot.
    """
    names = [entry["state"] for entry in record["history"]]
    is_restored = states.ARMED not in names or states.RESTORING in names[max(index for index, name in enumerate(names) if name == states.ARMED):]
    return None if is_restored else file_fields(record["marker"], record["run_id"])["reference_after"]


def is_reference_restored(record: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the reference file has its content from before the snapshot, and had another one just before the restore."""
    before_snapshot = file_fields(record["marker"], record["run_id"])["reference_before"]
    return after.get("reference") == before_snapshot and record.get("reference_before_restore") not in (None, before_snapshot)


def changed_files_restored(record: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the verified files that were different just before the restore, and are as before the snapshot now."""
    known = (record.get("before") or {}).get("checksums") or {}
    observed = record.get("checksums_before_restore") or {}
    changed = [path for path, digest in known.items() if digest != MISSING and observed.get(path, digest) != digest]
    return sorted(path for path in changed if after["checksums"].get(path) == known[path])


def verify_marker(record: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """Its absence proves something only if it was there before, and if its directory has kept its content."""
    if not record.get("marker_written"):
        return finding("marker", INCONCLUSIVE, "it was not written yet")
    if record["marker"] in after["markers"]:
        return finding("marker", FAILED, f"the marker {record['marker']}, written after the snapshot, still exists")
    observed = record.get("markers_before_restore")
    if observed is not None and record["marker"] not in observed:
        return finding("marker", INCONCLUSIVE, "it was already missing just before the restore")
    if record.get("has_reference") and not is_reference_restored(record, after):
        return finding("marker", INCONCLUSIVE, "it is gone, but nothing shows that its directory has kept its content")
    return finding("marker", PASSED, "the marker that was written after the snapshot is gone")


def verify_files(record: dict[str, Any], after: dict[str, Any]) -> list[dict[str, str]]:
    """Compare the files with their content before the snapshot, among them one that the role has changed since."""
    known = (record.get("before") or {}).get("checksums") or {}
    readable = sorted(path for path, digest in known.items() if digest != MISSING)
    different = sorted(path for path, digest in known.items() if after["checksums"].get(path) != digest) if readable else []
    fields = file_fields(record["marker"], record["run_id"])
    if record.get("has_reference") and after.get("reference") == fields["reference_after"]:
        different.insert(0, fields["reference"])
    if different:
        return [finding("files", FAILED, f"not as before the upgrade: {', '.join(different)}")]
    restored = [fields["reference"]] if is_reference_restored(record, after) else []
    restored += changed_files_restored(record, after)
    if restored:
        unchanged = [path for path in readable if path not in restored]
        detail = f"; as before the upgrade: {', '.join(unchanged)}" if unchanged else ""
        return [finding("files", PASSED, f"changed since the snapshot, and restored: {', '.join(restored)}{detail}")]
    if record.get("has_reference"):
        return [finding("files", INCONCLUSIVE, "no file is known to have changed since the snapshot, so their content proves nothing")]
    if known and not readable:
        return [finding("files", INCONCLUSIVE, f"could not be read before the upgrade: {', '.join(sorted(known))}")]
    return [finding("files", PASSED, f"as before the upgrade: {', '.join(readable)}")] if known else []


def is_proven(record: dict[str, Any], after: dict[str, Any], findings: list[dict[str, str]]) -> bool:
    """Whether something on the server itself shows that it was restored."""
    marker_passed = any(item["check"] == "marker" and item["result"] == PASSED for item in findings)
    return marker_passed or is_reference_restored(record, after) or bool(changed_files_restored(record, after))
