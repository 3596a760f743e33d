# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in what every task passes through: options, both execution modes, redaction, error messages, check mode."""

from __future__ import annotations

from mutation.mutant import Mutant

UTILS = "plugins/module_utils"
EXECUTE = "unit/plugins/module_utils/test_execute.py"
ACTION = "unit/plugins/plugin_utils/test_in_process_action.py"

MUTANTS = [
    Mutant(
        "plain http carries the credentials to any host", f"{UTILS}/_argspec.py", "_resolve_api_url",
        r'== "http" and not', '== "ftp" and not', "secrets", ("unit/plugins/module_utils/test_argspec.py::test_plain_http_only_to_this_machine",),
    ),
    Mutant(
        "a result contains the secrets that are in it", f"{UTILS}/_execute.py", "execute",
        r"redactor\.redact\((\w+)\)", r"\1", "secrets", (f"{EXECUTE}::test_every_result_is_redacted",),
    ),
    Mutant(
        "a task that failed after a change reports no change", f"{UTILS}/_errors.py", "_build_result",
        r"= \w+\.changes\.changed if .*", "= False", "changed", (f"{EXECUTE}::test_an_error_reports_what_was_changed_before",),
    ),
    Mutant(
        "an in-process task in check mode sends its changes", "plugins/plugin_utils/_action.py", "InProcessAction._execute",
        r"check_mode=self\._task\.check_mode", "check_mode=False", "changed", (f"{ACTION}::test_both_execution_modes_pass_on_check_mode_and_diff",),
    ),
    Mutant(
        "a module in check mode sends its changes", f"{UTILS}/_ansible_module.py", "run_module",
        r"check_mode=\w+\.check_mode", "check_mode=False", "changed", (f"{ACTION}::test_both_execution_modes_pass_on_check_mode_and_diff",),
    ),
]
