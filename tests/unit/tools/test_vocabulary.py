# SPDX-License-Identifier: GPL-3.0-or-later
"""The project uses standard terms, in names, messages, documentation and tests; CONTRIBUTING.md lists them."""

from __future__ import annotations

import re
from pathlib import Path

from support.collection_link import project_files

ROOT = Path(__file__).resolve().parents[3]
EXEMPT = ("CONTRIBUTING.md", "LICENSE", "changelogs/", "tests/unit/tools/test_vocabulary.py")
WORDS = (
    "anew", "wish", "wishe[sd]", "told", "tell_of", "tell_change", "whoever", "somebody", "nobody", "crowd", "ledger", "receipts?", "folders?",
    "begun", "(?:quick|module|both)[ _]doors?", "doors", r"(?:stands?|stood)[ _]in", r"(?:hangs?|hung)[ _]on", r"behind[ _](?:the|a|its)[ _]guard",
)
# An underscore separates words, as a blank does. Between quotes or colons, `nobody` is the user of that name.
PATTERN = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(WORDS)})(?![A-Za-z])(?<![\"'`:]nobody(?=[\"'`:]))", re.IGNORECASE)


def unusual_words(text: str) -> list[str]:
    return [match[0] for match in PATTERN.finditer(text)]


def test_no_file_uses_an_unusual_word() -> None:
    found = {}
    for name in project_files(ROOT):
        path = ROOT / name
        if path.is_file() and not name.startswith(EXEMPT):
            words = unusual_words(f"{name}\n{path.read_text(encoding='utf-8', errors='replace')}")
            found.update({name: sorted(set(words))} if words else {})
    assert found == {}


def test_words_are_found_in_names_and_not_within_other_words() -> None:
    assert unusual_words("note_told, TellWish: Nobody hangs on it") == ["told", "Nobody", "hangs on"]
    assert unusual_words("untold wishful become_user: 'nobody' ':nobody:'") == []
