# SPDX-License-Identifier: GPL-3.0-or-later
"""A listing of very many snapshots: its cost beyond fetching the pages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from support.cases import provider_options
from support.playbook_runner import clean_environment

from benchmark.bench import PREFIX, TITLES, Bench, Task, require_success
from benchmark.measure import run as run_program
from benchmark.report import Part, Row, Target
from benchmark.request_count import PAGE_SIZE
from sandbox import SandboxHandle, launch

NAME = "listing"
MAX_SECONDS = {"vpsorg": 1.0, "ilkbyte": 1.5}
PROGRAM = Path(__file__).with_name("list_baseline.py")


def run(bench: Bench) -> Part:
    """VPS.org lists all snapshots page by page, Ilkbyte those of each server. The baseline fetches the same with requests alone."""
    part = Part(NAME)
    for provider in bench.scale.providers:
        rows = _measure(bench, provider)
        part.tables[f"{bench.scale.listed:,} snapshots, {TITLES[provider]}"] = rows
        what = f"{TITLES[provider]}, a listing of {bench.scale.listed:,}: CPU beyond the network"
        part.targets.append(Target(what, rows[-1]["CPU s"], MAX_SECONDS[provider], " s"))
    return part


def _measure(bench: Bench, provider: str) -> list[Row]:
    scale = bench.scale
    numbers = {"vpsorg_servers": 0, "ilkbyte_servers": 0, f"{provider}_servers": scale.listed_servers}
    task: Task = {"register": "found"}
    with launch(**numbers, ssh=False, disks=False) as sandbox:
        sandbox.admin.add_snapshots(provider, [
            {"server": f"{PREFIX[provider]}{1 + number % scale.listed_servers}", "name": f"nightly{number}"} for number in range(scale.listed)])
        task["rewind.vps.snapshot_info"] = {**provider_options(sandbox, provider), "servers": "all"}
        check: Task = {"ansible.builtin.assert": {"quiet": True, "that": f"found.snapshots | length == {scale.listed}"}}
        nothing = require_success(bench.run_tasks({"ansible.builtin.debug": {"msg": "hello"}}))
        sandbox.admin.clear_request_log()
        listed = require_success(bench.run_tasks(task))
        reads = sum(1 for request in sandbox.admin.requests(cloud=provider) if not request["changing"])
        require_success(bench.run_tasks(task, check))
        fetched = _fetch(bench, sandbox, provider)
    return [
        {"what": "snapshot_info", "CPU s": listed.usage.cpu, "seconds": listed.usage.seconds, "reads": reads, "MB": listed.usage.largest_mb},
        {"what": "a debug task instead", "CPU s": nothing.usage.cpu, "seconds": nothing.usage.seconds},
        {"what": "the lists fetched by requests alone", "CPU s": fetched},
        {"what": "snapshot_info beyond both", "CPU s": listed.usage.cpu - nothing.usage.cpu - fetched},
    ]


def _fetch(bench: Bench, sandbox: SandboxHandle, provider: str) -> float:
    """CPU seconds to fetch the lists and parse their JSON."""
    keys = f"access={sandbox.ilkbyte_access_key}&secret={sandbox.ilkbyte_secret_key}"
    urls = {
        "vpsorg": [f"{sandbox.vpsorg_url}/snapshots/?page_size={PAGE_SIZE}"],
        "ilkbyte": [f"{sandbox.ilkbyte_url}/server/manage/app{1 + number}/snapshot?{keys}" for number in range(bench.scale.listed_servers)],
    }
    plan = bench.write("fetch.json", json.dumps({"urls": urls[provider], "token": sandbox.vpsorg_token}))
    environment = clean_environment(bench.directory / "home")
    return float(require_success(run_program([sys.executable, PROGRAM, plan], environment=environment, directory=bench.directory)).output)
