# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the checks that Ansible does not run itself, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .base import REQUIRED, Check, Target
from .registry import CHECK_TYPES

MAX_SECONDS = 30  # of one attempt of a check

PASSED, FAILED = "passed", "failed"


def is_observed(check: Check) -> bool:
    """Whether it is made here; Ansible runs the others."""
    return CHECK_TYPES[check["type"]].observe is not None


def observe_checks(
    checks: Iterable[Check], target: Target, limit: Callable[[float], float], redact: Callable[[str], str] = str,
) -> list[dict[str, str]]:
    """Return the result of each check: `check` (its label), `level`, `result` and `detail`, the observation.

    Args:
        limit: Returns the seconds that an attempt may take, given those that it would take.
        redact: Masks secrets.

    Raises:
        ServerUnavailable: The server can't be reached.
    """
    results = []
    for check in checks:
        if not is_observed(check):
            continue
        observation = CHECK_TYPES[check["type"]].observe(check["options"], target, limit(MAX_SECONDS))
        results.append(result_of(check, PASSED if observation.passed else FAILED, redact(observation.text)))
    return results


def result_of(check: Check, result: str, detail: str) -> dict[str, str]:
    return {"check": check["label"], "level": check["level"], "result": result, "detail": detail}


def merge_results(earlier: list[dict[str, str]], later: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the newest result of each check."""
    return list({item["check"]: item for item in (*earlier, *later)}.values())


def failures(results: list[dict[str, str]], level: str = REQUIRED) -> list[str]:
    """Return the failed ones of a level, as sentences for a person."""
    return [f"check {item['check']}: {item['detail']}" for item in results if item["result"] == FAILED and item["level"] == level]
