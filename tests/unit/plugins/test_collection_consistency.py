# SPDX-License-Identifier: GPL-3.0-or-later
"""What several files of the collection state is the same in all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from builders import OPERATIONS

from ansible_collections.rewind.vps.plugins.module_utils import _version as version
from ansible_collections.rewind.vps.plugins.plugin_utils._inventory_accounts import ACCOUNT_OPTIONS
from ansible_collections.rewind.vps.plugins.plugin_utils._report import accounts as report
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.options import (
    INVENTORY_VARIABLES,
    OPTIONS,
    RANGES,
    ROLE_OPTIONS,
    STEPS,
    VARIABLE_OPTIONS,
)
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.steps import Steps

# The checkout itself when the tests are run there, the copy when ansible-test runs them.
ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
# Documentation only: their actions do the work on the controller, and no module ever runs.
CONTROLLER_ONLY = {"report": report.OPTIONS, "upgrade_guard": OPTIONS}
MODULES = [name for name in DOCUMENTED if name not in CONTROLLER_ONLY]
HEADER = [
    "# Copyright: (c) 2026, rewind.vps contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]


def loaded(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_version():
    assert loaded("galaxy.yml")["version"] == version.VERSION


def texts_of(directory, name):
    """The YAML texts that a file holds, by their names in lower case, without running it; of several documents the first."""
    tree = ast.parse((ROOT / "plugins" / directory / f"{name}.py").read_text(encoding="utf-8"))
    return {node.targets[0].id.lower(): next(yaml.safe_load_all(node.value.value), None) for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)}


def documented_options(module):
    """Return the module's options with those of its fragments. Its own documentation takes precedence, as with Ansible."""
    own = texts_of("modules", module)["documentation"]
    options = {}
    for reference in own.get("extends_documentation_fragment", []):
        file, dummy, part = reference[len("rewind.vps."):].partition(".")
        for name, option in texts_of("doc_fragments", file)[part or "documentation"].get("options", {}).items():
            options[name] = {**option, **options.get(name, {})}
    for name, option in own.get("options", {}).items():
        options[name] = {**options.get(name, {}), **option}
    return options


def as_said(option):
    """Return what documentation and specification both state of an option, with defaults for what is left out."""
    return {
        "type": option.get("type", "str"), "elements": option.get("elements"), "default": option.get("default"),
        "choices": list(option.get("choices") or []), "required": bool(option.get("required")),
        "aliases": sorted(option.get("aliases", [])),
    }


def test_six_modules_and_those_that_are_actions_only():
    assert MODULES == ["account_info", "server_info", "snapshot", "snapshot_cron", "snapshot_info", "snapshot_restore"]
    assert DOCUMENTED == sorted([*MODULES, *CONTROLLER_ONLY])


@pytest.mark.parametrize(("module", "options"), [
    *((name, operation.SPEC.options) for name, operation in OPERATIONS.items()), *CONTROLLER_ONLY.items(),
], ids=[*OPERATIONS, *CONTROLLER_ONLY])
def test_what_is_documented_is_what_is_taken(module, options):
    documented = documented_options(module)
    assert sorted(documented) == sorted(options)
    for name, option in options.items():
        assert as_said(documented[name]) == as_said(option), name
        if "suboptions" in documented[name]:
            within, taken = documented[name].get("suboptions") or {}, option.get("options") or {}
            assert {key: as_said(value) for key, value in within.items()} == {key: as_said(value) for key, value in taken.items()}, name


def test_an_account_of_an_inventory_has_the_modules_options():
    options = texts_of("inventory", "servers")["documentation"]["options"]
    suboptions = options["accounts"]["suboptions"]
    assert sorted(suboptions) == sorted(ACCOUNT_OPTIONS)
    for name, option in ACCOUNT_OPTIONS.items():
        assert options[name] == suboptions[name]
        # Whether one is needed is only known when the environment has been read.
        assert as_said(suboptions[name]) == {**as_said(option), "required": False}, name
        said = " ".join(suboptions[name]["description"]) if isinstance(suboptions[name]["description"], list) else ""
        assert all(f"E({variable})" in said for variable in option.get("fallback", (None, []))[1]), name
        assert "env" not in suboptions[name], "ansible-config dump would show it"


@pytest.mark.parametrize("name", CONTROLLER_ONLY)
def test_the_action_that_is_no_module_runs_no_module(name):
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8"))
    code = [node for node in tree.body if not isinstance(node, (ast.Assign, ast.ImportFrom))]
    assert not code, f"line {code[0].lineno}: nothing here is ever run"
    assert name not in OPERATIONS


def test_every_step_is_a_method_and_every_table_of_options_names_options():
    assert all(callable(getattr(Steps, f"_{step}", None)) for step in STEPS)
    parameters = {**OPTIONS, **ROLE_OPTIONS}
    assert set(RANGES) | set(INVENTORY_VARIABLES) <= set(parameters)
    for name, (low, high) in RANGES.items():
        default = parameters[name].get("default")
        assert (name == "api_timeout") if default is None else low <= default <= high, name  # its default depends on the request


def test_the_role_passes_every_option():
    """Once, under the option's own name; those that the action reads itself, credentials among them, are not passed."""
    passed = loaded("roles/guarded_upgrade/vars/main.yml")["__guarded_upgrade_options"]
    assert sorted(passed) == sorted(ROLE_OPTIONS)
    for name, value in passed.items():
        assert re.fullmatch(rf"{{{{ guarded_upgrade_{name}( \| default\(''\))? }}}}", value), name
    documented = loaded("roles/guarded_upgrade/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {f"guarded_upgrade_{name}" for name in (*ROLE_OPTIONS, *VARIABLE_OPTIONS)} == set(documented)


def test_the_roles_defaults_are_the_actions():
    """The role's option guarded_upgrade_X is the action's option X, so both must have the same default."""
    defaults = loaded("roles/guarded_upgrade/defaults/main.yml")
    # An empty list of the action's means that nothing of the kind was asked for; what the role asks for is its own affair.
    shared = {name: defaults[f"guarded_upgrade_{name}"] for name in ROLE_OPTIONS
              if f"guarded_upgrade_{name}" in defaults and ROLE_OPTIONS[name].get("default") != []}
    assert len(shared) >= 10
    assert shared == {name: ROLE_OPTIONS[name].get("default") for name in shared}


def test_the_action_group_lists_every_module():
    runtime = loaded("meta/runtime.yml")
    assert runtime["action_groups"] == {"all": DOCUMENTED}
    assert runtime["requires_ansible"] == ">=2.16.0"


def test_every_module_has_its_options_and_its_action():
    assert sorted(OPERATIONS) == MODULES
    assert sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py")) == sorted([*MODULES, *CONTROLLER_ONLY])


@pytest.mark.parametrize("module", MODULES)
def test_action_and_module_run_the_same_operation(module):
    action = (ROOT / "plugins" / "action" / f"{module}.py").read_text(encoding="utf-8")
    assert f"    operation = {module}\n" in action
    source = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    assert f"    run_module({module})\n" in source


def test_every_python_file_below_plugins_starts_with_the_licence():
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
            continue  # ansible-test wants these empty
        lines = path.read_text(encoding="utf-8").splitlines()
        start = 1 if lines[0].startswith("#!") else 0
        found = [line for line in lines[start:start + 5] if line.startswith("# ") and "coding" not in line]
        assert found[:3] == HEADER, path
        assert "from __future__ import annotations" in lines, path
