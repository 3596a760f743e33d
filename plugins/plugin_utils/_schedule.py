# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans a schedule: the method, the times and the names. Pure functions.

An option that the method cannot honour is rejected. If the role adjusted it instead, the user would notice too late.
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
DEFAULT_RETAIN = 3  # with a runner
MAX_NAME_LENGTH = 64
SLACK_HOURS = 2  # more than the hour that daylight saving time adds to a day or removes from it

TIMESTAMP_FORMAT = "%Y%m%d%H%M"  # the end of each snapshot name, UTC
TIMESTAMP_GLOB = "2[0-9][0-9][0-9][01][0-9][0-3][0-9][0-2][0-9][0-5][0-9]"  # matches TIMESTAMP_FORMAT

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_TEMPLATE = re.compile(r"\{[{%#]")


def plan(options: Mapping[str, Any], capabilities: Capabilities, provider_name: str) -> dict[str, Any]:
    """Plan a schedule.

    Args:
        options: `provider`, `server`, `name`, `method`, `state`, `every_days`, `hour`, `minute`, `timezone` and `retain_count`. Numbers can be text,
            as from the command line.
        capabilities: Those of the provider.
        provider_name: The provider's display name.

    Returns:
        `method` (`cloud` or `runner`), `unit` (the name of the installed files) and `when` (as text). With `cloud` also `provider_schedule` (the
        options of the provider's schedule). With `runner` also `job` (the variables of the playbook), `time` (for cron), `on_calendar` (for
        systemd) and `zone`.

    Raises:
        RewindError: `invalid_argument` or `unsupported`.
    """
    server, name = _server(options), _name(options, capabilities, provider_name)
    method = _method(options, capabilities, provider_name)
    provider = str(options["provider"])
    planned: dict[str, Any] = {"method": method, "provider": provider, "server": server, "name": name, "unit": unit_name(provider, server, name)}
    if options["state"] == "absent":
        return planned
    days = _number(options, "every_days", 1, 365)
    hour, minute = _number(options, "hour", 0, 23), _number(options, "minute", 0, 59)
    zone = _zone(options)
    if method == CLOUD:
        return {**planned, **_plan_provider(options, capabilities, provider_name, days, hour, minute, zone)}
    return {**planned, **_plan_runner(options, capabilities, provider_name, name, days, hour, minute, zone)}


def unit_name(provider: str, server: str, name: str) -> str:
    """Return the name of the installed files: safe as a file name, and unique for each schedule.

    A schedule name has no dot, so it is what follows the last dot. If the server name is not safe, a checksum is added.
    """
    safe_server = re.sub("[^A-Za-z0-9.-]", "_", server)[:80].strip(".")
    if safe_server != server:
        safe_server += "_" + hashlib.sha256(server.encode()).hexdigest()[:12]
    return f"rewind-snapshot-{provider}-{safe_server}.{name}"


def _plan_provider(
    options: Mapping[str, Any], capabilities: Capabilities, provider_name: str, days: int, hour: int, minute: int, zone: str,
) -> dict[str, Any]:
    if _count(options, 1) != 1:
        raise _unsupported(
            f"The schedule of {provider_name} re-creates a single snapshot, so it cannot keep {options['retain_count']} snapshots",
            "remove snapshot_schedule_retain_count, or set snapshot_schedule_method to systemd or cron",
        )
    own_zone, offset_minutes = capabilities.schedule_timezone or ("UTC", 0)
    if zone not in ("", own_zone, "UTC"):
        raise _unsupported(
            f"Schedules of {provider_name} use the time zone {own_zone}, so they cannot use {zone}",
            f"set the time in {own_zone} or UTC, or set snapshot_schedule_method to systemd",
        )
    minute_of_day = (hour * 60 + minute + (offset_minutes if zone == "UTC" else 0)) % (24 * 60)
    return {
        "when": f"{_every(days)} at {hour:02d}:{minute:02d} {zone or own_zone}",
        "provider_schedule": {"day": days, "hour": minute_of_day // 60, "minute": minute_of_day % 60},
    }


def _plan_runner(
    options: Mapping[str, Any], capabilities: Capabilities, provider_name: str, name: str, days: int, hour: int, minute: int, zone: str,
) -> dict[str, Any]:
    count = _count(options, DEFAULT_RETAIN)
    limit = capabilities.max_snapshots
    if limit is not None and count >= limit:
        raise _unsupported(
            f"{provider_name} allows {limit} snapshots per server, and a new one is created before an old one is deleted, so {count} cannot be kept",
            f"set snapshot_schedule_retain_count to at most {limit - 1}, or less if the server has other snapshots",
        )
    if options["method"] == "cron" and zone:
        raise _unsupported(
            f"cron uses the time zone of its host, so it cannot use {zone}",
            "remove snapshot_schedule_timezone and set the time of that host, or set snapshot_schedule_method to systemd",
        )
    prefix = name + ("-" if re.fullmatch(capabilities.name_pattern, "-") else "")
    return {
        "when": f"{_every(days)} at {hour:02d}:{minute:02d} {zone or 'in the time zone of its host'}",
        "zone": zone,
        "on_calendar": f"*-*-* {hour:02d}:{minute:02d}:00 {zone}".strip(),
        "time": {"hour": hour, "minute": minute},
        "job": {
            "prefix": prefix,
            "match": prefix + TIMESTAMP_GLOB,
            "count": count,
            # The timer runs every day. One day is subtracted, so that a late snapshot, for example after the runner was off, does
            # not delay the next one.
            "skip_if_newer_than": f"{(days - 1) * 24 + SLACK_HOURS}h",
        },
    }


def _method(options: Mapping[str, Any], capabilities: Capabilities, provider_name: str) -> str:
    method = str(options["method"])
    if method not in METHODS:
        raise invalid_argument(f"snapshot_schedule_method must be one of {', '.join(METHODS)}, not {method!r}")
    if method == CLOUD and not capabilities.schedule:
        raise _unsupported(f"{provider_name} has no schedules", "set snapshot_schedule_method to auto, systemd or cron")
    return CLOUD if method == CLOUD or method == "auto" and capabilities.schedule else "runner"


def _name(options: Mapping[str, Any], capabilities: Capabilities, provider_name: str) -> str:
    name = str(options["name"])
    if not re.fullmatch(capabilities.name_pattern, name) or len(name) > MAX_NAME_LENGTH:
        rule = f"{capabilities.name_rule} at {provider_name}, at most {MAX_NAME_LENGTH} characters"
        raise invalid_argument(f"snapshot_schedule_name must be {rule}, not {name!r}")
    return name


def _server(options: Mapping[str, Any]) -> str:
    server = str(options["server"]).strip()
    if not server or not server.isprintable():
        raise invalid_argument("snapshot_schedule_server is empty or has unprintable characters", "check whether a variable is undefined or empty")
    if _TEMPLATE.search(server):
        raise invalid_argument("snapshot_schedule_server contains a template, which would be evaluated when the schedule runs")
    return server


def _zone(options: Mapping[str, Any]) -> str:
    zone = str(options["timezone"] or "")
    if zone and not _ZONE.fullmatch(zone):
        raise invalid_argument(f"snapshot_schedule_timezone must be UTC or a name such as Europe/Istanbul, not {zone!r}")
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
