# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command and example of the documentation is run, or its mark says why not.

A `DocRunner` follows a page: saves its files, runs its commands, and compares their output with the page. That is slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cases import DURATIONS, SHORT, SPEED, apply_calls, set_durations
from support.doc_pages import TESTED_BY_NAME, Block, blocks, missing_line
from support.doc_runner import DocRunner
from support.playbook_runner import ROOT

if TYPE_CHECKING:
    from sandbox import SandboxHandle

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", "")
MAKE_TARGETS = {"help", "test", "test-all", *re.search(r"^COMMANDS = (.*)$", MAKEFILE, re.MULTILINE)[1].split()}
TESTS_BY_NAME = "".join((ROOT / test).read_text("utf-8") for test in TESTED_BY_NAME)
OWN_SANDBOX = "in the background"
INSTALLS = "ansible-galaxy collection install"


def to_follow(page: Path) -> list[Block]:
    """The blocks that a reader would use, without those that a mark excludes."""
    return [block for block in blocks(page) if block.language in ("console", "yaml") and not {"not run", "example", "file"} & set(block.marks)]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_pages_are_there() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md" and f"({page.name})" not in index]
    assert not missing, "docs/README.md does not list them"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            path, dummy, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            assert other.exists(), f"{name_of(page)} leads to {target}"
            assert not anchor or anchor in anchors(other), f"{name_of(page)} leads to {target}, and {other.name} has no such heading"


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_run_or_says_why_not(page: Path) -> None:
    """Unmarked blocks are followed below."""
    for block in blocks(page):
        assert block.problem is None, f"{block.where}: {block.problem}"
        name = block.marks.get("example")
        is_tested = name_of(page) in ("README.md", "docs/hooks.md") and f'"{name}"' in TESTS_BY_NAME
        assert name is None or is_tested, f"{block.where}: no test runs the example {name}"
        for command in block.commands if block.language == "console" else []:
            for target in re.findall(r"^make (?:-C \S+ )?([\w-]+)", command.text):
                assert target in MAKE_TARGETS, f"{block.where}: there is no make {target}"
                assert {"not run", OWN_SANDBOX} & set(block.marks), f"{block.where}: make {target} needs a mark"


@pytest.mark.parametrize(("printed", "output", "missing"), [
    (["one", "two"], "one\nx\ntwo\n", None),
    (["two", "one"], "one\ntwo\n", "one"),
    (["on… (8…) is"], "one (801) is made\n", None),
    (["…", "ne"], "one\n", "ne"),
    (['  "a":  1'], 'x\n "a": 1,\n', None),
])
def test_output_is_compared_with_the_page(printed: list[str], output: str, missing: str | None) -> None:
    assert missing_line(printed, output) == missing


@pytest.fixture(scope="module")
def docs_sandbox() -> Iterator[SandboxHandle]:
    from sandbox import launch

    with launch(servers=2, speed=SPEED) as sandbox:
        yield sandbox


@pytest.fixture
def doc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocRunner]:
    """The reader of a page."""
    sandbox = None
    if not any(INSTALLS in block.text for block in to_follow(request.param)):  # else the page installs the collection itself
        sandbox = request.getfixturevalue("docs_sandbox")
        sandbox.admin.reset()
        apply_calls(sandbox.admin, set_durations(SHORT, *DURATIONS))
    one = DocRunner(tmp_path, sandbox)
    yield one
    one.close()


@pytest.mark.ssh
@pytest.mark.playbook
@pytest.mark.slow
@pytest.mark.parametrize(("doc", "page"), [(page, page) for page in PAGES if to_follow(page)], ids=name_of, indirect=["doc"])
def test_page(doc: DocRunner, page: Path) -> None:
    for block in to_follow(page):
        doc.follow(block)
