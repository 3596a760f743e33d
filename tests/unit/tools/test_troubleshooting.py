# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/troubleshooting.md has every kind of failure, and quotes only messages that the product really has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
OUTCOMES = {"not_applied", "failed", "unknown"}
SECTIONS = dict(re.findall(r"^## ([a-z_]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
HOLE = "\0"  # for what is filled in


def kinds() -> set[str]:
    """The values of errors.py's constants that are kinds."""
    tree = ast.parse((ROOT / "plugins" / "module_utils" / "_errors.py").read_text("utf-8"))
    values = {
        node.value.value for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    return values - OUTCOMES


def texts() -> list[str]:
    """Every text in the product's code, with a hole for each part that is filled in."""
    found = []
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return [re.sub(f"{HOLE}+", HOLE, text) for text in found]


TEXTS = texts()


def quoted(section: str) -> list[str]:
    """The first text in code of each row's first cell."""
    rows = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    return [row for row in rows if row != "message"]


def is_in_the_code(message: str) -> bool:
    wanted = re.sub(f"{HOLE}+", HOLE, message.replace("…", HOLE)).strip(HOLE)
    return len(wanted) >= 6 and any(wanted in text for text in TEXTS)


def test_every_kind_has_its_section() -> None:
    assert set(SECTIONS) == kinds()


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_a_section_says_whether_anything_was_changed_and_what_to_do(kind: str) -> None:
    assert "**Changed:**" in SECTIONS[kind] and "**Do:**" in SECTIONS[kind]
    assert quoted(SECTIONS[kind]), "a section without a message"


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_every_message_is_the_products_own(kind: str) -> None:
    strange = [message for message in quoted(SECTIONS[kind]) if not is_in_the_code(message)]
    assert not strange


def test_a_message_that_is_not_there_is_noticed() -> None:
    assert is_in_the_code("There is no server … in this … account")
    assert not is_in_the_code("There is no server … in that … account")
    assert not is_in_the_code("…")
