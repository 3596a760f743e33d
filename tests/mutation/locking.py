# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in the lock of a server, and in what tasks of one machine record for each other."""

from __future__ import annotations

from mutation.mutant import Mutant

LOCK = "plugins/module_utils/_state/server_lock.py"

LOCK_TESTS = "unit/plugins/module_utils/_state/test_server_lock.py"
TESTS = "unit/plugins/module_utils/_state/test_operation_locking.py"

MUTANTS = [
    Mutant(
        "two tasks hold the lock of one server at the same time", "plugins/module_utils/_files.py", "FileLock.try_acquire",
        r"LOCK_EX", "LOCK_SH", "one_at_a_time", (f"{LOCK_TESTS}::test_two_processes_never_hold_the_same_lock",),
    ),
    Mutant(
        "a task holds the lock while it waits for its snapshot", "plugins/module_utils/_module/snapshot.py", "_ensure_present",
        r"(\n +)(\w+) = _inspect_and_request\(.*\)", r"\g<0>\1\2.request and wait_for_requested(ctx, \2.request)", "one_at_a_time",
        (f"{TESTS}::test_another_task_gets_the_lock_while_one_waits_for_its_snapshot",),
    ),
    Mutant(
        "what was read before another task held the lock is believed", LOCK, "lock_server",
        r"\w+\.lock\.changed_since\(\w+\)", "False", "one_at_a_time",
        (f"{TESTS}::test_the_server_is_read_again_if_another_task_changed_it",),
    ),
    Mutant(
        "others may change a server while a task waits for its restore", LOCK, "ServerLock.try_acquire",
        r"if allow_during_restore:", "if True:", "one_at_a_time", (f"{LOCK_TESTS}::test_during_a_restore_only_another_restore_gets_the_lock",),
    ),
]
