# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of the run's side of a guarded upgrade: what comes next, the steps, the proof, the evidence."""

from __future__ import annotations

from mutants.mutant import Mutant

FOLDER = "plugins/plugin_utils/guarded_upgrade"
PLANNING = f"{FOLDER}/planning.py"
LOOKS = f"{FOLDER}/server_looks.py"
VERDICTS = f"{FOLDER}/verdicts.py"
EVIDENCE = f"{FOLDER}/evidence.py"
BASE = f"{FOLDER}/step_base.py"
BEFORE = f"{FOLDER}/steps_before.py"
BEHIND = f"{FOLDER}/steps_behind.py"
AFTER = f"{FOLDER}/steps_after.py"
STEPS = f"{FOLDER}/steps.py"
ACTION = "plugins/action/upgrade_guard.py"

TESTS = "unit/plugins/guarded_upgrade"
PLANNED = f"{TESTS}/test_upgrade_planning.py"
PROOF = f"{TESTS}/test_server_looks.py"
KEPT = f"{TESTS}/test_upgrade_report.py"
OPTIONS = f"{TESTS}/test_upgrade_action.py"
DONE = f"{TESTS}/test_upgrade_steps.py"

MUTANTS = [
    Mutant(
        "settling begins an upgrade where nothing was cut off", BEFORE,
        "        if coming == planning.UPGRADE:\n            lines", "        if coming is None:\n            lines",
        (f"{DONE}::test_settling_begins_nothing",),
    ),
    Mutant(
        "a rollback that nobody was told of is forgotten", PLANNING,
        'told = previous.data.get("acknowledged") or', "told = previous.data or",
        (f"{PLANNED}::test_an_end_is_told_once_however_old",),
    ),
    Mutant(
        "a confirmed upgrade is undone by the next run", PLANNING,
        "return FINISH, True", "return ROLL_BACK, True",
        (f"{PLANNED}::test_what_comes_next",),
    ),
    Mutant(
        "an upgrade that was cut off a week ago is undone without asking", PLANNING,
        "    if young:\n", "    if state:\n",
        (f"{PLANNED}::test_what_comes_next",),
    ),
    Mutant(
        "a snapshot of yesterday counts as taken just before the upgrade", PLANNING,
        "<= min(auto_recover_within, YOUNG_SNAPSHOT_SECONDS)", "<= auto_recover_within",
        (f"{PLANNED}::test_a_snapshot_of_long_ago_is_not_taken_up_however_long_a_run_may_be",),
    ),
    Mutant(
        "a roll-out goes on to the next server after one was rolled back", PLANNING,
        "ended_badly = receipt.state == states.ENDED and receipt.outcome in BAD", "ended_badly = False",
        (f"{PLANNED}::test_an_upgrade_of_this_run_that_ended_badly_stops_the_others",),
    ),
    Mutant(
        "a play with force_handlers or ignore_errors is guarded", PLANNING,
        "if keyword in context.play_keywords and not alone:", "if alone and not context.play_keywords:",
        (f"{PLANNED}::test_plays_that_can_not_be_guarded",),
    ),
    Mutant(
        "the guard is put on the server that it guards", PLANNING,
        'if context.connection == "local":', "if not context.connection:",
        (f"{PLANNED}::test_plays_that_can_not_be_guarded",),
    ),
    Mutant(
        "the user's files may end the play for the server past all checks", PLANNING,
        "        if found:\n", "        if found is False:\n",
        (f"{PLANNED}::test_files_that_would_end_the_play_for_the_server",),
    ),
    Mutant(
        "two hosts of one run may be one server", PLANNING,
        'if _same_run(previous, context) and previous.data["host"] != context.host:', "if not previous.data:",
        (f"{PLANNED}::test_two_hosts_of_one_run_are_not_one_server",),
    ),
    Mutant(
        "another upgrade that is found confirmed counts as this one", PLANNING,
        "return same and _seconds_since(previous) <= auto_recover_within", "return _seconds_since(previous) <= auto_recover_within",
        (f"{PLANNED}::test_an_earlier_upgrade_counts_only_if_it_is_this_one",),
    ),
    Mutant(
        "a marker that is still there after the restore is overlooked", LOOKS,
        'if receipt["marker"] in after["markers"]:', 'if receipt["marker"] is None:',
        (f"{PROOF}::test_every_combination_of_signs",),
    ),
    Mutant(
        "files that are not as before the upgrade are overlooked", LOOKS,
        "    if other:\n", "    if other is None:\n",
        (f"{PROOF}::test_every_combination_of_signs",),
    ),
    Mutant(
        "what the server says against its restore changes nothing of the verdict", LOOKS,
        'if finding["result"] == FAILED and finding["check"] != "checks"]', 'if finding["result"] is None]',
        (f"{PROOF}::test_every_combination_of_signs",),
    ),
    Mutant(
        "half a look at the server counts as a whole one", LOOKS,
        'if "end" not in lines or len', "if not lines or len",
        (f"{PROOF}::test_a_look_that_came_to_no_end_is_none",),
    ),
    Mutant(
        "the boot of before the restore counts as a new one", LOOKS,
        'if after["boot_id"] in (just_before, before["boot_id"]):', 'if after["boot_id"] is None:',
        (f"{PROOF}::test_every_combination_of_signs",),
    ),
    Mutant(
        "a restored server that does not answer counts as rolled back", LOOKS,
        'return {"outcome": states.UNKNOWN, "verification": proof', 'return {"outcome": states.ROLLED_BACK, "verification": proof',
        (f"{PROOF}::test_a_restored_server_that_does_not_answer_proves_nothing",),
    ),
    Mutant(
        "after a rollback that failed nobody is told which snapshot to restore by hand", VERDICTS,
        "The server is NOT as it was. Snapshot {snapshot} is kept: look", "The server is NOT as it was: look",
        (f"{DONE}::test_after_a_failed_rollback_it_is_said_which_snapshot_to_restore",),
    ),
    Mutant(
        "the evidence shows what no_log hides", EVIDENCE,
        'hidden = bool(failed_task.get("no_log")) or "censored" in (failed_result or {})', "hidden = False",
        (f"{KEPT}::test_what_ansible_hides_stays_hidden",),
    ),
    Mutant(
        "the evidence holds the server's log with the secrets in it", EVIDENCE,
        "scrubber.text(server_log)[-LONGEST_LOG:]", "server_log[-LONGEST_LOG:]",
        (f"{KEPT}::test_no_form_of_a_secret_is_kept",),
    ),
    Mutant(
        "a step's result shows the token", ACTION,
        "done = scrubber.value(self._done(parameters, task_vars))", "done = self._done(parameters, task_vars)",
        (f"{OPTIONS}::test_no_secret_leaves_with_a_result",),
    ),
    Mutant(
        "with a prefix of * every snapshot counts as the role's own", ACTION,
        'if not parameters["snapshot_prefix"].isalnum() or not parameters["snapshot_prefix"].isascii():', 'if not parameters["snapshot_prefix"]:',
        (f"{OPTIONS}::test_a_prefix_that_not_every_cloud_takes_or_that_would_match_others",),
    ),
    Mutant(
        "a step that changes something is done in check mode", STEPS,
        "if self._context.check_mode and step not in READING_STEPS:", "if not step:",
        (f"{DONE}::test_in_check_mode_only_what_reads_is_done",),
    ),
    Mutant(
        "a task that outlives its run goes on beside the guard", BASE,
        "if not processes.is_alive(self._context.process):", "if not receipt:",
        (f"{DONE}::test_a_task_that_outlives_its_run_is_left_to_the_guard",),
    ),
    Mutant(
        "a guard that was killed is not replaced", BASE,
        "answer = ask_guard(self._start_guard(receipt.path, None), request, meanwhile)", "answer = None",
        (f"{DONE}::test_a_guard_that_is_gone_is_replaced_once",),
    ),
    Mutant(
        "an upgrade begins on a server that another controller is upgrading", BEFORE,
        "self._must_be_unmarked(look, path)", "path.exists()",
        (f"{DONE}::test_nothing_is_begun_on_a_server_with_another_controllers_marker",),
    ),
    Mutant(
        "the guard is armed although a lost connection would end the play", BEHIND,
        'self._context.connection != GUARDED_CONNECTION', "not self._context.connection",
        (f"{DONE}::test_it_is_not_armed_where_a_lost_connection_would_end_the_play",),
    ),
    Mutant(
        "a unit that fails since the upgrade is overlooked", BEHIND,
        "        if units:\n", "        if units is None:\n",
        (f"{DONE}::test_a_unit_that_fails_since_the_upgrade_fails_the_check",),
    ),
    Mutant(
        "without a whole look no failed unit is seen, and the upgrade is confirmed", BEHIND,
        "        if after is None:\n", "        if after == {}:\n",
        (f"{DONE}::test_a_unit_that_fails_since_the_upgrade_fails_the_check",),
    ),
    Mutant(
        "tidying up deletes a snapshot that somebody has hung a schedule on", BEHIND,
        'for item in listed if not item["schedule"]]', "for item in listed]",
        (f"{DONE}::test_tidying_up_spares_what_has_a_schedule",),
    ),
    Mutant(
        "tidying up deletes the snapshot of the upgrade itself", BEHIND,
        '[self._wishes["keep_snapshots"]:]', "[:]",
        (f"{DONE}::test_tidying_up_spares_what_has_a_schedule",),
    ),
    Mutant(
        "a check run of prune deletes", BEHIND,
        "if not self._context.check_mode:", "if snapshot:",
        (f"{DONE}::test_a_check_run_of_prune_deletes_nothing",),
    ),
    Mutant(
        "prune deletes the snapshot of an upgrade that is not over", BEHIND,
        "if previous is not None and previous.state != states.ENDED:", "if previous is False:",
        (f"{DONE}::test_prune_waits_for_an_upgrade_that_is_not_over",),
    ),
    Mutant(
        "a rollback's reason in the receipt shows the token", AFTER,
        'reason = scrubber.text(self._wishes["reason"] or "it failed")', 'reason = self._wishes["reason"] or "it failed"',
        (f"{DONE}::test_the_reason_shows_no_secret",),
    ),
]
