# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/troubleshooting.md lists every kind of error, and quotes only messages that exist in the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
OUTCOMES = {"not_applied", "failed", "unknown"}
HOLE = "\0"  # marks a part that is filled in

# A row of the table of kinds: kind, meaning, changed, what to do.
KINDS = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.partition("## Kinds of errors")[2].partition("## ")[0], re.MULTILINE)
# The codes in the meanings, and the first one in each row of the table of messages.
QUOTED = [code for dummy, meaning, *rest in KINDS for code in re.findall(r"`([^`]+)`", meaning)]
MESSAGES = re.findall(r"^\| `([^`]+)`[^|]* \| [^|]+ \|$", PAGE.partition("## Messages")[2], re.MULTILINE)


def kinds() -> set[str]:
    """The values of the constants in `_errors.py` that are kinds."""
    tree = ast.parse((ROOT / "plugins" / "module_utils" / "_errors.py").read_text("utf-8"))
    values = {
        node.value.value for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    return values - OUTCOMES


def texts() -> list[str]:
    """Every string in the code of the plugins, with a hole for each part that is filled in."""
    found = []
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return [re.sub(f"{HOLE}+", HOLE, text) for text in found]


TEXTS = texts()


def is_in_the_code(message: str) -> bool:
    wanted = re.sub(f"{HOLE}+", HOLE, message.replace("…", HOLE)).strip(HOLE)
    return len(wanted) >= 6 and any(wanted in text for text in TEXTS)


def test_every_kind_is_explained_once() -> None:
    assert sorted(kind for kind, *dummy in KINDS) == sorted(kinds())


def test_every_message_is_in_the_code() -> None:
    assert len(QUOTED) > 10 and len(MESSAGES) == len(re.findall(r"^\| (?!message|---)", PAGE.partition("## Messages")[2], re.MULTILINE))
    assert [message for message in QUOTED + MESSAGES if not is_in_the_code(message)] == []


def test_a_missing_message_is_detected() -> None:
    assert is_in_the_code("There is no server … in this … account")
    assert not is_in_the_code("There is no server … in that … account")
    assert not is_in_the_code("…")
