# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters the output of ansible-playbook. Lines are omitted, none is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TASK = re.compile(r"(TASK|RUNNING HANDLER) \[")
# A task that changed nothing, was skipped, or included a file. A line with a result ends with a brace.
_SILENT = re.compile(r"(ok|skipping|included): (?!.*=> \{$)")
_RESULT = re.compile(r"(fatal|failed|changed|ok): \[")
# On standard error: the same message as in the result that follows, with an excerpt of the role.
_ERROR = "[ERROR]: Task failed"
_END_OF_ERROR = re.compile(r"\s+\^ column \d+$")


def strip_ansi(line: str) -> str:
    """Remove colours and trailing space."""
    return _COLOUR.sub("", line).rstrip()


def filter_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of tasks that changed, reported or failed, and all lines outside tasks, without delay."""
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
    """Whether the line is progress such as "web1: restoring for 3 s": the task is running, so its result is unknown."""
    return re.match(r"[\w.-]+: ", text) is not None and not re.match(r"(fatal|failed|changed|ok|unreachable): ", text)
