# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts as they are: rows that lack anything, deleted servers, servers that are not ready, dates and addresses in other shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cases import RESET_CALLS, SECOND, SERVER, TaskFactory, add_snapshot, ago
from support.playbook_runner import Call, PlaybookRunner, TaskResult

from sandbox import SandboxHandle

pytestmark = pytest.mark.playbook


def row(cloud: str, snapshot: str, *without: str, **fields: object) -> Call:
    call = {"cloud": cloud, "server": SERVER[cloud], "snapshot": snapshot, "row": fields, "without": list(without)}
    return ("update_snapshot", call)


def server_row(cloud: str, server: str, *without: str, **fields: object) -> Call:
    return ("update_server", {"cloud": cloud, "server": server, "row": fields, "without": list(without)})


def rejected(outcome: TaskResult, kind: str, *texts: str) -> None:
    assert outcome.failed and outcome.error["kind"] == kind and outcome.error["outcome"] == "not_applied", outcome.result
    assert outcome.changing == [] and all(text in outcome.msg for text in texts), outcome.msg


def test_snapshots_that_lack_anything(runner: PlaybookRunner, clouds: list[TaskFactory], subtests: pytest.Subtests) -> None:
    steps = []
    for tasks in clouds:
        cloud = tasks.cloud
        setup = (
            *RESET_CALLS, add_snapshot(cloud, "odd", created_at=ago(days=9)), add_snapshot(cloud, "other", created_at=ago(days=3)),
            ("add_snapshot", {"cloud": cloud, "server": SECOND[cloud], "name": "theirs", "created_at": ago(days=5)}),
            row(cloud, "odd", "created_at", "date"),
        )
        steps += [
            tasks("snapshot_info", *setup, step=f"{cloud} account", server=None),
            tasks("snapshot_info", step=f"{cloud} old ones", server=None, older_than="1d"),
            tasks("snapshot_info", step=f"{cloud} new ones of one", newer_than="1d"),
            tasks("snapshot_info", step=f"{cloud} old ones of a name", match="oth*", older_than="1d"),
            tasks("snapshot_restore", step=f"{cloud} restore by name", name="odd"),
            tasks("snapshot", step=f"{cloud} delete by name", name="odd", state="absent"),
            tasks("snapshot", step=f"{cloud} max_age", name="odd", max_age="1d"),
            tasks("snapshot", step=f"{cloud} retain", name="new", retain={"count": 1, "match": "o*"}),
            tasks("snapshot", step=f"{cloud} retain others", name="new", retain={"count": 1, "match": "[n]*"}),
            tasks("snapshot", step=f"{cloud} delete by id", id="801" if cloud == "vpsorg" else "odd", state="absent"),
        ]
    run = runner.run(*steps)
    for cloud, server in SERVER.items():
        with subtests.test(cloud):
            assert {item["name"]: item["created_at"] is None for item in run[f"{cloud} account"].result["snapshots"]} == {
                "odd": True, "other": False, "theirs": False}
            old = run[f"{cloud} old ones"]
            assert [item["name"] for item in old.result["snapshots"]] == ["theirs"], "the other servers are not affected"
            assert old.failed and [item["server"] for item in old.result["failed_servers"]] == [server] and "no readable date" in old.msg
            rejected(run[f"{cloud} new ones of one"], "not_ready", "newer_than", "odd")
            assert [item["name"] for item in run[f"{cloud} old ones of a name"].result["snapshots"]] == ["other"]
            rejected(run[f"{cloud} restore by name"], "not_ready", "readable date", "id: ")
            rejected(run[f"{cloud} delete by name"], "not_ready", "readable date", "id: ")
            rejected(run[f"{cloud} max_age"], "not_ready", "max_age")
            rejected(run[f"{cloud} retain"], "not_ready", "retain", "no readable date")
            assert run[f"{cloud} retain others"].result["changed"] is True and run[f"{cloud} retain others"].result["pruned"] == []
            assert run[f"{cloud} delete by id"].result["changed"] is True and not run[f"{cloud} delete by id"].failed


