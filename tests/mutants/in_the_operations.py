# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of what the modules mean: snapshots, restores, schedules, power, and the look before an upgrade."""

from __future__ import annotations

from mutants.mutant import Mutant

OPERATIONS = "plugins/module_utils/operations"
PLAN = f"{OPERATIONS}/snapshot_plan.py"
CHANGES = f"{OPERATIONS}/snapshot_changes.py"
WAITING = f"{OPERATIONS}/waiting.py"
SNAPSHOT = f"{OPERATIONS}/snapshot.py"
PRESENT = f"{OPERATIONS}/snapshot_present.py"
RESULT = f"{OPERATIONS}/snapshot_result.py"
POWER = f"{OPERATIONS}/power.py"
SIGNALS = f"{OPERATIONS}/signals.py"
RESTORE = f"{OPERATIONS}/snapshot_restore.py"
WATCH = f"{OPERATIONS}/restore_watch.py"
CRON = f"{OPERATIONS}/snapshot_cron.py"
TASK = f"{OPERATIONS}/task.py"
PREFLIGHT = f"{OPERATIONS}/upgrade_preflight.py"

MOMENTS = "unit/plugins/test_operation_moments.py"
PROMISES = "unit/plugins/test_operation_promises.py"
PLANNED = "unit/plugins/test_snapshot_plan.py"

