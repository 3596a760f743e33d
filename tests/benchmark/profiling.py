# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the processor's time goes in the workers of a playbook: timers around places of the collection, of Ansible and of libraries.

Timers, and not cProfile: that makes small functions look dear, and these are what most of a task consists of.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.report import Table
from benchmark.runner import Task
from benchmark.scale import Bench

PROFILED = Path(__file__).with_name("profiled") / "sitecustomize.py"
TIMES = 20


def profile_of(bench: Bench, title: str, task: Task, times: int = TIMES) -> Table:
    """Run a task so many times, and tell what its workers did, the dearest first."""
    notes = bench.directory / f"profile {title}".replace("/", " ")
    notes.mkdir()
    shutil.copy(PROFILED, notes)  # the checkout's own path may have a colon, which would cut PYTHONPATH in two
    result = bench.runner.run_tasks(*[task] * times, environment={"BENCHMARK_PROFILE": str(notes), "PYTHONPATH": str(notes)})
    found = [json.loads(path.read_text("utf-8")) for path in notes.glob("*.json")]
    suffix = f" ({result.error})" if result.error else ""
    return Table(f"where the CPU of a worker goes, {title}{suffix}", rows_of(found))


def rows_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The places of all workers as rows, by the median of each worker's own milliseconds.

    :param found: for each worker ``cpu``, its seconds of processor, and ``places``: calls, seconds with and without what is called.
    """
    if not found:
        return []
    names = {name for worker in found for name in worker["places"]}

    def middle(name: str, which: int) -> float:
        return median(worker["places"].get(name, (0, 0.0, 0.0))[which] for worker in found)

    rows = [{"place": name, "calls": middle(name, 0), "own ms": middle(name, 2) * 1000, "with all inside ms": middle(name, 1) * 1000}
            for name in names]
    rows.sort(key=lambda row: -row["own ms"])
    return [{"place": "the whole worker", "calls": 1, "own ms": None, "with all inside ms": median(worker["cpu"] for worker in found) * 1000}, *rows]
