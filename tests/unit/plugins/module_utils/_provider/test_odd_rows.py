# SPDX-License-Identifier: GPL-3.0-or-later
"""A row that lacks anything is returned with what it has, and the other rows are unaffected. A deleted server does not exist."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.malformed import ILK_SERVER, ILK_SNAPSHOT, UUID, VPS_SERVER, VPS_SNAPSHOT, FakeSession, ok, page, provider_with_session

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.module_utils._http.session import HttpResponse
from ansible_collections.rewind.vps.plugins.module_utils._provider.base import PROVISIONING, READY, RUNNING, UNKNOWN, Provider, Server
from ansible_collections.rewind.vps.plugins.module_utils._provider.vpsorg_rows import parse_server

GONE = "gone"  # the field is missing
VPS = Server("12345", "web1")
APP = Server("app1", "app1")


def provider(name: str, *bodies: Any, statuses: tuple[int, ...] = ()) -> Provider:
    """A provider that gets these bodies in turn, and the last one again and again."""
    pairs = zip(bodies, statuses or [200] * len(bodies))
    return provider_with_session(name, FakeSession([HttpResponse(status, {}, json.dumps(body).encode()) for body, status in pairs]))


def without(row: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    changed = {**row, field: value}
    if value is GONE:
        del changed[field]
    return changed


ODD_VALUES = [GONE, None, True, 3.5, [], {}, ["x"]]


@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
@pytest.mark.parametrize(("field", "missing"), [
    ("id", "id"), ("name", "name"), ("created_at", "readable date"), ("status", "known status"), ("server", "server"), ("size_mb", None),
    ("description", None),
])
def test_a_snapshot_that_lacks_anything_at_vpsorg(field: str, missing: str | None, value: object) -> None:
    other = {**VPS_SNAPSHOT, "id": 802, "name": "weekly"}
    for server in (None, VPS):
        odd, intact = provider("vpsorg", page(without(VPS_SNAPSHOT, field, value), other)).list_snapshots(server)
        assert odd.missing == ((missing,) if missing else ())
        assert (intact.id, intact.name, intact.missing) == ("802", "weekly", ())
        expected = {"id": "801", "name": "nightly", "created_at": "2026-01-01T00:00:00Z", "status": READY}
        assert all(getattr(odd, key) == kept for key, kept in expected.items() if key != field)
        odd.to_result()


@pytest.mark.parametrize("value", [*ODD_VALUES, 5], ids=repr)
@pytest.mark.parametrize(("field", "missing"), [
    ("name", ("id", "name")), ("date", ("readable date",)), ("params", ()), ("parent", ()), ("state", ()),
])
def test_a_snapshot_that_lacks_anything_at_ilkbyte(field: str, missing: tuple[str, ...], value: object) -> None:
    other = {**ILK_SNAPSHOT, "name": "weekly"}
    odd, intact = provider("ilkbyte", ok({"snapshots": [without(ILK_SNAPSHOT, field, value), other]})).list_snapshots(APP)
    assert odd.missing == missing and (intact.id, intact.missing) == ("weekly", ())


@pytest.mark.parametrize("row", [None, 5, "row", [], [{}]], ids=repr)
def test_a_row_that_is_no_object_has_nothing_and_breaks_nothing(row: object) -> None:
    assert [item.id for item in provider("vpsorg", page(row, VPS_SNAPSHOT)).list_snapshots(None)] == [None, "801"]
    assert [item.id for item in provider("vpsorg", page(row, VPS_SERVER)).list_servers()] == [None, "12345"]
    assert [item.id for item in provider("ilkbyte", ok({"snapshots": [row, ILK_SNAPSHOT]})).list_snapshots(APP)] == [None, "nightly"]
    assert [item.id for item in provider("ilkbyte", ok({"server_list": [row, ILK_SERVER]})).list_servers()] == [None, "app1"]


@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
@pytest.mark.parametrize("field", ["id", "uuid", "name", "hostname", "status", "ip_address", "ipv4_addresses"])
def test_a_server_that_lacks_anything_at_vpsorg(field: str, value: object) -> None:
    odd, intact = provider("vpsorg", page(without(VPS_SERVER, field, value), {**VPS_SERVER, "id": 2, "uuid": None, "name": "web2"})).list_servers()
    assert odd.id == (UUID if field == "id" else "12345") and odd.name == ("web1.example" if field == "name" else "web1")
    assert odd.power_state == (UNKNOWN if field == "status" else RUNNING) and odd.task_state is None and odd.addresses == ("192.0.2.1",)
    assert (intact.id, intact.name) == ("2", "web2")


@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
def test_a_server_without_a_name_at_ilkbyte_is_listed_and_can_not_be_named_by_a_request(value: object) -> None:
    odd, intact = provider("ilkbyte", ok({"server_list": [without(ILK_SERVER, "name", value), {**ILK_SERVER, "name": "app2"}]})).list_servers()
    assert (odd.id, odd.name, odd.address, intact.id) == (None, None, "192.0.2.1", "app2")
    with pytest.raises(RewindError, match="needs its name"):
        provider("ilkbyte", ok()).list_snapshots(odd)


def test_snapshots_without_a_server_belong_to_no_server_if_the_provider_ignores_the_filter() -> None:
    foreign = {**VPS_SNAPSHOT, "id": 803, "server": {"id": 2, "name": "web2"}}
    listed = provider("vpsorg", page(without(VPS_SNAPSHOT, "server", None), foreign, {**VPS_SNAPSHOT, "id": 804})).list_snapshots(VPS)
    assert [item.id for item in listed] == ["804"]


# --- Ilkbyte: deleted servers, and those that are not ready

LIVE = {**ILK_SERVER, "service": "active", "created_time": "10.12.2020 20:56:18"}


@pytest.mark.parametrize("dead", [
    {"service": "cancel"}, {"service": "CANCEL"}, {"service": "Cancelled"}, {"service": "deleted"}, {"deleted_time": "11.12.2021 10:00:00"},
    {"deleted_time": 1639216800}, {"name": "app1_REMOVE1778"}, {"name": "app1_remove9", "service": "active"},
])
def test_deleted_servers_do_not_exist(dead: dict[str, Any]) -> None:
    row = {**LIVE, "status": "nil", "created_time": "01.01.2019 10:00:00", "ipv4": "198.51.100.9", **dead}
    for rows in ([row, LIVE], [LIVE, row], [row, row, LIVE]):
        (server,) = provider("ilkbyte", ok({"server_list": rows})).list_servers()
        assert (server.id, server.addresses, server.power_state) == ("app1", ("192.0.2.1",), RUNNING)
    with pytest.raises(RewindError, match="no server 'app1'") as caught:
        provider("ilkbyte", ok({**row, "name": "app1"} if "_" not in row["name"] else row), ok({"server_list": [row]})).get_server("app1")
    assert caught.value.kind == errors.NOT_FOUND


@pytest.mark.parametrize("deleted_time", [None, "", "nil", "-", False, "0000-00-00 00:00:00", "null"])
def test_a_server_without_a_time_of_deletion_exists(deleted_time: object) -> None:
    assert [server.id for server in provider("ilkbyte", ok({"server_list": [{**LIVE, "deleted_time": deleted_time}]})).list_servers()] == ["app1"]


def test_pages_of_deleted_servers_are_read_and_are_not_inconsistent() -> None:
    def dead(number: int) -> dict[str, Any]:
        return {**LIVE, "service": "cancel", "created_time": f"01.01.2019 10:00:{number:02}"}

    pages = [ok({"server_list": rows, "pagination": {"total_page": 3}}) for rows in ([dead(1), dead(2)], [dead(3)], [LIVE, dead(4)])]
    assert [server.id for server in provider("ilkbyte", *pages).list_servers()] == ["app1"]


def test_deleted_rows_may_repeat_and_a_page_may_have_no_others() -> None:
    dead = {"name": "app1", "service": "cancel"}
    pages = [ok({"server_list": rows, "pagination": {"total_page": 3}}) for rows in ([dead, dead], [dead], [dead, LIVE])]
    assert [server.id for server in provider("ilkbyte", *pages).list_servers()] == ["app1"]
    twins = [LIVE, {**LIVE, "created_time": "11.12.2020 10:00:00"}]
    assert len(provider("ilkbyte", ok({"server_list": twins})).list_servers()) == 2


def test_an_answer_about_a_deleted_server_does_not_hide_the_one_that_has_its_name_now() -> None:
    found = provider("ilkbyte", ok({**LIVE, "service": "cancel"}), ok({"server_list": [{**LIVE, "service": "cancel"}, LIVE]})).get_server("app1")
    assert found.power_state == RUNNING


@pytest.mark.parametrize("service", ["InProgress", "inprogress", "In Progress", "\u0130NPROGRESS"])
def test_a_server_that_is_provisioned_exists_and_is_not_ready(service: str) -> None:
    row = {**LIVE, "service": service, "status": "nil"}
    for found in (provider("ilkbyte", ok({"server_list": [row]})).list_servers()[0], provider("ilkbyte", ok(row)).get_server("app1")):
        assert (found.task_state, found.power_state) == (PROVISIONING, UNKNOWN)
    assert provider("ilkbyte", ok({**LIVE, "status": service})).get_server("app1").task_state == PROVISIONING


# --- VPS.org: UUIDs, and servers without a number


def test_one_server_is_read_by_its_uuid_and_by_its_number_only_after_a_404() -> None:
    shown = {**VPS_SERVER, "deployed": True}
    by_uuid = provider("vpsorg", page(VPS_SERVER), shown)
    assert by_uuid.get_server("12345").id == by_uuid.get_server("12345").id == "12345"
    assert [sent.path.split("/")[-2] for sent in by_uuid._api._http.sent] == ["servers", UUID, UUID]
    by_number = provider("vpsorg", page(VPS_SERVER), {"detail": "Server not found."}, shown, statuses=(200, 404, 200))
    assert by_number.get_server("web1").id == "12345"
    assert [sent.path.split("/")[-2] for sent in by_number._api._http.sent] == ["servers", UUID, "12345"]


def test_an_answer_without_number_and_name_keeps_the_listed_ones() -> None:
    shown = {"uuid": UUID, "hostname": "web1.example", "status": "stopped", "deployed": True, "ip_addresses": [{"version": 6, "ip": "2001:db8::1"}]}
    for reference in ("web1", "12345", UUID.upper()):
        bodies = (shown, page(VPS_SERVER)) if reference == UUID.upper() else (page(VPS_SERVER), shown)
        found = provider("vpsorg", *bodies).get_server(reference)
        assert (found.id, found.name, found.power_state, found.addresses) == ("12345", "web1", "stopped", ("2001:db8::1",))


def test_power_uses_the_uuid_and_the_number_only_if_reads_show_that_the_provider_does_not_know_the_uuid() -> None:
    server = Server("12345", "web1", raw=VPS_SERVER)
    done, missing, shown = {"status": "success", "server": {"id": 12345}}, {"detail": "Not found."}, {**VPS_SERVER, "deployed": True}
    for bodies, statuses, sent in (
        ([done], (200,), [("POST", UUID)]),
        ([missing, missing, shown, done], (404, 404, 200, 200), [("POST", UUID), ("GET", UUID), ("GET", "12345"), ("POST", "12345")]),
    ):
        made = provider("vpsorg", *bodies, statuses=statuses)
        made.set_power(server, "start")
        assert [(request.method, request.path.split("/servers/")[1].split("/")[0]) for request in made._api._http.sent] == sent
    # A gateway may respond to the change with 404 although the provider has executed it.
    for bodies, statuses in (([missing, shown], (404, 200)), ([missing, missing], (404, 404)), ([missing, missing, missing], (404, 401, 401))):
        made = provider("vpsorg", *bodies, statuses=statuses)
        with pytest.raises(RewindError) as caught:
            made.set_power(server, "start")
        assert (caught.value.http_status, caught.value.operation, len(made._api._http.changes)) == (404, "servers.power", 1)
    web_page = provider_with_session("vpsorg", FakeSession([HttpResponse(404, {}, b"<html>blocked</html>")]))
    with pytest.raises(RewindError) as caught:
        web_page.set_power(server, "start")
    assert caught.value.outcome == errors.UNKNOWN and len(web_page._api._http.sent) == 1


def test_an_id_may_be_a_uuid() -> None:
    made = provider("vpsorg", page({**VPS_SERVER, "id": UUID.upper(), "uuid": None}), {**VPS_SERVER, "id": UUID, "deployed": True})
    assert made.get_server("web1").id == UUID and made._api._http.sent[-1].path.endswith(f"/servers/{UUID}/")
    (found,) = provider("vpsorg", page({**VPS_SNAPSHOT, "id": UUID})).list_snapshots(None)
    assert (found.id, found.missing) == (UUID, ())


UNNUMBERED = {key: value for key, value in VPS_SERVER.items() if key != "id"}
OWN_SNAPSHOT = {**VPS_SNAPSHOT, "server": {"id": 12345, "name": "web1"}}
OTHER_SNAPSHOT = {**VPS_SNAPSHOT, "id": 802, "server": {"id": 2, "name": "web2"}}


def test_a_server_without_a_number_is_a_server_and_its_snapshots_are_those_of_its_name() -> None:
    (server,) = provider("vpsorg", page(UNNUMBERED)).list_servers()
    assert (server.id, server.name) == (UUID, "web1")
    made = provider("vpsorg", page(UNNUMBERED), page(OWN_SNAPSHOT, OTHER_SNAPSHOT))
    assert [(item.id, item.server.id, item.missing) for item in made.list_snapshots(server)] == [("801", UUID, ())]
    created = {**OWN_SNAPSHOT, "id": 803, "status": "in_progress"}
    made = provider("vpsorg", {**UNNUMBERED, "deployed": True}, page(UNNUMBERED), page(OWN_SNAPSHOT), created)
    assert made.create_snapshot(server, "nightly", None).server.id == UUID
    assert [sent.method for sent in made._api._http.sent] == ["GET", "GET", "GET", "POST"]


def test_a_server_without_a_number_whose_name_is_not_unique_or_that_has_no_snapshots() -> None:
    (server,) = provider("vpsorg", page(UNNUMBERED)).list_servers()
    twin = {**UNNUMBERED, "uuid": UUID.replace("6", "7", 1)}
    with pytest.raises(RewindError, match="2 servers have its name") as caught:
        provider("vpsorg", page(UNNUMBERED, twin), page(OWN_SNAPSHOT)).list_snapshots(server)
    assert (caught.value.kind, caught.value.outcome) == (errors.AMBIGUOUS, errors.NOT_APPLIED)
    made = provider("vpsorg", {**UNNUMBERED, "deployed": True}, page(UNNUMBERED), page())
    with pytest.raises(RewindError, match="does not show the number") as caught:
        made.create_snapshot(server, "nightly", None)
    assert caught.value.outcome == errors.NOT_APPLIED and not made._api._http.changes


@pytest.mark.parametrize("deployed", [False, "false"])
def test_a_server_that_is_not_deployed_gets_no_snapshot(deployed: object) -> None:
    assert provider("vpsorg", page(VPS_SERVER), {**VPS_SERVER, "deployed": deployed}).get_server("web1").task_state == PROVISIONING
    listed = Server("12345", "web1", RUNNING, raw=VPS_SERVER)
    made = provider("vpsorg", {**VPS_SERVER, "deployed": deployed})
    with pytest.raises(RewindError, match="still being provisioned") as caught:
        made.create_snapshot(listed, "nightly", None)
    assert (caught.value.kind, made._api._http.changes) == (errors.NOT_READY, [])


def test_a_server_without_an_address_in_the_list_is_read_once_more() -> None:
    bare = {**VPS_SERVER, "ip_address": None, "ipv4_addresses": []}
    made = provider("vpsorg", {**bare, "ipv6_addresses": ["2001:DB8::7"]})
    assert made.with_addresses(parse_server(bare)).address == "2001:db8::7"
    assert made.with_addresses(parse_server(VPS_SERVER)).address == "192.0.2.1" and len(made._api._http.sent) == 1
