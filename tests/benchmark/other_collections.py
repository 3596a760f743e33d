# SPDX-License-Identifier: GPL-3.0-or-later
"""An unchanged task and a listing beside those of other clouds' collections, where the package ansible is installed.

Their clouds are small servers of our own (stub_server.py); every answer, of the sandbox too, comes with the same delay.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.cases import SERVER, provider_options

from benchmark import stub_server
from benchmark.cost_table import Kind, measure, table
from benchmark.report import Part
from benchmark.scale import Bench
from sandbox import SandboxHandle, launch

NAME = "peers"
COLLECTIONS = ("ansible_collections.vultr.cloud", "ansible_collections.community.digitalocean")
BASE = "rewind.vps.snapshot"


def run(bench: Bench) -> Part:
    """Ours through both doors and theirs; without theirs, a note that says so."""
    missing = [name.removeprefix("ansible_collections.") for name in COLLECTIONS if not _installed(name)]
    if missing:
        return Part(NAME, notes=[f"not measured: {' and '.join(missing)} are not installed here (they come with the package ansible)"])
    with launch(servers=1, ssh=False, disks=False) as sandbox, stub_provider(bench.scale.delay_seconds) as url:
        sandbox.admin.fault("delay", times=None, seconds=bench.scale.delay_seconds)
        kinds = _kinds(sandbox, url)
        costs = measure(bench, kinds)
    title = f"each answer after {bench.scale.delay_seconds * 1000:.0f} ms"
    return Part(NAME, [table(bench, title, kinds, costs, (BASE,))])


def _kinds(sandbox: SandboxHandle, url: str) -> dict[str, Kind]:
    sandbox.admin.add_snapshot("vpsorg", SERVER["vpsorg"], stub_server.NAME)
    ours = {"rewind.vps.snapshot": {**provider_options(sandbox, "vpsorg"), "server": SERVER["vpsorg"], "name": stub_server.NAME}}
    info = {"rewind.vps.snapshot_info": provider_options(sandbox, "vpsorg")}
    vultr = {"vultr.cloud.snapshot": {"api_endpoint": f"{url}/vultr", "api_key": "key", "name": stub_server.NAME, "instance": "web1"}}
    ocean = {"community.digitalocean.digital_ocean_snapshot_info": {"baseurl": f"{url}/ocean", "oauth_token": "token"}}
    return {
        BASE: Kind(ours), "rewind.vps.snapshot, module door": Kind(ours, as_module=True), "vultr.cloud.snapshot": Kind(vultr),
        "rewind.vps.snapshot_info": Kind(info), "community.digitalocean.digital_ocean_snapshot_info": Kind(ocean),
    }


@contextlib.contextmanager
def stub_provider(delay: float) -> Iterator[str]:
    """The other clouds, in a process of their own; the address."""
    command = [sys.executable, str(Path(stub_server.__file__)), str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()  # it ends with us, however we end


def _installed(name: str) -> bool:
    """Whether the package is among the installed ones; it need not be one that can be imported."""
    directory = importlib.util.find_spec("ansible")
    installed_paths = [Path(location).parent for location in (directory.submodule_search_locations or [])] if directory else []
    return any(path.joinpath(*name.split(".")).is_dir() for path in installed_paths)
