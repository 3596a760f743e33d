# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Analyses the play and everything that a guarded upgrade runs, during the plan, and rejects what can't be guarded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible import constants as C
from ansible import context as command_line
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.role_include import IncludeRole
from ansible.plugins.loader import strategy_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ...module_utils._errors import invalid_argument
from .include_targets import is_template
from .tag_selection import TagSelection
from .task_facts import HAS_END_ROLE, TaskReader
from .task_rules import DEBUGGER_OFF, Situation, find_problem
from .task_walk import TaskWalk, location_of, tasks_of

OWN_COLLECTION = "rewind.vps"


class PlayAnalysis:
    """What Ansible's play means for a guarded upgrade.

    Args:
        task: The task of the plan, with its play.
        host: The inventory host.
        batch: The hosts that Ansible works on together.
    """

    def __init__(self, task: Any, loader: Any, host: str, batch: list[str], is_own_playbook: bool) -> None:
        self._task, self._play, self._loader, self._host = task, task.play, loader, host
        self._variable_manager = task.get_variable_manager()
        self._strategies = strategy_names(getattr(self._play, "strategy", None))
        self._situation = Situation(servers=len(batch), is_linear=self.is_linear, has_end_role=HAS_END_ROLE)
        self._tags = TagSelection(task, self._variable_manager, loader, is_own_playbook)
        self._handler_names: tuple[int, set[str]] = (-1, set())
        self._walk: Any = None
        self._reader: Any = None

    @property
    def is_linear(self) -> bool:
        """Whether all hosts of the batch pass a task before any starts the next one."""
        return "linear" in self._strategies

    @property
    def is_host_pinned(self) -> bool:
        """Whether a host never waits for another one's fork between two of its tasks."""
        return "host_pinned" in self._strategies

    @property
    def user_collections(self) -> list[str]:
        """The play's `collections`, which its author means for the tasks of the upgrade; empty if there are none."""
        implicit = AnsibleCollectionConfig.default_collection
        names = [name for name in self._play.collections or [] if name != OWN_COLLECTION or implicit != OWN_COLLECTION]
        if not set(names) - {"ansible.builtin", "ansible.legacy"}:
            return []
        return names if {"ansible.builtin", "ansible.legacy"} & set(names) else [*names, "ansible.legacy"]

    def check(self, tasks: list[str] | None, roles: list[str], others: list[str]) -> list[str]:
        """Load all tasks that the upgrade can reach.

        Args:
            tasks: Files of the upgrade; None if there is none, so that no handlers run.
            others: Files that run after the roles: checks and hooks.

        Returns:
            Warnings about tasks that are known at run time only.

        Raises:
            RewindError: A task or a keyword of the play can't be guarded.
            AnsibleError: A file or role can't be loaded.
        """
        self._check_play()
        return self._visit_all(tasks, roles, others)

    def check_selection(self, files: list[str], roles: list[str]) -> None:
        """Raise RewindError if tags select a part of the upgrade, or NotSelected if they select nothing of it."""
        self._tags.check_role(lambda: self._visit_all(files, roles, [], collect=True))

    def _check_play(self) -> None:
        keyword = self._task._parent.debugger  # the plan's own one is off, so that it does not wait here
        debugger = (
            f"debugger: {keyword}" if keyword not in DEBUGGER_OFF
            else "the strategy debug" if "debug" in self._strategies
            else "the task debugger" if C.config.get_config_value("ENABLE_TASK_DEBUGGER") else None
        )
        if debugger:
            raise invalid_argument(f"The play has {debugger}, which would wait for a person while the guard's time runs", "turn it off")
        if command_line.CLIARGS.get("step"):
            raise invalid_argument("With --step a skipped step would leave the upgrade without checks or rollback", "run without --step")
        if self._has_run_once() and self._situation.servers > 1:
            raise invalid_argument("The role has run_once, so only one server of the batch would be upgraded", "remove it from the play or role")
        if self.is_linear and getattr(self._play, "max_fail_percentage", None) is not None:
            raise invalid_argument(
                "The play has max_fail_percentage, so Ansible would end the upgrade of a server in the middle, or without its rollback",
                "remove it: this role stops the roll-out after a failure",
            )

    def _has_run_once(self) -> bool:
        """Whether the role runs for one server of the batch; an include of it does not pass this on."""
        parent = self._task
        while parent is not None and not parent.run_once:
            parent = parent._parent
        return parent is not None

    def _visit_all(self, tasks: list[str] | None, roles: list[str], others: list[str], collect: bool = False) -> list[str]:
        elsewhere = self._blocks_elsewhere() if not collect and not self.is_linear and self._situation.servers > 1 else []
        self._walk = TaskWalk(self._play, self._variable_manager, self._loader, self._host, self._tags.collect if collect else self._check_task)
        self._reader = TaskReader(self._walk, self._task._role)
        block = self._user_block()
        self._walk.walk_files(tasks or [], block)
        self._walk.walk_roles(roles, block)
        self._walk.walk_files(others, block)
        if collect:
            return []
        if tasks is not None:
            self._walk.walk_blocks(self._play.handlers)
        warnings = self._walk.warnings
        if elsewhere:  # with these strategies other servers may be there while this one is upgraded
            self._situation, self._walk.warnings = replace(self._situation, is_guarded=False), []
            self._walk.walk_blocks(elsewhere)
        return warnings

    def _user_block(self) -> Block:
        """As in the role: short names mean what they mean in the play, and not what they mean in this collection."""
        data = {"block": [], "collections": self.user_collections or ["ansible.legacy"]}
        common = {"variable_manager": self._variable_manager, "loader": self._loader}
        return Block.load(data, play=self._play, parent_block=self._task._parent, role=self._task._role, **common)

    def _blocks_elsewhere(self) -> list[Block]:
        """Return the play's blocks beside this role."""
        roles = [role for role in self._play.roles if not getattr(role, "from_include", False)]
        blocks = [block for role in roles for block in role.compile(play=self._play)]
        return [*self._play.pre_tasks, *blocks, *self._play.tasks, *self._play.post_tasks]

    def _check_task(self, task: Any) -> bool:
        if getattr(task, "implicit", False):
            return False
        if not self._situation.is_guarded and self._is_own(task):
            return False
        problem = find_problem(self._reader.read(task), self._situation)
        if problem:
            raise invalid_argument(*problem)
        self._check_notifications(task)
        if self._situation.is_guarded and not isinstance(task, Handler):
            self._tags.check_task(task, self._walk)
        return True

    def _is_own(self, task: Any) -> bool:
        own = self._task._role
        if own is None:
            return False
        if task._role is not None and task._role.get_role_path() == own.get_role_path():
            return True
        return isinstance(task, IncludeRole) and str(task._role_name).rpartition(".")[2] == own.get_name(include_role_fqcn=False)

    def _check_notifications(self, task: Any) -> None:
        """Raise `invalid_argument` for a handler that does not exist: Ansible ends the whole run when a task notifies it."""
        if not C.config.get_config_value("ERROR_ON_MISSING_HANDLER"):
            return
        for name in _as_list(task.notify):
            try:
                handler = str(self._walk.evaluate(task, name) if is_template(name) else name)
            except AnsibleError:
                continue
            if handler in self._known_handlers():
                continue
            problem = f"{location_of(task)} notifies the handler {handler}, which does not exist; Ansible would end the whole run"
            if not self._walk.warnings:
                raise invalid_argument(problem, "correct its name")
            self._walk.warnings.append(f"{problem}, unless a role has it that is known at run time only")

    def _known_handlers(self) -> set[str]:
        """Return the names and topics of the handlers that are loaded so far."""
        count, names = self._handler_names
        if count != len(self._play.handlers):
            names = set()
            for handler in tasks_of(self._play.handlers):
                names.update(_as_list(handler.listen))
                if handler.name and is_template(handler.name):
                    variables = self._variable_manager.get_vars(play=self._play, task=handler)
                    try:
                        handler.name = Templar(loader=self._loader, variables=variables).template(handler.name)
                    except AnsibleUndefinedVariable:
                        continue  # Ansible can't use this name either
                    except AnsibleError as error:  # up to ansible-core 2.18 it ends the whole run
                        raise invalid_argument(f"The name of the handler {handler.name} can't be evaluated ({error})", "correct it") from None
                if handler.name:
                    names.update((handler.name, handler.get_name(include_role_fqcn=False), handler.get_name(include_role_fqcn=True)))
            self._handler_names = (len(self._play.handlers), names)
        return names


def strategy_names(strategy: str | None) -> set[str]:
    """Return the names of a strategy and of those that it is derived from."""
    plugin = strategy_loader.get(str(strategy or "linear"), class_only=True)
    return {parent.__module__.rpartition(".")[2] for parent in plugin.__mro__} if plugin else set()


def _as_list(value: Any) -> list[Any]:
    """Return a keyword's value as the list that Ansible makes of it when the task runs."""
    return [value] if isinstance(value, str) else list(value or [])
