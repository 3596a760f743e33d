# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of the role's tasks: steps left out, done in another order, or not in vain."""

from __future__ import annotations

from mutants.mutant import Mutant

TASKS = "roles/guarded_upgrade/tasks"

EACH_END = "integration/guarded/test_failures.py::test_each_server_comes_to_its_own_end"
BUILT_IN = "integration/guarded/test_failures.py::test_trouble_with_the_restore_itself"
LIVELY = "integration/guarded/test_success.py::test_a_lively_upgrade"
OLDER_GO = "integration/guarded/test_success.py::test_older_snapshots_of_this_role_go_and_no_others"
LOST = "integration/guarded/test_lost_servers.py::test_the_only_server_of_the_batch_cuts_its_own_network"
NO_BOOT = "integration/guarded/test_lost_servers.py::test_a_server_never_comes_back_from_its_reboot"
FLEET = "integration/guarded/test_lost_servers.py::test_one_of_five_is_lost_and_the_others_are_well"
BY_HAND = "integration/guarded/test_by_hand.py::test_from_the_question_to_the_refusal"
CONFIRMED = "integration/guarded/test_killed.py::test_cut_off_after_the_upgrade_was_confirmed"
SETTLED = "integration/guarded/test_settle.py::test_only_what_was_cut_off_is_ended"
CHECK_MODE = "integration/guarded/test_refusals.py::test_check_mode_prints_the_plan"

SNAPSHOT = """\
    - name: Take the snapshot
      ansible.builtin.include_tasks: snapshot.yml

"""
UPGRADE = """\
    - name: Upgrade the server
      ansible.builtin.include_tasks: behind_the_guard.yml

"""
CHECK = """\
    - name: Check the server
      ansible.builtin.include_tasks: check.yml

"""

