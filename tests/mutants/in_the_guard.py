# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of the guard's side: when it acts, what it writes down, and how it restores."""

from __future__ import annotations

from mutants.mutant import Mutant

FOLDER = "plugins/plugin_utils/guarded_upgrade"
GUARD = f"{FOLDER}/guard.py"
SERVICE = f"{FOLDER}/guard_service.py"
LINK = f"{FOLDER}/guard_link.py"
ROLLBACK = f"{FOLDER}/rollback.py"
RECEIPT = f"{FOLDER}/receipt.py"
PROCESSES = f"{FOLDER}/processes.py"

TESTS = "unit/plugins/guarded_upgrade"
DECIDES = f"{TESTS}/test_guard.py"
PROCESS = f"{TESTS}/test_guard_process.py"
LOOP = f"{TESTS}/test_guard_loop.py"
RESTORES = f"{TESTS}/test_rollback.py"
WRITTEN = f"{TESTS}/test_upgrade_receipt.py"
ALIVE = f"{TESTS}/test_upgrade_processes.py"

MUTANTS = [
    Mutant(
        "the guard does nothing when its run is gone", GUARD,
        "if state in states.GUARDED and not alive:", "if state is None:",
        (f"{DECIDES}::test_when_the_run_is_gone",),
    ),
    Mutant(
        "the guard lets a part of the upgrade hang for ever", GUARD,
        "self._deadline is not None and self._deadline.left <= 0", "self._deadline is None",
        (f"{DECIDES}::test_when_a_parts_time_is_up_while_the_run_lives",),
    ),
    Mutant(
        "the guard restores what is restored already", GUARD,
        "if receipt.state == states.RESTORED or (receipt.state == states.ENDED and not by_hand):", "if receipt.state is None:",
        (f"{DECIDES}::test_a_rollback_that_the_run_asks_for", f"{DECIDES}::test_a_restore_that_does_not_succeed_is_said_and_not_begun_again"),
    ),
    Mutant(
        "a full disk keeps a broken server broken", GUARD,
        "# A disk that is full must not keep a broken server broken.\n            with contextlib.suppress(OSError):",
        "with contextlib.suppress(KeyError):",
        (f"{DECIDES}::test_a_full_disk_does_not_keep_a_broken_server_broken",),
    ),
    Mutant(
        "a rollback of which nobody knows is called failed", GUARD,
        "outcome = states.ROLLBACK_FAILED if verdict.known else states.UNKNOWN", "outcome = states.ROLLBACK_FAILED",
        (f"{DECIDES}::test_a_restore_that_does_not_succeed_is_said_and_not_begun_again",),
    ),
    Mutant(
        "a rollback that failed is called rolled back", GUARD,
        "if verdict.done:", "if verdict.message:",
        (f"{DECIDES}::test_a_restore_that_does_not_succeed_is_said_and_not_begun_again",),
    ),
    Mutant(
        "a step that could not be written down is taken all the same", GUARD,
        "self.receipt.data = before", "before.clear()",
        (f"{DECIDES}::test_a_step_that_can_not_be_written_is_not_taken",),
    ),
    Mutant(
        "a restore of somebody else's that is found under way is taken for the guard's own", GUARD,
        "self._ours_under_way = resumed and receipt.state == states.RESTORING", "self._ours_under_way = True",
        (f"{DECIDES}::test_one_found_under_way_is_its_own_only_for_the_guard_that_takes_up_a_restore",),
    ),
    Mutant(
        "a rollback that nobody proved is called proven", GUARD,
        "[BY_THE_CLOUD, NOBODY_LOOKED],", "[BY_THE_CLOUD],",
        (f"{DECIDES}::test_when_the_run_is_gone",),
    ),
    Mutant(
        "what ends counts as told", GUARD,
        "outcome=outcome, message=message, verification=proof, acknowledged=False)",
        "outcome=outcome, message=message, verification=proof, acknowledged=True)",
        (f"{DECIDES}::test_an_end_that_was_not_told_yet_keeps_it_until_it_is", DECIDES),
    ),
    Mutant(
        "two guards watch one server", SERVICE,
        "    if lock is None:\n", "    if lock == -1:\n",
        (f"{PROCESS}::test_from_start_to_end",),
    ),
    Mutant(
        "Ctrl-C ends the guard as well", SERVICE,
        "signal.signal(number, signal.SIG_IGN)", "signal.signal(number, signal.SIG_DFL)",
        (f"{PROCESS}::test_from_start_to_end",),
    ),
    Mutant(
        "a mistake while it watches ends the guard", SERVICE,
        "with contextlib.suppress(Exception):  # a full disk", "with contextlib.suppress(OSError):  # a full disk",
        (f"{LOOP}::test_a_mistake_while_it_watches_does_not_end_it",),
    ),
    Mutant(
        "the snapshots of a batch are taken one after the other", GUARD,
        "self._begun = self._take_snapshot", "self._take_snapshot()",
        (f"{DECIDES}::test_a_snapshot_is_answered_before_it_is_asked_for_and_seen_ready_later",),
    ),
    Mutant(
        "the restores of a batch are done one after the other", GUARD,
        "self._begun = self._restore", "self._restore()",
        (f"{DECIDES}::test_a_rollback_is_answered_before_it_is_done_and_nothing_else_is_before_it",),
    ),
    Mutant(
        "what was begun is done after something else that is asked for", GUARD,
        "        check_request(request, self.receipt)\n        self._go_on()\n", "        check_request(request, self.receipt)\n",
        (f"{DECIDES}::test_a_rollback_is_answered_before_it_is_done_and_nothing_else_is_before_it",),
    ),
    Mutant(
        "whoever waits for a snapshot that failed has it taken again", GUARD,
        'if self.receipt.state == states.SNAPSHOTTING and self.receipt.data.get("snapshot_result") is None:',
        "if self.receipt.state == states.SNAPSHOTTING:",
        (f"{DECIDES}::test_a_snapshot_that_fails_is_told_and_not_asked_for_again_by_waiting_for_it",),
    ),
    Mutant(
        "a snapshot is taken for a run that is gone", GUARD,
        "if wishes is None or not self._world.run_is_alive():", "if wishes is None:",
        (f"{DECIDES}::test_no_snapshot_is_asked_for_when_its_run_is_gone",),
    ),
    Mutant(
        "an upgrade begins though its snapshot's id is on no disk", GUARD,
        'self._move(states.READY, {"snapshot"', 'self.receipt.move(states.READY, **{"snapshot"',
        (f"{DECIDES}::test_a_full_disk_keeps_an_upgrade_from_beginning",),
    ),
    Mutant(
        "anything may be deleted to make room", f"{FOLDER}/receipt_shape.py",
        "return _text(value) and value.endswith(RUN_ID_GLOB) and value[:-len(RUN_ID_GLOB)].isalnum()", "return _text(value)",
        (f"{TESTS}/test_fuzz_guard_talk.py::test_wishes_that_a_run_does_not_have",),
    ),
    Mutant(
        "one of a fleet gives up because its cloud has had too many requests", f"{FOLDER}/taking.py",
        "if not only_too_many or stops_server", "if only_too_many or stops_server",
        (f"{TESTS}/test_taking.py::test_too_many_requests_are_outlasted",),
    ),
    Mutant(
        "a server is stopped and started as long as its cloud has too many requests", f"{FOLDER}/taking.py",
        "if not only_too_many or stops_server", "if not only_too_many",
        (f"{TESTS}/test_taking.py::test_a_server_is_not_stopped_and_started_again_and_again",),
    ),
    Mutant(
        "a wait that outlives its run starts another guard", f"{FOLDER}/step_base.py",
        "        if answer is None:\n            self._must_still_run(receipt)\n", "        if answer is None:\n",
        (f"{TESTS}/test_upgrade_steps.py::test_a_wait_that_outlives_its_run_starts_no_other_guard",),
    ),
    Mutant(
        "the guard ends with the terminal of its run", LINK,
        "start_new_session=True", "start_new_session=False",
        (f"{PROCESS}::test_from_start_to_end",),
    ),
    Mutant(
        "the guard's environment holds the run's credentials", LINK,
        "env=environment,", "env=dict(os.environ),",
        (f"{PROCESS}::test_from_start_to_end",),
    ),
    Mutant(
        "a restore that was found under way counts, whoever asked for it", ROLLBACK,
        'if not result.get("failed") and (not result["already_in_progress"] or ours_under_way):', 'if not result.get("failed"):',
        (f"{RESTORES}::test_a_restore_found_under_way_counts_only_if_it_is_ours",),
    ),
    Mutant(
        "a restore that fails is asked for without end", ROLLBACK,
        "asked >= MOST_ASKED or ", "",
        (f"{RESTORES}::test_one_that_was_begun_and_failed_is_tried_three_times",),
    ),
    Mutant(
        "a restore that may have happened is called failed", ROLLBACK,
        'asked + 1, True, error["outcome"] != errors.UNKNOWN', "asked + 1, True, True",
        (f"{RESTORES}::test_one_that_may_have_begun_is_tried_three_times_and_then_nobody_knows",),
    ),
    Mutant(
        "the rollback gives up at the first trouble that passes", ROLLBACK,
        "_PASSING = frozenset({*errors.TRANSIENT, errors.BUSY})", "_PASSING = frozenset({errors.BUSY})",
        (f"{RESTORES}::test_a_passing_trouble_is_outlasted",),
    ),
    Mutant(
        "a receipt may be lost when the power fails", RECEIPT,
        "os.fsync(handle)", "file.flush()",
        (f"{WRITTEN}::test_what_is_renamed_is_on_the_disk_already_and_the_name_is_afterwards",),
    ),
    Mutant(
        "everybody may read a receipt", RECEIPT,
        "os.fchmod(handle, 0o600)", "os.fchmod(handle, 0o644)",
        (f"{WRITTEN}::test_only_the_owner_may_read_it_or_enter_the_folders_that_are_made",),
    ),
    Mutant(
        "an upgrade can be confirmed before its checks", RECEIPT,
        "UPGRADING: {CHECKING, RESTORING}", "UPGRADING: {CHECKING, CONFIRMED, RESTORING}",
        (f"{WRITTEN}::test_moves",),
    ),
    Mutant(
        "an upgrade can begin before its snapshot is ready", RECEIPT,
        "SNAPSHOTTING: {SNAPSHOTTING, READY, ENDED}", "SNAPSHOTTING: {SNAPSHOTTING, READY, ARMED, ENDED}",
        (f"{WRITTEN}::test_moves",),
    ),
    Mutant(
        "a confirmed upgrade can be undone by its guard", RECEIPT,
        "CONFIRMED: {CONFIRMED, ENDED}", "CONFIRMED: {CONFIRMED, RESTORING, ENDED}",
        (f"{WRITTEN}::test_moves",),
    ),
    Mutant(
        "a receipt that can't be read is passed over, and its upgrade forgotten", RECEIPT,
        "return self._own(runs[-1]) if runs else None",
        "return next((item for item in all_receipts(self.path.parent) if item.path in runs), None)",
        (f"{WRITTEN}::test_an_unreadable_newest_receipt_is_not_passed_over",),
    ),
    Mutant(
        "the receipts of unfinished upgrades are tidied away", RECEIPT,
        "if Receipt.load(path).state == ENDED:", "if Receipt.load(path).state:",
        (f"{WRITTEN}::test_an_old_run_that_is_not_over_is_kept",),
    ),
    Mutant(
        "another process that got the run's number counts as the run", PROCESSES,
        '_started(process["pid"]) == process["started"]', '_started(process["pid"]) is not None',
        (f"{ALIVE}::test_its_number_given_to_another_process_is_not_it",),
    ),
    Mutant(
        "a run that has ended and was not collected counts as alive", PROCESSES,
        '_GONE = ("Z", "X", "x")', '_GONE = ("X", "x")',
        (f"{ALIVE}::test_one_that_has_ended_is_not_alive_even_before_it_is_collected",),
    ),
]
