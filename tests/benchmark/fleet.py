# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of many servers: in one task, and with a task for each host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.cases import provider_options

from benchmark.bench import PREFIX, TITLES, Bench, Task, error_of
from benchmark.measure import Ended
from benchmark.report import Part, Row, Target
from benchmark.request_count import count
from sandbox import SandboxHandle, launch

NAME = "fleet"
ONE_TASK = "one task"
TARGET_SERVERS = 1000
MAX_RATIO, MAX_MORE_SECONDS = 1.25, 15.0  # compared with one server
MAX_MB = 250.0


def run(bench: Bench) -> Part:
    """For each provider: one task with more and more servers, then a task for each host with more and more forks."""
    part, scale = Part(NAME), bench.scale
    for provider in scale.providers:
        rows = [_one_task(bench, provider, servers) for servers in scale.servers]
        rows += [_one_host_each(bench, provider, forks) for forks in scale.forks]
        part.tables[f"{TITLES[provider]}, an operation takes {scale.operation_seconds:g} s"] = rows
        part.targets += targets(TITLES[provider], rows)
    return part


def _one_task(bench: Bench, provider: str, servers: int) -> Row:
    names = _names(provider, servers)
    with _sandbox(bench, provider, servers) as sandbox:
        snapshot: Task = {"rewind.vps.snapshot": {**provider_options(sandbox, provider), "servers": names, "name": "fleet"}}
        return _row(ONE_TASK, sandbox, provider, servers, bench.run_tasks(snapshot))


def _one_host_each(bench: Bench, provider: str, forks: int) -> Row:
    hosts = bench.scale.hosts
    with _sandbox(bench, provider, hosts) as sandbox:
        task: Task = {"rewind.vps.snapshot": {**provider_options(sandbox, provider), "server": "{{ inventory_hostname }}", "name": "fleet"},
                      "delegate_to": "localhost"}
        ended = bench.run_tasks(task, hosts=tuple(_names(provider, hosts)), forks=forks)
        return _row(f"a task for each host, forks {forks}", sandbox, provider, hosts, ended)


def _row(how: str, sandbox: SandboxHandle, provider: str, servers: int, ended: Ended) -> Row:
    counts = count(sandbox.admin.requests(cloud=provider), servers)
    ready = len(sandbox.admin.events("snapshot_ready", cloud=provider))
    return {
        "how": how, "servers": servers, "seconds": ended.usage.seconds, "CPU s": ended.usage.cpu, "creates": counts.creates,
        "reads": counts.reads, "reads needed": counts.needed_reads, "rounds": counts.rounds, "MB largest process": ended.usage.largest_mb,
        "MB all processes": ended.usage.tree_mb, "error": error_of(ended) or (None if ready == servers else f"{ready} snapshots are ready"),
    }


@contextmanager
def _sandbox(bench: Bench, provider: str, servers: int) -> Iterator[SandboxHandle]:
    numbers = {"vpsorg_servers": 0, "ilkbyte_servers": 0, f"{provider}_servers": servers}
    with launch(speed=1.0, ssh=False, disks=False, **numbers) as sandbox:
        sandbox.admin.settings(seconds={f"{provider}.snapshots.create": bench.scale.operation_seconds})
        yield sandbox


def _names(provider: str, number: int) -> list[str]:
    return [f"{PREFIX[provider]}{one}" for one in range(1, number + 1)]


def targets(provider: str, rows: list[Row]) -> list[Target]:
    """The targets for a thousand servers in one task; none if they were not measured, and none is met by a failed task."""
    by_servers = {row["servers"]: row for row in rows if row["how"] == ONE_TASK}
    one, most = by_servers.get(1), by_servers.get(TARGET_SERVERS)
    if one is None or most is None:
        return []
    limits = {"seconds": MAX_RATIO * one["seconds"] + MAX_MORE_SECONDS, "creates": TARGET_SERVERS, "reads": most["reads needed"],
              "MB largest process": MAX_MB, "MB all processes": MAX_MB}
    failed = one["error"] or most["error"]
    return [Target(f"{provider}, {TARGET_SERVERS:,} servers in one task: {what}", None if failed else most[what], limit)
            for what, limit in limits.items()]
