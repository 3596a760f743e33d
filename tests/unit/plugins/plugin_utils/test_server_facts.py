# SPDX-License-Identifier: GPL-3.0-or-later
"""Which facts of a server are read again, and with which module."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.rewind.vps.plugins.plugin_utils._server_facts import refresh_facts

INTERPRETER = "discovered_interpreter_python"


class Action:
    """Runs a module with a given result, and discovers a Python interpreter."""

    def __init__(self, result: dict[str, Any] | Exception) -> None:
        self.result, self.calls = result, []
        self._discovered_interpreter_key: str | None = None
        self._discovered_interpreter = "/usr/bin/python3.13"

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((module_name, module_args))
        assert INTERPRETER not in task_vars["ansible_facts"], "it is discovered again"
        if isinstance(self.result, Exception):
            raise self.result
        self._discovered_interpreter_key = INTERPRETER
        return self.result


@pytest.mark.parametrize(("known", "module"), [
    ({INTERPRETER: "/gone"}, ("ansible.legacy.ping", {})),
    ({"service_mgr": "set by hand"}, ("ansible.legacy.ping", {})),
    ({"pkg_mgr": "yum"}, ("ansible.legacy.setup", {"gather_subset": ["!all"]})),
    ({"distribution": "Debian", "interfaces": []}, ("ansible.legacy.setup", {"gather_subset": ["all"]})),
])
def test_what_is_known_is_read_again(known: dict[str, Any], module: tuple[str, dict[str, Any]]) -> None:
    action = Action({"ansible_facts": {"ansible_pkg_mgr": "dnf5"}})
    assert refresh_facts(action, {"ansible_facts": known}) == {"ansible_pkg_mgr": "dnf5", INTERPRETER: "/usr/bin/python3.13"}
    assert action.calls == [module]


def test_nothing_is_known_of_a_server_without_python() -> None:
    action = Action({})
    assert refresh_facts(action, {}) == refresh_facts(action, {"ansible_facts": {}}) == {}
    assert not action.calls


@pytest.mark.parametrize("result", [{"failed": True, "ansible_facts": {"a": 1}}, {"unreachable": True}, AnsibleConnectionFailure("lost")])
def test_where_no_module_runs_the_facts_stay_as_they_are(result: Any) -> None:
    assert refresh_facts(Action(result), {"ansible_facts": {"pkg_mgr": "yum"}}) == {}
