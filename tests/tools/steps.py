# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs checks one after the other, goes on after a failure, and ends with one line for each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Sequence

from tools.console import Problem, complain, say


@dataclass(frozen=True)
class Step:
    """A named check. `check` returns an exit status."""

    name: str
    check: Callable[[], int]


@dataclass(frozen=True)
class Result:
    """How a step ended, and how long it took in seconds."""

    name: str
    status: int
    seconds: float

    def line(self) -> str:
        verdict = "ok" if self.status == 0 else f"FAILED (exit status {self.status})"
        return f"  {self.name:<28} {self.seconds:7.1f} s  {verdict}"


def run_steps(steps: Sequence[Step]) -> int:
    """Run every step and print the summary. Returns 0 when all of them were well, else 1."""
    results = [_run(step) for step in steps]
    say("")
    say(f"summary ({sum(result.seconds for result in results):.0f} s)")
    for result in results:
        say(result.line())
    return 0 if all(result.status == 0 for result in results) else 1


def _run(step: Step) -> Result:
    say(f"\n==> {step.name}")
    started = time.monotonic()
    try:
        status = step.check()
    except Problem as problem:
        complain(str(problem))
        status = 1
    return Result(step.name, status, time.monotonic() - started)
