# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is measured, and the real ansible-playbook, measured."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.playbook_runner import clean_environment, other_python

from benchmark.measure import Ended, run

PREFIX = {"vpsorg": "web", "ilkbyte": "app"}  # of the sandbox's servers
TITLES = {"vpsorg": "VPS.org", "ilkbyte": "Ilkbyte"}
MAX_ERROR_CHARS = 300

Task = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """The numbers of one run."""

    repeats: int = 3  # how often each playbook runs, where the fastest run counts
    few: int = 5  # tasks in the two playbooks whose difference is the cost of a task
    many: int = 25
    providers: tuple[str, ...] = ("vpsorg", "ilkbyte")
    servers: tuple[int, ...] = (1, 10, 100, 1000)  # in one task
    hosts: int = 100  # of the plays with a task for each host
    forks: tuple[int, ...] = (5, 50)
    operation_seconds: float = 20.0
    listed: int = 10_000  # snapshots in one listing, of so many servers
    listed_servers: int = 1000
    role_servers: tuple[int, ...] = (1, 40)
    role_forks: int = 10


WHOLE = Scale()
TINY = Scale(repeats=1, few=1, many=2, providers=("vpsorg",), servers=(1,), hosts=2, forks=(2,), operation_seconds=0.3, listed=120,
             listed_servers=3, role_servers=(1,))


@dataclass(frozen=True)
class Bench:
    """What a part needs. Files of its runs go to `directory`, which is empty at first."""

    scale: Scale
    directory: Path
    _files: list[Path] = field(default_factory=list)

    def run_tasks(self, *tasks: Task, hosts: tuple[str, ...] = (), forks: int = 5, as_module: bool = False) -> Ended:
        """Run the tasks as one local play on `hosts`, or on localhost; with `as_module` another Python is configured, so no task runs in process."""
        variables = {"ansible_python_interpreter": other_python()} if as_module else {}
        play = {"name": "Benchmark", "hosts": "all" if hosts else "localhost", "connection": "local", "gather_facts": False,
                "vars": variables, "tasks": list(tasks)}
        inventory = self.write("hosts", "".join(f"{host}\n" for host in hosts)) if hosts else None
        return self.run_playbook(self.write("play.yml", json.dumps([play])), "--forks", forks, inventory=inventory)

    def run_playbook(self, playbook: Path | str, *arguments: object, inventory: Path | str | None = None, home: str = "home",
                     environment: dict[str, str] | None = None) -> Ended:
        """Run a playbook; runs with different homes share no SSH connections and no state."""
        # Started by its Python: the first line of the program may name a path that does not exist any more.
        program = Path(sys.executable).with_name("ansible-playbook")
        sources = [] if inventory is None else ["-i", inventory]
        return run([sys.executable, program, playbook, *sources, *arguments], directory=self.directory,
                   environment={**clean_environment(self.directory / home), **(environment or {})})

    def write(self, name: str, content: str) -> Path:
        """Write a file of a run; its path is new each time."""
        path = self.directory / f"{len(self._files)}-{name}"
        path.write_text(content, encoding="utf-8")
        self._files.append(path)
        return path


def error_of(ended: Ended) -> str | None:
    """Why a playbook failed, or None."""
    if ended.status == 0:
        return None
    messages = re.findall(r'"msg": ("(?:[^"\\]|\\.)*")', ended.output)
    return (json.loads(messages[0]) if messages else " ".join(ended.output.split()))[-MAX_ERROR_CHARS:]


def require_success(ended: Ended) -> Ended:
    """Raises:
        RuntimeError: the playbook failed.
    """
    if ended.status:
        raise RuntimeError(ended.output[-3000:])
    return ended
