# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check `systemd`: a unit is active."""

from __future__ import annotations

import re
from shlex import quote
from typing import Any

from .base import Observation, Target, failed_command

NAME = "systemd"
OPTIONS = {"systemd": {"type": "str", "required": True, "description": "name of the unit; `.service` may be left out"}}
PASSES_IF = "the unit is active"

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")


def normalize(values: dict[str, Any]) -> dict[str, Any]:
    unit = values["systemd"].strip()
    if not _UNIT.fullmatch(unit):
        raise ValueError(f"systemd takes the name of a unit such as nginx.service, not {values['systemd']!r}")
    return {"systemd": unit if "." in unit else f"{unit}.service"}


def label(values: dict[str, Any]) -> str:
    return values["systemd"]


def observe(values: dict[str, Any], target: Target, seconds: float) -> Observation:
    command = f"systemctl show --property=LoadState --property=ActiveState --property=SubState -- {quote(values['systemd'])}"
    status, lines = target.run(command, seconds)
    if status != 0:
        return failed_command(status, lines, seconds)
    properties = dict(line.partition("=")[::2] for line in lines)
    if properties.get("LoadState") == "not-found":
        return Observation(False, "there is no such unit")
    state, sub_state = properties.get("ActiveState", "unknown"), properties.get("SubState", "unknown")
    return Observation(state == "active", f"{state} ({sub_state})")
