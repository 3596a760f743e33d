# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unchanged task costs through each door, beside Ansible's own debug and ping."""

from __future__ import annotations

from support.cases import SERVER, provider_options

from benchmark.cost_table import Kind, measure, table
from benchmark.profiling import profile_of
from benchmark.report import Part, Target, ratio
from benchmark.scale import Bench
from sandbox import SandboxHandle, launch

NAME = "doors"
MAX_RATIO = {"ping": 0.12, "debug": 2.5}
TITLES = {"vpsorg": "VPS.org", "ilkbyte": "Ilkbyte"}


def run(bench: Bench) -> Part:
    """Unchanged tasks of each kind."""
    scale = bench.scale
    with launch(servers=1, ssh=False, disks=False) as sandbox:
        kinds = {name: kind for name, kind in _kinds(sandbox).items() if not scale.execution_modes or name in scale.execution_modes}
        costs = measure(bench, kinds)
        profiles = [profile_of(bench, name, kind.task) for name, kind in kinds.items() if "quick" in name] if bench.profile else []
    return Part(NAME, [table(bench, "one unchanged task", kinds, costs, tuple(MAX_RATIO)), *profiles], targets(costs))


def _kinds(sandbox: SandboxHandle) -> dict[str, Kind]:
    kinds = {"debug": Kind({"ansible.builtin.debug": {"msg": "hello"}}), "ping": Kind({"ansible.builtin.ping": {}})}
    for cloud, title in TITLES.items():
        sandbox.admin.add_snapshot(cloud, SERVER[cloud], "one")
        task = {"rewind.vps.snapshot": {**provider_options(sandbox, cloud), "server": SERVER[cloud], "name": "one"}}
        kinds[f"{title}, quick door"] = Kind(task)
        kinds[f"{title}, module door"] = Kind(task, as_module=True)
    return kinds


def targets(costs: dict[str, float]) -> list[Target]:
    """What is promised of the quick door."""
    return [Target(f"an unchanged task, {name}: CPU of a {base}", ratio(costs[name], costs.get(base)), most, why=f"no {base} was measured")
            for name in costs if "quick" in name for base, most in MAX_RATIO.items()]
