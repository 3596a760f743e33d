# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unchanged task costs in process and as a module, compared with Ansible's own `ping`."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.cases import SERVER, provider_options

from benchmark.bench import TITLES, Bench, Task, require_success
from benchmark.report import Part, Row, Target
from sandbox import SandboxHandle, launch

NAME = "execution_mode"
IN_PROCESS, MODULE, BASE = "in process", "module", "ping"
MAX_RATIO = 0.12


@dataclass
class Kind:
    """One kind of task, and the CPU seconds of its playbooks by their number of tasks."""

    task: Task
    as_module: bool = False
    cpu: dict[int, list[float]] = field(default_factory=dict)


def run(bench: Bench) -> Part:
    """Playbooks with few and with many tasks of each kind: the difference is what the tasks cost, without the start-up."""
    scale = bench.scale
    with launch(servers=1, ssh=False, disks=False) as sandbox:
        kinds = _kinds(sandbox, scale.providers)
        for _repeat in range(scale.repeats):  # all kinds alternately, so that other load on the machine affects all of them
            for kind in kinds.values():
                for number in (scale.few, scale.many):
                    ended = require_success(bench.run_tasks(*[kind.task] * number, as_module=kind.as_module))
                    kind.cpu.setdefault(number, []).append(ended.usage.cpu)
    costs = {name: cost_per_task(kind.cpu[scale.few], kind.cpu[scale.many], scale.many - scale.few) for name, kind in kinds.items()}
    rows: list[Row] = [{"task": name, "CPU ms": cost * 1000, "of a ping": cost / costs[BASE]} for name, cost in costs.items()]
    return Part(NAME, {f"one unchanged task, from playbooks of {scale.few} and {scale.many}, the best of {scale.repeats}": rows}, targets(costs))


def _kinds(sandbox: SandboxHandle, providers: tuple[str, ...]) -> dict[str, Kind]:
    kinds = {BASE: Kind({"ansible.builtin.ping": {}})}
    for provider in providers:
        sandbox.admin.add_snapshot(provider, SERVER[provider], "one")
        task = {"rewind.vps.snapshot": {**provider_options(sandbox, provider), "server": SERVER[provider], "name": "one"}}
        kinds[f"{TITLES[provider]}, {IN_PROCESS}"] = Kind(task)
        kinds[f"{TITLES[provider]}, {MODULE}"] = Kind(task, as_module=True)
    return kinds


def cost_per_task(few: list[float], many: list[float], more_tasks: int) -> float:
    """The smallest figures count: other load on the machine only adds."""
    return (min(many) - min(few)) / more_tasks


def targets(costs: dict[str, float]) -> list[Target]:
    return [Target(f"an unchanged task, {name}: CPU of a ping", cost / costs[BASE], MAX_RATIO) for name, cost in costs.items() if IN_PROCESS in name]
