# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-doc prints every module, plugin and role of the collection without warnings, on the ansible-core in use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
KINDS = {
    kind: sorted(path.stem for path in (PLUGINS / directory).glob("*.py") if path.stem != "__init__")
    for kind, directory in (("module", "modules"), ("inventory", "inventory"), ("connection", "connection"), ("filter", "filter"))
}
KINDS["role"] = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
# Directories with code only. Any other kind of plugin must have pages.
UNDOCUMENTED = {"action", "doc_fragments", "module_utils", "plugin_utils"}
# Ansible's markup as it is written: O(name), V(true), M(rewind.vps.snapshot); 2.16 to 2.22 print it in other ways.
LEFT_OVER_MARKUP = re.compile(r"\b[OVEPMRLUCIB]\([^)]*\)|\bHORIZONTALLINE\b")


def ansible_doc(*words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ANSIBLE_NOCOLOR": "true", "COLUMNS": "200", "PAGER": "cat"}
    return subprocess.run(
        [sys.executable, "-m", "ansible", "doc", *words], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What it prints on standard error, without 2.21's warning about its own internal collection."""
    return [line for line in done.stderr.splitlines() if "ansible/_internal/" not in line]


def pages(text: str) -> list[str]:
    """What ansible-doc prints of several plugins, one text each."""
    return [page for page in re.split(r"^(?=> )", text, flags=re.MULTILINE) if page.startswith("> ")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_is_printed_without_a_warning(kind: str) -> None:
    names = [f"rewind.vps.{name}" for name in KINDS[kind]]
    done = ansible_doc("--type", kind, *names)
    printed = pages(done.stdout)

    assert (done.returncode, warnings(done)) == (0, [])
    assert len(printed) == len(names), "a page for each"
    for name in names:
        (page,) = (page for page in printed if re.search(rf"{re.escape(name)}\b", page.splitlines()[0].lower()))
        assert len(page) > 1000
        assert LEFT_OVER_MARKUP.findall(page) == [], name
        sections = {"module": ["OPTIONS", "ATTRIBUTES", "EXAMPLES", "RETURN VALUES"], "role": ["OPTIONS"]}
        for section in sections.get(kind, ["OPTIONS"]):
            assert section in page.upper(), f"{name} has no {section}"


def test_the_list_has_every_module_with_a_description() -> None:
    done = ansible_doc("--list", "rewind.vps")

    assert (done.returncode, warnings(done)) == (0, [])
    listed = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert sorted(listed) == [f"rewind.vps.{name}" for name in KINDS["module"]]
    assert all(len(sentence) > 10 for sentence in listed.values())


def test_every_kind_of_plugin_is_listed() -> None:
    directories = {path.name for path in PLUGINS.iterdir() if path.is_dir() and any(path.rglob("*.py"))}

    assert directories - UNDOCUMENTED == {"modules", "inventory", "connection", "filter"}
    assert all(KINDS.values())
    assert len(KINDS["role"]) == len([path for path in (ROOT / "roles").iterdir() if path.is_dir()])
