# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads about many servers: a few connections, one listing where the provider has one, and a failure affects one server."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from builders import snapshot
from fakes.bulk import FakeAccount, FakeConnection, bulk_task

from ansible_collections.rewind.vps.plugins.module_utils._errors import FORBIDDEN, INVALID_RESPONSE, RewindError
from ansible_collections.rewind.vps.plugins.module_utils._module import server_info, snapshot_info
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import Server

NAMES = [f"web{number}" for number in range(1, 41)]
FILTERS = {"name": None, "match": None, "status": None, "older_than": None, "newer_than": None}


def test_one_listing_of_each_kind_serves_all_servers_of_a_task() -> None:
    account = FakeAccount("vpsorg", *NAMES)
    account.snapshots["7"] = [replace(snapshot(), server=account.servers["7"])]
    assert len(server_info.run(bulk_task(account, NAMES))["servers"]) == 40
    assert account.requests == [("list_servers", "*")]
    account.requests.clear()
    found = snapshot_info.run(bulk_task(account, NAMES, **FILTERS))
    assert [item["server"]["name"] for item in found["snapshots"]] == ["web7"] and found["failed_servers"] == []
    assert sorted(account.requests) == [("list_servers", "*"), ("list_snapshots", "*")]


def test_a_snapshot_without_a_server_in_the_listing_makes_each_server_read_its_own() -> None:
    """With the server's own list the provider says whose it is. Otherwise a second one is created."""
    account = FakeAccount("vpsorg", "web1", "web2")
    account.snapshots["2"] = [replace(snapshot(), server=Server(None, None))]
    found = snapshot_info.run(bulk_task(account, ["web1", "web2"], **FILTERS))
    assert len(found["snapshots"]) == 1 and sorted(account.servers_of("list_snapshots")) == ["*", "1", "2"]


def test_a_single_server_is_read_by_itself() -> None:
    account = FakeAccount("vpsorg", *NAMES)
    server_info.run(bulk_task(account, ["web7"]))
    assert account.requests == [("get_server", "web7")]


def test_without_a_listing_each_server_is_read_over_a_few_connections() -> None:
    account, opened = FakeAccount("ilkbyte", *NAMES), []
    account.on_request = lambda call, server: time.sleep(0.002)
    ctx = bulk_task(account, NAMES, concurrency=3, **FILTERS)
    ctx.connect = lambda: opened.append(1) or FakeConnection(account)
    assert opened == []
    assert snapshot_info.run(ctx)["failed_servers"] == []
    assert len(opened) == 2 and 2 <= account.max_concurrent <= 3
    assert sorted(set(account.servers_of("list_snapshots"))) == sorted(NAMES)
    account.snapshots["web7"] = [replace(snapshot(), server=account.servers["web7"])]
    everyone = snapshot_info.run(replace(ctx, options={**ctx.options, "servers": None}))
    assert len(everyone["snapshots"]) == 1 and everyone["failed_servers"] == [], "all servers of the account"


def test_a_list_that_keeps_changing_fails_no_server() -> None:
    account = FakeAccount("vpsorg", *NAMES)
    account.errors["list_servers", "*"] = RewindError("no", kind=INVALID_RESPONSE)
    assert len(server_info.run(bulk_task(account, NAMES))["servers"]) == 40
    assert account.servers_of("list_servers") == ["*"] and sorted(account.servers_of("get_server")) == sorted(NAMES)


def test_a_failed_listing_is_requested_once_and_reported_for_each_server() -> None:
    account = FakeAccount("vpsorg", *NAMES)
    account.errors["list_servers", "*"] = RewindError("no", kind=FORBIDDEN)
    failed = server_info.run(bulk_task(account, NAMES))["failed_servers"]
    assert [one["error"]["server"] for one in failed] == NAMES and {one["error"]["kind"] for one in failed} == {FORBIDDEN}
    assert account.servers_of("list_servers") == ["*"]


def test_a_failure_affects_one_server() -> None:
    account = FakeAccount("vpsorg", *NAMES)
    result = server_info.run(bulk_task(account, ["web3", "nowhere", "1", "web1", "web2"]))
    assert [one["name"] for one in result["servers"]] == ["web1", "web2", "web3"]
    failed = {one["server"]: one["error"] for one in result["failed_servers"]}
    assert failed.pop("nowhere")["kind"] == "not_found"
    ((same, error),) = failed.items()
    assert same in ("1", "web1") and error["kind"] == "invalid_argument" and result["error"]["kind"] == "multiple"


def test_progress_has_the_failures_and_a_closed_terminal_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    account, lines = FakeAccount("vpsorg", *NAMES), []
    server_info.run(replace(bulk_task(account, [*NAMES, "nowhere"]), progress=lines.append))
    assert lines == ["nowhere: failed (not_found, not_applied)"]

    def broken_pipe(text: str) -> None:
        raise BrokenPipeError

    result = server_info.run(replace(bulk_task(account, [*NAMES, "nowhere"]), progress=broken_pipe))
    assert len(result["servers"]) == 40 and len(result["failed_servers"]) == 1
