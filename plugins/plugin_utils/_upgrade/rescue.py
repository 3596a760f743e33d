# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the run record and the messages say about the user's tasks before and after a restore, and where rescued data lies."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Results
RUNNING = "running"  # or interrupted
PASSED = "passed"
FAILED = "failed"
NOT_RUN = "not_run"

FIELDS = ("rescue", "restored")  # of the run record: the tasks before and after the restore
DIRECTORY = "rescue"  # beside the run record


def free_directory(run_directory: Path) -> Path:
    """Return the first directory for rescued data that does not exist or is empty: a second rescue must not overwrite the first one."""
    for number in itertools.count(1):
        directory = run_directory / (DIRECTORY if number == 1 else f"{DIRECTORY}-{number}")
        if is_empty(directory):
            return directory
    raise AssertionError("count does not end")


def is_empty(directory: str | Path) -> bool:
    with contextlib.suppress(OSError):
        return not os.listdir(directory)
    return not os.path.exists(directory)


def remove_if_empty(directory: str | None) -> None:
    """Remove a directory for rescued data in which nothing was saved."""
    if directory:
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def interrupted(field: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the field `rescue` of a run record when the restore starts: what has not ended by then has failed."""
    is_running = (field or {}).get("result") == RUNNING
    return {**field, "result": FAILED, "detail": "they had not ended when the restore started"} if is_running else field


def was_started(data: Mapping[str, Any]) -> bool:
    """Whether the rescue tasks have been started, by the data of a run record."""
    return (data.get("rescue") or {}).get("result") in (RUNNING, PASSED, FAILED)


def messages(data: Mapping[str, Any], names: Sequence[str] = FIELDS) -> list[str]:
    """Return what a person must know about the tasks before and after the restore, by the data of a run record.

    That all went well needs only the directory.
    """
    found = {name: data.get(name) or {} for name in FIELDS}
    directory = found["rescue"].get("directory")
    texts = []
    for name in names:
        result, detail = found[name].get("result"), found[name].get("detail")
        problem = {
            RUNNING: f"{name} tasks were interrupted, and do not run again",
            FAILED: f"{name} tasks failed: {detail}",
            NOT_RUN: f"{name} tasks did not run: {detail}",
        }.get(result)
        if problem:
            texts.append(problem)
    if directory and (texts or found["rescue"].get("result") == PASSED):
        texts.append(f"the rescued data is in {directory}")
    return texts