def test_rows_of_vpsorg(runner: PlaybookRunner, vpsorg: TaskFactory) -> None:
    setup = (
        *RESET_CALLS, add_snapshot("vpsorg", "one", created_at=ago(days=2)),
        ("add_rows", {"cloud": "vpsorg", "snapshots": [{"id": 900, "status": "completed"}, None], "servers": [{"status": "active"}, 5]}),
    )
    steps = [
        vpsorg("snapshot_info", *setup, step="snapshots", server=None),
        vpsorg("server_info", step="servers", server=None),
        vpsorg("snapshot", row("vpsorg", "one", status="hibernating"), step="unknown", name="one"),
        vpsorg("snapshot_restore", step="restore unknown", id="801"),
        vpsorg("snapshot", step="delete unknown", name="one", state="absent"),
        vpsorg("snapshot_info", row("vpsorg", "one", status="cancelled"), step="cancelled", name="one"),
        vpsorg("snapshot", step="replaced", name="one"),
        vpsorg("snapshot", server_row("vpsorg", "web2", "uuid"), step="no uuid", server="web2", name="two"),
        vpsorg("snapshot", ("update_server", {"cloud": "vpsorg", "server": "web2", "show": {"deployed": False}}), step="not deployed",
               server="web2", name="three"),
        vpsorg("snapshot", step="not deployed of several", server=None, servers=["web1", "web2"], name="three"),
        vpsorg("snapshot", *RESET_CALLS, server_row("vpsorg", "web1", "id"), step="no number, no snapshot", name="one"),
        vpsorg("snapshot", add_snapshot("vpsorg", "first"), step="no number", name="one"),
        vpsorg("snapshot_restore", step="restore without a number", name="one"),
        vpsorg("snapshot", ("add_server", {"cloud": "vpsorg", "name": "web1", "hostname": "twin.example.com"}), step="two of that name",
               server="web1.example.com", name="one", state="absent"),
    ]
    run = runner.run(*steps)
    assert [(item["id"], item["name"], item["server"]["id"]) for item in run["snapshots"].result["snapshots"]] == [
        ("801", "one", "12345"), ("900", None, None), (None, None, None)]
    assert sorted(str(item["id"]) for item in run["servers"].result["servers"]) == ["12345", "12346", "None", "None"]
    rejected(run["unknown"], "not_ready", "'hibernating'")
    rejected(run["restore unknown"], "not_ready", "'hibernating'")
    rejected(run["delete unknown"], "not_ready", "known status", "'hibernating'")
    assert [item["status"] for item in run["cancelled"].result["snapshots"]] == ["failed"]
    assert [item["name"] for item in run["replaced"].result["pruned"]] == ["one"], "a cancelled one is replaced"
    assert run["no uuid"].result["changed"] is True
    rejected(run["not deployed"], "not_ready", "provisioned")
    assert [item["server"] for item in run["not deployed of several"].result["failed_servers"]] == ["web2"]
    rejected(run["no number, no snapshot"], "unsupported", "does not show the number")
    assert run["no number"].result["changed"] is True and run["no number"].result["snapshot"]["server"]["name"] == "web1"
    assert run["restore without a number"].result["changed"] is True, run["restore without a number"].result
    rejected(run["two of that name"], "ambiguous", "2 servers have its name")


def test_an_ipv6_only_server_of_vpsorg(runner: PlaybookRunner, sandbox: SandboxHandle, tmp_path: Path) -> None:
    bare = {"ip_address": None, "ipv4_addresses": [], "ipv6_addresses": []}
    sandbox.admin.update_server("vpsorg", "web2", row=bare, show={"ip_addresses": [{"version": 6, "ip": "2001:DB8::9"}]})
    path = tmp_path / "rewind_vps.yml"
    config = {"plugin": "rewind.vps.servers", "provider": "vpsorg", "api_url": sandbox.vpsorg_url, "api_token": sandbox.vpsorg_token}
    path.write_text(json.dumps(config), encoding="utf-8")
    listed = runner.command("ansible-inventory", "-i", str(path), "--list")
    variables = json.loads(listed.stdout)["_meta"]["hostvars"]
    assert {name: host["ansible_host"]["__ansible_unsafe"] for name, host in variables.items()} == {"web1": "127.0.0.1", "web2": "2001:db8::9"}


