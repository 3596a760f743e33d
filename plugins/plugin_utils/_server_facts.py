# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces what Ansible knows about a server by what is true now.

An upgrade, a reboot or a restore may change the Python interpreter, the package manager and other facts, and a fact cache may be older than all of
them. Facts of a host can't be removed without those of all hosts of the play, so they are read again.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ._time_limit import TimeLimitExceeded, time_limit

REFRESH_TIMEOUT = 180  # seconds; the server may be busy
INTERPRETER_PREFIX = "discovered_interpreter_"
# Facts of the module setup: of its smallest set, and of the others, which take much longer.
SMALL_SET_FACTS = ("distribution", "pkg_mgr", "kernel")
LARGE_SET_FACTS = ("interfaces", "devices", "mounts", "processor")


def forget_interpreter(task_vars: dict[str, Any]) -> dict[str, Any]:
    """Return the variables without the discovered interpreter, so that Ansible discovers it again."""
    known = task_vars.get("ansible_facts") or {}
    return {**task_vars, "ansible_facts": {name: value for name, value in known.items() if not name.startswith(INTERPRETER_PREFIX)}}


def refresh_facts(action: ActionBase, task_vars: dict[str, Any]) -> dict[str, Any]:
    """Return the current values of the facts that Ansible knows of the task's host.

    Returns:
        Facts for the key `ansible_facts` of the action's result. None if Ansible knows none, or if its modules do not run there.
    """
    known = task_vars.get("ansible_facts") or {}
    if not known:
        return {}
    has_large_set = any(name in known for name in LARGE_SET_FACTS)
    is_gathered = has_large_set or any(name in known for name in SMALL_SET_FACTS)
    name, options = ("setup", {"gather_subset": ["all" if has_large_set else "!all"]}) if is_gathered else ("ping", {})
    try:
        with time_limit(REFRESH_TIMEOUT):
            result = action._execute_module(module_name=f"ansible.legacy.{name}", module_args=options, task_vars=forget_interpreter(task_vars))
    except (AnsibleError, TimeLimitExceeded):
        return {}
    if result.get("failed") or result.get("unreachable"):
        return {}
    facts = dict(result.get("ansible_facts") or {})
    key = action._discovered_interpreter_key
    return {**facts, key: str(action._discovered_interpreter)} if key else facts
