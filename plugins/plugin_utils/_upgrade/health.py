# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares probes of a server before and after its upgrade. Pure functions; a problem is a sentence for a person.

What was observed before the upgrade and can't be observed now is a problem. What failed before the upgrade is none.
"""

from __future__ import annotations

from typing import Any

Probe = dict[str, Any]

# A file system with less is full.
MIN_FREE_KB = 1024
MIN_FREE_INODES = 10

# Of systemd, see systemctl(1) is-system-running.
STARTING_STATES = ("initializing", "starting")
UNUSABLE_STATES = {"maintenance": "systemd is in rescue or emergency mode", "stopping": "systemd is shutting the server down"}


def find_problems(before: Probe, after: Probe) -> list[str]:
    """Return what is worse than before the upgrade in one probe."""
    problems = ["its boot ID can't be read any more"] if before.get("boot_id") and not after.get("boot_id") else []
    return problems + _find_package_problems(before, after) + _find_disk_problems(before, after) + _find_unit_problems(before, after)


def _find_package_problems(before: Probe, after: Probe) -> list[str]:
    known, packages = before.get("broken_packages"), after.get("broken_packages")
    if known is None:
        return []
    if packages is None:
        return ["the package database can't be read any more"]
    broken = [f"{name} ({state})" for name, state in sorted(packages.items()) if name not in known]
    return _listed("packages that are not completely installed", broken)


def _find_disk_problems(before: Probe, after: Probe) -> list[str]:
    """Return the file systems that are full or read-only now, and were not before."""
    earlier, problems = before.get("disks") or {}, []
    for point, disk in sorted((after.get("disks") or {}).items()):
        known = earlier.get(point)
        if known is None:
            continue
        if disk["free_kb"] < MIN_FREE_KB <= known["free_kb"]:
            problems.append(f"{point} has only {disk['free_kb']} kB of free space")
        if disk["free_inodes"] < MIN_FREE_INODES <= known["free_inodes"]:
            problems.append(f"{point} has only {disk['free_inodes']} free inodes")
    read_only = set(after.get("read_only") or []) - set(before.get("read_only") or [])
    return problems + [f"{point} is mounted read-only" for point in sorted(read_only & set(earlier))]


def _find_unit_problems(before: Probe, after: Probe) -> list[str]:
    """Return what systemd shows; nothing if there was none before."""
    if before.get("failed_units") is None:
        return []
    if after.get("failed_units") is None:
        return ["systemd can't be queried any more"]
    problems = _listed("failed since the upgrade", new_failed_units(before, after))
    stopped = set(after.get("stopped") or [])
    problems += _listed("stopped since the upgrade", [unit for unit in before.get("running") or [] if unit in stopped])
    problems += _listed("waiting for another restart", restarting_units(before, after))
    return problems + _find_startup_problems(before, after)


def find_changes(before: Probe, earlier: Probe, later: Probe) -> list[str]:
    """Return what has happened between two probes after the upgrade that a healthy server does not do."""
    if earlier.get("boot_id") != later.get("boot_id"):
        return ["it has rebooted by itself"]
    growing = _more_restarts(before, earlier, later)
    return _listed("restarting repeatedly", [f"{unit} ({count} more)" for unit, count in sorted(growing.items())])


def has_restarted_since(before: Probe, after: Probe | None) -> bool:
    """Whether a service has restarted by itself since the upgrade, which it did not do before. It may do so again and again, with long pauses."""
    return bool(after and _more_restarts(before, before, after))


def _more_restarts(before: Probe, earlier: Probe, later: Probe) -> dict[str, int]:
    known, counts = unstable_units(before), earlier.get("restarts") or {}
    return {
        unit: count - counts.get(unit, 0) for unit, count in (later.get("restarts") or {}).items()
        if unit not in known and count > counts.get(unit, 0)
    }


def restarting_units(before: Probe, after: Probe) -> list[str]:
    """Return the units that wait for their next restart, and did not do so before the upgrade."""
    known = unstable_units(before)
    return [unit for unit in after.get("restarting") or [] if unit not in known]


def with_services_of(before: Probe, after: Probe | None) -> Probe:
    """Return the observation before the upgrade, with the services that run after it, too: they must not stop some seconds later.

    One that had stopped before the upgrade may stop again: it may be a job that each boot runs once.
    """
    started = set((after or {}).get("running") or []) - set(before.get("stopped") or [])
    return {**before, "running": sorted({*(before.get("running") or []), *started})}


def new_failed_units(before: Probe | None, after: Probe | None) -> list[str]:
    known = set((before or {}).get("failed_units") or [])
    return [unit for unit in (after or {}).get("failed_units") or [] if unit not in known]


def verify_units(before: Probe, after: Probe) -> list[dict[str, str]]:
    """Return what systemd shows of a restored server, as a finding of its verification; nothing without systemd."""
    if before.get("failed_units") is None:
        return []
    units = new_failed_units(before, after)
    if after.get("failed_units") is None:
        result, detail = "failed", "systemd can't be queried, and could be before the upgrade"
    elif units:
        result, detail = "failed", f"units have failed that had not failed before the upgrade: {', '.join(units)}"
    elif after.get("system_state") in STARTING_STATES:
        result, detail = "inconclusive", "the server is still starting"
    else:
        result, detail = "passed", "no unit has failed that had not failed before the upgrade"
    return [{"check": "units", "result": result, "detail": detail}]


def unstable_units(before: Probe) -> set[str]:
    """Return the units that failed, restarted or started again and again before the upgrade."""
    return {*(before.get("failed_units") or []), *(before.get("restarting") or []), *(before.get("jobs") or {})}


def with_restarts_between(before: Probe, later: Probe) -> Probe:
    """Return the earlier of two probes before the upgrade, with the units that have restarted since among those that wait for a restart."""
    earlier_counts = before.get("restarts") or {}
    restarted = {unit for unit, count in (later.get("restarts") or {}).items() if count != earlier_counts.get(unit, 0)}
    return {**before, "restarting": sorted({*(before.get("restarting") or []), *(later.get("restarting") or []), *restarted})}


def _find_startup_problems(before: Probe, after: Probe) -> list[str]:
    """Return what systemd has not finished.

    A unit that a timer has started may take long, and so may a oneshot unit that was started after the boot: neither is part of the startup.
    """
    state, jobs = after.get("system_state"), after.get("jobs") or {}
    if state == before.get("system_state") and state not in (None, "running", "degraded"):
        return []
    if state in UNUSABLE_STATES:
        return [UNUSABLE_STATES[state]]
    is_booting = state in STARTING_STATES
    ignored_kinds, known = ("timer",) if is_booting else ("timer", "oneshot"), unstable_units(before)
    units = sorted(unit for unit, kind in jobs.items() if kind not in ignored_kinds and unit not in known)
    return ["systemd is still starting"] if is_booting and not jobs else _listed("still starting", units)


def _listed(what: str, units: list[str]) -> list[str]:
    return [f"{what}: {', '.join(units)}"] if units else []
