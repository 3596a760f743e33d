# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that leaves the play without a failure, and a manual rollback under another strategy, on real machines."""

from __future__ import annotations

import pytest
from support.guarded_upgrade import CHANGE
from support.real_upgrades import RealUpgrades

pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.real]


def test_a_server_leaves_the_play_without_a_failure(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    real.tasks("leave", {"name": "Leave", "ansible.builtin.meta": "end_host"})
    tasks = real.tasks(
        "upgrade", CHANGE, {"name": "Ask", "ansible.builtin.command": "echo leave", "register": "asked"},
        {"name": "Include", "ansible.builtin.include_tasks": "{{ asked.stdout }}.yml"},
    )
    run = real.run("web1", tasks=tasks)
    assert run.status == 2, run.output
    assert "NO OUTCOME: web1" in run.output
    recovered = real.run("web1", playbook="rewind.vps.recover", environment={"ANSIBLE_STRATEGY": "free"})
    assert recovered.status == 2, recovered.output
    assert "ROLLED_BACK: web1" in recovered.output
    real.assert_restored("web1", before)


def test_a_manual_rollback_with_a_strategy_without_steps(real: RealUpgrades) -> None:
    before = real.inspect("web1")
    real.assert_upgraded("web1", real.run("web1", tasks=real.tasks("upgrade", CHANGE)))
    run = real.run("web1", "-e", "rollback_confirm=yes", playbook="rewind.vps.rollback", environment={"ANSIBLE_STRATEGY": "host_pinned"})
    assert run.status == 0, run.output
    real.assert_restored("web1", before)
