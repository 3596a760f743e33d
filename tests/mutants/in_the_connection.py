# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of the connection that makes a lost server a failed task."""

from __future__ import annotations

from mutants.mutant import Mutant

SSH = "plugins/connection/guarded_ssh.py"

TESTS = "unit/plugins/test_guarded_ssh.py"

MUTANTS = [
    Mutant(
        "a lost server ends the play for it, past its rescue", SSH,
        "        raise kind(message)\n", "        raise AnsibleConnectionFailure(message)\n",
        (f"{TESTS}::test_each_way_to_lose_the_server_fails_the_task",),
    ),
    Mutant(
        "tasks go on on a server that its guard is restoring", SSH,
        "if state in UNDONE:", "if not receipt:",
        (f"{TESTS}::test_nothing_is_done_on_a_server_that_its_guard_undoes",),
    ),
    Mutant(
        "files are copied to a server that its guard has restored", SSH,
        "        self._must_be_guarded()\n        return super().put_file", "        return super().put_file",
        (f"{TESTS}::test_nothing_is_done_on_a_server_that_its_guard_undoes",),
    ),
    Mutant(
        "tidying up after a task hides why it failed", SSH,
        "if lost_before and _removes_temporary_folder(cmd):", "if not cmd:",
        (f"{TESTS}::test_the_end_of_a_task_does_not_hide_why_it_failed",),
    ),
    Mutant(
        "a server without room for a temporary folder ends the play past its rescue", SSH,
        "if status != 0 and _makes_temporary_folder(cmd):", "if not cmd:",
        (f"{TESTS}::test_a_server_without_room_for_a_temporary_folder_is_lost",),
    ),
    Mutant(
        "a server that vanished in silence is waited for without end", SSH,
        "        if not interval:\n", "        if interval:\n",
        (f"{TESTS}::test_the_command_is_that_of_ssh_with_its_questions_behind_the_users_own_arguments",),
    ),
]
