# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of what many servers of one task share: readings, lines, batches, threads, a cloud's limit, signals."""

from __future__ import annotations

from mutants.mutant import Mutant

UTILS = "plugins/module_utils"
READS = f"{UTILS}/fleet/shared_read.py"
MEMBER = f"{UTILS}/fleet/member.py"
LINES = f"{UTILS}/fleet/lines.py"
BATCHES = f"{UTILS}/fleet/batches.py"
CROWD = f"{UTILS}/fleet/crowd.py"
FLEET = f"{UTILS}/fleet/fleet.py"
LIMIT = f"{UTILS}/rate_limit.py"
TRANSPORT = f"{UTILS}/transport.py"
SIGNALS = f"{UTILS}/operations/signals.py"
TURN = f"{UTILS}/operations/turn.py"
MANY = f"{UTILS}/operations/many.py"

UNIT = "unit/plugins"
SEEN = f"{UNIT}/test_fleet_reads.py"
IN_LINE = f"{UNIT}/test_fleet_lines.py"
TOGETHER = f"{UNIT}/test_fleet_many.py"
THREADS = f"{UNIT}/test_fleet_crowd.py"
SLOWED = f"{UNIT}/test_fleet_rate_limit.py"

MUTANTS = [
    Mutant(
        "one decides by what was read before its own change", READS,
        "return self._latest is not None and self._latest.began > after", "return self._latest is not None",
        (f"{SEEN}::test_a_member_is_never_told_what_was_read_before_its_own_change",), may_hang=True,
    ),
    Mutant(
        "who comes while a listing is read is answered by it", READS,
        "            self._next = Round()\n            mine.alone", "            mine.alone",
        (f"{SEEN}::test_who_asks_while_a_reading_is_under_way_is_not_answered_by_it",),
    ),
    Mutant(
        "all who are told of an error share it", READS,
        "raise _own(mine.error)", "raise mine.error",
        (f"{SEEN}::test_all_are_told_the_error_and_each_has_its_own",),
    ),
    Mutant(
        "one straggler reads the whole account, again and again", READS,
        "mine.alone = mine.joined + self._waiting < self._requests", "mine.alone = False",
        (f"{SEEN}::test_one_straggler_does_not_read_a_hundred_pages",),
    ),
    Mutant(
        "nobody is woken by what another has had read", READS,
        "            news.set()", "            news.clear()",
        (f"{SEEN}::test_who_waits_is_woken_by_a_reading_of_others",),
    ),
    Mutant(
        "one that waits for a lock looks again as often as anybody reads anything", MEMBER,
        "what, self._looked_at = self._looked_at, None", "what = self._looked_at",
        (f"{SEEN}::test_a_member_that_waits_for_a_lock_is_not_woken_again_and_again",),
    ),
    Mutant(
        "one name of a server and another are at work on it at once", MEMBER,
        "if owner != reference:", "if not owner:",
        (f"{SEEN}::test_two_names_of_one_server_are_refused_whichever_comes_first",),
    ),
    Mutant(
        "a list that never holds still fails every server", MEMBER,
        "if error.kind != errors.INVALID_RESPONSE:", "if error.kind:",
        (f"{SEEN}::test_a_list_that_never_holds_still_is_nobodys_end",),
    ),
    Mutant(
        "more requests at once than concurrency allows", LINES,
        "return self._free.pop()", "return self._free[-1]",
        (f"{IN_LINE}::test_no_more_calls_at_once_than_there_are_lines",), may_hang=True,
    ),
    Mutant(
        "who only looks again comes before who decides", LINES,
        "queue = self._urgent or self._patient", "queue = self._patient or self._urgent",
        (f"{IN_LINE}::test_who_decides_comes_before_who_only_looks_again",),
    ),
    Mutant(
        "a batch that was full never opens again", BATCHES,
        "self._opened.notify_all()", "self._opened.notify(0)",
        (f"{IN_LINE}::test_the_next_batch_is_let_in_when_few_are_left_of_the_last",), may_hang=True,
    ),
    Mutant(
        "all servers of a fleet may be off at the same time", FLEET,
        'Batches(width, width - 1) if task.options.get("stop_server")', 'Batches(MOST_DECIDING, width) if task.options.get("stop_server")',
        (f"{TOGETHER}::test_of_servers_that_are_stopped_no_more_are_off_at_once_than_wished",),
    ),
    Mutant(
        "where threads are few the servers take those that their requests need", CROWD,
        "keep = max(len(workers) - spare, len(workers) // 2)", "keep = len(workers)",
        (f"{THREADS}::test_where_threads_are_few_some_are_left_for_what_the_jobs_need",),
    ),
    Mutant(
        "the locks of restores have no room among the open files", CROWD,
        "FILES_EACH = 2", "FILES_EACH = 1",
        (f"{THREADS}::test_each_server_has_room_for_its_lock_and_that_of_its_restore",),
    ),
    Mutant(
        "who waits already runs into the pause that the cloud has told another", LIMIT,
        "if self._closed_until <= turn:", "if turn:",
        (f"{SLOWED}::test_a_pause_that_grows_holds_for_those_who_wait_already",),
    ),
    Mutant(
        "eight 429 at the same moment slow a fleet eight times", LIMIT,
        "if asked_at >= self._slowed_at:", "if asked_at:",
        (f"{SLOWED}::test_of_those_under_way_together_only_the_first_slows_all_down",),
    ),
    Mutant(
        "a change that the cloud had too many of fails its server after five tries", TRANSPORT,
        "if error.kind == errors.RATE_LIMITED and limit is not None:", "if error.kind == errors.RATE_LIMITED and limit is None:",
        (f"{SLOWED}::test_a_transport_waits_with_the_others_and_is_let_through",),
    ),
    Mutant(
        "a signal ends the process while servers are off", SIGNALS,
        "        if self._careful:\n            self._held.append(number)", "        if self._careful < 0:\n            self._held.append(number)",
        (f"{THREADS}::test_a_signal_waits_for_those_in_the_middle_of_something_who_put_it_back",),
    ),
    Mutant(
        "after a signal that did not end the process the next servers are stopped", SIGNALS,
        "self._over = True  # where the signal does not end the process", "self._over = False  # where the signal does not end the process",
        (f"{THREADS}::test_where_the_signal_does_not_end_the_process_nothing_more_is_begun",),
    ),
    Mutant(
        "a task under nohup ends when its connection is gone", SIGNALS,
        "is not signal.SIG_IGN}", "is not None}",
        (f"{THREADS}::test_a_signal_that_is_ignored_stays_ignored",),
    ),
    Mutant(
        "a server is decided about by what was read long before its turn", TURN,
        "    task.provider.look_anew()  # what others have had read", "    # what others have had read",
        (f"{TOGETHER}::test_what_was_read_before_a_servers_turn_does_not_count",),
    ),
    Mutant(
        "servers that another play has keep the others waiting", TURN,
        "slot.close()  # who waits for another task", "pass  # who waits for another task",
        (f"{TOGETHER}::test_one_of_many_waits_for_another_task_without_keeping_its_own_waiting",), may_hang=True,
    ),
    Mutant(
        "a check run that fails says that servers were changed", MANY,
        '"would be changed" if check_mode else "were changed"', '"were changed"',
        (f"{TOGETHER}::test_a_check_run_that_fails_does_not_say_that_others_were_changed",),
    ),
]
