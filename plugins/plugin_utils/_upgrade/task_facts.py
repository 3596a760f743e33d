# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of a task what the rules need, as the process of ansible-playbook does: an error there ends the whole run."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.playbook.handler import Handler
from ansible.playbook.role_include import IncludeRole
from ansible.plugins.loader import action_loader, module_loader
from ansible.release import __version__ as ANSIBLE_VERSION
from ansible.template import Templar

from .include_targets import is_template, names_in
from .task_rules import TaskFacts
from .task_walk import location_of

HAS_END_ROLE = tuple(int(number) for number in ANSIBLE_VERSION.split(".")[:2]) >= (2, 18)
BATCH_KEYWORDS = ("run_once", "any_errors_fatal", "throttle")
CONNECTION_KEYWORDS = ("connection", "port", "remote_user", "become", "become_user", "become_method", "become_exe", "become_flags")
META_WITH_CONDITION = ("flush_handlers", "clear_facts", "end_role")  # the others ignore it, or are rejected
# Facts have these names, and what is behind hostvars and vars is known at run time only.
NAMES_OF_FACTS = ("ansible_", "facter_", "ohai_", "hostvars", "vars")


class TaskReader:
    """Reads tasks in the order in which the walk visits them.

    Args:
        walk: The walk, which evaluates templates.
        own_role: This role.
    """

    def __init__(self, walk: Any, own_role: Any) -> None:
        self._walk, self._own_role = walk, own_role
        self._plugins: dict[Any, tuple[bool, bool, str | None]] = {}
        self._sets_any_variable = False

    def read(self, task: Any) -> TaskFacts:
        """Return what is known of a task."""
        action, values, unreadable = self._action_of(task), {}, None
        for keyword in BATCH_KEYWORDS:
            raw = getattr(task, keyword)
            try:
                values[keyword] = self._walk.evaluate(task, raw) if is_template(raw) else raw
                if keyword == "throttle":
                    int(values[keyword])
            except Exception:  # whatever a template or int() may raise
                unreadable = unreadable or keyword
        meta = str(task.args.get("_raw_params")) if action in C._ACTION_META else None
        is_unknown, bypasses_host_loop, plugin_error = self._plugin_facts(action, task) if action is not None else (False, False, None)
        facts = TaskFacts(
            location=location_of(task), action=action, meta=meta, is_unknown_action=is_unknown, plugin_error=plugin_error,
            bypasses_host_loop=bypasses_host_loop, run_once=bool(values.get("run_once")),
            # Up to ansible-core 2.20 a template in this keyword is not evaluated, and counts as true.
            any_errors_fatal=bool(task.any_errors_fatal), debugger=task.debugger,
            unreadable_keyword=unreadable or self._unreadable_keyword_of(task, meta),
            is_handler=isinstance(task, Handler), in_own_role=task._role is not None and task._role is self._own_role,
        )
        self._remember_variables(task, action)
        return facts

    def _action_of(self, task: Any) -> str | None:
        try:
            return str(self._walk.evaluate(task, task.action) if is_template(task.action) else task.action)
        except Exception:  # whatever a template may raise
            return None

    def _plugin_facts(self, action: str, task: Any) -> tuple[bool, bool, str | None]:
        """Return whether there is no module of this name, whether its action bypasses the host loop, and why its action can't be loaded."""
        key = (action, *(task.collections or ()))
        if key not in self._plugins:
            try:
                loaders = (module_loader, action_loader)
                is_known = any(loader.find_plugin_with_context(action, collection_list=task.collections).resolved for loader in loaders)
                plugin = action_loader.get(action, class_only=True, collection_list=task.collections)
                self._plugins[key] = not is_known, bool(getattr(plugin, "BYPASS_HOST_LOOP", False)), None
            except KeyError:
                self._plugins[key] = False, False, None
            except Exception as error:  # whatever its code raises, and what Ansible raises for one that was removed
                self._plugins[key] = False, False, f"{type(error).__name__}: {error}"
        return self._plugins[key]

    def _unreadable_keyword_of(self, task: Any, meta: str | None) -> str | None:
        if isinstance(task, IncludeRole):
            return self._unreadable_keyword_of_role(task)
        return self._unreadable_keyword_of_meta(task, meta) if meta else None

    def _unreadable_keyword_of_role(self, task: Any) -> str | None:
        """Return a keyword of an include of a role with a value of the wrong type, or one that can't be evaluated.

        Up to ansible-core 2.18 an error there ends the whole run.
        """
        templar = Templar(loader=self._walk.loader, variables=self._walk.variables(task))
        for name, attribute in task.fattributes.items():
            value = getattr(task, name)
            if value is None or attribute.isa not in ("bool", "int", "float"):
                continue
            if is_template(value):
                if not self._is_value_readable(task, value):
                    return name
                continue
            try:
                task.get_validated_value(name, attribute, value, templar)
            except (AnsibleError, TypeError, ValueError):
                return name
        return None

    def _unreadable_keyword_of_meta(self, task: Any, meta: str) -> str | None:
        """Return a keyword that Ansible evaluates outside of the tasks for a meta task, and can't evaluate."""
        if meta in META_WITH_CONDITION and not self._is_condition_readable(task):
            return "when"
        if meta != "reset_connection":
            return None
        variables = self._walk.variables(task)
        for name in CONNECTION_KEYWORDS:
            values = [getattr(task, name), *(variables.get(variable) for variable in C.MAGIC_VARIABLE_MAPPING.get(name, ()))]
            if not all(self._is_value_readable(task, value) for value in values):
                return name
        return None

    def _is_value_readable(self, task: Any, value: Any) -> bool:
        try:
            self._walk.evaluate(task, value)
            return True
        except Exception:  # whatever a template may raise
            return bool(task.loop) or self._is_known_later([value], self._walk.variables(task))

    def _is_condition_readable(self, task: Any) -> bool:
        variables = self._walk.variables(task)
        try:
            if hasattr(task, "_resolve_conditional"):  # since ansible-core 2.19
                task._resolve_conditional(task.when, variables)
            else:
                task.evaluate_conditional(Templar(loader=self._walk.loader, variables=variables), variables)
            return True
        except Exception:  # whatever a template may raise
            return self._is_known_later([value if is_template(value) else f"{{{{ {value} }}}}" for value in task.when], variables)

    def _is_known_later(self, templates: list[Any], variables: dict[str, Any]) -> bool:
        """Whether templates that can't be evaluated now use a variable that an earlier task sets, or a fact."""
        names = names_in(templates)
        later = {name for name in names if name in self._walk.later_variables or name.startswith(NAMES_OF_FACTS)}
        return bool(later) or (self._sets_any_variable and not names <= set(variables))

    def _remember_variables(self, task: Any, action: str | None) -> None:
        names = task.register or ()
        self._walk.later_variables.update([names] if isinstance(names, str) else names)  # several since ansible-core 2.21
        if action in C._ACTION_SET_FACT:
            self._walk.later_variables.update(task.args)
        public_role = isinstance(task, IncludeRole) and task.public
        if action in C._ACTION_INCLUDE_VARS or public_role or any(is_template(name) for name in task.args):
            self._sets_any_variable = True
