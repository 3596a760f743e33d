# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `--tags` and `--skip-tags` select of a guarded upgrade: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleError
from ansible.playbook.task import Task
from ansible.playbook.task_include import TaskInclude

from ...module_utils._errors import RewindError, invalid_argument
from .task_walk import location_of

HINT = "run without --tags and --skip-tags"


class NotSelected(Exception):
    """The tags of the command line select neither the role nor a task of its files."""


class TagSelection:
    """The tags of the command line, compared with those of the role and of the user's tasks."""

    def __init__(self, task: Any, variable_manager: Any, loader: Any, is_own_playbook: bool) -> None:
        self._task, self._play = task, task.play
        self._variable_manager, self._loader = variable_manager, loader
        self._is_own_playbook = is_own_playbook
        self._only = set(getattr(self._play, "only_tags", None) or {"all"})
        self._skip = set(getattr(self._play, "skip_tags", None) or ())
        self._collected: list[Any] = []

    @property
    def _is_given(self) -> bool:
        return bool(self._only != {"all"} or self._skip)

    def check_role(self, walk: Callable[[], Any]) -> None:
        """Check that the tags select the role's tasks.

        Args:
            walk: Calls `collect` with each of the user's tasks.

        Raises:
            RewindError: They select a part of it.
            NotSelected: They select nothing of it.
        """
        given = " ".join(f"--{name} {','.join(sorted(tags))}" for name, tags in (("tags", self._only), ("skip-tags", self._skip)) if tags)
        if self._is_own_playbook and self._is_given:
            raise invalid_argument(f"{given} would select a part of this playbook", HINT)
        if self._selects_role():
            return
        if not self._is_given:
            raise NotSelected("The role is tagged never, so nothing was upgraded")
        if self._is_included() or self._selects_a_task(walk):
            raise invalid_argument(
                f"{given} does not select the tasks of the role, so nothing would be upgraded",
                f"{HINT}, or set the tags with roles: or import_role, which pass them on to the role's tasks",
            )
        raise NotSelected(f"{given} does not select the guarded upgrade, so nothing was upgraded")

    def collect(self, task: Any) -> bool:
        """Remember one of the user's tasks."""
        self._collected.append(task)
        return True

    def check_task(self, task: Any, walk: Any) -> None:
        """Raise `invalid_argument` for a task that would run without the tags of the command line, and does not run with them."""
        if not self._is_given:
            return
        variables = walk.variables_of_include(task)
        if task.evaluate_tags({"all"}, set(), variables) and not task.evaluate_tags(self._only, self._skip, variables):
            raise invalid_argument(f"{location_of(task)} would be skipped because of --tags or --skip-tags, and the upgrade be incomplete", HINT)

    def _selects_role(self) -> bool:
        """Whether a task beside the plan would run, which has the role's tags, but not the plan's own tag `always`."""
        task = Task.load(
            {"ansible.builtin.meta": "noop"}, block=self._task._parent, role=self._task._role, variable_manager=self._variable_manager,
            loader=self._loader,
        )
        return task.evaluate_tags(self._only, self._skip, self._variable_manager.get_vars(play=self._play, task=task))

    def _is_included(self) -> bool:
        parent = self._task._parent
        while parent is not None:
            if isinstance(parent, TaskInclude) and not parent.statically_loaded:
                return True
            parent = parent._parent
        return False

    def _selects_a_task(self, walk: Callable[[], Any]) -> bool:
        try:
            walk()
        except (AnsibleError, RewindError):
            pass  # an error in a file that is not selected does not matter
        return any(self._only & set(task.tags or ()) for task in self._collected)
