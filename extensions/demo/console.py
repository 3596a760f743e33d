# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's output: steps as sentences, Ansible's output beside a bar, and a table at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

DIGEST_LENGTH = 8


@dataclass(frozen=True)
class ServerOutcome:
    """One row of the table: a server and the digests (hex) of its disk at three times."""

    server: str
    provider: str
    what_happened: str
    before: str
    upgraded: str
    at_end: str


class DemoConsole:
    """Prints to standard output, with colours on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._steps = 0

    @property
    def in_colours(self) -> bool:
        """Whether Ansible may use colours."""
        return self._console.color_system is not None

    def title(self, text: str) -> None:
        """Print the first line."""
        self._console.print(f"[bold]rewind.vps: {escape(text)}[/]")

    def step(self, title: str, why: str) -> None:
        """Print the heading of the next step, numbered from 1."""
        self._steps += 1
        self._console.print(f"\n[bold cyan]Step {self._steps}. {escape(title)}[/]")
        self.print_text(why)

    def print_text(self, text: str) -> None:
        """Print a sentence."""
        self._console.print(escape(text))

    def verified(self, text: str) -> None:
        """Print a sentence about something that was verified."""
        self._console.print(f"[green]Checked: {escape(text)}[/]")

    def command(self, arguments: Iterable[str]) -> None:
        """Print the command that starts now."""
        self._console.print(f"[bold]  $ {escape(' '.join(arguments))}[/]", soft_wrap=True)

    def output(self, line: str) -> None:
        """Print a line of the command's output."""
        self._console.print(Text("  | ", style="dim") + Text.from_ansi(line), soft_wrap=True)

    def progress(self, text: str) -> None:
        """Print progress while the command prints nothing."""
        self._console.print(f"[dim]  . {escape(text)}[/]", soft_wrap=True)

    def failure(self, text: str) -> None:
        """Print why the demo fails."""
        self._console.print(f"\n[bold red]The demo failed: {escape(text)}[/]")

    def table(self, outcomes: Iterable[ServerOutcome]) -> None:
        """Print the digests of the servers' disks; equal digests of one server have the same colour."""
        table = Table(box=box.ROUNDED, show_lines=True, title="\nThe servers' disks", title_style="bold")
        for column in ("server", "provider", "what happened"):
            table.add_column(column)
        for column in ("disk\nbefore", "after the\nupgrade", "at the\nend"):
            table.add_column(column, no_wrap=True)
        for outcome in outcomes:
            digests = (outcome.before, outcome.upgraded, outcome.at_end)
            cells = [Text(digest[:DIGEST_LENGTH], style="green" if digest == outcome.at_end else "red") for digest in digests]
            if outcome.at_end == outcome.before:
                cells[2].append("\n= before", style="bold")
            elif outcome.at_end == outcome.upgraded:
                cells[2].append("\n= upgraded")
            table.add_row(outcome.server, outcome.provider, outcome.what_happened, *cells)
        self._console.print(table)
