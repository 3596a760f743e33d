# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a wished schedule comes to: who runs it, when, under which names. Pure functions; nothing is asked or changed.

A wish that can't be kept is refused, never bent: a schedule that does something else than was said is noticed when it is
too late.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ..module_utils._errors import UNSUPPORTED, RewindError, invalid_argument
from ..module_utils._provider.base import Capabilities

CLOUD = "cloud"
METHODS = ("auto", CLOUD, "systemd", "cron")
DEFAULT_RETAIN = 3  # by a runner, where nothing is said
MAX_SERVER_NAME = 64
SLACK_HOURS = 2  # more than the hour by which a day may be longer or shorter

TIMESTAMP_FORMAT = "%Y%m%d%H%M"  # what each snapshot's name ends with, UTC
TIMESTAMP_GLOB = "2[0-9][0-9][0-9][01][0-9][0-3][0-9][0-2][0-9][0-5][0-9]"  # the names that the above makes, as a pattern

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_TEMPLATE = re.compile(r"\{[{%#]")


def plan(options: Mapping[str, Any], cloud: Capabilities, title: str) -> dict[str, Any]:
    """Decide, or refuse.

    :arg wishes: C(provider), C(server), C(name), C(method), C(state), C(every_days), C(hour), C(minute), C(timezone), C(retain_count); numbers may
        come as text, as from the command line.
    :arg title: what people call the cloud.
    :returns: C(method) (C(cloud) or C(runner)), C(unit) (the name of all that is installed), C(when) (in words), C(cloud) (what the cloud's
        schedule takes) or C(run) (what the playbook takes), C(at) (cron's) and C(on_calendar) (systemd's words).
    :raises RewindError: C(invalid_argument) or C(unsupported).
    """
    server, name = _server(options), _name(options, cloud, title)
    method = _method(options, cloud, title)
    provider = str(options["provider"])
    planned: dict[str, Any] = {"method": method, "provider": provider, "server": server, "name": name, "unit": unit_name(provider, server, name)}
    if options["state"] == "absent":
        return planned
    days = _number(options, "every_days", 1, 365)
    hour, minute = _number(options, "hour", 0, 23), _number(options, "minute", 0, 59)
    zone = _zone(options)
    if method == CLOUD:
        return {**planned, **_plan_provider(options, cloud, title, days, hour, minute, zone)}
    return {**planned, **_plan_runner(options, cloud, title, name, days, hour, minute, zone)}


def unit_name(provider: str, server: str, name: str) -> str:
    """What all that is installed for a schedule is called: safe in file names, and of this schedule alone.

    A name has no dot, so what follows the last one is the name. A server that can't be written as it is called gets its checksum.
    """
    written = re.sub("[^A-Za-z0-9.-]", "_", server)[:80].strip(".")
    if written != server:
        written += "_" + hashlib.sha256(server.encode()).hexdigest()[:12]
    return f"rewind-snapshot-{provider}-{written}.{name}"


