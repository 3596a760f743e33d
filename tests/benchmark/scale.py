# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is measured: the whole benchmark, or a tiny round that only shows that it still runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.runner import TaskRunner

PREFIX = {"vpsorg": "web", "ilkbyte": "app"}  # of the sandbox's servers


@dataclass(frozen=True)
class Scale:
    """The numbers of one run.

    :ivar few, many: tasks in the two playbooks whose difference is what a task costs.
    :ivar repeats: how often each is run.
    :ivar doors: which kinds of task; empty: all.
    :ivar servers: in one task.
    :ivar hosts, forks: of the plays in which each host has its own task.
    :ivar operation_seconds: what an operation takes at the clouds.
    :ivar notice_seconds, notice_times: the same where time is virtual, and how often each is played.
    :ivar listed: snapshots in one listing, spread over ``listed_servers`` servers.
    :ivar delay_seconds: of each answer, where others are measured beside.
    :ivar role_servers, role_forks: of the plays with and without the role, each in one batch.
    :ivar sandbox_servers: at each cloud, where the sandbox itself is measured.
    """

    few: int = 5
    many: int = 25
    repeats: int = 3
    execution_modes: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ("vpsorg", "ilkbyte")
    servers: tuple[int, ...] = (1, 10, 100, 1000)
    hosts: int = 100
    forks: tuple[int, ...] = (5, 50)
    operation_seconds: float = 20.0
    notice_seconds: tuple[float, ...] = (5.0, 60.0, 600.0)
    notice_times: int = 5
    listed: int = 10_000
    listed_servers: int = 1000
    delay_seconds: float = 0.02
    sandbox_servers: int = 1000
    sandbox_calls: int = 200
    role_servers: tuple[int, ...] = (1, 40)
    role_forks: int = 10

    def changed(self, **numbers: Any) -> Scale:
        """The same with other numbers; None leaves one as it is."""
        return replace(self, **{name: number for name, number in numbers.items() if number is not None})


WHOLE = Scale()
TINY = Scale(few=1, many=2, repeats=1, execution_modes=("VPS.org, quick door",), clouds=("vpsorg",), servers=(1,), hosts=2, forks=(2,),
             operation_seconds=0.3, notice_seconds=(5.0,), notice_times=1, listed=120, listed_servers=3, sandbox_servers=3, sandbox_calls=2,
             role_servers=(1,))


@dataclass(frozen=True)
class Bench:
    """What a part is given.

    :ivar folder: an empty folder of its own.
    :ivar profile: show where the processor's time goes, too.
    """

    scale: Scale
    directory: Path
    profile: bool = False
    runner: TaskRunner = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "runner", TaskRunner(self.directory))
