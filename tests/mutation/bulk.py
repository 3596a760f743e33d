# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in what the servers of one task share."""

from __future__ import annotations

from mutation.mutant import Mutant

UTILS = "plugins/module_utils"

MUTANTS = [
    Mutant(
        "a decision uses what was read before the task's own change", f"{UTILS}/fleet/shared_read.py", "SharedRead.has",
        r" and self\.\w+\.began > \w+", "", "own_outcome",
        ("unit/plugins/module_utils/_bulk/test_bulk_coalescing.py::test_a_provider_never_returns_what_was_read_before_its_own_change",),
            may_hang=True,
    ),
    Mutant(
        "all servers of a task may be off at the same time", f"{UTILS}/fleet/fleet.py", "_Fleet.__init__",
        r"Batches\((\w+), \w+ - 1\) if", r"Batches(MOST_DECIDING, \1) if", "own_outcome",
        ("unit/plugins/module_utils/_bulk/test_bulk_results.py::test_no_more_servers_are_stopped_at_once_than_concurrency",),
    ),
    Mutant(
        "a signal ends the process while servers are off", f"{UTILS}/_module/signal_guard.py", "Crowd._hear",
        r"if self\._careful:", "if False:", "starts_again",
        ("unit/plugins/module_utils/_bulk/test_bulk_executor.py::test_a_signal_waits_for_critical_sections_which_undo_their_change",),
    ),
]
