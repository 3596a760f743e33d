# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check `command`: a command on the server exits with 0."""

from __future__ import annotations

from typing import Any

from .base import Observation, Target, failed_command, one_line

NAME = "command"
OPTIONS = {"command": {"type": "str", "required": True, "description": "a shell command; it has no terminal and no input"}}
PASSES_IF = "it exits with 0 on the server"
MAX_LABEL_CHARS = 60


def normalize(values: dict[str, Any]) -> dict[str, Any]:
    if not values["command"].strip():
        raise ValueError("command is empty")
    return values


def label(values: dict[str, Any]) -> str:
    text = one_line(values["command"])
    return text if len(text) <= MAX_LABEL_CHARS else f"{text[:MAX_LABEL_CHARS - 1]}…"


def observe(values: dict[str, Any], target: Target, seconds: float) -> Observation:
    status, lines = target.run(values["command"], seconds)
    return Observation(True, "exits with 0") if status == 0 else failed_command(status, lines, seconds)
