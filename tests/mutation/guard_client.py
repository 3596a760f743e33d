# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in the run's side of a guarded upgrade, and in the role."""

from __future__ import annotations

from mutation.mutant import Mutant

DIRECTORY = "plugins/plugin_utils/_upgrade"
TASKS = "roles/guarded_upgrade/tasks"

TESTS = "unit/plugins/plugin_utils/_upgrade"
LOST = ("functional/guarded/test_lost_connection.py::test_the_only_server_of_the_batch_cuts_its_own_network",)

MUTANTS = [
    Mutant(
        "a confirmed upgrade is undone by the next run", f"{DIRECTORY}/planning.py", "decide_next_action",
        r"return CLEAN_UP, True", "return ROLL_BACK, True", "upgrade", (f"{TESTS}/test_upgrade_planning.py::test_decide_next_action",),
    ),
    Mutant(
        "a marker that is still on the restored server is ignored", f"{DIRECTORY}/evidence.py", "verify_marker",
        r'if \w+\["marker"\] in \w+\["markers"\]:', "if False:", "upgrade", (f"{TESTS}/test_probe.py::test_every_combination_of_signs",),
    ),
    Mutant(
        "a restored server that does not answer counts as rolled back", f"{DIRECTORY}/probe.py", "verify_restore",
        r'(does not answer\{reason\}"\n        return \{"outcome": states)\.UNKNOWN', r"\1.ROLLED_BACK", "upgrade",
        (f"{TESTS}/test_probe.py::test_a_restored_server_that_does_not_answer_proves_nothing",),
    ),
    Mutant(
        "a restore that did nothing counts if a boot has removed the marker", f"{DIRECTORY}/evidence.py", "restored_dirs",
        r"\w+\.get\(\w+\) == \w+ and ", "", "proven",
        (f"{TESTS}/test_evidence.py::test_a_marker_that_is_gone_proves_nothing_without_the_times_of_the_snapshot",),
    ),
    Mutant(
        "the diagnostics contain what no_log hides", f"{DIRECTORY}/steps/upgrade.py", "save_diagnostics",
        r'= bool\(\w+\.get\("no_log"\)\).*', "= False", "secrets", (f"{TESTS}/test_rollout_table.py::test_what_ansible_hides_stays_hidden",),
    ),
    Mutant(
        "a lost server ends the play for it, without a rescue", "plugins/connection/guarded_ssh.py", "connection_loss_fails_task",
        r"raise kind\(", "raise AnsibleConnectionFailure(", "upgrade",
        ("unit/plugins/connection/test_guarded_ssh.py::test_each_way_to_lose_the_connection_fails_the_task",),
    ),
    Mutant(
        "a task may end the play for a server", f"{DIRECTORY}/task_rules.py", "_meta_problem",
        r"if meta in HARMLESS_META_ACTIONS:", "if True:", "upgrade",
        (f"{TESTS}/test_task_rules.py::test_every_meta_action_that_is_not_known_to_be_harmless",),
    ),
    Mutant(
        "a task that fails for the whole batch is accepted", f"{DIRECTORY}/task_rules.py", "_keyword_problem",
        r"if situation\.servers == 1:", "if True:", "batch", (f"{TESTS}/test_task_rules.py::test_keywords",),
    ),
    Mutant(
        "a run with a server without an outcome succeeds", f"{DIRECTORY}/unfinished.py", "watch_exit",
        r"\(status or EXIT_STATUS\) if messages else status", "status", "upgrade", (f"{TESTS}/test_unfinished.py::test_the_status_of_the_run",),
    ),
    Mutant(
        "an upgrade is confirmed without its checks", f"{TASKS}/upgrade.yml", "include_tasks: soak.yml",
        r"include_tasks: soak\.yml", "meta: noop", "upgrade",
        ("functional/guarded/test_checks.py::test_all_types_of_checks",),
    ),
    Mutant(
        "a failed upgrade is not undone", f"{TASKS}/upgrade.yml", "include_tasks: rollback.yml",
        r"include_tasks: rollback\.yml", "meta: noop", "upgrade", LOST,
    ),
    Mutant(
        "check mode upgrades", f"{TASKS}/main.yml", "name: Upgrade the server, or finish an earlier run",
        r"if __guarded_upgrade_run\.preview \| default\(false\)", "if false", "changed",
        ("functional/guarded/test_preflight.py::test_check_mode_prints_the_plan",),
    ),
    Mutant(
        "a run that was rolled back succeeds, and the roll-out goes on", f"{TASKS}/close_run.yml",
        "name: Close the run, and fail unless it has the requested outcome",
        r"when: .*", "when: false", "upgrade", LOST,
    ),
    Mutant(
        "a snapshot is taken while a package manager is at work", f"{DIRECTORY}/package_locks.py", "wait_while_busy",
        r"if not busy:", "if True:", "before_snapshot",
        (f"{TESTS}/test_server_steps.py::test_a_package_manager_that_stays_busy_ends_the_run",),
    ),
]
