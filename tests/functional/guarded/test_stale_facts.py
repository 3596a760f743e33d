# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible knows of a server is read again after its upgrade and after a restore."""

from __future__ import annotations

from typing import Any

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, proven

# Their rules have unit tests; these prove them through Ansible, and take minutes together.
pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.slow]

STALE = {"discovered_interpreter_python": "/nowhere/python3", "ansible_pkg_mgr": "of_an_older_release", "cacheable": True}


def playbook(upgrades: UpgradeRunner) -> str:
    gather = {"name": "Gather", "ansible.builtin.setup": {"gather_subset": ["!all"]}}
    return upgrades.playbook("book", {"hosts": "{{ target }}", "gather_facts": False, "vars": {"ansible_python_interpreter": "auto_silent"},
                                      "pre_tasks": [gather], "roles": [{"role": "rewind.vps.guarded_upgrade"}]})


@pytest.mark.duration(40)
@pytest.mark.parametrize("fails", [False, True])
def test_interpreter_and_package_manager(upgrades: UpgradeRunner, fails: bool) -> None:
    """As after an upgrade that replaces Python and the package manager."""
    stale: dict[str, Any] = {"name": "Replace Python", "ansible.builtin.set_fact": STALE}
    checks = upgrades.tasks("checks", {"name": "Run a module", "ansible.builtin.ping": None}, {"name": "Compare", "ansible.builtin.assert": {
        "that": ["ansible_facts.pkg_mgr != 'of_an_older_release'", "ansible_facts.discovered_interpreter_python != '/nowhere/python3'"]}})
    run = upgrades.run("web1", playbook=playbook(upgrades), tasks=upgrades.tasks("upgrade", CHANGE, stale, *([FAIL] if fails else [])), checks=checks)
    assert upgrades.record("web1")["outcome"] == ("rolled_back" if fails else "upgraded"), run.output
    if fails:
        assert proven(upgrades.record("web1")) >= {"marker", "files", "checks"}