def test_servers_of_ilkbyte(runner: PlaybookRunner, ilkbyte: TaskFactory, sandbox: SandboxHandle, tmp_path: Path) -> None:
    dead = [
        {"name": "app1", "service": "cancel", "status": "nil", "ipv4": "198.51.100.9", "deleted_time": "11.12.2019 10:00:00"},
        {"name": "app1", "service": "cancel", "status": "nil", "ipv4": "198.51.100.9", "deleted_time": "12.12.2019 10:00:00"},
        {"name": "old1_REMOVE1778", "service": "cancel", "status": "nil", "ipv4": "198.51.100.7"},
        {"name": "old2", "service": "cancel", "status": "nil"},
    ]
    setup = (*RESET_CALLS, ("add_rows", {"cloud": "ilkbyte", "servers": dead}), add_snapshot("ilkbyte", "one", created_at=ago(days=2)))
    steps = [
        ilkbyte("server_info", *setup, step="servers", server=None),
        ilkbyte("snapshot_info", step="snapshots", server=None),
        ilkbyte("snapshot", step="a deleted one", server="old2", name="two"),
        ilkbyte("server_info", server_row("ilkbyte", "app2", status="nil", service="InProgress"), step="provisioning", server="app2"),
        ilkbyte("snapshot", step="snapshot of it", server="app2", name="two"),
        ilkbyte("snapshot", step="of several", server=None, servers=["app1", "app2"], name="two"),
        ilkbyte("snapshot_info", row("ilkbyte", "one", date="01.02.2020 03:04:05"), step="date", name="one"),
        ilkbyte("snapshot_info", ("add_rows", {"cloud": "ilkbyte", "servers": [{"ipv4": "192.0.2.9"}]}), step="unnamed", server=None),
    ]
    run = runner.run(*steps)
    assert [(item["name"], item["address"]) for item in run["servers"].result["servers"]] == [("app1", "127.0.0.1"), ("app2", "127.0.0.1")]
    assert [item["name"] for item in run["snapshots"].result["snapshots"]] == ["one"]
    rejected(run["a deleted one"], "not_found", "old2")
    (server,) = run["provisioning"].result["servers"]
    assert (server["power_state"], server["task_state"]) == ("unknown", "provisioning")
    rejected(run["snapshot of it"], "not_ready", "provisioned")
    assert [item["server"] for item in run["of several"].result["failed_servers"]] == ["app2"]
    assert [item["created_at"] for item in run["date"].result["snapshots"]] == ["2020-02-01T00:04:05Z"]
    unnamed = run["unnamed"]
    assert {item["name"] for item in unnamed.result["snapshots"]} == {"one", "two"} and len(unnamed.result["failed_servers"]) == 1

    sandbox.admin.update_server("ilkbyte", "app2", row={"ipv4": "", "ipv6": "2001:DB8:0::7"})
    for strict in (False, True):
        path = tmp_path / f"{strict}.rewind_vps.yml"
        path.write_text(json.dumps({
            "plugin": "rewind.vps.servers", "provider": "ilkbyte", "api_url": sandbox.ilkbyte_url, "access_key": sandbox.ilkbyte_access_key,
            "secret_key": sandbox.ilkbyte_secret_key, "strict": strict,
        }), encoding="utf-8")
        listed = runner.command("ansible-inventory", "-i", str(path), "--list")
        variables = json.loads(listed.stdout)["_meta"]["hostvars"]
        if strict:
            assert variables == {} and "without an id" in " ".join(listed.stderr.split())
        else:
            addresses = {name: host["ansible_host"]["__ansible_unsafe"] for name, host in variables.items()}
            assert addresses == {"app1": "127.0.0.1", "app2": "2001:db8::7"}
            assert "skipped" in listed.stderr
