# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shows on the server whether it was restored. Pure functions.

The *marker* is a file that is written after the snapshot, so a restore removes it. But a boot may also have emptied its directory.
The *proof directories* (`proof_dirs`) are those above it. The role changes their modification times after the snapshot, and flushes them to the
disk. Only a restore brings the old times back, so a restore that did nothing is never mistaken for one. The role's script adds the user's home,
since a user without root privileges can change none of the others.
"""

from __future__ import annotations

import posixpath
from typing import Any

from . import record as states
from .record import MARKER_PREFIX

MISSING = "missing"  # in place of a checksum

PASSED, INCONCLUSIVE, FAILED = "passed", "inconclusive", "failed"


def finding(check: str, result: str, detail: str) -> dict[str, str]:
    return {"check": check, "result": result, "detail": detail}


def marker_path(directory: str, run_id: str) -> str:
    """Return the path of the file that is written after the snapshot, so that a restore removes it."""
    return posixpath.normpath("/" + posixpath.join(directory, MARKER_PREFIX + run_id).lstrip("/"))


def proof_dirs_of(marker: str) -> list[str]:
    """Return directories that exist on every system, and that neither a boot nor the upgrade of a package usually changes."""
    directory = posixpath.dirname(marker)
    parent = posixpath.dirname(directory)
    root = posixpath.dirname(parent)
    return list(dict.fromkeys([parent, root, posixpath.join(root, "srv"), posixpath.join(root, "mnt")]))


def run_fields(marker: str) -> dict[str, Any]:
    """Return what the role's commands need to know."""
    return {"marker": marker, "proof_dirs": proof_dirs_of(marker)}


def observed_fields(probe_result: dict[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a run record that state what was observed just before the restore. All are None if nothing was."""
    observed = probe_result or {}
    return {
        "boot_before_restore": observed.get("boot_id"), "times_before_restore": observed.get("times"),
        "markers_before_restore": observed.get("markers"), "checksums_before_restore": observed.get("checksums"),
    }


def times_on_unobserved_server(record: dict[str, Any]) -> dict[str, str] | None:
    """Return the times of the proof directories on a server that can't be observed; None if they are unknown.

    Since the upgrade was armed, only a restore can have brought back the times of the snapshot.
    """
    names = [entry["state"] for entry in record["history"]]
    is_restored = states.ARMED not in names or states.RESTORING in names[max(index for index, name in enumerate(names) if name == states.ARMED):]
    return None if is_restored else record.get("times_after_snapshot")


def restored_dirs(record: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the directories that have their time of the snapshot again, and had another one just before the restore."""
    at_snapshot, before_restore = record.get("times_at_snapshot") or {}, record.get("times_before_restore") or {}
    times = after.get("times") or {}
    return sorted(path for path, time in at_snapshot.items() if times.get(path) == time and before_restore.get(path, time) != time)


def unrestored_dirs(record: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the directories that have a time from after the snapshot."""
    at_snapshot, times = record.get("times_at_snapshot") or {}, after.get("times") or {}
    later = [record.get(name) or {} for name in ("times_after_snapshot", "times_before_restore")]
    return sorted(
        path for path, time in times.items() if path in at_snapshot and time != at_snapshot[path] and time in [known.get(path) for known in later]
    )


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
    if record.get("times_at_snapshot") is not None and not restored_dirs(record, after):
        return finding("marker", INCONCLUSIVE, "it is gone, but nothing else shows a restore: a boot may have removed it")
    return finding("marker", PASSED, "the marker that was written after the snapshot is gone")


def verify_files(record: dict[str, Any], after: dict[str, Any]) -> list[dict[str, str]]:
    """Compare files with their content before the snapshot, and directories with their times."""
    known = (record.get("before") or {}).get("checksums") or {}
    readable = sorted(path for path, digest in known.items() if digest != MISSING)
    different = sorted(path for path, digest in known.items() if after["checksums"].get(path) != digest) if readable else []
    different += [f"the time of {path}" for path in unrestored_dirs(record, after)]
    if different:
        return [finding("files", FAILED, f"not as before the upgrade: {', '.join(different)}")]
    changed = changed_files_restored(record, after)
    restored = [*changed, *(f"the time of {path}" for path in restored_dirs(record, after))]
    if restored:
        unchanged = [path for path in readable if path not in changed]
        detail = f"; as before the upgrade: {', '.join(unchanged)}" if unchanged else ""
        return [finding("files", PASSED, f"changed since the snapshot, and restored: {', '.join(restored)}{detail}")]
    if record.get("times_at_snapshot") is not None:
        return [finding("files", INCONCLUSIVE, "nothing is known to have changed since the snapshot and to be restored now")]
    if known and not readable:
        return [finding("files", INCONCLUSIVE, f"could not be read before the upgrade: {', '.join(sorted(known))}")]
    return [finding("files", PASSED, f"as before the upgrade: {', '.join(readable)}")] if known else []


def is_proven(record: dict[str, Any], after: dict[str, Any], findings: list[dict[str, str]]) -> bool:
    """Whether something on the server itself shows that it was restored."""
    marker_passed = any(item["check"] == "marker" and item["result"] == PASSED for item in findings)
    return marker_passed or bool(restored_dirs(record, after)) or bool(changed_files_restored(record, after))
