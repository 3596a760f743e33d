# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays tasks with the real ansible-playbook, measured."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.playbook_runner import clean_environment, other_python

from benchmark.measure import Ended, Usage, run

Task = dict[str, Any]
MAX_ERROR_CHARS = 300


@dataclass(frozen=True)
class PlaybookUsage:
    """A finished playbook; `error` is None, or a short text if it failed."""

    usage: Usage
    error: str | None


class TaskRunner:
    """Runs playbooks. Files of the runs go to `directory`, which is empty at first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runs = 0

    def run_tasks(self, *tasks: Task, hosts: tuple[str, ...] = (), forks: int = 5, as_module: bool = False,
                  environment: dict[str, str] | None = None) -> PlaybookUsage:
        """Run the tasks as one local play, on `hosts` or on localhost; `as_module` configures another Python, so that no task runs in process."""
        variables = {"ansible_python_interpreter": other_python()} if as_module else {}
        play = {"name": "Benchmark", "hosts": "all" if hosts else "localhost", "connection": "local", "gather_facts": False,
                "vars": variables, "tasks": list(tasks)}
        inventory = self.write("hosts", "".join(f"{host}\n" for host in hosts)) if hosts else None
        ended = self.run_playbook(self.write("play.yml", json.dumps([play])), "--forks", forks, inventory=inventory, environment=environment)
        return PlaybookUsage(ended.usage, _error(ended))

    def run_playbook(self, playbook: Path | str, *arguments: object, inventory: Path | str | None = None, home: str = "home",
                     environment: dict[str, str] | None = None) -> Ended:
        """Run a playbook; runs with different homes share no SSH connections and no state."""
        # Started by its Python: the first line of the program may name a path that does not exist any more.
        program = Path(sys.executable).with_name("ansible-playbook")
        sources = [] if inventory is None else ["-i", inventory]
        return run([sys.executable, program, playbook, *sources, *arguments], directory=self._directory,
                   environment={**clean_environment(self._directory / home), **(environment or {})})

    def write(self, name: str, content: str) -> Path:
        """Write a file of a run; the path is new each time."""
        self._runs += 1
        path = self._directory / f"{self._runs}-{name}"
        path.write_text(content, encoding="utf-8")
        return path


def _error(ended: Ended) -> str | None:
    if ended.status == 0:
        return None
    messages = re.findall(r'"msg": ("(?:[^"\\]|\\.)*")', ended.output)
    return (json.loads(messages[0]) if messages else " ".join(ended.output.split()))[-MAX_ERROR_CHARS:]
