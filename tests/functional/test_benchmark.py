# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark runs: one tiny round of each part. Its measurements are not checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "benchmark" / "run.py"

pytestmark = pytest.mark.playbook


def bench(directory: Path, *arguments: str) -> tuple[dict, str]:
    """The results of a tiny round by part, and its output."""
    found = directory / "found.json"
    ended = subprocess.run([sys.executable, PROGRAM, "--tiny", "--json", found, *arguments], cwd=directory, capture_output=True, text=True,
                           timeout=300, check=False, env={**os.environ, "HOME": str(directory)})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    data = json.loads(found.read_text("utf-8"))
    assert data["machine"]["cores"] and str(found) in ended.stdout
    return {part["name"]: part for part in data["parts"]}, ended.stdout


def test_a_tiny_round_of_every_part(tmp_path: Path) -> None:
    parts, printed = bench(tmp_path)
    assert list(parts) == ["doors", "fleet", "listing", "notice", "peers", "sandbox", "role"]
    rows = {name: part["tables"][0]["rows"] for name, part in parts.items() if part["tables"]}

    (mode,) = rows["doors"]
    assert mode["task"] == "VPS.org, quick door" and mode["MB biggest"] > 10
    assert {target["verdict"] for target in parts["doors"]["targets"]} == {"not measured"}  # there is no ping in a tiny round

    alone, each = rows["fleet"]
    assert (alone["servers"], alone["creates"], alone["trouble"]) == (1, 1, None)
    assert (each["servers"], each["creates"], each["trouble"]) == (2, 2, None)
    assert alone["rounds"] >= 1 and alone["reads"] >= alone["rounds"] and "/api/v1/snapshots/" in alone["reads by path"]

    listed = rows["listing"][0]
    assert (listed["snapshots"], listed["reads"], listed["trouble"]) == (120, 2, None)

    (noticed,) = rows["notice"]
    assert noticed["polls"] >= 2 and 0 <= noticed["noticed after s"] < 60

    assert all(row["requests"] == 2 for row in rows["sandbox"])
    assert all(f"{name}: " in printed or f"({name})" in printed for name in parts)


@pytest.mark.slow
def test_the_profile_names_what_a_worker_does(tmp_path: Path) -> None:
    parts, dummy = bench(tmp_path, "listing", "--profile")
    places = {row["place"]: row for row in parts["listing"]["tables"][1]["rows"]}
    assert "the whole worker" in places and len(places) > 10
    assert places["module_utils._http.session: HttpSession.request"]["calls"] == 2
