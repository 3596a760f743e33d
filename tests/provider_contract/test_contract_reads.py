# SPDX-License-Identifier: GPL-3.0-or-later
"""What every provider reads: servers, snapshots, the account. Shapes, pages, references, absence."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest
from providers import IDLE_SECONDS

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


def test_it_is_whole(cloud):
    assert isinstance(cloud.provider, Provider) and cloud.provider.display_name
    can = cloud.provider.capabilities
    assert isinstance(can, Capabilities)
    assert re.fullmatch(can.name_pattern, "nightly1") and not re.fullmatch(can.name_pattern, "night ly")
    assert can.name_rule and (can.max_snapshots is None or can.max_snapshots > 0)
    assert can.expected_create_seconds > 0 and can.expected_restore_seconds > 0


def test_connecting_sends_nothing(cloud):
    cloud.connect()
    assert cloud.requests() == []


# --- servers


def test_servers(cloud):
    servers = cloud.provider.list_servers()
    assert sorted(server.name for server in servers) == [cloud.facts.server_name, cloud.facts.other_name]
    for server in servers:
        assert isinstance(server, Server) and isinstance(server.id, str)
        assert (server.power_state, server.task_state, server.address) == (RUNNING, None, "127.0.0.1")
        assert list(server.to_result()) == ["id", "name", "power_state", "task_state", "address"]
        assert server.raw and "raw" not in repr(server)
    assert cloud.requests(changing=True) == []


def test_no_servers_is_an_empty_list(cloud):
    cloud.admin.reset(servers=0)
    assert cloud.provider.list_servers() == []
    error = failure(cloud.provider.get_server, "anything")
    assert error.kind == errors.NOT_FOUND and "no servers" in error.hint


def test_a_server_is_found_by_everything_that_the_cloud_shows_of_it(cloud):
    shown = next(server for server in cloud.provider.list_servers() if server.name == cloud.facts.server_name)
    references = [shown.id, *(shown.raw[key] for key in ("uuid", "hostname", "name") if shown.raw.get(key))]
    for reference in references:
        found = cloud.provider.get_server(reference)
        assert (found.id, found.name, found.power_state) == (shown.id, shown.name, RUNNING)


def test_vpsorg_shows_four_references_and_reads_more_ways_to_write_them(vpsorg):
    row = vpsorg.admin.server("web2")
    for reference in (str(row["id"]), f"00{row['id']}", row["uuid"], row["uuid"].upper(), "web2.example.com", "web2"):
        assert vpsorg.provider.get_server(reference).id == str(row["id"]), reference


def test_finding_by_identity_is_one_request(cloud):
    identity = cloud.server().id
    cloud.admin.clear_request_log()
    cloud.provider.get_server(identity)
    assert len(cloud.requests()) == 1


def test_identify_sends_no_request(cloud):
    identity = cloud.server().id
    cloud.admin.clear_request_log()
    assert cloud.provider.server_from_reference(identity).id == identity
    assert cloud.provider.server_from_reference("no such thing!") is None
    assert cloud.requests() == []


@pytest.mark.parametrize("reference", ["nobody", "99999", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "a/b", "../1", "x?y", "ğ", "%2e"])
def test_an_unknown_server_is_an_error_with_the_candidates(cloud, reference):
    error = failure(cloud.provider.get_server, reference)
    assert (error.kind, error.outcome) == (errors.NOT_FOUND, errors.NOT_APPLIED)
    assert repr(reference) in error.message and cloud.provider.display_name in error.message
    assert cloud.facts.server_name in error.hint and cloud.facts.other_name in error.hint
    assert cloud.requests(changing=True) == []


def test_a_misspelt_name_is_answered_with_the_likely_one(cloud):
    misspelt = cloud.facts.server_name.replace("1", "l")
    error = failure(cloud.provider.get_server, misspelt)
    assert "did you mean" in error.hint and cloud.facts.server_name in error.hint


def test_two_servers_of_one_name_are_ambiguous(vpsorg):
    twin = vpsorg.admin.add_server("vpsorg", "web1", hostname="twin.example.com")
    error = failure(vpsorg.provider.get_server, "web1")
    assert (error.kind, error.outcome) == (errors.AMBIGUOUS, errors.NOT_APPLIED)
    assert f"web1 ({twin['id']})" in error.message and "web1 (12345)" in error.message and "id" in error.hint
    assert vpsorg.provider.get_server("twin.example.com").id == str(twin["id"])


def test_a_name_of_digits_is_taken_for_an_id(vpsorg):
    vpsorg.admin.add_server("vpsorg", "777")
    assert failure(vpsorg.provider.get_server, "777").kind == errors.NOT_FOUND


def test_power_words(cloud):
    cloud.admin.update_server(cloud.name, cloud.facts.server_name, status=cloud.facts.stopped)
    assert (cloud.server().power_state, cloud.server().task_state) == (STOPPED, None)
    cloud.admin.update_server(cloud.name, cloud.facts.server_name, status=cloud.facts.running)
    assert (cloud.server().power_state, cloud.server().task_state) == (RUNNING, None)


def test_suspended_is_neither_on_nor_busy(vpsorg):
    vpsorg.admin.update_server("vpsorg", "web1", status="suspended")
    assert (vpsorg.server().power_state, vpsorg.server().task_state) == ("suspended", None)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_servers_of_all_pages(cloud, size):
    if cloud.facts.pages:
        cloud.admin.settings(**{f"{cloud.name}_page_size": size})
    for number in range(3, 6):
        cloud.admin.add_server(cloud.name, cloud.facts.server_name.replace("1", str(number)))
    cloud.admin.clear_request_log()
    servers = cloud.provider.list_servers()
    assert sorted(server.name[-1] for server in servers) == ["1", "2", "3", "4", "5"]
    assert len(cloud.requests()) == (-(-5 // size) if cloud.facts.pages else 1)
    assert cloud.provider.get_server(servers[-1].name).id == servers[-1].id


# --- snapshots


def test_no_snapshots_is_an_empty_list(cloud):
    assert cloud.listed() == [] and cloud.provider.list_snapshots(None) == []


def test_a_snapshot_as_data(cloud):
    snapshot = cloud.add_snapshot("nightly", created_at="2025-01-15T18:30:00Z")
    assert isinstance(snapshot, Snapshot) and isinstance(snapshot.id, str)
    assert (snapshot.name, snapshot.status, snapshot.created_at) == ("nightly", READY, "2025-01-15T18:30:00Z")
    assert (snapshot.server.id, snapshot.server.name) == (cloud.server().id, cloud.facts.server_name)
    assert snapshot.schedule is None and snapshot.raw
    result = snapshot.to_result()
    assert result["server"] == {"id": snapshot.server.id, "name": snapshot.server.name} and "raw" not in result
    can = cloud.provider.capabilities
    assert (snapshot.current is not None) == can.snapshot_tree
    assert can.snapshot_tree or snapshot.parent is None
    if can.unique_names and can.snapshot_tree:
        assert snapshot.power_state == RUNNING


def test_sizes_and_descriptions_where_the_cloud_has_them(vpsorg):
    snapshot = vpsorg.add_snapshot("nightly", description="before the upgrade", size_mb=5120)
    assert (snapshot.size_mb, snapshot.description) == (5120, "before the upgrade")
    assert vpsorg.add_snapshot("bare").description is None


def test_the_tree(ilkbyte):
    first = ilkbyte.add_snapshot("first")
    assert first.current is True and first.parent is None
    second = ilkbyte.add_snapshot("second", state="shut off")
    assert (second.parent, second.current, second.power_state) == ("first", True, STOPPED)
    assert {item.name: item.current for item in ilkbyte.listed()} == {"first": False, "second": True}


def test_only_the_servers_own_snapshots(cloud):
    cloud.add_snapshot("mine")
    cloud.add_snapshot("theirs", server=cloud.facts.other_name)
    assert [item.name for item in cloud.listed()] == ["mine"]
    assert sorted(item.name for item in cloud.provider.list_snapshots(None)) == ["mine", "theirs"]


def test_all_snapshots_in_one_request_where_the_provider_supports_it(cloud):
    cloud.add_snapshot("mine")
    cloud.admin.clear_request_log()
    cloud.provider.list_snapshots(None)
    assert (len(cloud.requests()) == 1) == cloud.provider.capabilities.lists_all_snapshots


@pytest.mark.parametrize("size", [1, 2, 4])
def test_snapshots_of_all_pages(vpsorg, size):
    vpsorg.admin.settings(vpsorg_page_size=size)
    for number in range(5):
        vpsorg.admin.add_snapshot("vpsorg", "web1", f"nightly{number}")
    vpsorg.admin.add_snapshot("vpsorg", "web2", "theirs")
    vpsorg.admin.clear_request_log()
    assert len(vpsorg.provider.list_snapshots(vpsorg.provider.server_from_reference("12345"))) == 5
    assert len(vpsorg.requests()) == -(-5 // size)
    assert len(vpsorg.provider.list_snapshots(None)) == 6


@pytest.mark.parametrize(("provider_status", "status"), [("in_progress", "pending"), ("failed", "failed"), ("error", "failed"), ("odd", "failed")])
def test_states(vpsorg, provider_status, status):
    snapshot = vpsorg.add_snapshot("nightly", status=provider_status)
    assert (snapshot.status, snapshot.provider_status) == (status, provider_status)
    assert snapshot.failure_confirmed == (provider_status in ("failed", "error"))


def test_a_schedule_in_the_list(ilkbyte):
    snapshot = ilkbyte.add_snapshot("nightly", is_cron=True, day=1, hour=2, min=3)
    assert (snapshot.schedule.day, snapshot.schedule.hour, snapshot.schedule.minute) == (1, 2, 3)
    assert snapshot.schedule.last_run is None and UTC_TEXT.fullmatch(snapshot.schedule.next_run)
    ilkbyte.admin.update_snapshot("ilkbyte", "app1", "nightly", cron_time="Arada bir")
    (unread,) = ilkbyte.listed()
    assert (unread.schedule.day, unread.schedule.hour, unread.schedule.minute) == (None, 2, 3)


def test_a_servers_snapshots_that_is_not_there(ilkbyte):
    error = failure(ilkbyte.provider.list_snapshots, Server("nobody", "nobody"))
    assert error.kind == errors.NOT_FOUND and error.server == "nobody"


# --- the account and the clock


def test_whoami(cloud):
    account = cloud.provider.whoami()
    assert isinstance(account, Account) and account.name
    assert len(cloud.requests()) == 1


def test_whoami_returns_rights_where_the_provider_does(vpsorg):
    assert vpsorg.provider.whoami() == Account("sandbox@example.com", ("read", "write"))
    assert vpsorg.credentials_without_rights().whoami().permissions == ("read",)


def test_server_time_is_the_providers_time(cloud):
    cloud.admin.advance(86400)
    cloud.provider.whoami()
    ahead = (cloud.provider.server_time() - datetime.now(timezone.utc)).total_seconds()
    assert ahead == pytest.approx(86400, abs=30)


def test_nothing_that_reads_changes_anything(cloud):
    cloud.add_snapshot("nightly")
    cloud.provider.list_servers()
    cloud.provider.get_server(cloud.facts.server_name)
    cloud.provider.list_snapshots(None)
    cloud.provider.whoami()
    cloud.admin.advance(IDLE_SECONDS)
    assert cloud.requests(changing=True) == [] and cloud.events() == []


@pytest.mark.parametrize("rows", [1, -1])
def test_a_list_that_changes_between_two_pages_is_read_again(vpsorg, rows):
    """One more row in front repeats the last of the first page; one less would hide the first of the second."""
    vpsorg.admin.settings(vpsorg_page_size=2)
    added = {vpsorg.add_snapshot(f"s{n}").id for n in range(5)}
    vpsorg.admin.fault("shift", operation="snapshots.list", rows=rows, skip=1)
    assert {item.id for item in vpsorg.listed()} == added
    assert len(vpsorg.admin.requests(operation="snapshots.list")) == 6


def test_a_list_that_never_stops_changing_is_an_error_and_no_half_truth(vpsorg):
    vpsorg.admin.settings(vpsorg_page_size=2)
    for n in range(5):
        vpsorg.add_snapshot(f"s{n}")
    for number in range(4):
        vpsorg.admin.fault("shift", operation="snapshots.list", rows=-1, skip=1 + 3 * number)
    error = failure(vpsorg.provider.list_snapshots, vpsorg.server())
    assert error.kind == errors.INVALID_RESPONSE and "changed 4 times while it was read" in error.message


def test_a_server_on_two_pages_makes_the_list_be_read_again(ilkbyte):
    ilkbyte.admin.settings(ilkbyte_page_size=1)
    ilkbyte.admin.fault("shift", operation="servers.list", rows=1, skip=1)
    assert [server.id for server in ilkbyte.provider.list_servers()] == ["app1", "app2"]
    assert len(ilkbyte.admin.requests(operation="servers.list")) == 4
