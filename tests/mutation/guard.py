# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in the guard of an upgrade."""

from __future__ import annotations

from mutation.mutant import Mutant

DIRECTORY = "plugins/plugin_utils"
GUARD = f"{DIRECTORY}/_guard/guard.py"

TESTS = "unit/plugins/plugin_utils"
DECIDES = f"{TESTS}/_guard/test_guard.py"
SNAPSHOT = f"{TESTS}/_guard/test_guard_snapshot.py"
PROCESS = (f"{TESTS}/_guard/test_guard_process.py::test_from_start_to_end",)

MUTANTS = [
    Mutant(
        "the guard does nothing when its run is gone", GUARD, "Guard.tick", r"if \w+ in states\.ARMED_STATES and .* not \w+:", "if False:", "upgrade",
        (f"{DECIDES}::test_when_the_run_has_ended",),
    ),
    Mutant(
        "the guard ends with a run that waits for a person", GUARD, "Guard.tick", r"is_run_over = (.*) and .*", r"is_run_over = \1", "confirmed",
        (f"{DECIDES}::test_while_a_person_decides_only_the_time_counts",),
    ),
    Mutant(
        "the guard lets a phase of the upgrade hang", GUARD, "Guard.tick",
        r"self\._deadline is not None and self\._deadline\.remaining <= 0", "False", "upgrade",
        (f"{DECIDES}::test_when_a_phase_times_out_and_the_run_is_alive",),
    ),
    Mutant(
        "a rollback that failed is called rolled back", GUARD, "Guard._restore", r"if \w+\.done:", "if True:", "upgrade",
        (f"{DECIDES}::test_a_failed_restore_is_reported_and_not_requested_again",),
    ),
    Mutant(
        "a rollback with an unknown outcome is called failed", GUARD, "Guard._restore",
        r"(states\.ROLLBACK_FAILED) if \w+\.known else states\.UNKNOWN", r"\1", "outcome_is_right",
        (f"{DECIDES}::test_a_failed_restore_is_reported_and_not_requested_again",),
    ),
    Mutant(
        "an upgrade starts though its snapshot's id could not be written", GUARD, "Guard._take_snapshot",
        r"self\._transition\((states\.READY), ", r"transition(self.record, \1, **", "upgrade",
        (f"{SNAPSHOT}::test_a_full_disk_prevents_the_upgrade",),
    ),
    Mutant(
        "Ctrl-C ends the guard as well", f"{DIRECTORY}/_guard/server.py", "serve", r"signal\.SIG_IGN", "signal.SIG_DFL", "upgrade", PROCESS,
    ),
    Mutant(
        "another client's restore counts as the guard's own", f"{DIRECTORY}/_guard/retry.py", "restore_with_retry",
        r' and \(not \w+\["already_in_progress"\] or \w+\)', "", "upgrade",
        (f"{TESTS}/_guard/test_retry.py::test_a_restore_found_in_progress_counts_only_if_it_is_ours",),
    ),
    Mutant(
        "an upgrade can be confirmed before its checks", GUARD, "TRANSITIONS",
        r"\bstates\.UPGRADING: \{", "states.UPGRADING: {states.CONFIRMED, ", "upgrade",
        (f"{DECIDES}::test_transitions",),
    ),
    Mutant(
        "another process with the run's process id counts as the run", f"{DIRECTORY}/_upgrade/process_identity.py", "is_alive",
        r' == \w+\["started"\]', " is not None", "upgrade",
        (f"{TESTS}/_upgrade/test_process_identity.py::test_its_number_given_to_another_process_is_not_it",),
    ),
]
