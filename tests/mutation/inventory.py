# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in the inventory plugin, in what tasks take from it, and in schedules and reports."""

from __future__ import annotations

from mutation.mutant import Mutant

PLUGIN_UTILS = "plugins/plugin_utils"

TESTS = "unit/plugins/inventory/test_servers_inventory.py"
ACCOUNT = "unit/plugins/plugin_utils/test_inventory_accounts.py"

MUTANTS = [
    Mutant(
        "an account that fails leaves the hosts of the others", "plugins/inventory/servers.py", "InventoryModule._fetch",
        r"raise invalid_argument\(f\"Account .*\)", "return []", "inventory",
        (f"{TESTS}::test_an_account_that_fails_makes_the_whole_file_fail",),
    ),
    Mutant(
        "a server called localhost gets what is delegated to the controller", f"{PLUGIN_UTILS}/_inventory_hosts.py", "is_valid_name",
        r"(\w+)\.lower\(\) not in", r"\1 not in", "inventory", (f"{TESTS}::test_an_invalid_host_name_is_replaced_by_the_id",),
    ),
    Mutant(
        "credentials go to another address", f"{PLUGIN_UTILS}/_inventory_accounts.py", "options_for_host",
        r'\("provider", "api_url"\)\] == \[provider, api_url\]', '("provider",)] == [provider]',
        "credentials", (f"{ACCOUNT}::test_options_for_host",),
    ),
    Mutant(
        "credentials go to another machine", f"{PLUGIN_UTILS}/_action.py", "InProcessAction._build_arguments",
        r'on_controller=[^)]*"local"', "on_controller=True", "credentials", (f"{ACCOUNT}::test_arguments_of_a_module",),
    ),
    Mutant(
        "a schedule is removed whose account is not proven", "plugins/filter/schedule_state.py", "_is_own",
        r"and item\.identity\.account == account", "", "schedule", ("unit/plugins/filter/test_schedule_state.py",),
    ),
    Mutant(
        "the report takes a server's name for HTML", f"{PLUGIN_UTILS}/_report/render.py", "_template",
        r"autoescape=True", "autoescape=False", "nothing_followed",
        ("unit/plugins/plugin_utils/_report/test_report_page.py::test_external_text_stays_text",),
    ),
]
