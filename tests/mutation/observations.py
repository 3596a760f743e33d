# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in what a guarded upgrade observes of a server before and after it."""

from __future__ import annotations

from mutation.mutant import Mutant

CHECKS = "plugins/plugin_utils/_upgrade/steps/checks.py"
STEPS = "unit/plugins/plugin_utils/_upgrade/test_check_steps.py"

MUTANTS = [
    Mutant(
        "an upgrade is confirmed though every new login fails", CHECKS, "CheckSteps._start_checks", r"new_login=not \w+", "new_login=False",
        "observed", (f"{STEPS}::test_both_observations_log_in_again",),
    ),
    Mutant(
        "one observation after the upgrade is enough", "plugins/plugin_utils/_upgrade/steps/confirmation.py", "ConfirmationSteps._confirm",
        r"self\._observe_soak\(record, .*\)", "record", "observed", (f"{STEPS}::test_what_happens_some_seconds_later",),
    ),
    Mutant(
        "an excluded package may be upgraded", "plugins/plugin_utils/_upgrade/package_scripts.py", "upgrade_script",
        r"""['"] ['"]\.join\(selection\.exclude\)""", "''", "selected",
        ("unit/plugins/plugin_utils/_upgrade/test_package_scripts.py::test_pacman_that_upgrades_an_ignored_package",),
    ),
    Mutant(
        "a check that fails before the upgrade does not prevent it", "roles/guarded_upgrade/tasks/upgrade.yml", "include_tasks: baseline.yml",
        r"include_tasks: baseline\.yml", "meta: noop", "no_false_alarm",
        ("functional/guarded/test_observations.py::test_a_check_that_fails_before_the_upgrade_starts_none",),
    ),
]
