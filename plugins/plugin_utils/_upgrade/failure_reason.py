# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the line that states why a task failed. Pure functions over a task's result.

The message of a result is often generic ("non-zero return code", "One or more items failed"). The line that names the package, the full
disk or the failed item is elsewhere in the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...module_utils._text import sanitize

MAX_REASON_CHARS = 400
MAX_SEARCHED_CHARS = 200_000  # of each output; its end counts
MAX_DEPTH = 5  # results within results
MAX_LABEL_CHARS = 60

OWN_ACTIONS = ("rewind.vps.upgrade_guard", "upgrade_guard")
NO_TRACEBACK = "(traceback unavailable)"  # of ansible-core 2.19 and newer

UNEXPLAINED = "failed"  # nothing may be shown, or nothing is known
LOST_SUFFIX = "; the task has failed, so that rescue can run"  # of the connection guarded_ssh; the reason needs no explanation of rescue

_GENERIC = re.compile(
    r"(non-zero return code|One or more items failed|MODULE FAILURE.*|Task failed.*|failed|All items (completed|skipped).*|"
    r"The command exited with a non-zero return code.*|Command failed.*|Shared connection to .* closed)?\.?", re.IGNORECASE,
)
_PREFIX = re.compile(r"^(Task failed|(Module|Action) failed|Failed to execute the task): (?=\S)")

# In this order: the first pattern with a match in any output names the cause.
_DISK = re.compile(
    r"No space left on device|enough (free )?(disk )?space|Disk quota exceeded|Read-only file system|more space needed on|inodes? needed on|"
    r"needs \d+ ?[KMG]i?B? .*(filesystem|inodes)", re.IGNORECASE,
)
_PACKAGE = re.compile(
    r"^dpkg: error(?!: dpkg frontend lock)|^dpkg: (dependency problems|unrecoverable)|"
    r"^(error|warning): (%\w+\(|.*scriptlet failed)|scriptlet failed|Error in \w+ scriptlet|^ *Problem( \d+)?: |nothing provides|"
    r"file .* conflicts (with|between)|Error: Transaction|^Problem: |^error: failed (to commit|to prepare)|"
    r"^ERROR: \S+: |Failed to download metadata|Depsolve Error", re.IGNORECASE,
)
_APT = re.compile(r"^E: (?!Sub-process )")
_APT_DEPENDENCY = re.compile(r"^ \S+ : (Depends|PreDepends|Breaks|Conflicts): ")
_PATTERNS = (_DISK, _PACKAGE, _APT_DEPENDENCY, _APT)


def describe_failure(task: Mapping[str, Any] | None, result: Mapping[str, Any] | None, redact: Callable[[str], str]) -> str:
    """Return the name of a failed task and the line of its result that states why it failed.

    Args:
        task: `name`, `action` and `no_log`.
        result: Its result, of any shape: a server that is not the user's any more may have sent it.
        redact: Masks secrets. It is applied before anything is cut, since a part of a secret is not recognized.

    Returns:
        One line of at most MAX_REASON_CHARS characters, without control characters. A step of the role is not named: its message says it all.
    """
    task = task or {}
    if task.get("action") in OWN_ACTIONS and isinstance(result, Mapping) and result.get("error"):
        return sanitize(_one_line(str(result.get("msg")), redact)[:MAX_REASON_CHARS])
    name = _one_line(str(task.get("name") or task.get("action") or "a task"), redact)
    reason = UNEXPLAINED if task.get("no_log") else _reason(result, redact, MAX_DEPTH)
    return sanitize(f"{name}: {reason}"[:MAX_REASON_CHARS])


def describe_result(result: Any, redact: Callable[[str], str]) -> str:
    """Return the line of a failed task's result that states why it failed, without the task."""
    return sanitize(_reason(result, redact, MAX_DEPTH)[:MAX_REASON_CHARS])


