# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in snapshots and retention."""

from __future__ import annotations

from mutation.mutant import Mutant

OPERATIONS = "plugins/module_utils/_module"
PRESENT = f"{OPERATIONS}/snapshot.py"
PLAN = f"{OPERATIONS}/snapshot_plan.py"

KEPT = "unit/plugins/module_utils/_module/test_retention.py"
REQUESTS = "unit/plugins/module_utils/_module/test_operation_requests.py"
EVERY_PLAN = ("unit/plugins/module_utils/_module/test_snapshot_plan.py::test_every_combination",)
LOST_ANSWER = (f"{REQUESTS}::test_a_create_whose_answer_is_lost_is_reconciled",)

MUTANTS = [
    Mutant(
        "retention deletes what the pattern does not match", PLAN, "_named",
        r"fnmatch\.fnmatchcase\(\w+\.name, (\w+)\)", r"\1", "deletes_what_is_named", (KEPT,),
    ),
    Mutant(
        "retention deletes a snapshot that a schedule uses", PLAN, "_is_deletable",
        r"\w+\.schedule is None and ", "", "deletes_what_is_named",
        (f"{KEPT}::test_scheduled_ones_stay_but_count_and_those_that_lack_anything_do_neither",),
    ),
    Mutant(
        "the newest snapshots are deleted to free capacity", PLAN, "select_for_eviction",
        r"\[::-1\]", "", "deletes_what_is_named", (f"{KEPT}::test_failed_ones_are_evicted_first",),
    ),
    Mutant(
        "retention uses the list from before the snapshot", PRESENT, "_finish",
        r"= \w+\.provider\.list_snapshots\(\w+\)", "= pending.snapshots", "deletes_what_is_named",
        (f"{REQUESTS}::test_retention_reads_again_before_it_deletes",),
    ),
    Mutant(
        "a snapshot with an unknown status word is replaced and deleted", PLAN, "plan_present",
        r"if (\w+)\.status == UNKNOWN:", r"if not \1:", "deletes_what_is_named", EVERY_PLAN,
    ),
    Mutant(
        "the old snapshot is deleted before the new one is ready", PRESENT, "_send_request",
        r"\[\*(\w+)\.failed, ", r"[*\1.failed, *([\1.replaces] if \1.replaces else []), ", "deletes_what_is_named", LOST_ANSWER,
    ),
    Mutant(
        "a snapshot that lacks its date is restored by its name", f"{OPERATIONS}/context.py", "require_complete",
        r"if not \w+\.missing or .+:", "if True:", "odd_rows", (f"{REQUESTS}::test_what_lacks_anything_is_selected_by_its_id_only",),
    ),
    Mutant(
        "retention creates snapshots although no age can be read", PLAN, "require_ages",
        r"raise unknown_age\(.*\)", "return", "unknown_age", (f"{REQUESTS}::test_retention_with_an_unknown_age_changes_nothing",),
    ),
    Mutant(
        "of two snapshots of one name any is deleted", f"{OPERATIONS}/context.py", "select_snapshot",
        r"if len\(\w+\) > 1:", "if False:", "deletes_what_is_named", (f"{REQUESTS}::test_what_means_no_single_snapshot_is_refused",),
    ),
    Mutant(
        "a second snapshot is made while the first is being made", PLAN, "plan_present", r"if pending:", "if False:", "rerun_is_safe", EVERY_PLAN,
    ),
    Mutant(
        "a create whose answer is lost is sent again", f"{OPERATIONS}/snapshot_changes.py", "request_create",
        r"= _reconcile_create\(.*\)", "= ctx.provider.create_snapshot(server, name, description)", "sent_once", LOST_ANSWER,
    ),
    Mutant(
        "a snapshot that is still being made counts as ready", "plugins/module_utils/_wait/waiters.py", "wait_snapshot_ready",
        r" and \w+\.status == READY", "", "unknown", (f"{REQUESTS}::test_a_timeout_reports_whether_anything_was_requested",),
    ),
]
