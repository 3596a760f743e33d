# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loads every task that a play can reach with Ansible's own loader, before anything is changed.

Ansible loads a dynamic include when it comes to it. An error found then, such as an unknown module, ends the whole run without
any rescue. Here it fails the plan of one host. The walk changes the play as an include does, so it belongs into a task's process.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.role_include import IncludeRole
from ansible.playbook.task import Task
from ansible.playbook.task_include import TaskInclude
from ansible.template import Templar

from .include_targets import include_targets, names_in

# A name with one of these may have another value when the include runs.
CAN_CHANGE = re.compile(r"\b(?:d|default|defined|lookup|query|q)\b")
MAX_INCLUDES = 2000  # an include that includes itself with another variable each time ends here
# What an include passes on and the rules depend on: a file is walked again if it is different.
INHERITED_KEYWORDS = ("run_once", "any_errors_fatal", "debugger", "throttle", "collections")


class TaskWalk:
    """Visits the tasks of files, roles and blocks, and of what they include.

    Args:
        visit: Called with each task before its includes are loaded. If it returns False they are not.

    Attributes:
        warnings: Includes whose names are known at run time only.
        later_variables: Variables that the visited tasks set when they run.
    """

    def __init__(self, play: Any, variable_manager: Any, loader: Any, host: str, visit: Callable[[Task], bool]) -> None:
        self.warnings: list[str] = []
        self.later_variables: set[str] = set()
        self._play, self.loader, self._visit = play, loader, visit
        self._variable_manager = variable_manager
        self._host = variable_manager._inventory.get_host(host)
        self._seen: set[Any] = set()

    def walk_files(self, paths: list[str], block: Block) -> None:
        """Visit the tasks of files that are included in a block.

        Raises:
            AnsibleError: A file, or one that it includes, can't be loaded.
        """
        for path in paths:
            self._walk_include_task(self._load(TaskInclude, {"ansible.builtin.include_tasks": {"file": path}}, block))

    def walk_roles(self, names: list[str], block: Block) -> None:
        """Visit the tasks of roles with their dependencies; see `walk_files`."""
        for name in names:
            self._walk_include_task(self._load(IncludeRole, {"ansible.builtin.include_role": {"name": name}}, block))

    def walk_blocks(self, blocks: list[Block]) -> None:
        """Visit the tasks of loaded blocks; see `walk_files`."""
        for task in tasks_of(blocks):
            if self._visit(task) and task.action in C._ACTION_ALL_INCLUDES:
                self._walk_include_task(task)

    def evaluate(self, task: Task, value: Any) -> Any:
        """Return a keyword's value for this host. Raise AnsibleError if it is known at run time only."""
        return Templar(loader=self.loader, variables=self.variables(task)).template(value)

    def variables_of_include(self, task: Task) -> dict[str, Any]:
        """Return the variables with which Ansible evaluates the tags of a task: those without a host."""
        return self._variable_manager.get_vars(play=self._play, task=task._parent.get_first_parent_include())

    def _load(self, kind: type, data: dict[str, Any], block: Block) -> Any:
        return kind.load(data, block=block, role=block._role, variable_manager=self._variable_manager, loader=self.loader)

    def variables(self, task: Task) -> dict[str, Any]:
        """Return the variables of a task for this host."""
        variables = self._variable_manager.get_vars(play=self._play, host=self._host, task=task)
        search_path = task.get_search_path()
        variables["ansible_search_path"] = [*search_path, *({self.loader.get_basedir()} - set(search_path))]
        return variables

    def _walk_include_task(self, task: Any) -> None:
        is_role = isinstance(task, IncludeRole)
        names = {"name": task._role_name if is_role else task.args["_raw_params"]}
        if is_role:  # not `_from_files`, which up to ansible-core 2.16 has no directories
            names.update({key: task.args[key] for key in task.FROM_ARGS if key in task.args})
        try:
            targets = list(include_targets(task, names, self.variables(task), self.loader))
        except Exception as error:  # undefined variables, lookups and filters that fail: whatever a template may raise
            self.warnings.append(
                f"{location_of(task)} includes what is known at run time only, so its tasks are not checked before the upgrade ({_first_line(error)})"
            )
            return
        later = sorted(self.later_variables & names_in([names, task.loop]))
        if later:
            self.warnings.append(
                f"{location_of(task)} may include other files than those that are checked before the upgrade: its name depends on "
                f"{', '.join(later)}, which a task before it sets"
            )
        for target, loop_variables in targets:
            include = task.copy(exclude_parent=True)
            include._parent, include.vars = task._parent, {**task.vars, **loop_variables}
            name = target["name"]
            try:
                blocks = self._load_role(include, target) if is_role else self._load_file(include, self._find_file(include, name))
            except RecursionError:
                raise AnsibleParserError(f"{location_of(task)} includes {name}, which includes itself without an end") from None
            except AnsibleError as error:
                if isinstance(error, AnsibleParserError) or not (task.when or later or CAN_CHANGE.search(str(names))):
                    raise
                self.warnings.append(f"{location_of(task)} may include {name}, which can't be loaded: {_first_line(error)}")
                continue
            except (TypeError, ValueError, AttributeError, KeyError) as error:  # Ansible has no message for it
                raise AnsibleParserError(f"{location_of(task)} includes {name}, which Ansible can't load: {_first_line(error)}") from error
            self.walk_blocks(blocks)

    def _find_file(self, task: Any, name: str) -> str:
        """Return the path of an included file, as `IncludedFile.process_include_results` does."""
        loader, role = self.loader, task._role
        subdirectory = "handlers" if isinstance(task, Handler) else "tasks"
        parent, cumulative_path = task._parent, None
        while parent is not None:
            if isinstance(parent, TaskInclude):
                directory = parent._role_path if isinstance(parent, IncludeRole) else os.path.dirname(self._path_of(parent))
                relative = cumulative_path is not None and not os.path.isabs(cumulative_path)
                cumulative_path = os.path.join(directory, cumulative_path) if relative else directory
                if role:
                    bases = (role._role_path, os.path.join(role._role_path, subdirectory, cumulative_path))
                    paths = [loader.path_dwim_relative(base, subdirectory, name, is_role=True) for base in bases]
                else:
                    paths = [loader.path_dwim_relative(loader.get_basedir(), cumulative_path, name)]
                path = next((candidate for candidate in paths if os.path.exists(candidate)), None)
                if path:
                    return path
            parent = parent._parent
        return loader.path_dwim_relative(role._role_path, subdirectory, name, is_role=True) if role else loader.path_dwim(name)

    def _path_of(self, include: Any) -> str:
        try:
            return str(self.evaluate(include, include.args.get("_raw_params")))
        except AnsibleError:
            return ""

    def _load_file(self, include: Any, path: str) -> list[Block]:
        is_handler = isinstance(include, Handler)
        data = _load_yaml(self.loader, path)
        if not isinstance(data, (list, type(None))):
            raise AnsibleParserError(f"{path} must contain a list of tasks", obj=data)
        parent = include.build_parent_block()
        if not self._is_new(path, include, parent):
            return []
        blocks = load_list_of_blocks(
            data or [], play=self._play, parent_block=parent, role=include._role, use_handlers=is_handler, variable_manager=self._variable_manager,
            loader=self.loader,
        )
        return blocks if is_handler else self._filter_tags(blocks, include)

    def _load_role(self, include: Any, target: dict[str, str]) -> list[Block]:
        include._role_name = name = target["name"]
        include._from_files = {key[:-len("_from")]: value for key, value in target.items() if key != "name"}
        apply = include.args.get("apply") or {}
        if not self._is_new((name, *sorted(include._from_files.items()), repr(apply)), include, include):
            return []
        blocks, dummy = include.get_block_list(play=self._play, variable_manager=self._variable_manager, loader=self.loader)
        return self._filter_tags(blocks, include)

    def _filter_tags(self, blocks: list[Block], include: Any) -> list[Block]:
        """Evaluate the tags as Ansible does after an include: tags that can't be evaluated end the run under some strategies."""
        variables = self._variable_manager.get_vars(play=self._play, task=include)
        for block in blocks:
            block.filter_tagged_tasks(variables)
        return blocks

    def _is_new(self, target: Any, include: Any, parent: Any) -> bool:
        role = include._role._role_path if include._role else None
        key = (
            target, role, isinstance(include, Handler), repr(sorted(include.get_vars().items(), key=lambda item: str(item[0]))),
            *(repr(getattr(parent, keyword, None)) for keyword in INHERITED_KEYWORDS),
        )
        if key in self._seen:
            return False
        if len(self._seen) == MAX_INCLUDES:
            self.warnings.append(f"The tasks have more than {MAX_INCLUDES} different includes, so the rest is not checked before the upgrade")
        self._seen.add(key)
        return len(self._seen) <= MAX_INCLUDES


def location_of(task: Any) -> str:
    """Return a task's file, line and name, for a person."""
    name = task.name or task.action
    path = task.get_path()
    if not path or (task.play and path == task.play.get_path()):  # without a line of its own, as in JSON up to ansible-core 2.18
        path = _including_file(task)
    return f"{path} ({name})" if path else str(name)


def _including_file(task: Any) -> str:
    parent = task._parent
    while parent is not None and not (isinstance(parent, TaskInclude) and "_raw_params" in parent.args):
        parent = parent._parent
    return str(parent.args["_raw_params"]) if parent else ""


def tasks_of(blocks: list[Any]) -> Iterator[Task]:
    """Return the tasks of blocks, those of inner blocks too."""
    for block in blocks:
        for item in (*block.block, *block.rescue, *block.always):
            if isinstance(item, Block):
                yield from tasks_of([item])
            else:
                yield item


def _load_yaml(loader: Any, path: str) -> Any:
    """Load a file as an include does; since ansible-core 2.19 its templates have to be trusted."""
    trusted = {"trusted_as_template": True} if "trusted_as_template" in inspect.signature(loader.load_from_file).parameters else {}
    return loader.load_from_file(path, **trusted)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
