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

try:
    from ansible.template import trust_as_template  # since ansible-core 2.19
except ImportError:
    def trust_as_template(value):
        return value

# A name with one of these may have another value when the include runs.
CAN_CHANGE = re.compile(r"\b(?:d|default|defined|lookup|query|q)\b")
MAX_INCLUDES = 2000  # an include that includes itself with another variable each time ends here
LOOP_QUERY = trust_as_template("{{ query(rewind_loop_with, *rewind_loop_terms) }}")
# What an include passes on and the rules depend on: a file is walked again if it is different.
INHERITED_KEYWORDS = ("run_once", "any_errors_fatal", "debugger", "throttle", "collections")


class TaskWalk:
    """Visits the tasks of files, roles and blocks, and of what they include.

    Args:
        visit: Called with each task before its includes are loaded. If it returns False they are not.

    Attributes:
        warnings: Includes whose names are known at run time only.
    """

    def __init__(self, play: Any, variable_manager: Any, loader: Any, host: str, visit: Callable[[Task], bool]) -> None:
        self.warnings: list[str] = []
        self._play, self._loader, self._visit = play, loader, visit
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
        return Templar(loader=self._loader, variables=self._variables(task)).template(value)

    def variables_of_include(self, task: Task) -> dict[str, Any]:
        """Return the variables with which Ansible evaluates the tags of a task: those without a host."""
        return self._variable_manager.get_vars(play=self._play, task=task._parent.get_first_parent_include())

    def _load(self, kind: type, data: dict[str, Any], block: Block) -> Any:
        return kind.load(data, block=block, role=block._role, variable_manager=self._variable_manager, loader=self._loader)

    def _variables(self, task: Task) -> dict[str, Any]:
        variables = self._variable_manager.get_vars(play=self._play, host=self._host, task=task)
        search_path = task.get_search_path()
        variables["ansible_search_path"] = [*search_path, *({self._loader.get_basedir()} - set(search_path))]
        return variables

    def _walk_include_task(self, task: Any) -> None:
        is_role = isinstance(task, IncludeRole)
        template = task._role_name if is_role else task.args["_raw_params"]
        try:
            targets = list(self._include_targets(task, template))
        except Exception as error:  # undefined variables, lookups and filters that fail: whatever a template may raise
            self.warnings.append(
                f"{location_of(task)} includes what is known at run time only, so its tasks are not checked before the upgrade ({_first_line(error)})"
            )
            return
        for name, loop_variables in targets:
            include = task.copy(exclude_parent=True)
            include._parent, include.vars = task._parent, {**task.vars, **loop_variables}
            try:
                blocks = self._load_role(include, name) if is_role else self._load_file(include, self._find_file(include, name))
            except RecursionError:
                raise AnsibleParserError(f"{location_of(task)} includes {name}, which includes itself without an end") from None
            except AnsibleError as error:
                if isinstance(error, AnsibleParserError) or not (task.when or CAN_CHANGE.search(str(template))):
                    raise
                self.warnings.append(f"{location_of(task)} may include {name}, which can't be loaded: {_first_line(error)}")
                continue
            self.walk_blocks(blocks)

    def _include_targets(self, task: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the names that an include can have, each with the variables of its loop."""
        variables = self._variables(task)
        loop_variable = str(getattr(task.loop_control, "loop_var", None) or "item")
        if task.loop is None:
            yield str(Templar(loader=self._loader, variables=variables).template(name)), {}
            return
        without_item = {key: value for key, value in variables.items() if key != loop_variable}
        try:
            yield str(Templar(loader=self._loader, variables=without_item).template(name)), {}
            return
        except AnsibleError:
            pass  # the name depends on the item
        templar = Templar(loader=self._loader, variables=variables)
        items = templar.template(task.loop)
        if task.loop_with:
            terms = items if isinstance(items, (list, tuple)) else [items]
            items = Templar(loader=self._loader, variables={
                **variables, "rewind_loop_with": task.loop_with, "rewind_loop_terms": terms,
            }).template(LOOP_QUERY)
        for item in items:
            yield str(Templar(loader=self._loader, variables={**variables, loop_variable: item}).template(name)), {loop_variable: item}

    def _find_file(self, task: Any, name: str) -> str:
        """Return the path of an included file, as `IncludedFile.process_include_results` does."""
        loader, role = self._loader, task._role
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
        data = _load_yaml(self._loader, path)
        if not isinstance(data, (list, type(None))):
            raise AnsibleParserError(f"{path} must contain a list of tasks", obj=data)
        parent = include.build_parent_block()
        if not self._is_new(path, include, parent):
            return []
        blocks = load_list_of_blocks(
            data or [], play=self._play, parent_block=parent, role=include._role, use_handlers=is_handler, variable_manager=self._variable_manager,
            loader=self._loader,
        )
        return blocks if is_handler else self._filter_tags(blocks, include)

    def _load_role(self, include: Any, name: str) -> list[Block]:
        include._role_name = name
        include._from_files = {key: str(self.evaluate(include, value)) for key, value in include._from_files.items()}
        apply = include.args.get("apply") or {}
        if not self._is_new((name, *sorted(include._from_files.items()), repr(apply)), include, include):
            return []
        blocks, dummy = include.get_block_list(play=self._play, variable_manager=self._variable_manager, loader=self._loader)
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
        is_new = key not in self._seen and len(self._seen) < MAX_INCLUDES
        self._seen.add(key)
        return is_new


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
