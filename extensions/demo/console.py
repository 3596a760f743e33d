# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo prints: steps in plain sentences, Ansible's own words beside a bar, one table at the end."""

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
    """One line of the table: a server and the digests (hex) of its disk at three moments."""

    server: str
    cloud: str
    what_happened: str
    before: str
    upgraded: str
    at_end: str


class DemoConsole:
    """Prints to standard output; in colours where that is a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._steps = 0

    @property
    def in_colours(self) -> bool:
        """Whether programs whose output is shown may use colours."""
        return self._console.color_system is not None

    def title(self, text: str) -> None:
        """The very first line."""
        self._console.print(f"[bold]rewind.vps: {escape(text)}[/]")

    def step(self, title: str, why: str) -> None:
        """The head of the next step, numbered from 1."""
        self._steps += 1
        self._console.print(f"\n[bold cyan]Step {self._steps}. {escape(title)}[/]")
        self.print_text(why)

    def print_text(self, text: str) -> None:
        """A plain sentence."""
        self._console.print(escape(text))

    def verified(self, text: str) -> None:
        """A plain sentence about something that has been checked."""
        self._console.print(f"[green]Checked: {escape(text)}[/]")

    def command(self, arguments: Iterable[str]) -> None:
        """The command that is run now."""
        self._console.print(f"[bold]  $ {escape(' '.join(arguments))}[/]", soft_wrap=True)

    def output(self, line: str) -> None:
        """A line that the command printed."""
        self._console.print(Text("  | ", style="dim") + Text.from_ansi(line), soft_wrap=True)

    def progress(self, text: str) -> None:
        """What is going on while the command prints nothing."""
        self._console.print(f"[dim]  . {escape(text)}[/]", soft_wrap=True)

    def failure(self, text: str) -> None:
        """Why the demo ends here."""
        self._console.print(f"\n[bold red]The demo failed: {escape(text)}[/]")

    def table(self, outcomes: Iterable[ServerOutcome]) -> None:
        """What became of the servers' disks; equal digests of one server say so, and have one colour."""
        table = Table(box=box.ROUNDED, show_lines=True, title="\nThe servers' disks", title_style="bold")
        for column in ("server", "cloud", "what happened"):
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
            table.add_row(outcome.server, outcome.cloud, outcome.what_happened, *cells)
        self._console.print(table)
