# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of schedules: what a wish comes to, what the role installs, and what the timer then runs."""

from __future__ import annotations

from mutants.mutant import Mutant

PLAN = "plugins/plugin_utils/snapshot_schedule.py"
ROLE = "roles/snapshot_schedule"
RUN = "playbooks/scheduled_snapshot.yml"

TESTS = "unit/plugins/test_schedule_plan.py"
INSTALLED = "integration/test_snapshot_schedule.py::test_what_the_timer_runs"
AT_THE_CLOUD = "integration/test_snapshot_schedule.py::test_the_cloud_keeps_it"

MUTANTS = [
    Mutant(
        "retention counts what a person named much like the schedule", PLAN, """"match": prefix + _A_MINUTE,""", """"match": prefix + "*",""",
        (f"{TESTS}::test_the_pattern_names_what_is_made_and_nothing_else",),
    ),
    Mutant(
        "no room is left for the snapshot that is made before an old one goes", PLAN, "count >= cloud.max_snapshots", "count > cloud.max_snapshots",
        (f"{TESTS}::test_refused",),
    ),
    Mutant(
        "the cloud's clock is taken for UTC", PLAN, """(ahead if zone == "UTC" else 0)""", "0",
        (f"{TESTS}::test_the_clouds_clock",),
    ),
    Mutant(
        "a time of day that the cloud's clock can't keep is bent", PLAN, """if zone not in ("", own_zone, "UTC"):""", "if not own_zone:",
        (f"{TESTS}::test_refused",),
    ),
    Mutant(
        "cron is told another clock's time", PLAN, """if wishes["method"] == "cron" and zone:""", """if wishes["method"] == zone:""",
        (f"{TESTS}::test_refused",),
    ),
    Mutant(
        "a snapshot that came late puts off the next by a day", PLAN, "(days - 1) * 24 + SLACK_HOURS", "days * 24 - SLACK_HOURS",
        (f"{TESTS}::test_when_one_is_due",),
    ),
    Mutant(
        "two servers share their files", PLAN, """        written += "_" + hashlib""", """        "_" + hashlib""",
        (f"{TESTS}::test_unit_names_are_safe_and_of_one_schedule_each",),
    ),
    Mutant(
        "a server's name is read as a template at night", PLAN, "    if _TEMPLATE.search(server):\n", "    if not server:\n",
        (f"{TESTS}::test_refused",),
    ),
    Mutant(
        "an end is refused for its times", PLAN, """    if wishes["state"] == "absent":\n""", """    if wishes["state"] == "gone":\n""",
        (f"{TESTS}::test_an_end_needs_no_times",),
    ),
    Mutant(
        "the timer takes a snapshot each time it comes", RUN, "      when: scheduled_snapshot_fresh.snapshots | length == 0\n", "",
        (INSTALLED,),
    ),
    Mutant(
        "retention deletes what is not the schedule's", RUN, """          match: "{{ scheduled_snapshot.match }}"\n      when""", "      when",
        (INSTALLED,),
    ),
    Mutant(
        "everybody may read the credentials", f"{ROLE}/tasks/runner_present.yml",
        """paths.env }}"\n    mode: "0600"\n""", """paths.env }}"\n    mode: "0644"\n""",
        (INSTALLED,),
    ),
    Mutant(
        "the rehearsal takes a snapshot", f"{ROLE}/tasks/rehearse.yml", "exec {{ snapshot_schedule_command }} --check'",
        "exec {{ snapshot_schedule_command }}'", (INSTALLED,),
    ),
    Mutant(
        "the timer is there, and not started", f"{ROLE}/tasks/systemd_present.yml", """state: "{{ 'restarted'""", """state: "{{ 'stopped'""",
        (INSTALLED,),
    ),
    Mutant(
        "the end of a schedule takes the snapshot with it", f"{ROLE}/tasks/cloud_absent.yml", "rewind.vps.snapshot_cron:", "rewind.vps.snapshot:",
        (AT_THE_CLOUD,),
    ),
]
