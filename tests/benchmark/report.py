# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as data: tables, targets, and how they are written. Measures nothing itself."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as ShownTable

MET, NOT_MET, NOT_MEASURED = "met", "NOT MET", "not measured"


@dataclass(frozen=True)
class Target:
    """A promise about a figure: at most so much.

    :ivar figure: None where it could not be measured; ``why`` says why then.
    """

    what: str
    figure: float | None
    limit: float
    unit: str = ""
    why: str = ""

    @property
    def verdict(self) -> str:
        """One of the three words."""
        if self.figure is None:
            return NOT_MEASURED
        return MET if self.figure <= self.limit else NOT_MET


@dataclass
class Table:
    """Rows of equal keys; a value is a number, a text, or None where there is none."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """Every key, in the order in which they turn up."""
        return list(dict.fromkeys(key for row in self.rows for key in row))


@dataclass
class Part:
    """What one part of the benchmark has found."""

    name: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def per_task(few: Sequence[float], many: Sequence[float], tasks_more: int) -> float:
    """What one task costs, by runs of a playbook with few tasks and of one with so many more; start-up falls out.

    The smallest of each counts: what else the machine does only ever adds.
    """
    return (min(many) - min(few)) / tasks_more


def ratio(figure: float | None, base: float | None) -> float | None:
    """How many times the base; None where there is no base to speak of."""
    return None if figure is None or base is None or base <= 0 else figure / base


def as_data(parts: Iterable[Part], machine: dict[str, Any]) -> dict[str, Any]:
    """Everything, ready for JSON."""
    found = [asdict(part) for part in parts]
    for part in found:
        for target in part["targets"]:
            target["verdict"] = Target(**target).verdict
            target["limit"] = target["limit"] if math.isfinite(target["limit"]) else None  # JSON has no word for it
    return {"machine": machine, "parts": found}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def show(part: Part, console: Console) -> None:
    """Print a part's tables and notes."""
    for table in part.tables:
        shown = ShownTable(title=f"{part.name}: {table.title}", title_justify="left")
        for column in table.columns:
            numbers = all(isinstance(row.get(column), (int, float, type(None))) for row in table.rows)
            shown.add_column(column, justify="right" if numbers else "left")
        for row in table.rows:
            shown.add_row(*(text(row.get(column)) for column in table.columns))
        console.print(shown)
    for note in part.notes:
        console.print(f"note ({part.name}): {note}", markup=False, highlight=False)


def show_targets(parts: Iterable[Part], console: Console) -> None:
    """Print all targets with their figures."""
    shown = ShownTable(title="targets", title_justify="left")
    for column in ("part", "target", "at most", "found", "verdict"):
        shown.add_column(column, justify="right" if column in ("at most", "found") else "left")
    for part in parts:
        for target in part.targets:
            found = text(target.figure) + target.unit if target.figure is not None else target.why
            style = "bold red" if target.verdict == NOT_MET else None
            shown.add_row(part.name, target.what, text(target.limit) + target.unit, found, target.verdict, style=style)
    console.print(shown)


def text(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
