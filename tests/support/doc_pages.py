# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the documentation's pages: commands, the output that they show, and examples.

A mark is an HTML comment directly above a block:

`<!-- not run: REASON -->`        its commands (or example) are not run; the reason is one of `REASONS`
`<!-- example: NAME -->`          a test of its own runs it by this name (see `TESTED_BY_NAME`)
`<!-- file: PATH -->`             it is a part of this file, whose test compares the two
`<!-- in the background -->`      the one command, ``make sandbox``, runs until the page is through
`<!-- exit: 0 2 -->`              what the commands end with, where it is not 0
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

REASONS = {
    "needs the internet": "it loads something from elsewhere",
    "needs a real account": "it names an account, a file or a server that only its reader has",
    "needs a network of your own": "it names a bastion, a proxy or a certificate authority that only its reader has",
    "needs other software": "it uses a program that the tests don't have",
    "takes half an hour": "a tiny round of it is run by a test of its own",
    "waits for a person": "it asks, or runs until Ctrl-C",
    "part of a larger file": "it is shown in its place elsewhere, and makes no sense alone",
    "is run by CI": "a test can't run all tests, or what makes the tests' own environment; CI does",
}
# The files that run examples by their names.
TESTED_BY_NAME = ("tests/functional/test_readme.py", "tests/functional/guarded/test_readme_guarded.py", "tests/functional/guarded/test_hooks.py")

_BLOCK = re.compile(r"((?:^ *<!-- [^\n]* -->\n)*)^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (not run|example|in the background|exit|file)(?:: (.*?))? -->")
_FILE_NAME = re.compile(r"# ([\w./-]+\.(?:yml|ini|cfg))\b")


@dataclass
class Command:
    """A command, the output that the page shows, and the exit status.

    `printed` has lines in order. `…` in a line matches any text; a line of it matches any lines.
    """

    line: int
    text: str
    printed: list[str] = field(default_factory=list)
    status: int = 0


@dataclass(frozen=True)
class Block:
    """A fenced block of a page with its marks."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def file_name(self) -> str | None:
        """The name that its first line says it is to be saved under."""
        found = _FILE_NAME.match(self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[Command]:
        """Of a console block."""
        found: list[Command] = []
        for number, line in enumerate(self.text.splitlines(), self.line + 1):
            if line.startswith("$ "):
                found.append(Command(number, line[2:]))
            elif found and found[-1].text.endswith("\\") and not found[-1].printed:
                found[-1].text += f"\n{line}"
            elif found:
                found[-1].printed.append(line)
        for command, status in zip(found, self.marks.get("exit", "").split(), strict=False):
            command.status = int(status)
        return found

    @property
    def problem(self) -> str | None:
        """What is wrong with its marks, if anything."""
        if "?" in self.marks:
            return f"an unknown mark: {self.marks['?']}"
        if self.marks.get("not run", "needs the internet") not in REASONS:
            return f"{self.marks['not run']!r} is none of the reasons: {', '.join(REASONS)}"
        if self.language == "console" and not self.commands:
            return "a console block without a line that begins with '$ '"
        if self.language != "console" and re.search(r"^\$ ", self.text, re.MULTILINE):
            return "commands stand outside a console block"
        if "exit" in self.marks and ("not run" in self.marks or len(self.marks["exit"].split()) != len(self.commands)):
            return "there must be one exit for each command that is run"
        return None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        comments, indent, language, body = match.groups()
        marks = dict(_MARK.findall(comments))
        if len(marks) != comments.count("<!--"):
            marks["?"] = comments.strip()
        line = text.count("\n", 0, match.start(3)) + 1
        body = "".join(each.removeprefix(indent) for each in body.splitlines(keepends=True))
        found.append(Block(page, line, language, body, marks))
    return found


def missing_line(printed: list[str], output: str) -> str | None:
    """The first line that should be in the output, after those before it, and is not."""
    rest = output
    for line in printed:
        expected = " ".join(line.split())
        if expected in ("", "…"):
            continue
        pattern = ".*".join(re.escape(part) for part in expected.split("…")).replace(r"\ ", r"\s+")
        match = re.search(rf"^\s*{pattern}", rest, re.MULTILINE)
        if match is None:
            return line
        rest = rest[match.end():]
    return None
