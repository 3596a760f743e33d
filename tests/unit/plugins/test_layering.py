# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may know whom. Data flows one way: options, operation, provider, transport, wire; no file imports one above it."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
OURS = "ansible_collections.rewind.vps.plugins."
FILES = {
    path.relative_to(PLUGINS).as_posix()[:-3].replace("/", "."): path
    for path in sorted(PLUGINS.rglob("*.py")) if path.name != "__init__.py"
}

UTILS = "module_utils."
GUARDED = "plugin_utils.guarded_upgrade."
FLEET = "plugin_utils.fleet_report."
SERVERS = "plugin_utils.servers_inventory."
PROVIDER = {UTILS + "errors", UTILS + "transport", UTILS + "providers.base"}
OPERATION = {UTILS + "errors", UTILS + "polling", UTILS + "retention", UTILS + "turns", UTILS + "providers.base"}
# What each part of the steps may know; the parts know nothing of each other.
STEPS = {GUARDED + "step_base", GUARDED + "receipt", GUARDED + "server_looks", UTILS + "errors"}
# Each file or folder, and what of ours it may import. The longest entry that fits counts.
MAY_IMPORT = {
    UTILS + "plain_text": set(),
    UTILS + "errors": {UTILS + "plain_text"},
    UTILS + "version": set(),
    UTILS + "secrets": set(),
    UTILS + "alarms": set(),
    UTILS + "wire": {UTILS + "alarms"},
    UTILS + "rate_limit": set(),
    UTILS + "transport": {UTILS + "errors", UTILS + "plain_text", UTILS + "rate_limit", UTILS + "version", UTILS + "wire"},
    UTILS + "polling": {UTILS + "errors"},
    UTILS + "retention": {UTILS + "providers.base"},
    UTILS + "turns": set(),
    UTILS + "providers.base": {UTILS + "errors"},
    UTILS + "providers.": PROVIDER | {UTILS + "providers.ilkbyte_schedule"},
    UTILS + "providers.registry": {UTILS + "providers.base", UTILS + "providers.vpsorg", UTILS + "providers.ilkbyte"},
    UTILS + "operations.": OPERATION,
    UTILS + "operations.upgrade_preflight": {UTILS + "errors", UTILS + "retention", UTILS + "operations.task", UTILS + "providers.base"},
    UTILS + "arguments": {UTILS + "errors", UTILS + "providers.registry", UTILS + "wire"},
    UTILS + "failures": {UTILS + "errors", UTILS + "operations.signals", UTILS + "operations.task"},
    # The parts of a fleet know a provider; only the fleet itself knows operations.
    UTILS + "fleet.lines": {UTILS + "providers.base"},
    UTILS + "fleet.shared_read": {UTILS + "fleet.lines"},
    UTILS + "fleet.member": {UTILS + "errors", UTILS + "fleet.lines", UTILS + "fleet.shared_read", UTILS + "providers.base"},
    UTILS + "fleet.batches": set(),
    UTILS + "fleet.crowd": set(),
    UTILS + "fleet.progress": set(),
    UTILS + "fleet.fleet": {
        UTILS + "failures", UTILS + "fleet.batches", UTILS + "fleet.crowd", UTILS + "fleet.lines", UTILS + "fleet.member", UTILS + "fleet.progress",
        UTILS + "operations.signals", UTILS + "operations.task", UTILS + "polling", UTILS + "providers.base",
    },
    UTILS + "run": {
        UTILS + "arguments", UTILS + "errors", UTILS + "failures", UTILS + "fleet.fleet", UTILS + "operations.", UTILS + "plain_text",
        UTILS + "providers.registry", UTILS + "rate_limit", UTILS + "secrets", UTILS + "wire",
    },
    UTILS + "module": {UTILS + "arguments", UTILS + "plain_text", UTILS + "run"},
    "plugin_utils.controller_action": {UTILS + "plain_text"},
    "plugin_utils.host_account": {SERVERS + "accounts", UTILS + "arguments"},
    "plugin_utils.module_door": {"plugin_utils.controller_action", "plugin_utils.host_account", UTILS + "arguments", UTILS + "secrets"},
    "plugin_utils.quick_door": {"plugin_utils.module_door", UTILS + "arguments", UTILS + "run", UTILS + "secrets", UTILS + "wire"},
    # The inventory: options, then what a host is told, and what Ansible is told.
    SERVERS + "accounts": {UTILS + "arguments", UTILS + "errors"},
    SERVERS + "hosts": {SERVERS + "accounts", UTILS + "errors", UTILS + "plain_text"},
    SERVERS + "cached": {SERVERS + "accounts"},
    SERVERS + "draft": set(),
    "inventory.servers": {
        SERVERS + "accounts", SERVERS + "cached", SERVERS + "draft", SERVERS + "hosts", "plugin_utils.host_account", UTILS + "errors",
        UTILS + "plain_text", UTILS + "run", UTILS + "secrets",
    },
    # What is on the disk, on the server and in the process table: knows nothing of guards and steps.
    GUARDED + "receipt_shape": set(),
    GUARDED + "receipt": {GUARDED + "receipt_shape", UTILS + "errors", UTILS + "plain_text"},
    GUARDED + "processes": set(),
    GUARDED + "server_looks": {GUARDED + "receipt", GUARDED + "receipt_shape"},
    GUARDED + "report": {GUARDED + "receipt"},
    GUARDED + "verdicts": {GUARDED + "receipt"},
    GUARDED + "evidence": {GUARDED + "receipt", UTILS + "secrets"},
    # The guard's decisions, then the guard as a process.
    GUARDED + "rollback": {UTILS + "errors", UTILS + "polling"},
    GUARDED + "taking": {UTILS + "errors", UTILS + "polling"},
    GUARDED + "guard_requests": {GUARDED + "receipt", UTILS + "errors"},
    GUARDED + "guard": {
        GUARDED + "guard_requests", GUARDED + "receipt", GUARDED + "rollback", GUARDED + "taking", UTILS + "errors", UTILS + "polling",
    },
    GUARDED + "guard_service": {
        GUARDED + "guard", GUARDED + "processes", GUARDED + "receipt", UTILS + "errors", UTILS + "plain_text", UTILS + "run",
    },
    GUARDED + "guard_process": {GUARDED + "guard_service"},
    # The run's side: it reaches a guard through its socket alone.
    GUARDED + "guard_link": {GUARDED + "receipt", UTILS + "errors", UTILS + "plain_text"},
    GUARDED + "options": {UTILS + "arguments"},
    GUARDED + "planning": {GUARDED + "options", GUARDED + "processes", GUARDED + "receipt", UTILS + "errors"},
    GUARDED + "step_base": {
        GUARDED + "guard_link", GUARDED + "options", GUARDED + "planning", GUARDED + "processes", GUARDED + "receipt",
        GUARDED + "receipt_shape", UTILS + "arguments", UTILS + "errors", UTILS + "polling", UTILS + "run",
    },
    GUARDED + "steps_before": STEPS | {GUARDED + "planning"},
    GUARDED + "steps_behind": STEPS | {GUARDED + "verdicts"},
    GUARDED + "steps_after": STEPS | {GUARDED + "evidence", GUARDED + "options", GUARDED + "verdicts", UTILS + "secrets"},
    GUARDED + "steps_looking_back": STEPS | {GUARDED + "guard_link", GUARDED + "planning", GUARDED + "report"},
    GUARDED + "steps": {
        GUARDED + "options", GUARDED + "step_base", GUARDED + "steps_after", GUARDED + "steps_before", GUARDED + "steps_behind",
        GUARDED + "steps_looking_back", UTILS + "errors",
    },
    # The report: what is gathered, then what it means, then how the page says it.
    FLEET + "options": {UTILS + "arguments", UTILS + "errors"},
    FLEET + "accounts": {UTILS + "arguments", UTILS + "errors", UTILS + "providers.registry", UTILS + "run"},
    FLEET + "upgrades": {GUARDED + "processes", GUARDED + "receipt", GUARDED + "receipt_shape", UTILS + "errors"},
    FLEET + "wording": {UTILS + "plain_text", UTILS + "providers.base"},
    FLEET + "axis": set(),
    FLEET + "judgement": {FLEET + "upgrades", FLEET + "wording", UTILS + "providers.base"},
    FLEET + "server_lines": {FLEET + "axis", FLEET + "judgement", FLEET + "wording", UTILS + "providers.base"},
    FLEET + "fleet_lines": {
        FLEET + "judgement", FLEET + "server_lines", FLEET + "upgrades", FLEET + "wording", UTILS + "providers.base",
    },
    FLEET + "page": {
        FLEET + "axis", FLEET + "fleet_lines", FLEET + "judgement", FLEET + "server_lines", FLEET + "wording", UTILS + "providers.base",
        UTILS + "version",
    },
    FLEET + "outcome": {FLEET + "judgement", FLEET + "page", FLEET + "wording", UTILS + "plain_text"},
    FLEET + "page_file": set(),
    "plugin_utils.snapshot_schedule": {UTILS + "errors", UTILS + "providers.base"},
    "filter.schedule_plan": {"plugin_utils.snapshot_schedule", UTILS + "errors", UTILS + "providers.registry"},
    "modules.": {UTILS + "module"},
    "modules.upgrade_guard": set(),  # documentation only
    "modules.report": set(),  # the same
    "action.": {"plugin_utils.quick_door"},
    "action.upgrade_guard": {
        "plugin_utils.controller_action", "plugin_utils.host_account", GUARDED + "evidence", GUARDED + "options", GUARDED + "processes",
        GUARDED + "steps",
        UTILS + "arguments", UTILS + "errors", UTILS + "plain_text", UTILS + "run", UTILS + "secrets", UTILS + "wire",
    },
    "action.report": {
        "plugin_utils.controller_action", FLEET + "accounts", FLEET + "options", FLEET + "outcome", FLEET + "page", FLEET + "page_file",
        FLEET + "upgrades", UTILS + "errors", UTILS + "plain_text", UTILS + "run", UTILS + "secrets",
    },
    "connection.guarded_ssh": {UTILS + "plain_text"},
    "doc_fragments.": set(),
}


