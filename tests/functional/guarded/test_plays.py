# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays, strategies and command lines: what can't be guarded is rejected before the snapshot, and no server leaves silently."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from support.guarded_upgrade import CHANGE, FAIL, UpgradeRunner, outcomes
from support.playbook_runner import clean_environment
from support.real_upgrades import Terminal

# Their rules have unit tests; these prove them through Ansible, and take minutes together.
pytestmark = [pytest.mark.ssh, pytest.mark.playbook, pytest.mark.slow]

ROLE = "rewind.vps.guarded_upgrade"
END = {"name": "End", "ansible.builtin.meta": "end_host"}
DEBUG = {"name": "Say", "ansible.builtin.debug": {"msg": "hello"}}
STRATEGIES = ("linear", "free", "host_pinned")


def play(upgrades: UpgradeRunner, **keywords: Any) -> str:
    return upgrades.playbook("play", {"hosts": "{{ target }}", "gather_facts": False, "roles": [{"role": ROLE}], **keywords})


def is_rejected(upgrades: UpgradeRunner, expected: str, *arguments: str, hosts: str = "web1", **how: Any) -> None:
    how.setdefault("tasks", upgrades.tasks("usual", CHANGE))
    run = upgrades.run(hosts, *arguments, **how)
    assert run.status == 2, run.output
    assert expected in run.output
    for host in hosts.split(","):
        upgrades.assert_untouched(host)


@pytest.mark.duration(20)
def test_errors_that_ansible_would_raise_in_the_middle_of_the_upgrade(upgrades: UpgradeRunner) -> None:
    upgrades.tasks("inner", {"name": "More", "ansible.builtin.include_tasks": "innermost.yml"})
    tasks = upgrades.tasks("upgrade", CHANGE, {"name": "Include", "ansible.builtin.include_tasks": "{{ 'inner' }}.yml", "when": "false"})
    for task, expected in (
        ({"name": "Typo", "no.such.module": {}}, "no.such.module"), ({**DEBUG, "wehn": True}, "wehn"), (END, "has meta: end_host"),
        ({**DEBUG, "notify": "restrat"}, "the handler restrat, which does not exist"),
    ):
        upgrades.tasks("innermost", task)
        is_rejected(upgrades, expected, tasks=tasks)
    is_rejected(upgrades, "has meta: end_play", playbook=play(upgrades, handlers=[{"name": "Stop", "action": "meta end_play"}]))


@pytest.mark.duration(20)
def test_a_server_that_leaves_without_a_failure_is_reported(upgrades: UpgradeRunner) -> None:
    """The name of the file is known at run time only, so the plan warns, and the end of the run reports it."""
    upgrades.tasks("leave", END)
    tasks = upgrades.tasks(
        "upgrade", CHANGE, {"name": "Ask", "ansible.builtin.command": "echo leave", "register": "asked"},
        {"name": "Include", "ansible.builtin.include_tasks": "{{ asked.stdout }}.yml"},
    )
    run = upgrades.run("web1", tasks=tasks)
    assert "is known at run time only" in run.output
    assert run.status == 2, run.output
    assert "NO OUTCOME: web1 left the play while its guarded upgrade was upgrading" in run.output
    upgrades.wait_for_state("web1", "restored", "ended")
    assert upgrades.disk_matches_snapshot("web1")
    recovered = upgrades.run("web1", playbook="rewind.vps.recover")
    assert recovered.status == 2 and "ROLLED_BACK: web1" in recovered.output
    assert "NO OUTCOME" not in recovered.output


@pytest.mark.duration(30)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tasks_that_fail_for_all_servers(upgrades: UpgradeRunner, strategy: str) -> None:
    playbook = play(upgrades, strategy=strategy)
    for option in ("tasks", "checks", "after_tasks"):
        files = [upgrades.tasks("all", {**DEBUG, "run_once": True})]
        is_rejected(upgrades, "has run_once", hosts="web1,web2", playbook=playbook, **{option: files})
    is_rejected(upgrades, "uses pause", hosts="web1,web2", playbook=playbook, checks=[upgrades.tasks("wait", {"pause": {"seconds": 1}})])


@pytest.mark.duration(60)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_playbook_with_every_strategy(upgrades: UpgradeRunner, strategy: str) -> None:
    environment = {"ANSIBLE_STRATEGY": strategy}
    tasks = upgrades.tasks("upgrade", CHANGE, {**FAIL, "when": "inventory_hostname == 'web2'"})
    run = upgrades.run("web1,web2", "-e", "batch=2", environment=environment, tasks=tasks)
    assert run.status == 2, run.output
    assert outcomes(run) == {"web1": "upgraded", "web2": "rolled_back"}
    recovered = upgrades.run("web1", playbook="rewind.vps.recover", environment=environment)
    assert recovered.status == 0 and "nothing left to recover" in recovered.output
    asked = upgrades.run("web1,web2", playbook="rewind.vps.rollback", environment=environment)
    assert asked.status == 2 and "Nothing was restored" in asked.output and "host loop" not in asked.output
    restored = upgrades.run("web1,web2", "-e", "rollback_confirm=yes", playbook="rewind.vps.rollback", environment=environment)
    assert restored.status == 0, restored.output
    assert upgrades.disk_matches_snapshot("web1")
    pruned = upgrades.run("web1,web2", playbook="rewind.vps.prune", environment=environment, keep_snapshots=0)
    assert pruned.status == 0, pruned.output
    assert not upgrades.snapshots("web1")
    assert upgrades.no_guard_left()


