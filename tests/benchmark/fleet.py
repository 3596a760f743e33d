# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of many servers: in one task, and with a task for each host."""

from __future__ import annotations

import math
from typing import Any

from support.cases import provider_options

from benchmark.profiling import profile_of
from benchmark.report import Part, Table, Target
from benchmark.request_count import count
from benchmark.runner import Task
from benchmark.scale import PREFIX, Bench
from sandbox import SandboxHandle, launch

NAME = "fleet"
TARGET_SERVERS = 1000  # the targets speak of so many
MORE_SECONDS, TIMES_ONE = 15.0, 1.25
MAX_MB = 250.0
RESULT = "taken"

Row = dict[str, Any]


def run(bench: Bench) -> Part:
    """For each cloud: tasks of growing numbers of servers, then a host each at growing forks."""
    part = Part(NAME)
    for cloud in bench.scale.clouds:
        table = Table(f"{cloud}, an operation takes {bench.scale.operation_seconds:g} s")
        for servers in bench.scale.servers:
            table.rows.append(_one_task(bench, cloud, servers))
        for forks in bench.scale.forks:
            table.rows.append(_one_host_each(bench, cloud, forks))
        part.tables.append(table)
        part.targets += targets(cloud, table.rows)
        if bench.profile:
            part.tables.append(_profile(bench, cloud))
    return part


def _one_task(bench: Bench, cloud: str, servers: int) -> Row:
    with launch_sandbox(bench, cloud, servers) as sandbox:
        names = _names(cloud, servers)
        tasks: list[Task] = [{"rewind.vps.snapshot": {**provider_options(sandbox, cloud), "servers": names, "name": "fleet"}, "register": RESULT}]
        if servers > 1:
            tasks.append({"ansible.builtin.assert": {"quiet": True, "that": [
                f"{RESULT}.by_server | length == {servers}", f"{RESULT}.failed_servers | length == 0"]}})
        result = bench.runner.run_tasks(*tasks)
        return _row("one task", sandbox, cloud, servers, result)


def _one_host_each(bench: Bench, cloud: str, forks: int) -> Row:
    hosts = bench.scale.hosts
    with launch_sandbox(bench, cloud, hosts) as sandbox:
        task = {"rewind.vps.snapshot": {**provider_options(sandbox, cloud), "server": "{{ inventory_hostname }}", "name": "fleet"},
            "delegate_to": "localhost"}
        result = bench.runner.run_tasks(task, hosts=tuple(_names(cloud, hosts)), forks=forks)
        return _row(f"a task for each host, forks {forks}", sandbox, cloud, hosts, result)


def _row(how: str, sandbox: SandboxHandle, cloud: str, servers: int, result: Any) -> Row:
    counts = count(sandbox.admin.requests(cloud=cloud), servers)
    ready = len(sandbox.admin.events("snapshot_ready", cloud=cloud))
    error = result.error or (None if ready == servers else f"{ready} snapshots are ready")
    return {
        "how": how, "servers": servers, "seconds": result.usage.seconds, "CPU s": result.usage.cpu, "creates": counts.creates,
        "reads": counts.all_reads, "of them needed": counts.allowed_reads, "rounds": counts.rounds, "MB biggest": result.usage.biggest_mb,
        "MB whole tree": result.usage.tree_mb, "reads by path": counts.format_reads(), "trouble": error,
    }


def _profile(bench: Bench, cloud: str) -> Table:
    servers = max(bench.scale.servers)
    with launch_sandbox(bench, cloud, servers) as sandbox:
        task = {"rewind.vps.snapshot": {**provider_options(sandbox, cloud), "servers": _names(cloud, servers), "name": "fleet"}}
        return profile_of(bench, f"{cloud}, {servers} servers in one task", task, times=1)


def launch_sandbox(bench: Bench, cloud: str, servers: int) -> Any:
    """A sandbox whose snapshots take just as long; used with ``with``."""
    return _TimedSandbox(bench.scale.operation_seconds, cloud, servers)


class _TimedSandbox:
    def __init__(self, seconds: float, cloud: str, servers: int) -> None:
        numbers = {"vpsorg_servers": 0, "ilkbyte_servers": 0, f"{cloud}_servers": servers}
        self._launched = launch(speed=1.0, ssh=False, disks=False, **numbers)
        self._settings = {f"{cloud}.snapshots.create": seconds}

    def __enter__(self) -> SandboxHandle:
        sandbox = self._launched.__enter__()
        sandbox.admin.settings(seconds=self._settings)
        return sandbox

    def __exit__(self, *why: Any) -> None:
        self._launched.__exit__(*why)


def _names(cloud: str, number: int) -> list[str]:
    return [f"{PREFIX[cloud]}{one}" for one in range(1, number + 1)]


def targets(cloud: str, rows: list[Row]) -> list[Target]:
    """What is promised of a thousand servers in one task, by the rows of one cloud."""
    by_servers = {row["servers"]: row for row in rows if row["how"] == "one task"}
    one, most = by_servers.get(1), by_servers.get(TARGET_SERVERS)
    why = "not measured" if most is None else most["trouble"] or ""
    whole = most if most is not None and not most["trouble"] else None

    def target(what: str, figure: float | None, limit: float, unit: str = "") -> Target:
        return Target(f"{cloud}, {TARGET_SERVERS:,} servers in one task: {what}", figure, limit, unit, why)

    return [
        target(f"seconds, beside {TIMES_ONE:g} times one server's and {MORE_SECONDS:.0f}", whole and whole["seconds"],
               math.inf if one is None or one["trouble"] else TIMES_ONE * one["seconds"] + MORE_SECONDS, " s"),
        target("creates", whole and whole["creates"], TARGET_SERVERS),
        target("reads, beside rounds times pages", whole and whole["reads"], whole["of them needed"] if whole else math.inf),
        target("memory of the biggest process", whole and whole["MB biggest"], MAX_MB, " MB"),
        target("memory of the whole tree", whole and whole["MB whole tree"], MAX_MB, " MB"),
    ]
