# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of what tasks of one machine know of each other, and of what is believed of a cloud's word and lists."""

from __future__ import annotations

from mutants.mutant import Mutant

TURNS = "plugins/module_utils/turns.py"
OPERATIONS = "plugins/module_utils/operations"
TURN = f"{OPERATIONS}/turn.py"
MEMORY = f"{OPERATIONS}/memory.py"
EARLIER = f"{OPERATIONS}/earlier_stop.py"
POWER = f"{OPERATIONS}/power.py"
PRESENT = f"{OPERATIONS}/snapshot_present.py"
SNAPSHOT = f"{OPERATIONS}/snapshot.py"
CHANGES = f"{OPERATIONS}/snapshot_changes.py"
RESTORE = f"{OPERATIONS}/snapshot_restore.py"
WATCH = f"{OPERATIONS}/restore_watch.py"
ROLLBACK = "plugins/plugin_utils/guarded_upgrade/rollback.py"
VPSORG = "plugins/module_utils/providers/vpsorg.py"
ILKBYTE = "plugins/module_utils/providers/ilkbyte.py"

PLACES = "unit/plugins/test_turns.py"
TAKING = "unit/plugins/test_turn_taking.py"
LISTS = "unit/plugins/test_memory_of_lists.py"
STOPS = "unit/plugins/test_earlier_stop.py"
PROVEN = "unit/plugins/test_restore_proven.py"
ANSWERS = "unit/plugins/test_provider_answers.py"

