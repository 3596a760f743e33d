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

pytestmark = [pytest.mark.playbook, pytest.mark.slow]


def test_a_tiny_round_of_every_part(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    ended = subprocess.run([sys.executable, PROGRAM, "--tiny", "--json", results], cwd=tmp_path, capture_output=True, text=True,
                           timeout=400, check=False, env={**os.environ, "HOME": str(tmp_path)})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    data = json.loads(results.read_text("utf-8"))
    assert data["machine"]["cores"] and str(results) in ended.stdout
    parts = {part["name"]: part for part in data["parts"]}
    assert list(parts) == ["execution_mode", "fleet", "listing", "role"]
    rows = {name: next(iter(part["tables"].values())) for name, part in parts.items()}

    assert [row["task"] for row in rows["execution_mode"]] == ["ping", "VPS.org, in process", "VPS.org, module"]
    alone, each = rows["fleet"]
    assert (alone["servers"], alone["creates"], alone["error"]) == (1, 1, None) and alone["MB largest process"] > 10
    assert (each["servers"], each["creates"], each["error"]) == (2, 2, None)
    assert 1 <= alone["rounds"] <= alone["reads"]
    assert rows["listing"][0]["reads"] == 2
    plain, guarded = rows["role"]
    assert plain["tasks per host"] == 1 < guarded["tasks per host"] and guarded["ratio"] > 1
    assert all(f"{name}: " in ended.stdout for name in parts)
