# SPDX-License-Identifier: GPL-3.0-or-later
"""What every provider reads: servers, snapshots, the account. Shapes, pages, references, absence."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import (
    READY,
    RUNNING,
    STOPPED,
    Account,
    Capabilities,
    Provider,
    Server,
    Snapshot,
)

UTC_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def failure(call, *arguments):
    with pytest.raises(RewindError) as caught:
        call(*arguments)
    return caught.value


def test_it_is_complete_and_connecting_sends_nothing(simulated_provider):
    simulated_provider.connect()
    assert simulated_provider.requests() == []
    assert isinstance(simulated_provider.provider, Provider) and simulated_provider.provider.display_name
    can = simulated_provider.provider.capabilities
    assert isinstance(can, Capabilities)
    assert re.fullmatch(can.name_pattern, "nightly1") and not re.fullmatch(can.name_pattern, "night ly")
    assert can.name_rule and (can.max_snapshots is None or can.max_snapshots > 0)
    assert can.expected_create_seconds > 0 and can.expected_restore_seconds > 0


# --- servers


def test_servers(simulated_provider):
    servers = simulated_provider.provider.list_servers()
    assert sorted(server.name for server in servers) == [simulated_provider.facts.server_name, simulated_provider.facts.other_name]
    for server in servers:
        assert isinstance(server, Server) and isinstance(server.id, str)
        assert (server.power_state, server.task_state, server.address) == (RUNNING, None, "127.0.0.1")
        assert list(server.to_result()) == ["id", "name", "power_state", "task_state", "address"]
        assert server.raw and "raw" not in repr(server)
    assert simulated_provider.requests(changing=True) == []


def test_no_servers_is_an_empty_list(simulated_provider):
    simulated_provider.admin.reset(servers=0)
    assert simulated_provider.provider.list_servers() == []
    error = failure(simulated_provider.provider.get_server, "anything")
    assert error.kind == errors.NOT_FOUND and "no servers" in error.hint


def test_a_server_is_found_by_everything_that_the_provider_shows_of_it(simulated_provider):
    shown = next(server for server in simulated_provider.provider.list_servers() if server.name == simulated_provider.facts.server_name)
    references = [shown.id, *(shown.raw[key] for key in ("uuid", "hostname", "name") if shown.raw.get(key))]
    for reference in references:
        found = simulated_provider.provider.get_server(reference)
        assert (found.id, found.name, found.power_state) == (shown.id, shown.name, RUNNING)


def test_vpsorg_shows_four_references_and_reads_more_ways_to_write_them(vpsorg):
    row = vpsorg.admin.server("web2")
    for reference in (str(row["id"]), f"00{row['id']}", row["uuid"], row["uuid"].upper(), "web2.example.com", "web2"):
        assert vpsorg.provider.get_server(reference).id == str(row["id"]), reference
    vpsorg.admin.add_server("vpsorg", "777")
    assert failure(vpsorg.provider.get_server, "777").kind == errors.NOT_FOUND, "digits are an id and never a name"


def test_an_identity_is_known_without_a_request_and_found_with_one(simulated_provider):
    identity = simulated_provider.server().id
    simulated_provider.admin.clear_request_log()
    assert simulated_provider.provider.server_from_reference(identity).id == identity
    assert simulated_provider.provider.server_from_reference("no such thing!") is None
    assert simulated_provider.requests() == []
    simulated_provider.provider.get_server(identity)
    assert len(simulated_provider.requests()) == 1


def test_an_unknown_server_is_an_error_with_the_candidates(simulated_provider):
    for reference in ("missing", "99999", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "a/b", "../1", "x?y", "ğ", "%2e"):
        error = failure(simulated_provider.provider.get_server, reference)
        assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
        assert repr(reference) in error.message and simulated_provider.provider.display_name in error.message
        assert simulated_provider.facts.server_name in error.hint and simulated_provider.facts.other_name in error.hint
    assert simulated_provider.requests(changing=True) == []
    error = failure(simulated_provider.provider.get_server, simulated_provider.facts.server_name.replace("1", "l"))
    assert "did you mean" in error.hint and simulated_provider.facts.server_name in error.hint


def test_two_servers_of_one_name_are_ambiguous(vpsorg):
    twin = vpsorg.admin.add_server("vpsorg", "web1", hostname="twin.example.com")
    error = failure(vpsorg.provider.get_server, "web1")
    assert (error.kind, error.outcome) == (errors.AMBIGUOUS, errors.NOT_APPLIED)
    assert f"web1 ({twin['id']})" in error.message and "web1 (12345)" in error.message and "id" in error.hint
    assert vpsorg.provider.get_server("twin.example.com").id == str(twin["id"])


def test_servers_of_all_pages(simulated_provider):
    if simulated_provider.facts.pages:
        simulated_provider.admin.settings(**{f"{simulated_provider.name}_page_size": 2})
    for number in range(3, 6):
        simulated_provider.admin.add_server(simulated_provider.name, simulated_provider.facts.server_name.replace("1", str(number)))
    simulated_provider.admin.clear_request_log()
    servers = simulated_provider.provider.list_servers()
    assert sorted(server.name[-1] for server in servers) == ["1", "2", "3", "4", "5"]
    assert len(simulated_provider.requests()) == (3 if simulated_provider.facts.pages else 1)
    assert simulated_provider.provider.get_server(servers[-1].name).id == servers[-1].id


# --- snapshots


def test_no_snapshots_is_an_empty_list(simulated_provider):
    assert simulated_provider.listed() == [] and simulated_provider.provider.list_snapshots(None) == []


def test_a_snapshot_as_data(simulated_provider):
    snapshot = simulated_provider.add_snapshot("nightly", created_at="2025-01-15T18:30:00Z")
    assert isinstance(snapshot, Snapshot) and isinstance(snapshot.id, str)
    assert (snapshot.name, snapshot.status, snapshot.created_at) == ("nightly", READY, "2025-01-15T18:30:00Z")
    assert (snapshot.server.id, snapshot.server.name) == (simulated_provider.server().id, simulated_provider.facts.server_name)
    assert snapshot.schedule is None and snapshot.raw
    result = snapshot.to_result()
    assert result["server"] == {"id": snapshot.server.id, "name": snapshot.server.name} and "raw" not in result
    can = simulated_provider.provider.capabilities
    assert (snapshot.current is not None) == can.snapshot_tree
    assert can.snapshot_tree or snapshot.parent is None
    if can.unique_names and can.snapshot_tree:
        assert snapshot.power_state == RUNNING


def test_sizes_and_descriptions_where_the_provider_has_them(vpsorg):
    snapshot = vpsorg.add_snapshot("nightly", description="before the upgrade", size_mb=5120)
    assert (snapshot.size_mb, snapshot.description) == (5120, "before the upgrade")
    assert vpsorg.add_snapshot("bare").description is None
    assert vpsorg.provider.create_snapshot(vpsorg.server(), "described", "why").description == "why"
    assert vpsorg.admin.requests(operation="snapshots.create")[0]["body"] == {"server_id": 12345, "name": "described", "description": "why"}


def test_the_tree(ilkbyte):
    first = ilkbyte.add_snapshot("first")
    assert first.current is True and first.parent is None
    second = ilkbyte.add_snapshot("second", state="shut off")
    assert (second.parent, second.current, second.power_state) == ("first", True, STOPPED)
    assert {item.name: item.current for item in ilkbyte.listed()} == {"first": False, "second": True}
    ilkbyte.provider.restore_snapshot(first)
    ilkbyte.finish("restore_done")
    assert {item.name: item.current for item in ilkbyte.listed()} == {"first": True, "second": False}


def test_only_the_servers_own_snapshots(simulated_provider):
    simulated_provider.add_snapshot("mine")
    simulated_provider.add_snapshot("theirs", server=simulated_provider.facts.other_name)
    assert [item.name for item in simulated_provider.listed()] == ["mine"]
    simulated_provider.admin.clear_request_log()
    assert sorted(item.name for item in simulated_provider.provider.list_snapshots(None)) == ["mine", "theirs"]
    assert (len(simulated_provider.requests()) == 1) == simulated_provider.provider.capabilities.lists_all_snapshots


def test_snapshots_of_all_pages(vpsorg):
    vpsorg.admin.settings(vpsorg_page_size=2)
    for number in range(5):
        vpsorg.admin.add_snapshot("vpsorg", "web1", f"nightly{number}")
    vpsorg.admin.add_snapshot("vpsorg", "web2", "theirs")
    vpsorg.admin.clear_request_log()
    assert len(vpsorg.provider.list_snapshots(vpsorg.provider.server_from_reference("12345"))) == 5
    assert len(vpsorg.requests()) == 3
    assert len(vpsorg.provider.list_snapshots(None)) == 6


def test_a_schedule_in_the_list(ilkbyte):
    snapshot = ilkbyte.add_snapshot("nightly", is_cron=True, day=1, hour=2, min=3)
    assert (snapshot.schedule.day, snapshot.schedule.hour, snapshot.schedule.minute) == (1, 2, 3)
    assert snapshot.schedule.last_run is None and UTC_TEXT.fullmatch(snapshot.schedule.next_run)
    ilkbyte.admin.update_snapshot("ilkbyte", "app1", "nightly", cron_time="Arada bir")
    (unread,) = ilkbyte.listed()
    assert (unread.schedule.day, unread.schedule.hour, unread.schedule.minute) == (None, 2, 3)


def test_a_servers_snapshots_that_is_not_there(ilkbyte):
    error = failure(ilkbyte.provider.list_snapshots, Server("missing", "missing"))
    assert error.kind == errors.NOT_FOUND and error.server == "missing"


# --- the account and the clock


def test_whoami(simulated_provider):
    account = simulated_provider.provider.whoami()
    assert isinstance(account, Account) and account.permits_changes is not False
    assert len(simulated_provider.requests()) == 1


def test_whoami_returns_permissions_where_the_provider_does(vpsorg, ilkbyte):
    assert vpsorg.provider.whoami() == Account("sandbox@example.com", ("*:*",), True)
    assert vpsorg.credentials_without_rights().whoami() == Account("sandbox@example.com", ("servers:read",), False)
    assert ilkbyte.provider.whoami() == Account(None, ("Full",), True, "127.0.0.1")
    assert vpsorg.provider.get_account().identity == "1 sandbox@example.com"
    assert ilkbyte.provider.get_account().identity == "sandbox 27.07.2018 15:31:00"


def test_server_time_is_the_providers_time(simulated_provider):
    simulated_provider.admin.advance(86400)
    simulated_provider.provider.whoami()
    ahead = (simulated_provider.provider.server_time() - datetime.now(timezone.utc)).total_seconds()
    assert ahead == pytest.approx(86400, abs=30)