MUTANTS = [
    # --- the lock
    Mutant(
        "the lock is not taken", TURNS,
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)", "os.fsync(handle)",
        (f"{PLACES}::test_two_processes_are_never_in_the_same_place",),
    ),
    Mutant(
        "two tasks are in one place at the same time", TURNS,
        "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB",
        (f"{PLACES}::test_two_processes_are_never_in_the_same_place",),
    ),
    Mutant(
        "a link in the lock's place is followed", TURNS,
        "os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC", "os.O_RDWR | os.O_CREAT | os.O_CLOEXEC",
        (f"{PLACES}::test_a_link_in_the_locks_place_is_not_followed",),
    ),
    Mutant(
        "servers whose names differ in a slash share a place", TURNS,
        'f"{api_url}\\n{server_id}".encode', 'f"{api_url}".encode',
        (f"{PLACES}::test_every_server_has_one_plain_file_of_its_own",),
    ),
    Mutant(
        "nobody learns that another task has asked meanwhile", TURNS,
        "            if asked:\n", "            if not handle:\n",
        (f"{PLACES}::test_who_has_asked_meanwhile_is_known_to_whoever_comes_next",),
    ),
    Mutant(
        "a folder of somebody else's is taken", TURNS,
        "stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()", "stat.S_ISDIR(found.st_mode)",
        (f"{PLACES}::test_somebody_elses_folder_is_not_taken",),
    ),
    Mutant(
        "a link is taken for the folder", TURNS,
        "if _is_ours(folder, follow=False)", "if _is_ours(folder, follow=True)",
        (f"{PLACES}::test_a_link_is_no_folder",),
    ),
    Mutant(
        "root leaves its files in another user's home", TURNS,
        'if _is_ours(os.path.expanduser("~"), follow=True):', 'if os.path.isdir(os.path.expanduser("~")):',
        (f"{PLACES}::test_nothing_is_made_in_somebody_elses_home",),
    ),
    # --- notes
    Mutant(
        "notes are believed for ever", TURNS,
        'if note is not None and 0 <= time.time() - note["at"] < oldest else None', "if note is not None else None",
        (f"{PLACES}::test_a_note_is_believed_for_a_while",),
    ),
    Mutant(
        "a note from the future is believed", TURNS,
        '0 <= time.time() - note["at"] < oldest', 'time.time() - note["at"] < oldest',
        (f"{PLACES}::test_a_note_is_believed_for_a_while",),
    ),
    Mutant(
        "a process that is killed while it writes loses all notes", TURNS,
        'new = f"{self._path}.{os.getpid()}.new"', 'new = f"{self._path}.notes"',
        (f"{PLACES}::test_a_process_that_is_killed_while_it_writes_leaves_the_old_notes",),
    ),
    Mutant(
        "garbage in the notes ends every task", TURNS,
        'isinstance(note, dict) and isinstance(note.get("at"), float)', "note",
        (f"{PLACES}::test_notes_that_are_none_are_passed_over",),
    ),
    # --- turns
    Mutant(
        "a task does not wait for its turn", TURN,
        "held = task.place is not None and not task.check_mode and _enter(", "held = task.place is None and _enter(",
        (f"{TAKING}::test_whoever_never_gets_their_turn_has_asked_for_nothing",),
    ),
    Mutant(
        "a turn does not end with the task that fails", TURN,
        "            task.place.leave(task.done.asked)\n", "            task.place.asked_since(looked_at)\n",
        (f"{TAKING}::test_a_turn_ends_with_whatever_ends_the_task",),
    ),
    Mutant(
        "what was seen before another task's turn is believed", TURN,
        "task.place.asked_since(looked_at):", "looked_at < 0:",
        (f"{TAKING}::test_what_was_seen_before_anothers_turn_is_looked_at_again_if_it_has_asked",),
    ),
    Mutant(
        "the server is asked for again in every turn", TURN,
        "task.place.asked_since(looked_at):", "task.place.asked_since(0):",
        (f"{TAKING}::test_what_others_asked_long_ago_costs_no_request",),
    ),
    Mutant(
        "a check run keeps others waiting", TURN,
        "held = task.place is not None and not task.check_mode and", "held = task.place is not None and",
        (f"{TAKING}::test_a_check_run_keeps_nobody_waiting_and_waits_for_nobody",),
    ),
    Mutant(
        "a check run makes a folder", TURN,
        "turns.find_folder(make=not task.check_mode)", "turns.find_folder(make=True)",
        (f"{TAKING}::test_a_check_run_makes_no_folder_and_no_file",),
    ),
    Mutant(
        "a turn lasts while the task waits for its snapshot", PRESENT,
        "            begun = _begin(task, server)\n",
        "            begun = _begin(task, server)\n            if isinstance(begun, _Begun) and begun.wait:\n                begun.wait()\n",
        (f"{TAKING}::test_another_task_takes_its_turn_while_one_waits_for_its_snapshot",),
    ),
    Mutant(
        "retention deletes while another task decides", PRESENT,
        "            with turn(task, server):\n", "            if task.provider:\n",
        (f"{TAKING}::test_whatever_is_asked_for_is_asked_in_the_tasks_turn",),
    ),
    # --- lists that lag
    Mutant(
        "a list that does not show what was made is believed at once", MEMORY,
        "if made is not None and all(", "if made is None and all(",
        (f"{LISTS}::test_what_was_made_a_moment_ago_is_not_made_again",),
    ),
    Mutant(
        "a list that shows what is gone is believed at once", MEMORY,
        "return gone is None or all(", "return gone is not None or all(",
        (f"{LISTS}::test_what_is_gone_does_not_count_as_there",),
    ),
    Mutant(
        "nobody notes what was made", CHANGES,
        "        memory.note_made(task, snapshot)\n", "",
        (f"{LISTS}::test_what_was_made_a_moment_ago_is_not_made_again",),
    ),
    Mutant(
        "what is deleted again is waited for", MEMORY,
        "        task.place.remove_note(MADE)\n", "        task.tell(MADE)\n",
        (f"{LISTS}::test_what_is_deleted_again_is_not_waited_for",),
    ),
    Mutant(
        "a snapshot that was made anew under its name counts as gone", MEMORY,
        '(item.id, item.created_at) != (gone.get("id"), gone.get("created_at"))', 'item.id != gone.get("id")',
        (f"{LISTS}::test_one_of_the_same_id_and_another_date_is_not_the_one_that_is_gone",),
    ),
    Mutant(
        "absent believes a list that lags", SNAPSHOT,
        "snapshots = up_to_date(task, server, snapshots)", "snapshots = up_to_date and snapshots",
        (f"{LISTS}::test_absent_deletes_what_is_not_listed_yet",),
    ),
    # --- what a killed task has replaced
    Mutant(
        "what a killed task has replaced stays for ever", PRESENT,
        "plan = replace(plan, replaces=memory.replaced_by(task, snapshots, plan.snapshot))", "plan = replace(plan, replaces=None)",
        (f"{LISTS}::test_the_rerun_deletes_what_a_killed_task_has_replaced",),
    ),
    Mutant(
        "the replaced one is deleted though another than its successor is kept", MEMORY,
        'return f"{REPLACED} by {new.id}"', 'return f"{REPLACED} by another"',
        (f"{LISTS}::test_nothing_goes_that_the_note_does_not_mean", f"{LISTS}::test_nothing_goes_where_another_is_the_one_that_is_kept"),
    ),
    Mutant(
        "the replaced one is known by its id alone", MEMORY,
        "if (item.id, item.created_at) == old), None)", "if item.id == old[0]), None)",
        (f"{LISTS}::test_nothing_goes_that_the_note_does_not_mean",),
    ),
    Mutant(
        "the replaced one is deleted though the new one is not ready", PRESENT,
        "    if snapshot.status == READY:\n        going", "    if snapshot:\n        going",
        (f"{LISTS}::test_nothing_goes_before_the_new_one_is_ready",),
    ),
    Mutant(
        "a task that does not wait leaves word that the old one is to go", CHANGES,
        'if replaces is not None and task.options["wait"]:', "if replaces is not None:",
        (f"{LISTS}::test_who_does_not_wait_has_replaced_nothing",),
    ),
    Mutant(
        "the note of what was replaced is not removed", PRESENT,
        "                    memory.forget_replaced(task, snapshot)\n", "                    task.tell(memory.REPLACED)\n",
        (f"{LISTS}::test_the_rerun_deletes_what_a_killed_task_has_replaced",),
    ),
    Mutant(
        "a snapshot of a server that is off is asked for again while it is made", MEMORY,
        "return now.power_state != RUNNING or bool(now.task_state)", "return bool(now.task_state)",
        ("model/test_regressions.py::test_a_server_that_is_off_shows_nothing_of_its_snapshot",),
    ),
    Mutant(
        "a snapshot that comes is waited for for ever", MEMORY,
        "if not -2.0 <= age < task.provider.capabilities.create_seconds:", "if age < -2.0:",
        ("model/test_regressions.py::test_a_snapshot_that_never_came_is_asked_for_again",),
    ),
    Mutant(
        "others may change a server whose restore is waited for", TURNS,
        "if not beside_a_restore:", "if None:",
        ("unit/plugins/test_turns.py::test_while_a_restore_is_waited_for_only_another_one_may_look",),
    ),
    # --- servers that were left off
    Mutant(
        "a server that a killed task has left off stays off", EARLIER,
        "            self.server = server\n", "            self.server = None\n",
        (f"{STOPS}::test_it_is_started_when_the_work_is_done",),
    ),
    Mutant(
        "a server that a killed task has left off stays off where the wish fails", EARLIER,
        "        earlier.end(trouble)\n", "",
        (f"{STOPS}::test_it_is_started_where_the_wish_fails_and_the_failure_is_told",),
    ),
    Mutant(
        "a server that has been off for days is started", EARLIER,
        "OLDEST_SECONDS = 86400.0", "OLDEST_SECONDS = 8640000.0",
        (f"{STOPS}::test_one_that_has_been_off_for_a_day_stays_off",),
    ),
    Mutant(
        "the note of a stop is not removed when the next task has started the server", EARLIER,
        "(task, now, trouble)\n            power.forget_stop(task)\n", "(task, now, trouble)\n",
        (f"{STOPS}::test_it_is_started_once",),
    ),
    Mutant(
        "a check run starts a server that was left off", EARLIER,
        "        if task.check_mode:\n            task.done", "        if not task.provider:\n            task.done",
        (f"{STOPS}::test_it_is_started_when_the_work_is_done",),
    ),
    Mutant(
        "a stop is noted only when it is done", POWER,
        "        _write_note(task, server)\n        try:\n", "        try:\n",
        (f"{STOPS}::test_a_task_that_stops_a_server_notes_it_before_and_takes_it_back_after",),
    ),
    Mutant(
        "the note of a stop stays when the server runs again", POWER,
        "        _start_again(task, server, seen_off, None)\n        forget_stop(task)\n", "        _start_again(task, server, seen_off, None)\n",
        (f"{STOPS}::test_a_task_that_stops_a_server_notes_it_before_and_takes_it_back_after",),
    ),
    Mutant(
        "a refused stop of a server that is off by now fails the task", POWER,
        "if error.kind == errors.PROVIDER_REJECTED and _is_off(task, server):", "if error.kind is None:",
        (f"{STOPS}::test_a_refused_stop_of_a_server_that_is_off_by_now_counts_as_stopped",),
    ),
    Mutant(
        "a refused stop counts as stopped whatever the server does", POWER,
        "if error.kind == errors.PROVIDER_REJECTED and _is_off(task, server):", "if error.kind == errors.PROVIDER_REJECTED:",
        (f"{STOPS}::test_a_stop_that_is_refused_else_ends_it",),
    ),
    # --- what is proven, and what is believed
    Mutant(
        "every restore is called proven", RESTORE,
        'verified = task.options["wait"] and restore.would_show_a_failure', "verified = True",
        (f"{PROVEN}::test_what_is_proven",),
    ),
    Mutant(
        "a restore to the current snapshot of a stopped server is called proven", WATCH,
        " or self.snapshot.power_state == RUNNING", " or self.snapshot.power_state != RUNNING",
        (f"{PROVEN}::test_what_is_proven",),
    ),
    Mutant(
        "nobody is told that a restore is not proven", RESTORE,
        'if task.options["wait"] and not verified and not task.check_mode:', "if not task:",
        (f"{PROVEN}::test_what_is_proven",),
    ),
    Mutant(
        "the guard keeps to itself what a restore warns of", ROLLBACK,
        '" ".join([result["msg"], *result.get("warnings", ())])', 'result["msg"]',
        ("unit/plugins/guarded_upgrade/test_rollback.py::test_what_the_operation_warns_of_is_told",),
    ),
    Mutant(
        "a page's count is not compared with what was read", VPSORG,
        "len(found) == rows and counts <= {rows}", "len(found) == rows",
        (f"{ANSWERS}::test_pages_that_do_not_fit_together_are_read_anew",),
    ),
    Mutant(
        "one that stands on two pages is not noticed at VPS.org", VPSORG,
        "len(found) == rows and counts <= {rows}", "counts <= {rows}",
        (f"{ANSWERS}::test_pages_that_do_not_fit_together_are_read_anew",),
    ),
    Mutant(
        "one that stands on two pages is not noticed at Ilkbyte", ILKBYTE,
        "return list(found.values()) if len(found) == rows else None", "return list(found.values())",
        (f"{ANSWERS}::test_ilkbytes_pages_that_do_not_fit_together_are_read_anew",),
    ),
    Mutant(
        "any success is taken for a deletion", VPSORG,
        "if answer.status != 204:", "if answer.status >= 300:",
        (f"{ANSWERS}::test_only_204_is_a_deletion",),
    ),
    Mutant(
        "a restore's answer is not looked at", VPSORG,
        "if not said_yes or not _speaks_of(", "if data is said_yes or not _speaks_of(",
        (f"{ANSWERS}::test_an_answer_that_is_not_about_this_restore_is_no_yes",),
    ),
]
