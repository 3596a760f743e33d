# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules from the command line, with the credentials in the environment. (The others, as the README has them: test_readme.py.)"""

from __future__ import annotations

import json

import pytest
from support.cases import add_snapshot, provider_options
from support.playbook_runner import PlaybookRunner

pytestmark = pytest.mark.playbook


@pytest.fixture
def environment(runner: PlaybookRunner) -> dict[str, str]:
    vpsorg, ilkbyte = provider_options(runner.sandbox, "vpsorg"), provider_options(runner.sandbox, "ilkbyte")
    return {
        "VPS_API_TOKEN": vpsorg["api_token"], "VPS_API_URL": vpsorg["api_url"],
        # The other pair of names, which public clients use as well.
        "ILKBYTE_ACCESSKEY": ilkbyte["access_key"], "ILKBYTE_SECRETKEY": ilkbyte["secret_key"],
        "ILKBYTE_HOST": ilkbyte["api_url"],
    }


@pytest.mark.parametrize(("module", "arguments", "expected", "key", "changing"), [
    ("server_info", "provider=vpsorg", "SUCCESS", "servers", []),
    pytest.param("snapshot_info", "provider=ilkbyte server=app1", "SUCCESS", "snapshots", [], marks=pytest.mark.slow),
    pytest.param("snapshot", "provider=vpsorg server=web1 name=two", "CHANGED", "snapshot", ["snapshots.create"], marks=pytest.mark.slow),
    ("snapshot", "provider=ilkbyte server=app1 name=one state=absent", "CHANGED", "snapshots", ["snapshots.delete"]),
    ("snapshot_restore", "provider=vpsorg server=web1 id=801", "CHANGED", "server", ["snapshots.restore"]),
    ("snapshot_cron", "provider=ilkbyte server=app1 name=one day=300 hour=2 min=3", "CHANGED", "schedule", ["cron.add"]),
])
def test_each_module(runner: PlaybookRunner, environment: dict[str, str], module: str, arguments: str, expected: str, key: str,
                     changing: list[str]) -> None:
    for cloud in ("vpsorg", "ilkbyte"):
        dummy, setup = add_snapshot(cloud, "one")
        runner.sandbox.admin.add_snapshot(**setup)
    run = runner.ad_hoc("localhost", "-m", f"rewind.vps.{module}", "-a", arguments, environment=environment)
    assert run.status == 0, run.output
    head, dummy, body = run.stdout.partition(" => ")
    assert head == f"localhost | {expected}"
    assert key in json.loads(body)
    assert [entry["operation"] for entry in runner.sandbox.admin.requests(changing=True)] == changing


def test_provider_from_the_environment_and_check_mode(runner: PlaybookRunner, environment: dict[str, str]) -> None:
    run = runner.ad_hoc("localhost", "-m", "rewind.vps.snapshot", "-a", "server=web1 name=one", "--check",
                       environment={**environment, "REWIND_PROVIDER": "vpsorg"})
    assert run.status == 0 and run.stdout.startswith("localhost | CHANGED"), run.output
    assert runner.sandbox.admin.requests(changing=True) == [] and runner.sandbox.admin.requests() != []


def test_failure(runner: PlaybookRunner) -> None:
    run = runner.ad_hoc("localhost", "-m", "rewind.vps.server_info", "-a", "provider=vpsorg")
    assert run.status == 2 and "FAILED" in run.output and "VPS_API_TOKEN" in run.output
    assert "Traceback" not in run.output
