# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's pure parts: ratios, targets, tables, JSON, and what is counted in the request log."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from benchmark import execution_modes, fleet, notice
from benchmark.measure import run as measured
from benchmark.profiling import rows_of
from benchmark.report import MET, NOT_MEASURED, NOT_MET, Part, Table, Target, as_data, per_task, ratio, show, show_targets, text, write_json
from benchmark.request_count import count
from rich.console import Console


def printed(write: Any, *what: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    write(*what, console)
    return console.file.getvalue()


def test_start_up_falls_out_of_what_a_task_costs() -> None:
    assert per_task([1.5, 1.0, 9.0], [4.0, 3.0, 8.0], 20) == pytest.approx(0.1)


@pytest.mark.parametrize(("figure", "base", "found"), [
    (3.0, 2.0, 1.5), (0.0, 2.0, 0.0), (None, 2.0, None), (3.0, None, None), (3.0, 0.0, None), (3.0, -1.0, None),
])
def test_ratio(figure: float | None, base: float | None, found: float | None) -> None:
    assert ratio(figure, base) == found


@pytest.mark.parametrize(("figure", "verdict"), [(0.12, MET), (0.0, MET), (0.1201, NOT_MET), (None, NOT_MEASURED)])
def test_a_target_is_met_up_to_its_limit(figure: float | None, verdict: str) -> None:
    assert Target("cost", figure, 0.12).verdict == verdict


@pytest.mark.parametrize(("value", "shown"), [
    (None, "-"), (0.1234, "0.123"), (12.345, "12.3"), (12345.6, "12,346"), (12345, "12,345"), ("a text", "a text"), (True, "True"),
])
def test_values_as_tables_show_them(value: Any, shown: str) -> None:
    assert text(value) == shown


def test_a_table_has_every_column_and_a_dash_where_there_is_nothing() -> None:
    table = Table("things", [{"what": "one", "ms": 1.5}, {"what": "two", "trouble": "it [fell] over"}])
    assert table.columns == ["what", "ms", "trouble"]
    text = printed(show, Part("part", [table], notes=["a [note]"]))
    for word in ("part: things", "one", "1.5", "two", "-", "a [note]"):
        assert word in text


def test_targets_are_printed_with_figure_and_verdict() -> None:
    part = Part("doors", targets=[Target("cost", 0.5, 0.12, " s"), Target("size", None, 3.0, why="nobody looked")])
    text = printed(show_targets, [part])
    assert all(word in text for word in ("0.12 s", "0.5 s", NOT_MET, NOT_MEASURED, "nobody looked"))


def test_json_has_figures_verdicts_and_the_machine(tmp_path: Path) -> None:
    part = Part("doors", [Table("things", [{"ms": 1.5}])], [Target("cost", 0.1, 0.12), Target("other", None, math.inf)])
    path = tmp_path / "new folder" / "found.json"
    write_json(path, as_data([part], {"cores": 2}))
    data = json.loads(path.read_text("utf-8"))
    assert data["machine"] == {"cores": 2} and data["parts"][0]["tables"][0]["rows"] == [{"ms": 1.5}]
    assert [target["verdict"] for target in data["parts"][0]["targets"]] == [MET, NOT_MEASURED]
    assert [target["limit"] for target in data["parts"][0]["targets"]] == [0.12, None]
    assert [entry.name for entry in path.parent.iterdir()] == ["found.json"]


# --- what is promised


def test_the_quick_door_is_held_against_ping_and_debug() -> None:
    found = execution_modes.targets({"debug": 0.010, "ping": 0.300, "VPS.org, quick door": 0.030, "VPS.org, module door": 0.700})
    assert [(target.figure, target.verdict) for target in found] == [(pytest.approx(0.1), MET), (pytest.approx(3.0), NOT_MET)]
    assert [target.verdict for target in execution_modes.targets({"debug": 0.010, "VPS.org, quick door": 0.020})] == [NOT_MEASURED, MET]


def fleet_row(servers: int, **fields: Any) -> dict[str, Any]:
    return {"how": "one task", "servers": servers, "seconds": 20.0, "creates": servers, "reads": 30, "of them needed": 30, "MB biggest": 100.0,
            "MB whole tree": 200.0, "trouble": None, **fields}


@pytest.mark.parametrize(("fields", "missed"), [
    ({"seconds": 40.0}, []), ({"seconds": 40.1}, ["seconds"]), ({"creates": 1001}, ["creates"]), ({"reads": 31}, ["reads"]),
    ({"MB biggest": 251.0}, ["biggest"]), ({"MB whole tree": 251.0}, ["tree"]),
])
def test_what_is_promised_of_a_thousand_servers(fields: dict[str, Any], missed: list[str]) -> None:
    found = fleet.targets("vpsorg", [fleet_row(1), fleet_row(1000, **fields)])
    wrong = [target.what for target in found if target.verdict == NOT_MET]
    assert len(found) == 5 and len(wrong) == len(missed) and all(word in what for word, what in zip(missed, wrong, strict=True))


def test_a_fleet_that_failed_meets_nothing() -> None:
    for rows in ([fleet_row(1), fleet_row(1000, trouble="refused")], [fleet_row(1)], []):
        assert {target.verdict for target in fleet.targets("vpsorg", rows)} == {NOT_MEASURED}


def test_only_the_long_operation_has_targets() -> None:
    rows = [{"cloud": "vpsorg", "operation s": seconds, "polls": 21, "noticed after s": 3.0} for seconds in (5.0, 600.0)]
    assert [target.verdict for target in notice.targets(rows)] == [MET, NOT_MET]


# --- what is counted


def request(operation: str, path: str, cloud: str = "vpsorg", server: str | None = None, **query: str) -> dict[str, Any]:
    return {"operation": operation, "path": path, "cloud": cloud, "server": server, "query": query,
            "changing": operation in ("snapshots.create", "servers.power")}


def test_rounds_and_pages_of_an_accounts_list() -> None:
    servers = [request("servers.list", "/api/v1/servers/", page=str(page)) for page in (1, 2)]
    creates = [request("snapshots.create", "/api/v1/snapshots/", server=f"web{number}") for number in range(3)]
    looks = [request("snapshots.list", "/api/v1/snapshots/", **query) for query in ({}, {"page": "2"}, {"page": "1"}, {"page": "2"}, {"page": "3"})]
    found = count([*servers, *creates, *looks], 3)
    assert (found.creates, found.rounds, found.pages, found.all_reads, found.allowed_reads) == (3, 2, 3, 7, 8)
    assert found.reads == {"/api/v1/servers/": 2, "/api/v1/snapshots/": 5}


def test_looking_at_each_server_is_more_than_an_accounts_list_needs() -> None:
    looks = [request("snapshots.list", "/api/v1/snapshots/", server=f"web{number}", server_id=str(number)) for number in range(300)] * 2
    found = count(looks, 300)
    assert (found.rounds, found.pages, found.all_reads, found.allowed_reads) == (2, 3, 600, 6)
    assert found.format_reads() == "600 /api/v1/snapshots/?server_id"


def test_where_only_servers_have_lists_each_is_looked_at_in_a_round() -> None:
    looks = [request("snapshots.list", f"/server/manage/app{number}/snapshot", "ilkbyte", f"app{number}") for number in (1, 2, 3, 1, 2)]
    servers = [request("servers.list", "/server/list/all", "ilkbyte", p=str(page)) for page in (1, 2)]
    found = count([*servers, *looks], 3)
    assert (found.rounds, found.pages, found.all_reads, found.allowed_reads) == (2, 3, 7, 8)
    assert found.reads == {"/server/list/all": 2, "/server/manage/*/snapshot": 5}


def test_nothing_was_asked() -> None:
    found = count([], 1)
    assert (found.creates, found.rounds, found.all_reads, found.format_reads()) == (0, 0, 0, "none")


def test_places_of_workers_by_what_they_cost_themselves() -> None:
    figures = ((0.04, 0.010), (0.05, 0.020), (0.06, 0.030))
    workers = [{"cpu": cpu, "places": {"dear": [1, 0.030, own], "cheap": [4, 0.002, 0.001]}} for cpu, own in figures]
    rows = rows_of(workers)
    assert [row["place"] for row in rows] == ["the whole worker", "dear", "cheap"]
    assert rows[0]["with all inside ms"] == pytest.approx(50) and rows[1]["own ms"] == pytest.approx(20) and rows[2]["calls"] == 4
    assert rows_of([]) == []


# --- what is measured


def test_a_program_is_measured_with_its_children(tmp_path: Path) -> None:
    busy = "import time\nx = bytearray(60_000_000)\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\nprint('said')\nsys.exit(3)"
    ended = measured([sys.executable, "-c", parent], environment=dict(os.environ), directory=tmp_path)
    assert (ended.status, ended.output) == (3, "said\n")
    assert ended.usage.cpu >= 0.3 and ended.usage.seconds >= 0.3 and ended.usage.biggest_mb >= 60
    assert ended.usage.tree_mb is None or ended.usage.tree_mb > 0


def test_what_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    """Newer versions of Ansible give each worker a session of its own."""
    worker = "import time; time.sleep(60)"
    program = (f"import subprocess, sys\nprocess = subprocess.Popen([sys.executable, '-c', {worker!r}], start_new_session=True)\n"
               "print(process.pid, flush=True)\nprocess.wait()")
    with pytest.raises(TimeoutError) as caught:
        measured([sys.executable, "-c", program], environment=dict(os.environ), directory=tmp_path, limit=2.0)
    pid = int(str(caught.value).split()[-1])
    gone = time.monotonic() + 10
    while time.monotonic() < gone and _runs(pid):
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    text = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(text) and not text.startswith("Z")


def test_the_other_clouds_answer_and_end_with_whoever_started_them() -> None:
    import requests
    from benchmark.other_collections import stub_provider

    with stub_provider(0.0) as url, requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{url}/vultr/snapshots", timeout=10).json()["snapshots"][0]["description"] == "one"
        assert session.get(f"{url}/ocean/snapshots?page=1&per_page=40", timeout=10).json()["snapshots"][0]["name"] == "one"
        assert session.get(f"{url}/ocean/other", timeout=10).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/vultr/snapshots", timeout=10, proxies={"no": "*"})


def test_a_part_that_is_not_there_is_refused() -> None:
    ended = subprocess.run([sys.executable, Path(execution_modes.__file__).with_name("run.py"), "coffee"], capture_output=True, text=True,
        check=False)
    assert ended.returncode == 2 and "there is no part coffee" in ended.stderr
