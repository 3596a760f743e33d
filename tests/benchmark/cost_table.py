# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of task beside each other: what one task costs, with the start-up of ansible-playbook subtracted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmark.report import Table, per_task, ratio
from benchmark.runner import Task
from benchmark.scale import Bench


@dataclass
class Kind:
    """One kind of task, and what its runs took: lists by the number of tasks, one figure for each repeat."""

    task: Task
    as_module: bool = False
    cpu: dict[int, list[float]] = field(default_factory=dict)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    biggest_mb: float = 0.0
    tree_mb: float = 0.0


def measure(bench: Bench, kinds: dict[str, Kind], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run playbooks with few and with many tasks of each kind; seconds of processor of one task, by kind.

    :raises RuntimeError: a playbook failed.
    """
    scale = bench.scale
    for _repeat in range(scale.repeats):  # all kinds in turn, so that what else the machine does meets all of them
        for name, kind in kinds.items():
            for number in (scale.few, scale.many):
                _play(bench, name, kind, number, environment)
    return {name: per_task(kind.cpu[scale.few], kind.cpu[scale.many], scale.many - scale.few) for name, kind in kinds.items()}


def _play(bench: Bench, name: str, kind: Kind, number: int, environment: dict[str, str] | None) -> None:
    result = bench.runner.run_tasks(*[kind.task] * number, as_module=kind.as_module, environment=environment)
    if result.error:
        raise RuntimeError(f"{name}: {result.error}")
    kind.cpu.setdefault(number, []).append(result.usage.cpu)
    kind.seconds.setdefault(number, []).append(result.usage.seconds)
    kind.biggest_mb = max(kind.biggest_mb, result.usage.biggest_mb)
    kind.tree_mb = max(kind.tree_mb, result.usage.tree_mb or 0.0)


def table(bench: Bench, title: str, kinds: dict[str, Kind], costs: dict[str, float], bases: tuple[str, ...]) -> Table:
    """The kinds as rows, each beside the bases."""
    scale = bench.scale
    rows: list[dict[str, Any]] = []
    for name, kind in kinds.items():
        rows.append({
            "task": name, "CPU ms": costs[name] * 1000, **{f"of {base}": ratio(costs[name], costs.get(base)) for base in bases},
            "ms": per_task(kind.seconds[scale.few], kind.seconds[scale.many], scale.many - scale.few) * 1000,
            "MB biggest": kind.biggest_mb, "MB whole tree": kind.tree_mb or None,
        })
    return Table(f"{title}, by playbooks of {scale.few} and {scale.many} tasks, the best of {scale.repeats}", rows)
