# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as data, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

MET, NOT_MET, NOT_MEASURED = "met", "NOT MET", "not measured"

Row = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A limit for one value, which is None if it could not be measured."""

    what: str
    value: float | None
    limit: float
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return NOT_MEASURED
        return MET if self.value <= self.limit else NOT_MET


@dataclass
class Part:
    """The results of one part: tables by title, and targets."""

    name: str
    tables: dict[str, list[Row]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)


def as_data(parts: Iterable[Part], machine: Row) -> Row:
    """Everything, ready for JSON."""
    return {"machine": machine, "parts": [
        {**asdict(part), "targets": [{**asdict(target), "verdict": target.verdict} for target in part.targets]} for part in parts]}


def show(console: Console, title: str, rows: list[Row]) -> None:
    """Print a table with a column for each key."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(format_value(row.get(column)) for column in columns), style="bold red" if row.get("verdict") == NOT_MET else None)
    console.print(table)


def show_targets(console: Console, parts: Iterable[Part]) -> None:
    """Print all targets with the values found."""
    show(console, "targets", [
        {"part": part.name, "target": target.what, "at most": format_value(target.limit) + target.unit, "found": target.value,
         "verdict": target.verdict}
        for part in parts for target in part.targets])


def format_value(value: Any) -> str:
    """A value as tables show it."""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:,.1f}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