MUTANTS = [
    # --- what is to be done
    Mutant(
        "a snapshot of any age counts as fresh", PLAN,
        "return age is not None and age <= max_age", "return age is not None",
        (PLANNED,),
    ),
    Mutant(
        "a second snapshot is made while the first is being made", PLAN,
        "    if pending:\n", "    if not named:\n",
        (f"{PLANNED}::test_every_combination",),
    ),
    Mutant(
        "a snapshot with a status word that nobody knows is replaced, and deleted", PLAN,
        "if not snapshot.surely_failed:", "if not snapshot:",
        (f"{PLANNED}::test_every_combination",),
    ),
    Mutant(
        "failed is ignored: a failed snapshot of the name stays, and takes its place", PLAN,
        "failed = [snapshot for snapshot in named if snapshot.status == FAILED]", "failed: list[Snapshot] = []",
        (f"{PLANNED}::test_every_combination",),
    ),
    Mutant(
        "a snapshot of another name is kept in place of the wished one", PLAN,
        "for snapshot in snapshots if snapshot.name == name)", "for snapshot in snapshots if name)",
        (f"{PLANNED}::test_only_snapshots_of_that_name_count",),
    ),
    # --- snapshots
    Mutant(
        "the old snapshot is deleted before the new one is ready", PRESENT,
        "for item in [*plan.failed, *room]:", "for item in [*plan.failed, *room, *([plan.replaces] if plan.replaces else [])]:",
        (f"{MOMENTS}::test_a_create_whose_answer_is_lost_is_looked_for",),
    ),
    Mutant(
        "a snapshot that is still being made counts as ready", WAITING,
        "return listed if listed is not None and listed.status == READY else None", "return listed",
        (f"{MOMENTS}::test_a_wait_in_vain_tells_whether_anything_was_asked_for",),
    ),
    Mutant(
        "a snapshot that was asked for and not listed yet is asked for again", PRESENT,
        'if server.task_state and (not task.check_mode or not task.options["wait"]):', "if not task:",
        (f"{PROMISES}::test_what_the_server_is_busy_with_may_be_this_very_snapshot",),
    ),
    Mutant(
        "a create whose answer is lost is sent again", CHANGES,
        "snapshot = _after_unknown_create(task, server, known, error)",
        "snapshot = task.provider.create_snapshot(server, name, description)",
        (f"{MOMENTS}::test_a_create_whose_answer_is_lost_is_looked_for",),
    ),
    Mutant(
        "an older snapshot of the name passes for the one of which the answer was lost", WAITING,
        "if item.name == name and item.id not in known)", "if item.name == name)",
        (f"{MOMENTS}::test_a_create_whose_answer_is_lost_is_looked_for",),
    ),
    Mutant(
        "a wait that ends after a change was sent says that nothing was changed", WAITING,
        "error.outcome = errors.UNKNOWN if task.done.asked else errors.NOT_APPLIED", "error.outcome = errors.NOT_APPLIED",
        (f"{MOMENTS}::test_a_wait_in_vain_tells_whether_anything_was_asked_for",),
    ),
    Mutant(
        "retention deletes by the list from before the snapshot", PRESENT,
        "listed = task.provider.list_snapshots(server)", "listed = begun.snapshots",
        (f"{MOMENTS}::test_retention_looks_again_before_it_deletes",),
    ),
    Mutant(
        "a check run deletes", SNAPSHOT,
        "                if not task.check_mode:\n                    delete", "                if task.provider:\n                    delete",
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    Mutant(
        "a check run takes a snapshot", PRESENT,
        "wait = None if task.check_mode else _make(", "wait = _make(",
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    Mutant(
        "a check run prunes", PRESENT,
        "if task.check_mode or delete(task, snapshot):", "if delete(task, snapshot):",
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    Mutant(
        "the diff of a snapshot shows nothing", RESULT,
        '"after": _for_diff(after, before)}', '"after": _for_diff(before, before)}',
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    Mutant(
        "of two snapshots of one name any is deleted", TASK,
        "if len(matches) > 1:", "if not snapshots:",
        (f"{PROMISES}::test_what_means_no_single_snapshot_is_refused",),
    ),
    Mutant(
        "an id goes before a name that contradicts it", TASK,
        "if found is not None and name is not None and found.name != name:", "if not snapshots:",
        (f"{PROMISES}::test_what_means_no_single_snapshot_is_refused",),
    ),
    # --- a server that is stopped for its snapshot
    Mutant(
        "a stopped server is not started again", POWER,
        "_start_again(task, server, seen_off, None)", "task.tell('done')",
        (f"{PROMISES}::test_a_stopped_server_is_started_again",),
    ),
    Mutant(
        "a stopped server stays off when its snapshot fails", POWER,
        "_start_again(task, server, seen_off, trouble)\n", "task.tell('done')\n",
        (f"{PROMISES}::test_a_stopped_server_is_started_again_when_its_snapshot_fails",),
    ),
    Mutant(
        "a server that stops late stays off", POWER,
        "    if not seen_off:\n", "    if seen_off:\n",
        (f"{PROMISES}::test_a_server_that_stops_late_is_started_again",),
    ),
    Mutant(
        "a start that is refused for the moment is not asked for again", POWER,
        "NOT_NOW = frozenset({errors.PROVIDER_REJECTED, errors.BUSY, *errors.TRANSIENT})", "NOT_NOW = frozenset()",
        (f"{MOMENTS}::test_a_start_that_is_refused_for_the_moment_is_asked_for_again",),
    ),
    Mutant(
        "a snapshot is taken before the server is off", WAITING,
        "return now if now.power_state == power and not now.task_state else None", "return now",
        (f"{PROMISES}::test_a_stop_is_waited_for",),
    ),
    Mutant(
        "nobody says START IT NOW", POWER,
        'hint="START IT NOW in the cloud\'s panel"', "hint=error.hint",
        (f"{PROMISES}::test_one_that_can_not_be_started_again_is_what_is_said_first",),
    ),
    Mutant(
        "a signal ends the task while the server is off", SIGNALS,
        "signal.signal(number, hold)", "signal.getsignal(number)",
        ("unit/plugins/test_signals.py",),
    ),
    Mutant(
        "a signal that was held back is forgotten, and a loop goes on to the next server", SIGNALS,
        "hand_on(held[0])", "held.clear()",
        ("unit/plugins/test_signals.py",),
    ),
    # --- restores
    Mutant(
        "a restore is skipped where the snapshot is the current one", RESTORE,
        "restore = _ask(task, server, snapshot)", "restore = Restore(task, server, snapshot) if snapshot.current else _ask(task, server, snapshot)",
        (f"{PROMISES}::test_the_current_snapshot_is_restored_like_any_other",),
    ),
    Mutant(
        "a snapshot that is not ready is restored", RESTORE,
        "if snapshot.status != READY:", "if snapshot.status is None:",
        (f"{PROMISES}::test_only_a_ready_snapshot_is_restored",),
    ),
    Mutant(
        "a restore that is under way is asked for a second time", RESTORE,
        "        if not server.task_state:\n", "        if server:\n",
        (f"{PROMISES}::test_a_restore_that_is_under_way_is_joined",),
    ),
    Mutant(
        "a restore of which nobody knows whether it began counts as begun", RESTORE,
        "if not restore.was_taken_up():", "if restore is None:",
        (f"{PROMISES}::test_a_restore_that_nobody_saw_begin_is_unknown_and_asked_for_once",),
    ),
    Mutant(
        "a check run restores", RESTORE,
        "            if task.check_mode:\n", "            if task.provider is None:\n",
        ("unit/plugins/test_turn_taking.py::test_a_check_run_keeps_nobody_waiting_and_waits_for_nobody",),
    ),
    Mutant(
        "the diff of a restore shows nothing", RESTORE,
        '"after": restored if task.done.changed else state}', '"after": state}',
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    Mutant(
        "a restored server is left off", RESTORE,
        'if after.power_state != RUNNING and task.options["start_server"]:', "if after.power_state is None:",
        (f"{PROMISES}::test_a_restored_server_that_its_snapshot_holds_off_is_started_if_so_wished",),
    ),
    Mutant(
        "a server that looks settled just after a restore was asked for counts as restored", WATCH,
        "    if restore.seen or restore.became_current():\n", "    if quiet >= 0:\n",
        (f"{PROMISES}::test_a_server_that_only_looks_settled_is_not_restored",),
    ),
    Mutant(
        "a restore that failed half way counts as done", WATCH,
        "sign = restore.bad_sign(now)", "sign = None",
        (f"{PROMISES}::test_a_restore_that_left_the_server_off_has_failed",),
    ),
    Mutant(
        "a snapshot that was the current one before proves a restore", WATCH,
        "return not self.snapshot.current and self.is_current()", "return self.is_current()",
        (f"{MOMENTS}::test_a_snapshot_that_was_the_current_one_before_proves_no_restore",),
    ),
    # --- schedules
    Mutant(
        "a schedule of other days counts as the wished one", CRON,
        "return old.day == wished.day", "return True",
        (f"{PROMISES}::test_a_schedule_of_other_days_is_changed",),
    ),
    Mutant(
        "the old schedule is not put back where the new one is refused", CRON,
        "elif _put_back(task, snapshot, old):", "elif snapshot is None:",
        (f"{PROMISES}::test_the_old_schedule_is_put_back_where_the_new_one_is_refused",),
    ),
    Mutant(
        "a signal between the old and the new schedule leaves none", CRON,
        "with signals.deferred(task.hand_on_signal):", "if signals:",
        (f"{MOMENTS}::test_a_signal_leaves_no_snapshot_without_its_schedule",),
    ),
    Mutant(
        "a check run sets a schedule", CRON,
        "    if task.check_mode:\n        task.done.changed = True\n        return", "    if task.provider is None:\n        return",
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    Mutant(
        "a check run removes a schedule", CRON,
        "    if task.check_mode:\n        task.done.changed = True\n    else:", "    if task.provider is None:\n        pass\n    else:",
        (f"{PROMISES}::test_a_check_run_asks_for_nothing_and_shows_what_would_change",),
    ),
    # --- before an upgrade
    Mutant(
        "an upgrade begins on a server that is in the middle of something", PREFLIGHT,
        "    if server.task_state:\n", "    if server is None:\n",
        (f"{PROMISES}::test_a_server_that_is_busy_or_off_is_an_obstacle",),
    ),
    Mutant(
        "an upgrade begins with a token that may take no snapshot", PREFLIGHT,
        "if words and all(word.lower() in _ONLY_READS for word in words):", "if words == ():",
        (f"{PROMISES}::test_a_token_that_may_only_read_is_refused",),
    ),
    Mutant(
        "a host whose name belongs to one server and its address to another is guarded by its name", PREFLIGHT,
        "(not of_address or of_address[0].id == named[0].id)", "named[0].id",
        (f"{PROMISES}::test_a_name_and_an_address_of_different_servers_are_refused",),
    ),
    Mutant(
        "a server of the same name in another account is guarded", PREFLIGHT,
        " and not _elsewhere(address, named[0].address)", "",
        (f"{PROMISES}::test_a_name_and_an_address_of_different_servers_are_refused",),
    ),
]