@pytest.mark.duration(40)
@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_person_confirms_a_rollback_at_the_terminal(upgrades: UpgradeRunner, strategy: str) -> None:
    """Asked once for all servers with the linear strategy, and for each server with the others."""
    run = upgrades.run("web1,web2", "-e", "batch=2", tasks=upgrades.tasks("upgrade", CHANGE))
    assert run.status == 0, run.output
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    # With one fork the questions of `free` have an order.
    command = [sys.executable, program, "-i", upgrades.sandbox.inventory, "rewind.vps.rollback", "-e", "target=web1,web2",
               *(["--forks", "1"] if strategy == "free" else [])]
    environment = {**clean_environment(upgrades.directory / "home"), **upgrades.environment, "ANSIBLE_STRATEGY": strategy}
    terminal = Terminal(command, environment, upgrades.directory)
    if strategy == "linear":
        terminal.answer("Restore web1, web2 as shown above?", "yes")
        expected = {"web1": 1, "web2": 1}
    else:
        terminal.answer("Restore web1 as shown above?", "yes")
        terminal.answer("Restore web2 as shown above?", "no")
        expected = {"web1": 1, "web2": 0}
    status, output = terminal.finish()
    assert status == (0 if strategy == "linear" else 2), output
    assert {host: upgrades.count_requests(host, "snapshots.restore") for host in expected} == expected, output
    assert upgrades.no_guard_left()


@pytest.mark.duration(30)
def test_options_that_would_run_a_part_of_the_role(upgrades: UpgradeRunner) -> None:
    included = play(upgrades, roles=[], tasks=[{"ansible.builtin.include_role": {"name": ROLE}, "tags": ["upgrade"]}])
    is_rejected(upgrades, "does not select the tasks of the role", "--tags", "upgrade", playbook=included)
    is_rejected(upgrades, "--tags upgrade would select a part", "--tags", "upgrade")
    is_rejected(upgrades, "--skip-tags slow would select a part", "--skip-tags", "slow")
    is_rejected(upgrades, "would select a part", "--tags", "x", playbook="rewind.vps.recover")
    static = play(upgrades)
    is_rejected(upgrades, "would be skipped", "--skip-tags", "slow", playbook=static, tasks=upgrades.tasks("slow", {**CHANGE, "tags": ["slow"]}))
    for playbook in (static, "rewind.vps.guarded_upgrade", "rewind.vps.rollback", "rewind.vps.recover"):
        skipped = upgrades.run("web1", "--start-at-task", "Change a file", playbook=playbook)
        assert skipped.status not in (0, 250) and "--start-at-task can skip steps of a guarded upgrade" in skipped.output, skipped.output
    other = upgrades.run("web1", "--tags", "other", playbook=static, tasks=upgrades.tasks("upgrade", CHANGE))
    assert other.status == 0 and "does not select the guarded upgrade, so nothing was upgraded" in " ".join(other.output.split()), other.output
    upgrades.assert_untouched("web1")
    tagged = play(upgrades, roles=[{"role": ROLE, "tags": ["upgrade"]}])
    run = upgrades.run("web1", "--tags", "upgrade", playbook=tagged, tasks=upgrades.tasks("upgrade", {**CHANGE, "tags": ["php"]}))
    assert run.status == 0, run.output
    assert outcomes(run) == {"web1": "upgraded"}
    assert (upgrades.disk("web1") / "etc" / "changed").exists()


def test_check_mode_as_a_keyword_gives_a_preview(upgrades: UpgradeRunner) -> None:
    tasks = upgrades.tasks("upgrade", CHANGE)
    for playbook in (play(upgrades, check_mode=True), play(upgrades, roles=[{"role": ROLE, "check_mode": True}])):
        run = upgrades.run("web1", playbook=playbook, tasks=tasks)
        assert run.status == 0, run.output
        assert "Take snapshot rewind" in run.stdout
        upgrades.assert_untouched("web1")
    forced = upgrades.run("web1", "--check", playbook=play(upgrades, check_mode=False), tasks=tasks)
    assert forced.status == 0, forced.output
    upgrades.assert_untouched("web1")


def test_the_task_debugger_is_rejected(upgrades: UpgradeRunner) -> None:
    is_rejected(upgrades, "the task debugger", environment={"ANSIBLE_ENABLE_TASK_DEBUGGER": "true"})
    is_rejected(upgrades, "debugger: on_failed", playbook=play(upgrades, debugger="on_failed"))


def test_the_plays_collections_apply_to_the_users_tasks(upgrades: UpgradeRunner) -> None:
    collection = upgrades.directory / "more" / "ansible_collections" / "acme" / "tools"
    modules, role = collection / "plugins" / "modules", collection / "roles" / "extra" / "tasks"
    modules.mkdir(parents=True)
    role.mkdir(parents=True)
    (modules / "say_hello.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\nAnsibleModule({}).exit_json(changed=True, msg='hello from acme')\n", encoding="utf-8",
    )
    hello = {"name": "Greet", "say_hello": {}, "delegate_to": "localhost", "become": False, "register": "greeting"}
    show = {"name": "Show", "debug": {"var": "greeting.msg"}}
    (role / "main.yml").write_text(f"[{{'name': 'In the role', 'copy': {CHANGE['ansible.builtin.copy']}}}]", encoding="utf-8")
    path = f"{upgrades.directory / 'more'}:{os.environ['ANSIBLE_COLLECTIONS_PATH']}"
    files = upgrades.tasks("greet", hello, show)
    run = upgrades.run(
        "web1", playbook=play(upgrades, collections=["acme.tools"]), tasks=files, checks=files, after_tasks=files, roles=["extra"],
        environment={"ANSIBLE_COLLECTIONS_PATH": path},
    )
    assert run.status == 0, run.output
    assert run.stdout.count("hello from acme") == 4, "the upgrade, the checks before and after it, and the hooks"
    assert outcomes(run) == {"web1": "upgraded"}
    assert (upgrades.disk("web1") / "etc" / "changed").exists()
