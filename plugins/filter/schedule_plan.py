# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_plan
short_description: Plan a schedule of snapshots for the role snapshot_schedule
version_added: 0.1.0
description:
  - Internal filter of the role C(rewind.vps.snapshot_schedule). Use the role.
  - Selects the method of a schedule, its times and its names by the capabilities of the provider, or returns why the options are rejected.
  - Sends no request and changes nothing.
author:
  - rewind.vps contributors (@rewind-vps)
options:
  _input:
    description:
      - The options of the role without their prefix C(snapshot_schedule_) (C(provider), C(server), C(name),
        C(method), C(state), C(every_days), C(hour), C(minute), C(timezone), C(retain_count), C(api_url), C(account), C(proxy),
        C(on_failure)).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the plan of a schedule
  ansible.builtin.debug:
    msg: "{{ options | rewind.vps.schedule_plan }}"
  vars:
    options:
      {provider: ilkbyte, server: app1, name: nightly, method: auto, state: present, every_days: 1, hour: 3, minute: 0}
"""

RETURN = r"""
_value:
  description:
    - The plan (C(method), C(when), and the settings of the provider, systemd, cron and the playbook) and C(error).
    - C(error) is empty, or the reason why the options are rejected. Then there are no other keys.
  type: dict
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils._errors import UNSUPPORTED, RewindError, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Provider
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY
from ansible_collections.rewind.vps.plugins.plugin_utils._schedule import file_stem, identity_address

CLOUD = "cloud"
METHODS = ("auto", CLOUD, "systemd", "cron")
DEFAULT_RETAIN = 3  # with a runner
MAX_NAME_LENGTH = 64
SLACK_HOURS = 2  # more than the hour that daylight saving time adds to a day or removes from it

TIMESTAMP_FORMAT = "%Y%m%d%H%M"  # the end of each snapshot name, UTC
TIMESTAMP_GLOB = "2[0-9][0-9][0-9][01][0-9][0-3][0-9][0-2][0-9][0-5][0-9]"  # matches TIMESTAMP_FORMAT

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_TEMPLATE = re.compile(r"\{[{%#]")
# Printable ASCII except space, double quote, dollar, backslash and backtick: systemd and a shell read it in the same way in double quotes.
_PROXY = re.compile(r"(https?|socks[45][ah]?)://[]!#%-[^_a-~]+")
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_UNIT = re.compile(r"[A-Za-z0-9:_.%-]+(@[A-Za-z0-9:_.%-]*)?\.(service|target|timer|socket|path)")


def schedule_plan(options: dict[str, Any]) -> dict[str, Any]:
    """Return the plan, or the error as data: Ansible would add text of its own to an exception of a filter."""
    try:
        return {"error": "", **_plan(options)}
    except RewindError as error:
        return {"error": error.format()}


def _plan(options: Mapping[str, Any]) -> dict[str, Any]:
    """Plan a schedule. Numbers can be text, as from the command line.

    An option that the method cannot honour is rejected. If the role adjusted it instead, the user would notice too late.
    """
    provider = REGISTRY.get(str(options["provider"]))
    if provider is None:
        raise invalid_argument(
            f"snapshot_schedule_provider must be one of {', '.join(REGISTRY)}",
            "set it, the host variable rewind_provider, or REWIND_PROVIDER in the controller's environment",
        )
    server, name, method = _server(options), _name(options, provider), _method(options, provider)
    key, url = str(options["provider"]), str(options.get("api_url") or "").strip()
    planned: dict[str, Any] = {
        "method": method, "state": str(options["state"]), "provider": key, "server": server, "name": name,
        "address": identity_address(key, url), "address_given": bool(url), "account": _account(options), "file_stem": file_stem(key, server),
    }
    if options["state"] == "absent":
        return planned
    days, hour, minute = _number(options, "every_days", 1, 365), _number(options, "hour", 0, 23), _number(options, "minute", 0, 59)
    zone = _zone(options)
    if method == CLOUD:
        return {**planned, **_plan_provider(options, provider, days, hour, minute, zone)}
    return {**planned, **_plan_runner(options, provider, name, days, hour, minute, zone)}


