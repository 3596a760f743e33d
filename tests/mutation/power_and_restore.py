# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in restores, and around a server that is stopped for its snapshot."""

from __future__ import annotations

from mutation.mutant import Mutant

OPERATIONS = "plugins/module_utils/_module"
POWER = f"{OPERATIONS}/power.py"
SIGNALS = "plugins/module_utils/_signal_guard.py"
RESTORE = f"{OPERATIONS}/snapshot_restore.py"
TRACKER = "plugins/module_utils/_wait/restore.py"

REQUESTS = "unit/plugins/module_utils/_module/test_operation_requests.py"

MUTANTS = [
    Mutant(
        "a stopped server stays off when its snapshot fails", POWER, "stop_temporarily",
        r"_restart\(\w+, \w+, \w+, (?!None)\w+\)", "pass", "starts_again",
        (f"{REQUESTS}::test_a_stopped_server_is_started_again_when_its_snapshot_fails",),
    ),
    Mutant(
        "a server that a killed task has left off stays off", POWER, "InterruptedStop.detect",
        r"self\.server = server", "self.server = None", "starts_again",
        ("unit/plugins/module_utils/_module/test_interrupted_stop.py::test_it_is_started_when_the_work_is_done",),
    ),
    Mutant(
        "a restore is skipped where the snapshot is the current one", RESTORE, "run",
        r"= _request_restore\((\w+), (\w+), (\w+)\)", r"= RestoreTracker(\1, \2, \3) if \3.current else _request_restore(\1, \2, \3)",
        "restores_what_is_named",
        (f"{REQUESTS}::test_the_current_snapshot_is_restored_like_any_other",),
    ),
    Mutant(
        "a restore that is under way is sent a second time", RESTORE, "run",
        r"if not \w+\.task_state:", "if True:", "rerun_is_safe", (f"{REQUESTS}::test_a_restore_in_progress_is_joined",),
    ),
    Mutant(
        "check mode restores", RESTORE, "run", r"if \w+\.check_mode:", "if False:", "changed",
        ("unit/plugins/module_utils/_state/test_operation_locking.py::test_a_check_run_neither_takes_the_lock_nor_waits_for_it",),
    ),
    Mutant(
        "a server that is idle just after a restore was requested counts as restored", TRACKER, "_is_finished",
        r"if \w+\.observed or \w+\.became_current\(\):", "if True:", "unknown", (f"{REQUESTS}::test_an_idle_server_is_no_proof_of_a_restore",),
    ),
    Mutant(
        "a restore that failed half way counts as done", TRACKER, "wait_for_restore",
        r"= \w+\.failure_symptom\(\w+\)", "= None", "outcome_is_right", (f"{REQUESTS}::test_a_restore_that_left_the_server_off_has_failed",),
    ),
    Mutant(
        "a snapshot that was the current one before proves a restore", TRACKER, "RestoreTracker.became_current",
        r"not self\.snapshot\.current and ", "", "restores_what_is_named",
        (f"{REQUESTS}::test_a_snapshot_that_was_the_current_one_before_proves_no_restore",),
    ),
]
