# SPDX-License-Identifier: GPL-3.0-or-later
"""How many looks it takes to see the end of an operation, and how late it is seen. Time is virtual, the requests are real."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from support.playbook_runner import clean_environment

from benchmark.measure import run as measured
from benchmark.report import Part, Table, Target
from benchmark.scale import Bench

NAME = "notice"
LONG = 600.0  # seconds of the operation that the targets speak of
MAX_DELAY, MAX_POLLS = 10.0, 20
PROGRAM = Path(__file__).with_name("wait_latency_worker.py")
MODEL = Path(__file__).resolve().parent.parent / "simulation"

Row = dict[str, Any]


def run(bench: Bench) -> Part:
    """A snapshot that takes so long, at each cloud.

    :raises RuntimeError: one was not taken.
    """
    environment = {**clean_environment(bench.directory / "home"), "BENCHMARK_PATH": json.dumps([*filter(None, sys.path), str(MODEL)]),
                   "PYTHONPATH": os.environ.get("PYTHONPATH", "")}  # where the sandbox's process finds its code
    plan = json.dumps([bench.scale.clouds, bench.scale.notice_seconds, bench.scale.notice_times])
    ended = measured([sys.executable, PROGRAM, plan], environment=environment, directory=bench.directory)
    if ended.status:
        raise RuntimeError(f"notice: {ended.output[-2000:]}")
    rows: list[Row] = json.loads(ended.output.splitlines()[-1])
    notes = [f"memory of the process that played all of them: {ended.usage.biggest_mb:.0f} MB",
             "a poll may be more than one read. VPS.org says that a snapshot takes up to 10 minutes; at Ilkbyte, whose snapshots are expected "
             "within 2, one of 600 s is overdue"]
    table = Table(f"the end of a snapshot that takes so long, in virtual time, the worst of {bench.scale.notice_times}", rows)
    return Part(NAME, [table], targets(rows), notes)


def targets(rows: list[Row]) -> list[Target]:
    """What is promised of an operation of ten minutes."""
    found = []
    for row in rows:
        if row["operation s"] == LONG:
            found += [Target(f"{row['cloud']}, an operation of {LONG:.0f} s: noticed after", row["noticed after s"], MAX_DELAY, " s"),
                      Target(f"{row['cloud']}, an operation of {LONG:.0f} s: polls", row["polls"], MAX_POLLS)]
    return found
