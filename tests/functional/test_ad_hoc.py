# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules from the command line, with the credentials in the environment. (The README's commands: test_readme.py.)"""

from __future__ import annotations

import json

import pytest
from support.cases import credentials_environment
from support.playbook_runner import PlaybookRunner

pytestmark = pytest.mark.playbook


@pytest.fixture
def environment(runner: PlaybookRunner) -> dict[str, str]:
    """With Ilkbyte's keys as public clients name them."""
    names = {"ILKBYTE_ACCESS_KEY": "ILKBYTE_ACCESSKEY", "ILKBYTE_SECRET_KEY": "ILKBYTE_SECRETKEY"}
    return {names.get(name, name): value for name, value in credentials_environment(runner.sandbox).items()}


def test_the_other_names_of_credentials(runner: PlaybookRunner, environment: dict[str, str]) -> None:
    runner.sandbox.admin.add_snapshot("ilkbyte", "app1", "one")
    run = runner.ad_hoc("localhost", "-m", "rewind.vps.snapshot", "-a", "provider=ilkbyte server=app1 name=one state=absent", environment=environment)
    assert run.status == 0, run.output
    head, dummy, body = run.stdout.partition(" => ")
    assert head == "localhost | CHANGED" and json.loads(body)["snapshots"] == []
    assert [entry["operation"] for entry in runner.sandbox.admin.requests(changing=True)] == ["snapshots.delete"]


def test_provider_from_the_environment_and_check_mode(runner: PlaybookRunner, environment: dict[str, str]) -> None:
    run = runner.ad_hoc("localhost", "-m", "rewind.vps.snapshot", "-a", "server=web1 name=one", "--check",
                        environment={**environment, "REWIND_PROVIDER": "vpsorg"})
    assert run.status == 0 and run.stdout.startswith("localhost | CHANGED"), run.output
    assert runner.sandbox.admin.requests(changing=True) == [] and runner.sandbox.admin.requests() != []


def test_failure(runner: PlaybookRunner) -> None:
    run = runner.ad_hoc("localhost", "-m", "rewind.vps.server_info", "-a", "provider=vpsorg")
    assert run.status == 2 and "FAILED" in run.output and "VPS_API_TOKEN" in run.output
    assert "Traceback" not in run.output
