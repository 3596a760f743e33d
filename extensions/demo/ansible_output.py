# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of ansible-playbook's output tell the story. Lines are left out, and none is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TASK = re.compile(r"(TASK|RUNNING HANDLER) \[")
# A task that only looked, was skipped, or read a file. One with something to say ends with a brace.
_SILENT = re.compile(r"(ok|skipping|included): (?!.*=> \{$)")
_RESULT = re.compile(r"(fatal|failed|changed|ok): \[")
# On standard error: the same words as in the result that follows, with a piece of the role's text.
_ERROR = "[ERROR]: Task failed"
_END_OF_ERROR = re.compile(r"\s+\^ column \d+$")


def strip_ansi(line: str) -> str:
    """A line without colours and without space at its end."""
    return _COLOUR.sub("", line).rstrip()


def filter_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines of tasks that changed, said or failed something, and all that is not a task's; each as soon as it comes."""
    head: str | None = None
    in_error = False
    for line in lines:
        text = strip_ansi(line)
        if in_error and not _RESULT.match(text) and not _TASK.match(text):
            in_error = not _END_OF_ERROR.match(text)
            continue
        in_error = text.startswith(_ERROR)
        if in_error or not text or _SILENT.match(text):
            continue
        if _TASK.match(text):
            head = line
            continue
        if text.startswith("PLAY "):
            head = None
        if head is not None and not _is_progress(text):
            yield head
            head = None
        yield line


def _is_progress(text: str) -> bool:
    """Such as "web1: restoring for 3 s": the task is at work, and whether it has something to say is not known yet."""
    return re.match(r"[\w.-]+: ", text) is not None and not re.match(r"(fatal|failed|changed|ok|unreachable): ", text)
