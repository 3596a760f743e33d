# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check `tasks`: a file of the user's tasks, which the role includes. A failed task is a failed check."""

from __future__ import annotations

from typing import Any

NAME = "tasks"
OPTIONS = {"tasks": {"type": "str", "required": True, "description": "a file of tasks that change nothing; text alone is such a file, too"}}
PASSES_IF = "no task fails"


def normalize(values: dict[str, Any]) -> dict[str, Any]:
    if not values["tasks"].strip():
        raise ValueError("tasks is empty")
    return values


def label(values: dict[str, Any]) -> str:
    return values["tasks"]


observe = None  # Ansible runs it
