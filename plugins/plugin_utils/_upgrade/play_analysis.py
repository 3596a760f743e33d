# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Analyses the play and everything that a guarded upgrade runs, during the plan, and rejects what can't be guarded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible import constants as C
from ansible import context as command_line
from ansible.errors import AnsibleError
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.role_include import IncludeRole
from ansible.plugins.loader import action_loader, module_loader, strategy_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ...module_utils._errors import invalid_argument
from .tag_selection import TagSelection
from .task_rules import DEBUGGER_OFF, Situation, TaskFacts, find_problem
from .task_walk import TaskWalk, location_of, tasks_of

OWN_COLLECTION = "rewind.vps"
BATCH_KEYWORDS = ("run_once", "any_errors_fatal", "throttle")  # Ansible evaluates them outside of the tasks


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
        self._situation = Situation(servers=len(batch), is_linear=self.is_linear)
        self._tags = TagSelection(task, self._variable_manager, loader, is_own_playbook)
        self._plugins: dict[Any, tuple[bool, bool]] = {}
        self._handler_names: tuple[int, set[str]] = (-1, set())
        self._walk: Any = None

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
        problem = find_problem(self._facts_of(task), self._situation)
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

    def _facts_of(self, task: Any) -> TaskFacts:
        action, values, unreadable = self._action_of(task), {}, None
        for keyword in BATCH_KEYWORDS:
            raw = getattr(task, keyword)
            try:
                values[keyword] = self._walk.evaluate(task, raw) if _is_template(raw) else raw
                if keyword == "throttle":
                    int(values[keyword] or 0)
            except Exception:  # whatever a template or int() may raise
                unreadable = unreadable or keyword
        return TaskFacts(
            location=location_of(task), action=action, meta=str(task.args.get("_raw_params")) if action in C._ACTION_META else None,
            is_unknown_action=action is not None and self._plugin_facts(action, task)[0],
            bypasses_host_loop=action is not None and self._plugin_facts(action, task)[1], run_once=bool(values.get("run_once")),
            # Up to ansible-core 2.20 a template in this keyword is not evaluated, and counts as true.
            any_errors_fatal=bool(task.any_errors_fatal), debugger=task.debugger, unreadable_keyword=unreadable,
            is_handler=isinstance(task, Handler), in_own_role=task._role is not None and task._role is self._task._role,
        )

    def _action_of(self, task: Any) -> str | None:
        try:
            return str(self._walk.evaluate(task, task.action) if _is_template(task.action) else task.action)
        except Exception:  # whatever a template may raise
            return None

    def _plugin_facts(self, action: str, task: Any) -> tuple[bool, bool]:
        """Return whether there is no module of this name, and whether its action bypasses the host loop."""
        key = (action, *(task.collections or ()))
        if key not in self._plugins:
            try:
                loaders = (module_loader, action_loader)
                is_known = any(loader.find_plugin_with_context(action, collection_list=task.collections).resolved for loader in loaders)
                plugin = action_loader.get(action, class_only=True, collection_list=task.collections) if is_known else None
            except Exception:  # one that was removed or that can't be imported, which fails its task
                is_known, plugin = True, None
            self._plugins[key] = not is_known, bool(getattr(plugin, "BYPASS_HOST_LOOP", False))
        return self._plugins[key]

    def _check_notifications(self, task: Any) -> None:
        """Raise `invalid_argument` for a handler that does not exist: Ansible ends the whole run when a task notifies it."""
        if not C.config.get_config_value("ERROR_ON_MISSING_HANDLER"):
            return
        for name in _as_list(task.notify):
            try:
                handler = str(self._walk.evaluate(task, name) if _is_template(name) else name)
            except AnsibleError:
                continue
            if handler not in self._known_handlers():
                raise invalid_argument(
                    f"{location_of(task)} notifies the handler {handler}, which does not exist; Ansible would end the whole run", "correct its name",
                )

    def _known_handlers(self) -> set[str]:
        """Return the names and topics of the handlers that are loaded so far."""
        count, names = self._handler_names
        if count != len(self._play.handlers):
            names = set()
            for handler in tasks_of(self._play.handlers):
                names.update(_as_list(handler.listen))
                if handler.name and _is_template(handler.name):
                    variables = self._variable_manager.get_vars(play=self._play, task=handler)
                    try:
                        handler.name = Templar(loader=self._loader, variables=variables).template(handler.name)
                    except AnsibleError:
                        continue  # Ansible can't use this name either
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


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)
