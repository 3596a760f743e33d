# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own commands on a server can't be held up: no terminal, no input, and a time limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "guarded_upgrade"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text("utf-8"))
MODULES = ("ansible.builtin.raw", "ansible.builtin.reboot")


def tasks_in(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield item
        for part in ("block", "rescue", "always"):
            yield from tasks_in(item.get(part) or [])


COMMANDS = [
    pytest.param(task, id=f"{path.stem}: {task['name']}")
    for path in sorted((ROLE / "tasks").glob("*.yml")) for task in tasks_in(yaml.safe_load(path.read_text("utf-8")))
    if any(module in task for module in MODULES)
]


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 3


@pytest.mark.parametrize("task", COMMANDS)
def test_a_command_can_not_be_held_up(task: dict[str, Any]) -> None:
    assert task.get("timeout"), "it has no time limit"
    assert "ansible_guarded_ssh_terminal" in (task.get("vars") or {}), "it may have a terminal"
    script = str(task.get("ansible.builtin.raw", "< /dev/null"))
    for name, value in VARIABLES.items():
        script = script.replace(name, str(value))
    assert "< /dev/null" in script, "it may read input"
