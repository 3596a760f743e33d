# SPDX-License-Identifier: GPL-3.0-or-later
"""All breakages, room by room. A new one goes into the list of its room."""

from __future__ import annotations

from mutants import (
    in_the_clouds,
    in_the_connection,
    in_the_doors,
    in_the_fleet,
    in_the_guard,
    in_the_inventory,
    in_the_operations,
    in_the_report,
    in_the_role,
    in_the_run,
    in_the_schedule,
    in_the_turns,
)

MUTANTS = [
    *in_the_clouds.MUTANTS,
    *in_the_doors.MUTANTS,
    *in_the_operations.MUTANTS,
    *in_the_turns.MUTANTS,
    *in_the_fleet.MUTANTS,
    *in_the_guard.MUTANTS,
    *in_the_run.MUTANTS,
    *in_the_connection.MUTANTS,
    *in_the_role.MUTANTS,
    *in_the_report.MUTANTS,
    *in_the_inventory.MUTANTS,
    *in_the_schedule.MUTANTS,
]
