# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in what the servers of one task share."""

from __future__ import annotations

from mutation.mutant import Mutant

UTILS = "plugins/module_utils"

MUTANTS = [
    Mutant(
        "a decision uses what was read before the task's own change", f"{UTILS}/_bulk/shared_provider.py", "CoalescedRead.get",
        r"\w+\.started > \w+ and ", "", "own_outcome",
        ("unit/plugins/module_utils/_bulk/test_bulk_shared_provider.py::test_a_provider_never_returns_what_was_read_before_its_own_change",),
        may_hang=True,
    ),
    Mutant(
        "all servers of a task may be off at the same time", f"{UTILS}/_bulk/executor.py", "run_on_each",
        r"BatchGate\(([\w.]+), [\w.]+ - 1\) if", r"BatchGate(MAX_PENDING_DECISIONS, \1) if", "own_outcome",
        ("unit/plugins/module_utils/_bulk/test_bulk_results.py::test_no_more_servers_are_stopped_at_once_than_concurrency",),
    ),
]
