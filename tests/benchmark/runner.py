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
    """A playbook that has ended. ``trouble``: None, or why it failed, in a few words."""

    usage: Usage
    error: str | None


class TaskRunner:
    """Runs playbooks.

    :param folder: an empty folder; files of the runs go there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runs = 0

    def run_tasks(self, *tasks: Task, hosts: tuple[str, ...] = (), forks: int = 5, as_module: bool = False,
             environment: dict[str, str] | None = None) -> PlaybookUsage:
        """Run the tasks as one play.

        :param hosts: of the play; where there are none, localhost.
        :param module_door: ask for another Python, so that our tasks run as modules.
        """
        self._runs += 1
        directory = self._directory / f"play{self._runs}"
        directory.mkdir()
        variables = {"ansible_python_interpreter": other_python()} if as_module else {}
        playbook = [{"name": "Benchmark", "hosts": "all" if hosts else "localhost", "connection": "local", "gather_facts": False,
                 "vars": variables, "tasks": list(tasks)}]
        (directory / "play.yml").write_text(json.dumps(playbook), encoding="utf-8")
        (directory / "hosts").write_text("".join(f"{host}\n" for host in hosts), encoding="utf-8")
        inventory = ["-i", str(directory / "hosts")] if hosts else []
        # Started by its Python: the program's first line may name a path that no longer is.
        program = Path(sys.executable).with_name("ansible-playbook")
        ended = run([sys.executable, program, directory / "play.yml", "--forks", forks, *inventory], directory=directory,
                    environment={**clean_environment(self._directory / "home"), **(environment or {})})
        return PlaybookUsage(ended.usage, _error(ended))


def _error(ended: Ended) -> str | None:
    if ended.status == 0:
        return None
    messages = re.findall(r'"msg": ("(?:[^"\\]|\\.)*")', ended.output)
    return (json.loads(messages[0]) if messages else " ".join(ended.output.split()))[-MAX_ERROR_CHARS:]
