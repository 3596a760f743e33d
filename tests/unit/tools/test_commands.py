# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the Makefile, the sessions of noxfile.py, and the pages that name them agree."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")
COMMANDS = {"test", "test-all", *re.search(r"^COMMANDS = (.*?[^\\])$", MAKEFILE, re.MULTILINE | re.DOTALL).group(1).replace("\\\n", " ").split()}
# A session has the name of its function, or one of its own.
SESSIONS = {name or function for name, function in re.findall(r'^@nox\.session(?:\(\s*name="([\w-]+)")?[^@]*?^(?:@nox\.parametrize.*\n)?def (\w+)',
                                                              NOXFILE, re.MULTILINE)}


def test_each_command_has_a_session() -> None:
    assert len(COMMANDS) > 10
    assert COMMANDS - SESSIONS == set()


def test_each_selection_of_tests_names_registered_markers() -> None:
    """pytest accepts any name in `-m` and then selects nothing."""
    source = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    registered = set(re.findall(r'^    "(\w+)[(:]', source, re.MULTILINE))
    expressions = re.findall(r'^QUICK, SLOW = "(.*)", "(.*)"$', NOXFILE, re.MULTILINE)[0] + tuple(re.findall(r'run_pytest\(space, "(.*)"\)', NOXFILE))
    named = set(" ".join(expressions).split()) - {"and", "not"}
    assert {"slow", "rulebook"} <= named <= registered


def test_make_help_names_each_command_once() -> None:
    assert sorted(re.findall(r"^\t@echo 'make ([a-z-]+)", MAKEFILE, re.MULTILINE)) == sorted(COMMANDS)


def test_no_page_names_a_command_that_does_not_exist() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / ".pre-commit-config.yaml"]
    named = {(page.name, name) for page in pages for name in re.findall(r"(?:`|\$ |entry: )make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"))}

    assert {"CONTRIBUTING.md", "README.md"} <= {page for page, _name in named}
    assert sorted((page, name) for page, name in named if name not in {*COMMANDS, "help"}) == []


def test_without_python_make_names_what_to_install(tmp_path: Path) -> None:
    for program in ("make", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program))
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    (tmp_path / "python3").chmod(0o755)
    makefile = MAKEFILE.replace("/usr/bin/python3", "/nowhere/python3")
    command = ["make", "-f", "-", "demo"]
    done = subprocess.run(command, input=makefile, env={"PATH": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "No Python found: install Python 3.11 or newer" in done.stderr
    assert len(done.stderr.splitlines()) == 1
