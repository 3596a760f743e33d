# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the code of plugins/ beyond imports: who waits, who knows a provider's name, who prints."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
FILES = {path.relative_to(PLUGINS).as_posix(): path for path in sorted(PLUGINS.rglob("*.py")) if path.name != "__init__.py"}
# The connection of one server of a bulk task is the clock of the poller.
# The steps that observe a server wait for the server, not for a provider.
MAY_SLEEP = {
    "module_utils/_wait/polling.py", "module_utils/_http/client.py", "module_utils/_bulk/shared_provider.py",
    "plugin_utils/_upgrade/steps/checks.py", "plugin_utils/_upgrade/steps/observe.py", "plugin_utils/_upgrade/steps/reconnect.py",
    # And for the guard, and for a person.
    "plugin_utils/_upgrade/steps/base.py", "plugin_utils/_upgrade/steps/confirmation.py",
}
MAY_NAME_PROVIDERS = ("module_utils/_provider/", "modules/", "doc_fragments/", "module_utils/_argspec.py")


def nodes(name, *kinds):
    return [node for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))) if isinstance(node, kinds)]


@pytest.mark.parametrize("name", FILES)
def test_only_the_poller_and_the_transport_sleep(name):
    sleeps = [node for node in nodes(name, ast.Attribute) if ast.unparse(node) == "time.sleep"]
    assert not [node for node in nodes(name, ast.ImportFrom) if node.module == "time"], f"{name} imports from time by name"
    assert not sleeps or name in MAY_SLEEP


@pytest.mark.parametrize("name", FILES)
def test_only_a_providers_own_file_knows_which_provider_it_is(name):
    if name.startswith(MAY_NAME_PROVIDERS):
        return
    asks = "ask provider.capabilities instead"
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
                  and node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            assert node.value.lower() not in ("vpsorg", "ilkbyte", "vps.org"), f"{name}:{node.lineno}: {asks}"
        if isinstance(node, (ast.Compare, ast.Match)):
            asked = node.left if isinstance(node, ast.Compare) else node.subject
            assert not any(isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) and part.slice.value == "provider"
                           for part in ast.walk(asked)), f"{name}:{node.lineno}: {asks}"
        if isinstance(node, ast.Compare):
            assert not any(isinstance(part, ast.Attribute) and part.attr == "title" for part in ast.walk(node)), f"{name}:{node.lineno}: {asks}"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_printed_or_executed(name):
    calls = [node for node in nodes(name, ast.Call) if isinstance(node.func, ast.Name) and node.func.id in ("print", "exec", "eval")]
    assert not calls, f"{name}:{calls[0].lineno}"


# The guard of an upgrade and its run use a socket of this machine. HTTP has a file of its own, with no socket that it opens itself.
@pytest.mark.parametrize("name", ["plugin_utils/_guard/client.py", "plugin_utils/_guard/server.py"])
def test_sockets_are_local(name):
    families = {node.attr for node in nodes(name, ast.Attribute) if node.attr.startswith("AF_")}
    assert families == {"AF_UNIX"}


@pytest.mark.parametrize("name", FILES)
def test_no_file_uses_urllib_for_requests(name):
    imported = [ast.unparse(node) for node in nodes(name, ast.Import, ast.ImportFrom)]
    assert not [text for text in imported if "urllib.request" in text or text.startswith("from urllib import request")]
