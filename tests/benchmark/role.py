# SPDX-License-Identifier: GPL-3.0-or-later
"""A guarded upgrade with one task, compared with the same play without the role; the provider takes nearly no time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from support.cases import DURATIONS, SPEED, apply_calls, set_durations

from benchmark.bench import Bench, require_success
from benchmark.measure import Ended
from benchmark.report import Part, Row, Target
from sandbox import SandboxHandle, launch

NAME = "role"
MAX_RATIO = {1: 2.1, 40: 2.2}  # by number of servers
MAX_TASKS = 30
PROVIDER_SECONDS = 0.01
TASK = {"name": "Change a file", "ansible.builtin.copy": {"dest": "/etc/changed", "content": "new\n", "mode": "0644"}}
PLAIN, GUARDED = "the play without the role", "the guarded upgrade"


def run(bench: Bench) -> Part:
    """The upgrade of one server, and of many in one batch. The fastest run of each counts: other load on the machine only adds."""
    part = Part(NAME)
    with launch(vpsorg_servers=max(bench.scale.role_servers), ilkbyte_servers=0, speed=SPEED) as sandbox:
        for servers in bench.scale.role_servers:
            rows = _measure(bench, sandbox, servers)
            part.tables[f"servers: {servers}, forks: {bench.scale.role_forks}"] = rows
            part.targets += targets(servers, rows)
    return part


def _measure(bench: Bench, sandbox: SandboxHandle, servers: int) -> list[Row]:
    """Both plays alternately, so that other load on the machine affects both."""
    playbooks = {PLAIN: bench.write("plain.yml", json.dumps([_plain_play()])), GUARDED: "rewind.vps.guarded_upgrade"}
    runs: dict[str, list[Ended]] = {name: [] for name in playbooks}
    for _repeat in range(bench.scale.repeats):
        for name, playbook in playbooks.items():
            runs[name].append(_run(bench, sandbox, playbook, servers))
    plain = min(one.usage.seconds for one in runs[PLAIN])
    return [_row(name, ended, plain) for name, ended in runs.items()]


def _plain_play() -> dict[str, Any]:
    return {"name": "Upgrade", "hosts": "{{ target }}", "serial": "{{ batch }}", "gather_facts": False, "tasks": [TASK]}


def _run(bench: Bench, sandbox: SandboxHandle, playbook: Path | str, servers: int) -> Ended:
    sandbox.admin.reset()
    apply_calls(sandbox.admin, set_durations(PROVIDER_SECONDS, *DURATIONS))
    tasks = bench.write("upgrade.yml", json.dumps([TASK]))
    target = ",".join(f"web{number}" for number in range(1, servers + 1))
    options = {"guarded_upgrade_tasks": str(tasks), "guarded_upgrade_soak_time": 0}  # not to measure a pause
    variables = bench.write("variables.json", json.dumps({"target": target, "batch": servers, **options}))
    return require_success(bench.run_playbook(
        playbook, "--forks", bench.scale.role_forks, "-e", f"@{variables}", inventory=sandbox.inventory, home=f"home-{tasks.stem}",
        environment={"VPS_API_TOKEN": sandbox.vpsorg_token, "ANSIBLE_PIPELINING": "true"}))


def _row(name: str, runs: list[Ended], plain_seconds: float) -> Row:
    seconds = min(one.usage.seconds for one in runs)
    return {"play": name, "seconds": seconds, "ratio": seconds / plain_seconds, "CPU s": min(one.usage.cpu for one in runs),
            "tasks per host": max(tasks_per_host(one.output) for one in runs), "all runs, s": ", ".join(f"{one.usage.seconds:.1f}" for one in runs)}


def tasks_per_host(output: str) -> int:
    """How many tasks the default output shows for a host, skipped ones and includes too: the host with most, by the recap."""
    recap = re.findall(r"^\S+ +: ok=(\d+) +changed=\d+ +unreachable=(\d+) +failed=(\d+) +skipped=(\d+) +rescued=(\d+)", output, re.MULTILINE)
    return max((sum(map(int, counts)) for counts in recap), default=0)


def targets(servers: int, rows: list[Row]) -> list[Target]:
    guarded = next(row for row in rows if row["play"] == GUARDED)
    found = [Target(f"a guarded upgrade with one task, {servers} server(s): tasks per host", guarded["tasks per host"], MAX_TASKS)]
    if servers in MAX_RATIO:
        found.append(Target(f"the same, {servers} server(s): times the play without the role", guarded["ratio"], MAX_RATIO[servers]))
    return found