def _plan_provider(options: Mapping[str, Any], provider: type[Provider], days: int, hour: int, minute: int, zone: str) -> dict[str, Any]:
    if _count(options, 1) != 1:
        raise _unsupported(
            f"The schedule of {provider.display_name} re-creates a single snapshot, so it cannot keep {options['retain_count']} snapshots",
            "remove snapshot_schedule_retain_count, or set snapshot_schedule_method to systemd or cron",
        )
    for option in ("proxy", "on_failure"):
        if options.get(option):
            raise _unsupported(
                f"{provider.display_name} runs its schedules itself, so snapshot_schedule_{option} has no effect",
                f"remove snapshot_schedule_{option}, or set snapshot_schedule_method to systemd or cron",
            )
    own_zone, offset_minutes = provider.capabilities.schedule_timezone or ("UTC", 0)
    if zone not in ("", own_zone, "UTC"):
        raise _unsupported(
            f"Schedules of {provider.display_name} use the time zone {own_zone}, so they cannot use {zone}",
            f"set the time in {own_zone} or UTC, or set snapshot_schedule_method to systemd",
        )
    minute_of_day = (hour * 60 + minute + (offset_minutes if zone == "UTC" else 0)) % (24 * 60)
    return {
        "when": f"{_every(days)} at {hour:02d}:{minute:02d} {zone or own_zone}",
        "provider_schedule": {"day": days, "hour": minute_of_day // 60, "minute": minute_of_day % 60},
    }


def _plan_runner(
    options: Mapping[str, Any], provider: type[Provider], name: str, days: int, hour: int, minute: int, zone: str,
) -> dict[str, Any]:
    count = _count(options, DEFAULT_RETAIN)
    limit = provider.capabilities.max_snapshots
    if limit is not None and count >= limit:
        raise _unsupported(
            f"{provider.display_name} allows {limit} snapshots per server, and a new one is created before an old one is deleted, "
            f"so {count} cannot be kept",
            f"set snapshot_schedule_retain_count to at most {limit - 1}, or less if the server has other snapshots",
        )
    if options["method"] == "cron" and zone:
        raise _unsupported(
            f"cron uses the time zone of its host, so it cannot use {zone}",
            "remove snapshot_schedule_timezone and set the time of that host, or set snapshot_schedule_method to systemd",
        )
    prefix = name + ("-" if re.fullmatch(provider.capabilities.name_pattern, "-") else "")
    return {
        "when": f"{_every(days)} at {hour:02d}:{minute:02d} {zone or 'in the time zone of its host'}",
        "zone": zone,
        "on_calendar": f"*-*-* {hour:02d}:{minute:02d}:00 {zone}".strip(),
        "time": {"hour": hour, "minute": minute},
        "proxy": _proxy(options),
        "on_failure": _on_failure(options),
        "job": {
            "prefix": prefix,
            "match": prefix + TIMESTAMP_GLOB,
            "count": count,
            # The timer runs every day. One day is subtracted, so that a late snapshot, for example after the runner was off, does
            # not delay the next one.
            "skip_if_newer_than": f"{(days - 1) * 24 + SLACK_HOURS}h",
        },
    }


def _method(options: Mapping[str, Any], provider: type[Provider]) -> str:
    method = str(options["method"])
    if method not in METHODS:
        raise invalid_argument(f"snapshot_schedule_method must be one of {', '.join(METHODS)}, not {method!r}")
    if method == CLOUD and not provider.capabilities.schedule:
        raise _unsupported(f"{provider.display_name} has no schedules", "set snapshot_schedule_method to auto, systemd or cron")
    return CLOUD if method == CLOUD or method == "auto" and provider.capabilities.schedule else "runner"


def _name(options: Mapping[str, Any], provider: type[Provider]) -> str:
    name = str(options["name"])
    if not re.fullmatch(provider.capabilities.name_pattern, name) or len(name) > MAX_NAME_LENGTH:
        rule = f"{provider.capabilities.name_rule} at {provider.display_name}, at most {MAX_NAME_LENGTH} characters"
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


def _account(options: Mapping[str, Any]) -> str:
    account = str(options.get("account") or "").strip()
    if not account.isprintable() or _TEMPLATE.search(account) or len(account) > 200:
        raise invalid_argument("snapshot_schedule_account has unprintable characters, a template or more than 200 characters")
    return account


def _proxy(options: Mapping[str, Any]) -> str:
    """Return the URL of the proxy. Messages do not contain it, since it may contain a password."""
    proxy = str(options.get("proxy") or "").strip()
    if proxy and not _PROXY.fullmatch(proxy):
        raise invalid_argument("snapshot_schedule_proxy must be a URL such as http://proxy.example.org:3128, without spaces and quotes")
    return proxy


def _on_failure(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what a failed run starts, by its kind: a systemd unit, a mail to an address, or a command. Messages do not contain a command."""
    value = str(options.get("on_failure") or "").strip()
    if not value.isprintable() or not value.isascii():
        raise invalid_argument("snapshot_schedule_on_failure must be one line of printable ASCII characters")
    kind = "unit" if _UNIT.fullmatch(value) else "mail" if _MAIL.fullmatch(value) else "command"
    if kind == "unit" and options["method"] == "cron":
        raise _unsupported(
            f"cron cannot start the systemd unit {value}", "set snapshot_schedule_on_failure to a mail address or a command, or use systemd",
        )
    return {"unit": "", "mail": "", "command": "", **({kind: value} if value else {})}


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


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"schedule_plan": schedule_plan}
