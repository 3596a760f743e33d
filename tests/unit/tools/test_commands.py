# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands: `make help` names each of them, and so does tests/tools/dev.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(name="commands", scope="module")
def commands_fixture() -> dict[str, str]:
    """Each command that dev.py has, and what its own help says of it."""
    answer = subprocess.run(
        [sys.executable, ROOT / "tests/tools/dev.py", "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    names = re.search(r"\{([a-z,-]+)\}", answer.stdout).group(1).split(",")
    return {name: (re.findall(rf"^ +{name} +(\S.*)$", answer.stdout, re.MULTILINE) or [""])[0] for name in names}


def test_each_command_says_what_it_does(commands: dict[str, str]) -> None:
    assert len(commands) > 10
    assert [name for name, text in commands.items() if len(text) < 10 or text == "None"] == []


def test_make_has_all_of_them_and_no_other(commands: dict[str, str]) -> None:
    rule = re.search(r"^(demo .*):\n\t@\$\(DEV\)", MAKEFILE, re.MULTILINE).group(1).split()
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE).group(1).split()

    assert sorted(rule) == sorted(commands)
    assert sorted(phony) == sorted([*commands, "help"])


def test_make_help_tells_of_each_once(commands: dict[str, str]) -> None:
    told = re.findall(r"^\t@echo 'make ([a-z-]+)", MAKEFILE, re.MULTILINE)

    assert sorted(told) == sorted(commands)


def test_no_page_names_a_command_that_is_not_there(commands: dict[str, str]) -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / ".pre-commit-config.yaml"]
    named = {(page.name, name) for page in pages for name in re.findall(r"(?:`|\$ |entry: )make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"))}

    assert {"CONTRIBUTING.md", "README.md"} <= {page for page, dummy in named}
    assert sorted((page, name) for page, name in named if name not in commands and name != "help") == []
