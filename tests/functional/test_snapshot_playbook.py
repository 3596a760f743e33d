# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rewind.vps.snapshot, for servers of the command line or the inventory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.vars.reserved import is_reserved_name
from support.cases import ago, credentials_environment
from support.playbook_runner import PlaybookRunner, Run

if TYPE_CHECKING:
    from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = "rewind.vps.snapshot"
GENERATED = re.compile("manual[0-9]{8}T[0-9]{6}Z")


def run_playbook(runner: PlaybookRunner, sandbox: SandboxHandle, *arguments: str, cloud: str = "vpsorg", **variables: Any) -> Run:
    environment = {**credentials_environment(sandbox), "REWIND_PROVIDER": cloud}
    return runner.command("ansible-playbook", PLAYBOOK, *arguments, "-e", json.dumps(variables), environment=environment)


def names(sandbox: SandboxHandle, server: str) -> list[str]:
    return [item["name"] for item in sandbox.admin.server(server)["snapshots"]]


def test_two_servers_by_name_and_retention_of_generated_names_alone(runner: PlaybookRunner, sandbox: SandboxHandle) -> None:
    for number in (1, 2):
        sandbox.admin.add_snapshot("vpsorg", "web1", f"manual2026010{number}T000000Z", created_at=ago(days=9 - number))
    sandbox.admin.add_snapshot("vpsorg", "web1", "manual-by-hand", created_at=ago(days=300))
    run = run_playbook(runner, sandbox, "-e", "snapshot_servers=web1,web2", "-e", "snapshot_retain_count=2")
    assert run.status == 0, run.output
    left = names(sandbox, "web1")
    assert "manual20260101T000000Z" not in left and {"manual20260102T000000Z", "manual-by-hand"} <= set(left) and len(left) == 3
    (new,) = names(sandbox, "web2")
    assert GENERATED.fullmatch(new) and new in run.stdout
    assert [request["operation"] for request in sandbox.admin.requests(changing=True)].count("snapshots.create") == 2
    assert "reserved name" not in run.output


@pytest.mark.slow
def test_hosts_of_the_inventory_at_both_clouds(runner: PlaybookRunner, sandbox: SandboxHandle) -> None:
    checked = run_playbook(runner, sandbox, "-i", sandbox.inventory, "--check", target="sandbox")
    assert checked.status == 0 and not sandbox.admin.requests(changing=True), checked.output
    run = run_playbook(runner, sandbox, "-i", sandbox.inventory, target="sandbox")
    assert run.status == 0, run.output
    for server in ("web1", "web2", "app1", "app2"):
        (name,) = names(sandbox, server)
        assert GENERATED.fullmatch(name), server


@pytest.mark.slow
def test_a_given_name_needs_a_pattern_for_retention(runner: PlaybookRunner, sandbox: SandboxHandle) -> None:
    for changed in (1, 0):
        run = run_playbook(runner, sandbox, snapshot_servers="web1", snapshot_name="before-php8")
        assert run.status == 0 and f"changed={changed}" in run.stdout, run.output
    assert names(sandbox, "web1") == ["before-php8"]
    refused = run_playbook(runner, sandbox, snapshot_servers="web1", snapshot_name="before-php9", snapshot_retain_count=1)
    assert refused.status == 2 and "retain.match is empty" in refused.stdout
    kept = run_playbook(runner, sandbox, snapshot_servers="web1", snapshot_name="before-php9", snapshot_retain_count=1,
                        snapshot_retain_match="before-*")
    assert kept.status == 0 and names(sandbox, "web1") == ["before-php9"], kept.output


@pytest.mark.slow
def test_without_waiting_and_without_a_server(runner: PlaybookRunner, sandbox: SandboxHandle) -> None:
    run = run_playbook(runner, sandbox, cloud="ilkbyte", snapshot_servers="app1", snapshot_wait=False)
    assert run.status == 0 and len(sandbox.admin.requests(operation="snapshots.create")) == 1, run.output
    for wrong in ({}, {"snapshot_servers": "web1", "target": "localhost"}):
        refused = run_playbook(runner, sandbox, **wrong)
        assert refused.status == 2 and "Select the servers either with -e snapshot_servers=web1" in refused.stdout, refused.output


def test_no_documented_variable_is_a_reserved_name() -> None:
    """Ansible warns of reserved names, such as `hosts`, at every run."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md"), *(ROOT / "playbooks").glob("*.yml")]
    named = {name for page in pages for name in re.findall(r"-e ([a-z_]+)=", page.read_text("utf-8"))}
    assert {"target", "batch", "snapshot_servers", "snapshot_wait", "report_provider", "rollback_confirm"} <= named
    assert not [name for name in named if is_reserved_name(name)]


def test_a_schedules_dry_run_needs_the_permission_to_create_even_if_no_snapshot_is_due(runner: PlaybookRunner, sandbox: SandboxHandle) -> None:
    job = {"provider": "vpsorg", "api_url": sandbox.vpsorg_url, "server": "web1", "prefix": "nightly-", "match": "nightly-*", "count": 2,
           "skip_if_newer_than": "20h"}
    sandbox.admin.add_snapshot("vpsorg", "web1", "nightly-202601010000", created_at=ago(hours=1))
    sandbox.admin.add_credentials(vpsorg_token={"token": "vps_only_reads", "permissions": ["servers:read"]})
    for token, status in ((sandbox.vpsorg_token, 0), ("vps_only_reads", 2)):
        run = runner.command("ansible-playbook", "rewind.vps.scheduled_snapshot", "--check", "-e", json.dumps({"scheduled_snapshot": job}),
                             environment={**credentials_environment(sandbox), "VPS_API_TOKEN": token})
        assert run.status == status, run.output
        assert ("do not permit changes of servers and snapshots (permissions: servers:read)" in run.output) == (status == 2), run.output
    assert not sandbox.admin.requests(changing=True)