def parsed(name):
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def imports(name):
    """Every module that a file imports; `from package import name` counts as package.name where that is a file."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner.startswith(OURS) and inner[len(OURS):] in FILES else node.module


def entry_of(name):
    fitting = [entry for entry in MAY_IMPORT if name == entry or entry.endswith(".") and name.startswith(entry)]
    assert fitting, f"{name} has no place in the layers yet: say in MAY_IMPORT whom it may know"
    return max(fitting, key=len)


@pytest.mark.parametrize("name", FILES)
def test_no_file_imports_one_above_it(name):
    entry = entry_of(name)
    allowed = MAY_IMPORT[entry]
    for imported in imports(name):
        if not imported.startswith(OURS):
            continue
        ours = imported[len(OURS):]
        siblings = entry == UTILS + "operations." and ours.startswith(entry)
        fits = any(ours == one or one.endswith(".") and ours.startswith(one) for one in allowed)
        assert siblings or fits, f"{name} must not import {ours}"


@pytest.mark.parametrize("name", FILES)
def test_http_and_ansible_stay_where_they_belong(name):
    tops = {imported.split(".")[0] for imported in imports(name)}
    http = tops & {"requests", "urllib3", "http", "socket", "ssl", "aiohttp", "httpx"}
    if name in (GUARDED + "guard_service", GUARDED + "guard_link"):
        http -= {"socket"}  # the run and its guard talk over a local one (AF_UNIX): nothing leaves the machine
        families = {node.attr for node in ast.walk(parsed(name)) if isinstance(node, ast.Attribute) and node.attr.startswith("AF_")}
        assert families == {"AF_UNIX"}, f"{name} opens {families}"
    assert not http or name == UTILS + "wire", f"{name} imports {http}"
    assert "urllib.request" not in set(imports(name)), name
    ansible = {imported for imported in imports(name) if imported.split(".")[0] == "ansible"}
    allowed = {
        UTILS + "module": {"ansible.module_utils.basic"},
        UTILS + "arguments": {"ansible.module_utils.common.parameters"},
        UTILS + "secrets": {"ansible.module_utils.secrets"},
        "plugin_utils.controller_action": {"ansible", "ansible.constants", "ansible.plugins.action", "ansible.utils.display"},
        "plugin_utils.module_door": {"ansible", "ansible.constants", "ansible.utils.display"},
        "plugin_utils.quick_door": {
            "ansible", "ansible.module_utils.common.arg_spec", "ansible.module_utils.errors", "ansible.utils.display",
            "ansible.constants", "ansible.errors",
        },
        "action.upgrade_guard": {"ansible.module_utils.parsing.convert_bool", "ansible", "ansible.errors", "ansible.module_utils.common.arg_spec"},
        "action.report": {"ansible.errors", "ansible.module_utils.common.arg_spec"},
        FLEET + "options": {"ansible.module_utils.common.arg_spec"},
        SERVERS + "accounts": {"ansible.module_utils.common.arg_spec"},
        SERVERS + "draft": {"ansible.inventory.data"},
        "inventory.servers": {
            "ansible.errors", "ansible.inventory.group", "ansible.plugins.inventory", "ansible.template", "ansible.utils.unsafe_proxy",
        },
        "connection.guarded_ssh": {
            "ansible.errors", "ansible.module_utils.common.text.converters", "ansible.plugins.connection",
        },
    }
    assert ansible <= allowed.get(name, set()), f"{name} imports {ansible}"


@pytest.mark.parametrize("name", FILES)
def test_only_the_poller_and_the_transport_sleep(name):
    sleeps = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.Attribute) and node.attr == "sleep"
              and isinstance(node.value, ast.Name) and node.value.id == "time"]
    from_time = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.ImportFrom) and node.module == "time"]
    assert not from_time, f"{name} imports from time by name"
    # The member of a fleet is what the poller sleeps with.
    assert not sleeps or name in (UTILS + "polling", UTILS + "transport", UTILS + "fleet.member")


def texts(tree):
    """Every text in the code that is not a docstring."""
    docs = {id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body
            and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


@pytest.mark.parametrize("name", FILES)
def test_nobody_asks_which_cloud_it_is(name):
    if name.startswith((UTILS + "providers.", "modules.", "doc_fragments.")) or name == UTILS + "arguments":
        return
    named = [node for node in texts(parsed(name)) if node.value.lower() in ("vpsorg", "ilkbyte", "vps.org")]
    assert not named, f"{name}:{named[0].lineno} names a cloud: ask provider.capabilities"
    for node in ast.walk(parsed(name)):
        if isinstance(node, (ast.Compare, ast.Match if hasattr(ast, "Match") else ast.Compare)):
            asked = [part for part in ast.walk(node.left if isinstance(node, ast.Compare) else node.subject)
                     if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant)
                     and part.slice.value == "provider"]
            assert not asked, f"{name}:{node.lineno} asks which cloud it is"
    titles = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.Compare)
              and any(isinstance(part, ast.Attribute) and part.attr == "title" for part in ast.walk(node))]
    assert not titles, f"{name} compares a cloud's title"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_printed_or_logged(name):
    calls = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)
             and isinstance(node.func, ast.Name) and node.func.id in ("print", "exec", "eval")]
    assert not calls, f"{name}:{calls[0].lineno}"


def test_the_rules_themselves_go_one_way():
    """A pair of rules that let two files know each other would be no layers."""
    exact = {name: {one for one in allowed if one in MAY_IMPORT} for name, allowed in MAY_IMPORT.items()}
    assert list(graphlib.TopologicalSorter(exact).static_order())
    assert not [entry for entry in MAY_IMPORT if entry not in FILES and not entry.endswith(".")], "a rule for a file that is gone"


def test_the_runs_side_and_the_guards_side_know_each_other_by_the_socket_only():
    runs_side = {name for name in FILES if name.startswith(GUARDED + "step")} | {"action.upgrade_guard"}
    runs_side |= {GUARDED + name for name in ("guard_link", "options", "planning")}
    guards_side = {GUARDED + name for name in ("rollback", "guard", "guard_service", "guard_process")}
    for one, other in ((runs_side, guards_side), (guards_side, runs_side)):
        known = {imported[len(OURS):] for name in one for imported in imports(name) if imported.startswith(OURS)}
        assert not known & other


def test_the_rules_see_what_they_should():
    """The checks above would pass on nothing: hold them against files that are known."""
    assert "requests" in set(imports(UTILS + "wire"))
    assert f"{OURS}module_utils.errors" in set(imports(UTILS + "polling"))
    assert entry_of(UTILS + "operations.power") == UTILS + "operations."
    assert f"{OURS}{GUARDED}receipt" in set(imports(GUARDED + "planning")), "imported by name from its package"
    assert len(FILES) >= 30