def _plan_provider(
    options: Mapping[str, Any], cloud: Capabilities, title: str, days: int, hour: int, minute: int, zone: str,
) -> dict[str, Any]:
    if _count(options, 1) != 1:
        raise _unsupported(
            f"{title}'s own schedule takes the one snapshot anew each time, so it can't keep {options['retain_count']} of them",
            "leave snapshot_schedule_retain_count out, or set snapshot_schedule_method to systemd or cron: a runner keeps as many as you like",
        )
    own_zone, ahead = cloud.schedule_timezone or ("UTC", 0)
    if zone not in ("", own_zone, "UTC"):
        raise _unsupported(
            f"{title}'s schedules follow its own clock ({own_zone}), so the time of day of {zone} can't be kept",
            f"say the time in {own_zone} or UTC, or set snapshot_schedule_method to systemd",
        )
    at = (hour * 60 + minute + (ahead if zone == "UTC" else 0)) % (24 * 60)
    return {
        "when": f"{_every(days)} at {hour:02d}:{minute:02d} {zone or own_zone}",
        "provider_schedule": {"day": days, "hour": at // 60, "minute": at % 60},
    }


def _plan_runner(
    options: Mapping[str, Any], cloud: Capabilities, title: str, name: str, days: int, hour: int, minute: int, zone: str,
) -> dict[str, Any]:
    count = _count(options, DEFAULT_RETAIN)
    if cloud.max_snapshots is not None and count >= cloud.max_snapshots:
        raise _unsupported(
            f"{title} allows {cloud.max_snapshots} snapshots of a server, and the new one is made before an old one goes, so {count} can't be kept",
            f"set snapshot_schedule_retain_count to {cloud.max_snapshots - 1} at most; less, where other snapshots need room",
        )
    if options["method"] == "cron" and zone:
        raise _unsupported(
            f"cron follows the clock of its host, so the time of day of {zone} can't be kept",
            "leave snapshot_schedule_timezone out and say the time of that host, or set snapshot_schedule_method to systemd",
        )
    prefix = name + ("-" if re.fullmatch(cloud.name_pattern, "-") else "")
    return {
        "when": f"{_every(days)} at {hour:02d}:{minute:02d} {zone or 'by the clock of its host'}",
        "zone": zone,
        "on_calendar": f"*-*-* {hour:02d}:{minute:02d}:00 {zone}".strip(),
        "time": {"hour": hour, "minute": minute},
        "job": {
            "prefix": prefix,
            "match": prefix + TIMESTAMP_GLOB,
            "count": count,
            # The timer comes each day. From one day less on a snapshot is taken, so that one that came late, after the runner had
            # been off, does not put off the next.
            "skip_if_newer_than": f"{(days - 1) * 24 + SLACK_HOURS}h",
        },
    }


def _method(options: Mapping[str, Any], cloud: Capabilities, title: str) -> str:
    method = str(options["method"])
    if method not in METHODS:
        raise invalid_argument(f"snapshot_schedule_method takes one of {', '.join(METHODS)}, not {method!r}")
    if method == CLOUD and not cloud.schedule:
        raise _unsupported(f"{title} has no schedules of its own", "set snapshot_schedule_method to auto, systemd or cron")
    return CLOUD if method == CLOUD or method == "auto" and cloud.schedule else "runner"


def _name(options: Mapping[str, Any], cloud: Capabilities, title: str) -> str:
    name = str(options["name"])
    if not re.fullmatch(cloud.name_pattern, name) or len(name) > MAX_SERVER_NAME:
        raise invalid_argument(f"snapshot_schedule_name must be {cloud.name_rule} at {title}, {MAX_SERVER_NAME} at most, not {name!r}")
    return name


def _server(options: Mapping[str, Any]) -> str:
    server = str(options["server"]).strip()
    if not server or not server.isprintable():
        raise invalid_argument("snapshot_schedule_server is empty, or has characters that can't be shown", "is a variable undefined or empty?")
    if _TEMPLATE.search(server):
        raise invalid_argument("snapshot_schedule_server holds a template, which would be read again when the schedule runs")
    return server


def _zone(options: Mapping[str, Any]) -> str:
    zone = str(options["timezone"] or "")
    if zone and not _ZONE.fullmatch(zone):
        raise invalid_argument(f"snapshot_schedule_timezone takes UTC or a name like Europe/Istanbul, not {zone!r}")
    return zone


def _count(options: Mapping[str, Any], default: int) -> int:
    if options.get("retain_count") in (None, ""):
        return default
    return _number(options, "retain_count", 1, 10000)


def _number(options: Mapping[str, Any], option: str, low: int, high: int) -> int:
    text = str(options[option]).strip()
    if not re.fullmatch("[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise invalid_argument(f"snapshot_schedule_{option} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def _every(days: int) -> str:
    return "every day" if days == 1 else f"every {days} days"


def _unsupported(message: str, hint: str) -> RewindError:
    return RewindError(message, kind=UNSUPPORTED, hint=hint)
