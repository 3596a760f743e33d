# SPDX-License-Identifier: GPL-3.0-or-later
"""A listing of very many snapshots: what it costs beyond fetching its pages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from support.clouds import access
from support.stage import clean_environment

from benchmark.ledger import count
from benchmark.measure import run as measured
from benchmark.player import Task
from benchmark.profile import profile_of
from benchmark.report import Part, Table, Target
from benchmark.scale import Bench
from sandbox import Box, launch

NAME = "listing"
MOST_SECONDS = 2.0
PAGE_SIZE = 100
PROGRAM = Path(__file__).with_name("fetching.py")


def run(bench: Bench) -> Part:
    """VPS.org lists an account's snapshots page by page; beside it the same pages fetched by requests alone."""
    scale = bench.scale
    with launch(vpsorg_servers=scale.listed_servers, ilkbyte_servers=0, ssh=False, disks=False) as box:
        box.control.plant_snapshots("vpsorg", [
            {"server": f"web{1 + number % scale.listed_servers}", "name": f"nightly-{number}", "description": "Made before each night's upgrade"}
            for number in range(scale.listed)])
        task: Task = {"rewind.vps.snapshot_info": access(box, "vpsorg"), "register": "found"}
        check: Task = {"ansible.builtin.assert": {"quiet": True, "that": f"found.snapshots | length == {scale.listed}"}}
        nothing = bench.player.play({"ansible.builtin.debug": {"msg": "hello"}})
        box.control.clear_ledger()
        listed = bench.player.play(task)
        counts = count(box.control.requests(cloud="vpsorg"), scale.listed_servers)
        checked = bench.player.play(task, check)
        fetched = _fetch(bench, box)
        profiles = [profile_of(bench, f"a listing of {scale.listed:,}", task, times=1)] if bench.profile else []
    beyond = listed.usage.cpu - nothing.usage.cpu - fetched
    rows = [
        {"what": "snapshot_info", "snapshots": scale.listed, "CPU s": listed.usage.cpu, "seconds": listed.usage.seconds,
         "reads": counts.all_reads, "MB biggest": listed.usage.biggest_mb, "MB whole tree": listed.usage.tree_mb,
         "trouble": listed.trouble or checked.trouble},
        {"what": "a debug task instead", "CPU s": nothing.usage.cpu, "seconds": nothing.usage.seconds, "trouble": nothing.trouble},
        {"what": "the pages fetched by requests alone", "snapshots": scale.listed, "CPU s": fetched},
        {"what": "snapshot_info beyond both", "CPU s": beyond},
    ]
    found = None if listed.trouble or checked.trouble or nothing.trouble else beyond
    target = Target(f"a listing of {scale.listed:,}: CPU beyond the network", found, MOST_SECONDS, " s", listed.trouble or checked.trouble or "")
    return Part(NAME, [Table("all snapshots of an account, VPS.org", rows), *profiles], [target])


def _fetch(bench: Bench, box: Box) -> float:
    """Seconds of processor that it takes to fetch the pages and read their JSON."""
    plan = json.dumps({"url": f"{box.vpsorg_url}/snapshots/?page_size={PAGE_SIZE}", "token": box.vpsorg_token})
    ended = measured([sys.executable, PROGRAM, plan], environment=clean_environment(bench.folder / "home"), folder=bench.folder)
    return float(ended.output)
