# SPDX-License-Identifier: GPL-3.0-or-later
"""A listing of very many snapshots: what it costs beyond fetching its pages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from support.cases import provider_options
from support.playbook_runner import clean_environment

from benchmark.measure import run as measured
from benchmark.profiling import profile_of
from benchmark.report import Part, Table, Target
from benchmark.request_count import PAGE_SIZE, count
from benchmark.runner import Task
from benchmark.scale import PREFIX, Bench
from sandbox import SandboxHandle, launch

NAME = "listing"
MAX_SECONDS = 2.0
PROGRAM = Path(__file__).with_name("list_baseline.py")

Row = dict[str, Any]


def run(bench: Bench) -> Part:
    """VPS.org lists an account's snapshots page by page, Ilkbyte each server's by itself; beside it the same fetched by requests alone."""
    part = Part(NAME)
    for cloud in bench.scale.clouds:
        _measure(bench, cloud, part)
    return part


def _measure(bench: Bench, cloud: str, part: Part) -> None:
    scale = bench.scale
    numbers = {"vpsorg_servers": 0, "ilkbyte_servers": 0, f"{cloud}_servers": scale.listed_servers}
    with launch(**numbers, ssh=False, disks=False) as sandbox:
        sandbox.admin.add_snapshots(cloud, [
            {"server": f"{PREFIX[cloud]}{1 + number % scale.listed_servers}", "name": f"nightly{number}"} for number in range(scale.listed)])
        task: Task = {"rewind.vps.snapshot_info": {**provider_options(sandbox, cloud), "server": "all"}, "register": "found"}
        check: Task = {"ansible.builtin.assert": {"quiet": True, "that": f"found.snapshots | length == {scale.listed}"}}
        nothing = bench.runner.run_tasks({"ansible.builtin.debug": {"msg": "hello"}})
        sandbox.admin.clear_request_log()
        listed = bench.runner.run_tasks(task)
        reads = count(sandbox.admin.requests(cloud=cloud), scale.listed_servers).all_reads
        error = listed.error or bench.runner.run_tasks(task, check).error
        fetched = _fetch(bench, sandbox, cloud)
        profiles = [profile_of(bench, f"{cloud}, a listing of {scale.listed:,}", task, times=1)] if bench.profile else []
    beyond = listed.usage.cpu - nothing.usage.cpu - fetched
    part.tables.append(Table(f"all snapshots of an account, {cloud}", [
        {"what": "snapshot_info", "snapshots": scale.listed, "CPU s": listed.usage.cpu, "seconds": listed.usage.seconds, "reads": reads,
         "MB biggest": listed.usage.biggest_mb, "MB whole tree": listed.usage.tree_mb, "trouble": error},
        {"what": "a debug task instead", "CPU s": nothing.usage.cpu, "seconds": nothing.usage.seconds, "trouble": nothing.error},
        {"what": "the lists fetched by requests alone", "snapshots": scale.listed, "CPU s": fetched},
        {"what": "snapshot_info beyond both", "CPU s": beyond},
    ]))
    part.tables += profiles
    found = None if error or nothing.error else beyond
    part.targets.append(Target(f"{cloud}, a listing of {scale.listed:,}: CPU beyond the network", found, MAX_SECONDS, " s", error or ""))


def _fetch(bench: Bench, sandbox: SandboxHandle, cloud: str) -> float:
    """Seconds of processor that it takes to fetch the lists and read their JSON."""
    keys = f"access={sandbox.ilkbyte_access_key}&secret={sandbox.ilkbyte_secret_key}"
    urls = {
        "vpsorg": [f"{sandbox.vpsorg_url}/snapshots/?page_size={PAGE_SIZE}"],
        "ilkbyte": [f"{sandbox.ilkbyte_url}/server/manage/app{1 + number}/snapshot?{keys}" for number in range(bench.scale.listed_servers)],
    }
    plan = bench.directory / f"fetch-{cloud}.json"
    plan.write_text(json.dumps({"urls": urls[cloud], "token": sandbox.vpsorg_token}), encoding="utf-8")
    ended = measured([sys.executable, PROGRAM, plan], environment=clean_environment(bench.directory / "home"), directory=bench.directory)
    if ended.status:
        raise RuntimeError(f"listing: {ended.output[-2000:]}")
    return float(ended.output)
