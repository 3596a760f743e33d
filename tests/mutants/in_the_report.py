# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of the report: what it takes for HTML, what it claims without knowing it, and what it leaves out."""

from __future__ import annotations

from mutants.mutant import Mutant

REPORT = "plugins/plugin_utils/fleet_report"
TESTS = "unit/plugins/fleet_report"
PAGE, JUDGED, GATHERED = (f"{TESTS}/test_fleet_{name}.py" for name in ("page", "judgement", "gathering"))

MUTANTS = [
    Mutant(
        "the names of others are taken for HTML", f"{REPORT}/page.py", "autoescape=True", "autoescape=False",
        (f"{PAGE}::test_texts_of_others_are_only_text",),
    ),
    Mutant(
        "a name may turn the direction of writing", f"{REPORT}/wording.py", "whole = plain(str(text))", "whole = str(text)",
        (f"{PAGE}::test_texts_of_others_are_only_text",),
    ),
    Mutant(
        "a server whose snapshots could not be listed is called one without", f"{REPORT}/judgement.py",
        "if snapshots is None:", "if snapshots is False:", (f"{JUDGED}::test_findings_of_snapshots",),
    ),
    Mutant(
        "an upgrade of another account's server counts for this one", f"{REPORT}/page.py",
        'return account["provider"], account["api_url"], server_id', 'return account["provider"], "https://cloud.example", server_id',
        (f"{JUDGED}::test_an_upgrade_counts_for_its_own_server_and_only_the_last_one",),
    ),
    Mutant(
        "a receipt that can't be read is left out", f"{REPORT}/upgrades.py",
        "chosen = [_told(path, path in last) for path in every[:newest]]",
        "chosen = [run for run in (_told(path, path in last) for path in every[:newest]) if run['outcome'] != UNREADABLE]",
        (f"{GATHERED}::test_receipts_newest_first_and_every_kind_of_outcome",),
    ),
    Mutant(
        "a run that nobody watches is called under way", f"{REPORT}/upgrades.py",
        'return UNDER_WAY if processes.is_alive(receipt.data.get("guard") or {}) else CUT_OFF', "return UNDER_WAY",
        (f"{GATHERED}::test_receipts_newest_first_and_every_kind_of_outcome",),
    ),
    Mutant(
        "a check run writes the page", "plugins/action/report.py", "if not self._task.check_mode:", "if path:",
        ("integration/test_report.py::test_one_page_on_both_clouds",),
    ),
    Mutant(
        "an account that could not be asked is no failure", f"{REPORT}/outcome.py",
        "if missing:", "if missing is None:", (f"{JUDGED}::test_what_the_task_says",),
    ),
]
