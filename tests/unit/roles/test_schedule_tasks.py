# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of the role snapshot_schedule: no module_defaults of a play reaches them, and no secret of theirs is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

TASKS = Path(__file__).resolve().parents[3] / "roles/snapshot_schedule/tasks"
RUNNER_FILES = sorted({path.name for path in TASKS.glob("*.yml")} - {"main.yml", "provider_present.yml", "provider_absent.yml"})
INCLUDES = {"ansible.builtin.include_tasks"}
SECRETS = ("credentials_file", "secret_lines", "__snapshot_schedule_own_files", "snapshot.sh.j2", "ansible.builtin.cron")


def walk(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        if "block" in task:
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part, []))
        else:
            yield task


def tasks_of(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Each task of the file, with its module."""
    found = list(walk(yaml.safe_load((TASKS / name).read_text("utf-8"))))
    return [(next(key for key in task if key.startswith("ansible.builtin.")), task) for task in found]


def test_module_defaults_of_the_play_are_removed_for_every_module():
    used = {module for name in RUNNER_FILES for module, dummy in tasks_of(name)} - INCLUDES
    (runner,) = [task for dummy, task in tasks_of("main.yml") if "runner.yml" in str(task)]
    assert runner["ansible.builtin.include_tasks"]["apply"]["module_defaults"] == {module: {} for module in sorted(used)}


@pytest.mark.parametrize("name", RUNNER_FILES)
def test_files_have_a_pinned_owner_and_mode(name):
    for module, task in tasks_of(name):
        options = task[module]
        if module in ("ansible.builtin.copy", "ansible.builtin.template"):
            pinned = {key: options.get(key) for key in ("backup", "force", "unsafe_writes", "owner", "group")}
            assert pinned == {"backup": False, "force": True, "unsafe_writes": False, "owner": "{{ __snapshot_schedule_runner.uid }}",
                              "group": "{{ __snapshot_schedule_runner.gid }}"}, task["name"]
            assert options["mode"] == ("0644" if "unit_directory" in options["dest"] else "0700" if ".sh" in options["dest"] else "0600")
        if module == "ansible.builtin.file" and options["state"] == "directory" and "unit" not in options["path"]:
            assert options["mode"] == "0700" and options["owner"], task["name"]
        if module == "ansible.builtin.cron":
            assert options["backup"] is False, task["name"]


@pytest.mark.parametrize("name", RUNNER_FILES)
def test_secrets_are_in_no_diff_and_no_output(name):
    for _module, task in tasks_of(name):
        if any(secret in str(task) for secret in SECRETS):
            assert task.get("no_log") is True or task.get("diff") is False, task["name"]
        if "credentials_file" in str(task) or "secret_lines" in str(task) or "listing" in task.get("register", ""):
            assert task.get("no_log") is True, task["name"]
