# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's verdicts, and what they count. (A tiny round of each part: tests/functional/test_benchmark.py.)"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from benchmark import fleet, role
from benchmark.measure import run as run_program
from benchmark.report import MET, NOT_MEASURED, NOT_MET
from benchmark.request_count import count


def fleet_row(servers: int, **fields: Any) -> dict[str, Any]:
    return {"how": "one task", "servers": servers, "seconds": 20.0, "creates": servers, "reads": 30, "reads needed": 30,
            "MB largest process": 100.0, "MB all processes": 200.0, "error": None, **fields}


@pytest.mark.parametrize(("fields", "missed"), [
    ({"seconds": 40.0}, []), ({"seconds": 40.1}, ["seconds"]), ({"creates": 1001}, ["creates"]), ({"reads": 31}, ["reads"]),
    ({"MB largest process": 251.0}, ["largest"]), ({"MB all processes": 251.0}, ["all processes"]),
])
def test_the_targets_for_a_thousand_servers(fields: dict[str, Any], missed: list[str]) -> None:
    found = fleet.targets("VPS.org", [fleet_row(1), fleet_row(1000, **fields)])
    wrong = [target.what for target in found if target.verdict == NOT_MET]
    assert len(found) == 5 and len(wrong) == len(missed) and all(word in what for word, what in zip(missed, wrong, strict=True))


def test_a_failed_task_meets_no_target() -> None:
    failed = fleet.targets("VPS.org", [fleet_row(1), fleet_row(1000, error="refused")])
    assert {target.verdict for target in failed} == {NOT_MEASURED} and fleet.targets("VPS.org", [fleet_row(1)]) == []


def test_tasks_per_host_are_counted_in_the_recap() -> None:
    recap = "PLAY RECAP ***\n{}   : ok=23   changed=3    unreachable=0    failed=1    skipped={}   rescued=2    ignored=1\n"
    assert role.tasks_per_host("TASK [x] ***\n" + recap.format("web1", 4) + recap.format("web2", 5)[15:]) == 31
    rows = [{"play": role.PLAIN, "ratio": 1.0, "tasks per host": 1}, {"play": role.GUARDED, "ratio": 2.15, "tasks per host": 31}]
    assert [target.verdict for target in role.targets(1, rows)] == [NOT_MET, NOT_MET]
    assert [target.verdict for target in role.targets(40, rows)] == [NOT_MET, MET]


def request(operation: str, path: str, cloud: str = "vpsorg", server: str | None = None, **query: str) -> dict[str, Any]:
    return {"operation": operation, "path": path, "cloud": cloud, "server": server, "query": query,
            "changing": operation in ("snapshots.create", "servers.power")}


def test_polls_of_the_accounts_list_are_counted_as_rounds_of_pages() -> None:
    servers = [request("servers.list", "/api/v1/servers/", page=str(page)) for page in (1, 2)]
    creates = [request("snapshots.create", "/api/v1/snapshots/", server=f"web{number}") for number in range(3)]
    polls = [request("snapshots.list", "/api/v1/snapshots/", **query) for query in ({}, {"page": "2"}, {"page": "1"}, {"page": "2"}, {"page": "3"})]
    found = count([*servers, *creates, *polls], 3)
    assert (found.creates, found.rounds, found.reads, found.needed_reads) == (3, 2, 7, 8)


def test_polls_of_each_server_are_rounds_and_more_than_an_accounts_list_needs() -> None:
    polls = [request("snapshots.list", "/api/v1/snapshots/", server=f"web{number}", server_id=str(number)) for number in range(300)] * 2
    found = count(polls, 300)
    assert (found.rounds, found.reads, found.needed_reads) == (2, 600, 6)

    polls = [request("snapshots.list", f"/server/manage/app{number}/snapshot", "ilkbyte", f"app{number}") for number in (1, 2, 3, 1, 2)]
    found = count([request("servers.list", "/server/list/all", "ilkbyte", p="1"), *polls], 3)
    assert (found.rounds, found.reads, found.needed_reads) == (2, 6, 7)


def test_a_program_is_measured_with_its_children(tmp_path: Path) -> None:
    busy = "import time\nx = bytearray(60_000_000)\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\nprint('text')\nsys.exit(3)"
    ended = run_program([sys.executable, "-c", parent], environment=dict(os.environ), directory=tmp_path)
    assert (ended.status, ended.output) == (3, "text\n")
    assert ended.usage.cpu >= 0.3 and ended.usage.seconds >= 0.3 and ended.usage.largest_mb >= 60
    assert ended.usage.tree_mb is None or ended.usage.tree_mb > 0


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """Newer versions of Ansible start each worker in its own session."""
    worker = "import time; time.sleep(60)"
    program = (f"import subprocess, sys\nprocess = subprocess.Popen([sys.executable, '-c', {worker!r}], start_new_session=True)\n"
               "print(process.pid, flush=True)\nprocess.wait()")
    with pytest.raises(TimeoutError) as caught:
        run_program([sys.executable, "-c", program], environment=dict(os.environ), directory=tmp_path, limit=2.0)
    pid = int(str(caught.value).split()[-1])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    text = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(text) and not text.startswith("Z")