MUTANTS = [
    Mutant(
        "a server that settling has rolled back counts as upgraded", f"{TASKS}/recover.yml",
        "    - guarded_upgrade_verdict.outcome != 'upgraded'", "    - false", (SETTLED,),
    ),
    Mutant("the snapshot is taken after the upgrade", f"{TASKS}/upgrade.yml", SNAPSHOT + UPGRADE, UPGRADE + SNAPSHOT, (OLDER_GO,)),
    Mutant(
        "services don't rest for the snapshot", f"{TASKS}/snapshot.yml",
        "ansible.builtin.include_tasks: rest.yml", "ansible.builtin.meta: noop", (FLEET,),
    ),
    Mutant(
        "services that have rested are not started again", f"{TASKS}/snapshot.yml",
        "ansible.builtin.include_tasks: go_on.yml", "ansible.builtin.meta: noop", (FLEET,),
    ),
    Mutant("the upgrade is confirmed without its checks", f"{TASKS}/upgrade.yml", CHECK, "", (OLDER_GO,)),
    Mutant(
        "a failed upgrade is not undone", f"{TASKS}/upgrade.yml",
        "ansible.builtin.include_tasks: roll_back.yml", "ansible.builtin.meta: noop", (LOST,),
    ),
    Mutant(
        "the user's checks are left out", f"{TASKS}/check.yml",
        "ansible.builtin.include_tasks: checks.yml", "ansible.builtin.meta: noop", (EACH_END,),
    ),
    Mutant(
        "the ports are not waited for", f"{TASKS}/checks.yml",
        'loop: "{{ guarded_upgrade_run.check_ports }}"', "loop: []", (BUILT_IN,),
    ),
    Mutant(
        "the URLs are not asked for", f"{TASKS}/checks.yml",
        'loop: "{{ guarded_upgrade_run.check_urls }}"', "loop: []", (BUILT_IN,),
    ),
    Mutant(
        "the handlers run only after the upgrade is confirmed", f"{TASKS}/behind_the_guard.yml",
        "ansible.builtin.meta: flush_handlers", "ansible.builtin.meta: noop", (EACH_END,),
    ),
    Mutant(
        "a task of the user's may hang until the guard acts", f"{TASKS}/behind_the_guard.yml",
        'timeout: "{{ guarded_upgrade_seconds_left | int }}"', "timeout: 0", (EACH_END,),
    ),
    Mutant(
        "a check may hang until the guard acts", f"{TASKS}/check.yml",
        'timeout: "{{ guarded_upgrade_seconds_left | int }}"', "timeout: 0", (EACH_END,),
    ),
    Mutant(
        "the server carries no marker, so that any restore seems proven", f"{TASKS}/mark.yml",
        "echo {{ guarded_upgrade_run.run_id | quote }} >", "true", (LIVELY,),
    ),
    Mutant(
        "the connection stays unguarded", f"{TASKS}/behind_the_guard.yml",
        "ansible.builtin.include_tasks: connect_guarded.yml", "ansible.builtin.meta: noop", (LOST,),
    ),
    Mutant(
        "the server is not rebooted", f"{TASKS}/behind_the_guard.yml",
        "ansible.builtin.include_tasks: reboot.yml", "ansible.builtin.meta: noop", (NO_BOOT,),
    ),
    Mutant(
        "the user's tasks run before the snapshot", f"{TASKS}/plan.yml",
        "      when: false\n      collections: [ansible.legacy]", "      when: true\n      collections: [ansible.legacy]", (CHECK_MODE, LIVELY),
    ),
    Mutant(
        "a check run upgrades", f"{TASKS}/main.yml",
        'ansible.builtin.include_tasks: "{{ guarded_upgrade_files[guarded_upgrade_run.next] }}"\n      when: not ansible_check_mode',
        'ansible.builtin.include_tasks: "{{ guarded_upgrade_files[guarded_upgrade_run.next] }}"', (CHECK_MODE,),
    ),
    Mutant(
        "a run that was rolled back ends well, and the roll-out goes on", f"{TASKS}/main.yml",
        "when: not ansible_check_mode and (guarded_upgrade_verdict.outcome != 'upgraded' or not guarded_upgrade_run.is_this_upgrade)",
        "when: false", (LOST,),
    ),
    Mutant(
        "the evidence is not fetched before the restore wipes it away", f"{TASKS}/roll_back.yml",
        "step: evidence", "step: report", (EACH_END,),
    ),
    Mutant(
        "the restored server is not looked at", f"{TASKS}/prove.yml",
        "ansible.builtin.include_tasks: look_after_restore.yml", "ansible.builtin.meta: noop", (LOST,),
    ),
    Mutant(
        "the proof of a restore is left out", f"{TASKS}/roll_back.yml",
        "ansible.builtin.include_tasks: prove.yml", "ansible.builtin.meta: noop", (LOST,),
    ),
    Mutant(
        "the checks are not run on the restored server", f"{TASKS}/prove.yml",
        "checks_result: \"{{ guarded_upgrade_checks_after | default('not_run') }}\"", "checks_result: not_run", (EACH_END,),
    ),
    Mutant(
        "the marker stays on the server", f"{TASKS}/finish.yml",
        "rm -f {{", "true {{", (LIVELY,),
    ),
    Mutant(
        "older snapshots of the role pile up until the cloud takes no more", f"{TASKS}/finish.yml",
        "step: trim", "step: report", (OLDER_GO,),
    ),
    Mutant(
        "the receipt never says that somebody was told", f"{TASKS}/tell.yml",
        "step: told", "step: report", (LIVELY, BY_HAND),
    ),
    Mutant(
        "what an earlier run had confirmed is never tidied up", f"{TASKS}/finish_earlier_run.yml",
        "ansible.builtin.include_tasks: finish.yml", "ansible.builtin.meta: noop", (CONFIRMED,),
    ),
    Mutant(
        "what an earlier run left half done is not restored", f"{TASKS}/end_earlier_run.yml",
        "ansible.builtin.include_tasks: restore.yml", "ansible.builtin.debug:",
        ("integration/guarded/test_killed.py::test_cut_off_behind_the_guard",),
    ),
    Mutant(
        "a restore by hand goes on without a yes", f"{TASKS}/manual_rollback.yml",
        "that: guarded_upgrade_yes or guarded_upgrade_answer.user_input | default('') == 'yes'", "that: true", (BY_HAND,),
    ),
    Mutant(
        "a restore by hand that failed ends well", f"{TASKS}/restore_by_hand.yml",
        "when: guarded_upgrade_verdict.outcome != 'rolled_back'", "when: false", (BY_HAND,),
    ),
    Mutant(
        "the result of a task with no_log becomes the reason of the rollback", "roles/guarded_upgrade/vars/main.yml",
        "{{ 'failed' if ansible_failed_task.no_log | default(false, true)\n  else ansible_failed_result.msg | default('failed', true) }}",
        "{{ ansible_failed_result.stdout | default(ansible_failed_result.msg, true) | default('failed', true) }}", (EACH_END,),
    ),
]
