# SPDX-License-Identifier: GPL-3.0-or-later
"""How quickly the sandbox itself answers: its processor time is what the clients measured here compete with."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmark.report import Part, Table
from benchmark.scale import Bench
from sandbox import SandboxHandle, launch

NAME = "sandbox"
SNAPSHOTS_EACH = 5
FIRST_ID = 12345

Calls = Iterator[tuple[str, str, str | None]]


def run(bench: Bench) -> Part:
    """Start one with many servers, fill it, and ask it for everything that a fleet asks for."""
    servers, calls = bench.scale.sandbox_servers, bench.scale.sandbox_calls
    started_at = time.monotonic()
    with launch(servers=servers, ssh=False, disks=False) as sandbox:
        started = time.monotonic() - started_at
        started_at = time.monotonic()
        sandbox.admin.add_snapshots("vpsorg", [{"server": f"web{1 + number % servers}", "name": f"s{number}"}
                                               for number in range((SNAPSHOTS_EACH - 1) * servers)])
        added = time.monotonic() - started_at
        sandbox.admin.settings(seconds={"vpsorg.snapshots.create": 1.0, "ilkbyte.snapshots.create": 1.0})
        rows = [_row(sandbox, sandbox.vpsorg_url, what, calls) for what, calls in _vpsorg(servers, calls).items()]
        rows += [_row(sandbox, sandbox.ilkbyte_url, what, calls) for what, calls in _ilkbyte(sandbox, servers, calls).items()]
        megabytes = int(_status(sandbox, "VmHWM")) / 1024 if _status(sandbox, "VmHWM") else None
    note = (f"{servers} servers at each cloud started in {started:.2f} s; {(SNAPSHOTS_EACH - 1) * servers} snapshots planted in {added:.2f} s"
            + (f"; {megabytes:.0f} MB at the most" if megabytes else ""))
    return Part(NAME, [Table(f"its answers, {servers} servers at each cloud", rows)], notes=[note])


def _vpsorg(servers: int, number: int) -> dict[str, Calls]:
    pages = max(1, (SNAPSHOTS_EACH - 1) * servers // 100)
    return {
        "VPS.org create": (("POST", "/api/v1/snapshots/", json.dumps({"server_id": FIRST_ID + one, "name": "new"}))
                           for one in range(min(number, servers))),
        "VPS.org list, 100 a page": (("GET", f"/api/v1/snapshots/?page_size=100&page={1 + one % pages}", None) for one in range(number)),
        "VPS.org list, server_id": (("GET", f"/api/v1/snapshots/?server_id={FIRST_ID + one % servers}", None) for one in range(number)),
        "VPS.org servers, 100 a page": (("GET", "/api/v1/servers/?page_size=100", None) for _one in range(number)),
    }


def _ilkbyte(sandbox: SandboxHandle, servers: int, number: int) -> dict[str, Calls]:
    keys = f"access={sandbox.ilkbyte_access_key}&secret={sandbox.ilkbyte_secret_key}"
    manage = "/server/manage/app"
    return {
        "Ilkbyte create": (("GET", f"{manage}{1 + one}/snapshot/create?name=new&{keys}", None) for one in range(min(number, servers))),
        "Ilkbyte list": (("GET", f"{manage}{1 + one % servers}/snapshot?{keys}", None) for one in range(number)),
        "Ilkbyte show": (("GET", f"{manage}{1 + one % servers}/show?{keys}", None) for one in range(number)),
        "Ilkbyte servers": (("GET", f"/server/list/all?{keys}", None) for _one in range(number)),
    }


def _row(sandbox: SandboxHandle, url: str, what: str, calls: Calls) -> dict[str, object]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {sandbox.vpsorg_token}", "Content-Type": "application/json"}
    cpu, started_at, number = _cpu(sandbox), time.monotonic(), 0
    for method, path, body in calls:
        number += 1
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{what}: HTTP {answer.status}")
    seconds = time.monotonic() - started_at
    connection.close()
    after = _cpu(sandbox)
    return {"what": what, "requests": number, "ms": seconds / number * 1000, "a second": number / seconds,
            "sandbox CPU ms": None if after is None or cpu is None else (after - cpu) / number * 1000}


def _cpu(sandbox: SandboxHandle) -> float | None:
    """Seconds of processor that the sandbox has had; None where the system doesn't tell."""
    try:
        fields = Path(f"/proc/{sandbox.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status(sandbox: SandboxHandle, name: str) -> str | None:
    try:
        lines = Path(f"/proc/{sandbox.process.pid}/status").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((line.split()[1] for line in lines if line.startswith(f"{name}:")), None)