def _reason(result: Any, redact: Callable[[str], str], depth: int) -> str:
    if not isinstance(result, Mapping) or "censored" in result or result.get("_ansible_no_log") or depth == 0:
        return UNEXPLAINED
    item = _failed_item(result)
    if item is not None:
        label = _label(item, redact)
        return f"{label}{_reason(item, redact, depth - 1)}"
    message = _message(result, redact)
    outputs = [redact(_text(result.get(key)))[-MAX_SEARCHED_CHARS:] for key in ("stderr", "stdout", "module_stderr", "module_stdout")]
    listed = [redact(_text(result.get(key)))[-MAX_SEARCHED_CHARS:] for key in ("failures", "errors", "rpm_errors")]
    found = _cause_line([*outputs, *listed, message])
    if found:
        return found
    if not _GENERIC.fullmatch(" ".join(message.split())):
        first_line_of_listed = next((_last_line(text) for text in listed if text.strip()), "")
        return " ".join(f"{message.rstrip('.: ')}: {first_line_of_listed}".split()) if first_line_of_listed else " ".join(message.split())
    exception = redact(_text(result.get("exception")))
    last_line = next((line for line in map(_last_line, [*outputs, *listed, "" if exception == NO_TRACEBACK else exception]) if line), "")
    status = result.get("rc")
    if last_line:
        return last_line
    return f"the command ended with status {status}" if isinstance(status, int) and status else " ".join(message.split()) or UNEXPLAINED


def _failed_item(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first failed item of a loop. The module dnf has a list of texts under the same key."""
    items = result.get("results")
    if not isinstance(items, (list, tuple)):
        return None
    return next((item for item in items if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable"))), None)


def _label(item: Mapping[str, Any], redact: Callable[[str], str]) -> str:
    """Return `(NAME) `; nothing for an item that is hidden, or too long to be a name."""
    if "censored" in item or item.get("_ansible_no_log"):
        return ""
    value = item.get("_ansible_item_label", item.get(str(item.get("ansible_loop_var") or "item")))
    text = _one_line(str(value), redact) if isinstance(value, (str, int, float)) else ""
    return f"({text}) " if 0 < len(text) <= MAX_LABEL_CHARS else ""


def _message(result: Mapping[str, Any], redact: Callable[[str], str]) -> str:
    message = redact(_text(result.get("msg") or result.get("message") or result.get("reason")))[:MAX_SEARCHED_CHARS].strip()
    for _prefix in range(3):
        message = _PREFIX.sub("", message)
    return message.replace(LOST_SUFFIX, "")


def _cause_line(texts: Iterable[str]) -> str:
    """Return the first line of the first pattern that matches, with what belongs to it."""
    lines_of_texts = [text.replace("\r", "\n").split("\n") for text in texts]
    for pattern in _PATTERNS:
        for lines in lines_of_texts:
            for number, line in enumerate(lines):
                if pattern.search(line):
                    return _with_neighbours(lines, number)
    return ""


def _with_neighbours(lines: list[str], number: int) -> str:
    """Join a line that ends with a colon with the next one. dpkg and rpm name the package in the first and the cause in the second."""
    parts = [lines[number]]
    if number and lines[number - 1].rstrip().endswith(":") and lines[number][:1].isspace():
        parts.insert(0, lines[number - 1])
    elif lines[number].rstrip().endswith(":") and number + 1 < len(lines):
        parts.append(lines[number + 1])
    return " ".join(" ".join(parts).split())


def _last_line(text: str) -> str:
    return next((" ".join(line.split()) for line in reversed(text.replace("\r", "\n").split("\n")) if line.strip()), "")


def _one_line(text: str, redact: Callable[[str], str]) -> str:
    return " ".join(redact(text).split())


def _text(value: Any, depth: int = MAX_DEPTH) -> str:
    """Return a value of a result as text, lists line by line. Nothing else than texts and numbers is shown."""
    if isinstance(value, (list, tuple)):
        return "\n".join(_text(item, depth - 1) for item in value) if depth else ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
