# SPDX-License-Identifier: GPL-3.0-or-later
"""Ilkbyte's snapshot tree agrees with a second model of libvirt's rules, with libvirt itself, and over HTTP."""

from __future__ import annotations

import glob
import json
import random
import re
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from lineage_model import SHOWN, LineageModel

from sandbox import launch
from sandbox.ilkbyte.snapshot_tree import NoSuchSnapshot, SnapshotExists, SnapshotTree

NAMES = [f"s{number}" for number in range(7)]
OPERATIONS = ("create", "create", "revert", "delete", "recreate", "power")
LONG_AGO = datetime(2020, 11, 23, tzinfo=timezone.utc)
ORACLE = Path(__file__).with_name("libvirt_oracle.py")
ORACLE_OPERATIONS = 1500


class TreeWithPower:
    """The sandbox's tree and power state, with the model's interface."""

    def __init__(self) -> None:
        self.tree = SnapshotTree()
        self.power = "running"

    def apply(self, operation: str, argument: str) -> bool:
        try:
            if operation == "power":
                self.power = argument
            elif operation == "create":
                self.tree.create(argument, self.power, LONG_AGO)
            elif operation == "revert":
                self.power = self.tree.revert(argument)
            elif operation == "delete":
                self.tree.delete(argument)
            else:
                self.tree.delete(argument)
                self.tree.create(argument, self.power, LONG_AGO)
        except (SnapshotExists, NoSuchSnapshot):
            return False
        return True

    def rows(self) -> dict:
        fields = ("current", "state", "parent", "children", "descendants")
        return {name: {field: self.tree.describe(name)[field] for field in fields} for name in self.tree.names()}


def random_operations(seed: int, number: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    chosen = []
    for _attempt in range(number):
        operation = rng.choice(OPERATIONS)
        chosen.append((operation, rng.choice(("running", "shutoff") if operation == "power" else NAMES)))
    return chosen


steps = st.tuples(st.sampled_from(("create", "revert", "delete", "recreate")), st.sampled_from(NAMES)) | st.tuples(
    st.just("power"), st.sampled_from(("running", "shutoff", "paused")))


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=40))
def test_tree_agrees_with_a_differently_written_model(operations: list[tuple[str, str]]) -> None:
    tree, model = TreeWithPower(), LineageModel()
    for operation, argument in operations:
        assert tree.apply(operation, argument) == model.apply(operation, argument), (operation, argument)
        assert (tree.power, tree.tree.current) == (model.power, model.current), (operation, argument)
        assert tree.rows() == model.rows(), (operation, argument)


def test_recreated_snapshot_loses_its_place() -> None:
    tree = TreeWithPower()
    for name in ("s1", "s2", "s3"):
        tree.apply("create", name)
    tree.apply("recreate", "s1")
    assert {name: row["parent"] for name, row in tree.rows().items()} == {"s2": "-", "s3": "s2", "s1": "s3"}
    assert tree.tree.current == "s1"


def test_long_chain_is_counted() -> None:
    tree = TreeWithPower()
    for number in range(1200):
        tree.apply("create", f"n{number}")
    assert tree.tree.describe("n0")["descendants"] == 1199


def test_tree_agrees_with_libvirt() -> None:
    python = python_with_libvirt()
    if python is None:
        pytest.skip("no Python here has the module libvirt (Debian: apt-get install python3-libvirt)")
    operations = random_operations(seed=20201123, number=ORACLE_OPERATIONS)
    answered = subprocess.run([python, str(ORACLE)], input=json.dumps(operations), capture_output=True, text=True,
                              timeout=120, check=True)
    answers = [json.loads(line) for line in answered.stdout.splitlines()]
    assert len(answers) == ORACLE_OPERATIONS
    assert 300 < sum(answer["ok"] for answer in answers) < ORACLE_OPERATIONS
    tree = TreeWithPower()
    for number, ((operation, argument), answer) in enumerate(zip(operations, answers)):
        where = f"operation {number}: {operation} {argument}"
        assert tree.apply(operation, argument) == answer["ok"], where
        assert (tree.power, tree.tree.current) == (answer["power"], answer["current"]), where
        assert tree.rows() == answer["snapshots"], where


def test_the_api_shows_every_field_of_the_tree() -> None:
    model = LineageModel()
    with launch(vpsorg_servers=0, ilkbyte_servers=1, speed=20_000, ssh=False) as sandbox:
        sandbox.admin.settings(ilkbyte_responds="on_finish")
        client = IlkbyteCalls(sandbox.ilkbyte_url, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key)
        for number, (operation, argument) in enumerate(random_operations(seed=7, number=60)):
            where = f"operation {number}: {operation} {argument}"
            expected = model.power != argument if operation == "power" else None
            agreed = model.apply(operation, argument)
            answer = client.perform(operation, argument)
            assert answer["status"] is (agreed if expected is None else expected), where
            assert client.get("/show")["data"]["status"] == SHOWN[model.power], where
            rows = client.get("/snapshot")["data"]["snapshots"]
            dates = {row["name"]: row.pop("date") for row in rows}
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00", date) for date in dates.values()), where
            no_schedule = {"is_cron": False, "last_run": None, "next_run": None, "cron_time": None}
            always = {"location": "internal", "metadata": True, "params": no_schedule}
            assert {row["name"]: row for row in rows} == {
                name: {"name": name, **row, **always} for name, row in model.rows().items()}, where
    assert number == 59


class IlkbyteCalls:
    """The operations of the model as calls to the API."""

    def __init__(self, url: str, access: str, secret: str) -> None:
        self._base = f"{url}/server/manage/app1"
        self._keys = {"access": access, "secret": secret}

    def get(self, path: str, **parameters: str) -> dict:
        answer = requests.get(self._base + path, params={**self._keys, **parameters}, timeout=10)
        assert answer.status_code == 200
        return answer.json()

    def perform(self, operation: str, argument: str) -> dict:
        if operation == "power":
            return self.get("/power", set="start" if argument == "running" else "destroy")
        return self.get(f"/snapshot/{'update' if operation == 'recreate' else operation}", name=argument)


def python_with_libvirt() -> str | None:
    """A Python on this machine that can import libvirt; Debian's module is for Debian's Python only."""
    candidates = [sys.executable, "/usr/bin/python3", *sorted(glob.glob("/usr/bin/python3.[0-9]*")),
                  shutil.which("python3") or ""]
    for candidate in dict.fromkeys(filter(None, candidates)):
        try:
            tried = subprocess.run([candidate, "-c", "import libvirt; libvirt.open('test:///default')"],
                                   capture_output=True, timeout=20, check=False)
        except OSError:
            continue
        if tried.returncode == 0:
            return candidate
    return None
